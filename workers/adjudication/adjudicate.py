"""One bill through every layer of its pack: the layers draw on it in order, each on what the earlier ones left."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.discharge import Settled
from contracts.journal import Account
from contracts.money import Fen
from contracts.pack import Layer, Row
from contracts.vocabulary import BUCKET_FIELDS, Reason, Refusal, Status
from workers.adjudication.layer import Decision, decide, pend, row_for
from workers.adjudication.plan import Plan, Step
from workers.adjudication.refuse import RefusedError

NO_ACCOUNT = Account()


class Adjudication(NamedTuple):
    """What every layer decided for a bill. Amounts in fen.

    `left` is what the person still pays, by bucket; `others` what was paid by funds that no layer names (the hospital's
    own share included, under its field); `accounts` the year's accounts afterwards.
    """

    decisions: tuple[Decision, ...]
    left: tuple[Fen, Fen, Fen, Fen]
    others: dict[str, Fen]
    accounts: Mapping[str, Account]

    @property
    def psn_part_amt(self) -> Fen:
        """Everything that the person still pays."""
        return sum(self.left)


def adjudicate(
    bill: Settled, codes: Sequence[str], plan: Plan, accounts: Mapping[str, Account], *, again: bool = False
) -> Adjudication:
    """Every layer's decision for `bill`, given the year's accounts before it.

    Refuses `layer_already_paid` and `fund_payments_exceed_bill`. A bill that was accepted before (`again`) is not
    refused: its reported payments are facts. The computed layers give way where both no longer fit. Where a layer that
    did not compute when the bill came does now, what was reported is part of what it pays, and stands if it is more.
    """
    fields = bill.__dict__
    left = [fields[name] for name in BUCKET_FIELDS]
    after: dict[str, Account] = dict(accounts)
    decisions: list[Decision] = []
    others: dict[str, Fen] = {}
    reported_later = _reported_later(bill, plan) if again else None

    for position, step in enumerate(plan.steps):
        if position == plan.unnamed_before:
            _draw_unnamed(bill, plan, left, others)
        layer = step.layer
        reported = 0
        for name in step.reports:
            reported += fields[name] or 0
        if not reported and step.quiet is not None:
            decisions.append(step.quiet)
            continue
        reason = step.reason
        row = None
        if reason is None and layer.mode != "reported":
            row, reason = reached(layer, codes, bill.premium_subsidised)
        if layer.mode == "reported" or (reported and (reason in _STANDS_AS_REPORTED or (again and row is None))):
            _draw(left, reported, step.reports)
            decisions.append(Decision(layer, Status.REPORTED, None, reported, reported=reported))
            continue
        if reported and not again:
            raise _already_paid(bill, step)
        if row is None:
            decisions.append(Decision(layer, Status.NOTHING, reason))
            continue
        base = 0
        for bucket in layer.base:
            base += left[bucket]
        account = after.get(layer.id, NO_ACCOUNT)
        if layer.mode == "on_application":
            decisions.append(pend(layer, row, base, account))
            after[layer.id] = Account(account.base + base, account.paid, row.cap)
            continue
        fits = None if reported_later is None else sum(left) - reported_later[position]
        decision = decide(layer, row, base, account, fits)
        paid = decision.paid
        if reported and paid <= reported:
            _draw(left, reported, step.reports)
            decisions.append(Decision(layer, Status.REPORTED, None, reported, reported=reported))
            continue
        decisions.append(decision._replace(reported=reported) if reported else decision)
        after[layer.id] = Account(account.base + base, account.paid + paid, row.cap)
        if paid:
            _take(left, paid, layer.base)
    if plan.unnamed_before == len(plan.steps):
        _draw_unnamed(bill, plan, left, others)
    return Adjudication(tuple(decisions), (left[0], left[1], left[2], left[3]), others, after)


_STANDS_AS_REPORTED = frozenset(
    (
        Reason.NOT_IN_FORCE,
        Reason.OTHER_INSURANCE,
        Reason.CARE_NOT_COVERED,
        Reason.EXCLUDED_CAUSE,
        Reason.DELEGATED,
    )
)
"""Where a layer does not compute for a settlement, what the platform says it paid stands."""


def reached(layer: Layer, codes: Sequence[str], premium_subsidised: bool | None) -> tuple[Row | None, Reason | None]:
    """The row that decides, or why none does."""
    row = row_for(layer, codes)
    if layer.mode == "on_application":
        return row or layer.rows[-1], None
    if layer.needs_subsidised_premium and premium_subsidised is False:
        return None, Reason.NO_IDENTITY
    if row is None:
        return None, Reason.NO_IDENTITY
    if row.curve is None:
        return None, Reason.DELEGATED
    return row, None


def _already_paid(bill: Settled, step: Step) -> RefusedError:
    return RefusedError(
        Refusal.LAYER_ALREADY_PAID,
        next(name for name in step.reports if getattr(bill, name)),
        f"{step.layer.id} is computed here for this settlement: send its fund field as null",
    )


def _take(left: list[Fen], amount: Fen, buckets: Sequence[int]) -> Fen:
    """Take an amount from buckets in their order; what did not fit."""
    for bucket in buckets:
        drawn = min(amount, left[bucket])
        left[bucket] -= drawn
        amount -= drawn
        if not amount:
            break
    return amount


def _draw(left: list[Fen], amount: Fen, fields: Sequence[str]) -> None:
    """Take a payment made elsewhere from what is left: 自负, 自理, 超限价, 自费. Refuses what does not fit."""
    if _take(left, amount, (0, 1, 2, 3)):
        raise RefusedError(
            Refusal.FUND_PAYMENTS_EXCEED_BILL,
            fields[0],
            "the payments reported for this bill are more than the bill: send each fund's own payment once",
        )


def _draw_unnamed(bill: Settled, plan: Plan, left: list[Fen], others: dict[str, Fen]) -> None:
    fields = bill.__dict__
    for name in plan.unnamed:
        amount = fields[name]
        if amount:
            others[name] = amount
            _draw(left, amount, (name,))


def _reported_later(bill: Settled, plan: Plan) -> list[Fen]:
    """For each step, what is reported at later steps and must still find room in the bill."""
    later = 0
    sums: list[Fen] = []
    for position in reversed(range(len(plan.steps))):
        sums.append(later)
        later += sum(getattr(bill, name) or 0 for name in plan.steps[position].reports)
        if position == plan.unnamed_before:
            later += sum(getattr(bill, name) or 0 for name in plan.unnamed)
    return sums[::-1]
