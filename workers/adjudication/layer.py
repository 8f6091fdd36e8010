"""What one layer decides for one settlement."""

from collections.abc import Sequence
from typing import NamedTuple

from contracts.journal import Account
from contracts.money import Fen
from contracts.pack import Curve, Layer, Row
from contracts.vocabulary import Reason, Status


class Decision(NamedTuple):
    """One layer's answer, in fen. `before` is the year's base before; `headroom` what the cap left before paying.

    `row` is None where no row was reached; `headroom` is None for an uncapped row; `pending` is set only for a layer
    that is paid on application. `reported` is the part of `paid` that the platform had moved itself.
    """

    layer: Layer
    status: Status
    reason: Reason | None
    paid: Fen = 0
    row: Row | None = None
    base: Fen = 0
    before: Fen = 0
    headroom: Fen | None = None
    pending: Fen | None = None
    reported: Fen = 0


def row_for(layer: Layer, codes: Sequence[str]) -> Row | None:
    """The first row, most favourable first, that one of the identities matches: the higher benefit, never two."""
    for row in layer.rows:
        if row.codes is None or not row.codes.isdisjoint(codes):
            return row
    return None


def decide(layer: Layer, row: Row, base: Fen, account: Account, fits: Fen | None = None) -> Decision:
    """What `layer` pays on `base` under `row`, given the year's account.

        pay = max(0, min(owed(base_before + base) − owed(base_before), cap − paid_before))

    `fits` bounds the payment where later payments are already made and must still find room in the bill.
    """
    curve = row.curve
    assert curve is not None
    before = account.base
    headroom = None if row.cap is None else max(0, row.cap - account.paid)
    owed = curve.owed(before + base) - curve.owed(before) if base else 0
    paid = owed if headroom is None or owed < headroom else headroom
    if fits is not None and paid > fits:
        paid = fits
    if paid > 0:
        return Decision(layer, Status.PAID, None, paid, row, base, before, headroom)
    reason = Reason.NOTHING_LEFT if base == 0 else why_nothing(headroom, before + base, curve)
    return Decision(layer, Status.NOTHING, reason, 0, row, base, before, headroom)


def pend(layer: Layer, row: Row, base: Fen, account: Account) -> Decision:
    """What a layer that is paid on application would owe on the year so far; nothing is paid and nothing drawn."""
    curve = row.curve
    assert curve is not None
    before = account.base
    owed = curve.owed(before + base)
    due = owed if row.cap is None else min(row.cap, owed)
    headroom = None if row.cap is None else max(0, row.cap - account.paid)
    pending = max(0, due - account.paid)
    reason = None if pending else why_nothing(headroom, before + base, curve)
    return Decision(layer, Status.PENDING_APPLICATION, reason, 0, row, base, before, headroom, pending)


def why_nothing(headroom: Fen | None, base_after: Fen, curve: Curve) -> Reason:
    """Why a row that was reached, with something to look at, owes nothing."""
    if headroom == 0:
        return Reason.CAP_SPENT
    if base_after <= curve.deductible:
        return Reason.BELOW_DEDUCTIBLE
    return Reason.ROUNDS_TO_NOTHING
