"""What each layer would pay of one more yuan: exact shares at the point that a person's year has reached.

Taken at one fen. Every threshold lies on a whole fen, so within the next fen each curve is a straight line: the share
of a layer is the slope of its row times what the layers before it leave of that fen, and nothing where its cap is
spent. Nothing is rounded here; what is paid for a bill is rounded on the year's total.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from contracts.journal import Account
from contracts.pack import Layer, Pack, Row
from contracts.vocabulary import Care, Day, Reason
from workers.adjudication.adjudicate import NO_ACCOUNT, reached
from workers.adjudication.plan import not_looked_at

WHOLE = Fraction(1)
NOTHING = Fraction(0)


class Standing(NamedTuple):
    """Who would come to a hospital, and when: what a bill would say about the person."""

    day: Day
    insutype: str
    premium_subsidised: bool | None
    codes: Sequence[str]


class Part(NamedTuple):
    """What one layer would pay of one more fen in one part of a bill.

    `share` is None for a layer that the platform computes. `pending` is set for a layer that is paid on application:
    by how much what can be applied for would grow. `reason` says why both are nothing, where one
    of the closed list does.
    """

    layer: Layer
    row: Row | None
    share: Fraction | None
    pending: Fraction | None = None
    reason: Reason | None = None


def next_yuan(
    pack: Pack, standing: Standing, care: Care, bucket: int, accounts: Mapping[str, Account]
) -> tuple[Part, ...]:
    """Every layer's part of one more fen in `bucket`, in pack order, each of what the earlier layers leave.

    The fen is one that the platform's layers have left: what they would pay, they alone know.
    """
    left = WHOLE
    parts: list[Part] = []
    for layer, in_force in pack.layers_on(standing.day):
        if layer.mode == "reported":
            parts.append(Part(layer, None, None))
            continue
        reason = not_looked_at(layer, in_force, standing.insutype, care, frozenset())
        row = None
        if reason is None:
            row, reason = reached(layer, standing.codes, standing.premium_subsidised)
        if row is None:
            parts.append(_nothing(layer, None, reason))
            continue
        part = _of_row(layer, row, left if bucket in layer.base else NOTHING, accounts.get(layer.id, NO_ACCOUNT))
        parts.append(part)
        left -= part.share or 0
    return tuple(parts)


def _of_row(layer: Layer, row: Row, entering: Fraction, account: Account) -> Part:
    """What a row pays of the part of a fen that enters its layer."""
    curve = row.curve
    assert curve is not None
    if not entering:
        return _nothing(layer, row, Reason.NOTHING_LEFT)
    grows = entering * curve.share_at(account.base)
    room = None if row.cap is None else max(0, row.cap - account.paid)
    if layer.mode == "on_application":
        owed = curve.owed(account.base)
        if account.paid > owed:
            # More was paid than this row owes: the next fen only brings it nearer.
            return _nothing(layer, row, None)
        room = None if row.cap is None else max(0, row.cap - owed)
    share = grows if room is None else min(grows, Fraction(room))
    if share:
        return Part(layer, row, NOTHING, share) if layer.mode == "on_application" else Part(layer, row, share)
    if room == 0:
        return _nothing(layer, row, Reason.CAP_SPENT)
    return _nothing(layer, row, Reason.BELOW_DEDUCTIBLE if account.base < curve.deductible else None)


def _nothing(layer: Layer, row: Row | None, reason: Reason | None) -> Part:
    return Part(layer, row, NOTHING, NOTHING if layer.mode == "on_application" else None, reason)
