"""One bill, settled slowly: what every layer of a pack pays for it, given what the year has counted so far.

The auditor's half of "two models": written from the contract (design §3, §4) and from nothing else. Amounts are exact
`Fraction`s of a yuan, packs are read for what they declare and never asked to compute, nothing is cached, and every
rule stands where the contract states it. Speed is the other model's business.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from contracts.pack import Layer, Pack, PackSet, Row

Event = Mapping[str, Any]
"""An accepted event as the wire's JSON has it: money is text, `null` is absent."""

BILL_PARTS = ("inscp_scp_amt", "preselfpay_amt", "overlmt_selfpay", "fulamt_ownpay_amt")
"""自负, 自理, 超限价, 自费: the order of a pack's bucket indexes, and the order in which reported money draws."""

FUNDS = ("hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "hifdm_pay", "maf_pay", "oth_pay")
HOSPITAL_PART = "hosp_part_amt"

CARES = {
    "住院": ("21", "22", "23", "24", "26", "28"),
    "特殊病种门诊": ("14",),
    "门诊": ("11", "13"),
}

DOES_NOT_COMPUTE = ("not_in_force", "other_insurance", "care_not_covered", "excluded_cause", "delegated")
"""Reasons from which a computed layer has no say in a bill: money reported for it stands as reported."""


def yuan(written: str | int | None) -> Fraction:
    """The amount that the wire writes; absent is nothing."""
    return Fraction(0 if written is None else written)


def written(amount: Fraction) -> str:
    """The wire form of an amount, which must be whole fen."""
    fen = amount * 100
    if fen.denominator != 1:
        raise AssertionError(f"{amount} yuan is not a whole number of fen")
    return f"{'-' if fen < 0 else ''}{abs(fen.numerator) // 100}.{abs(fen.numerator) % 100:02d}"


def ratio_written(ratio: Fraction) -> str:
    """The wire form of a share: a decimal of at least two places, `0.70`."""
    decimal = Decimal(ratio.numerator) / Decimal(ratio.denominator)
    return f"{decimal:f}" if decimal != round(decimal, 2) else f"{decimal:.2f}"


def half_up(amount: Fraction) -> Fraction:
    """Rounded to the fen, a half fen upwards."""
    return Fraction(floor(amount * 100 + Fraction(1, 2)), 100)


def from_fen(fen: int) -> Fraction:
    """A pack's amount in yuan."""
    return Fraction(fen, 100)


# What a pack declares ───────────────────────────────────────────────────────────────────────────


def pack_for(packs: PackSet, region: str) -> Pack | None:
    """The pack of the longest match: `331000` matches every `3310xx`."""
    found: tuple[int, Pack] | None = None
    for pack in packs.packs:
        prefix = pack.county or pack.region
        while prefix.endswith("00") and len(prefix) > 2:
            prefix = prefix[:-2]
        if region.startswith(prefix) and (found is None or len(prefix) > found[0]):
            found = len(prefix), pack
    return None if found is None else found[1]


def layers_for(pack: Pack, day: str) -> list[Layer]:
    """Every layer once, in pack order: the edition in force on `day`, else the last begun, else the first to come."""
    editions: dict[str, list[Layer]] = {}
    for layer in pack.layers:
        editions.setdefault(layer.id, []).append(layer)
    chosen = []
    for of_one_layer in editions.values():
        in_force = [edition for edition in of_one_layer if is_in_force(edition, day)]
        begun = [edition for edition in of_one_layer if edition.first_day <= day]
        by_first_day = sorted(in_force or begun or of_one_layer, key=lambda edition: edition.first_day)
        chosen.append(by_first_day[-1] if begun else by_first_day[0])
    return chosen


def is_in_force(layer: Layer, day: str) -> bool:
    """Whether a discharge on `day` falls into this edition; both ends count."""
    return layer.first_day <= day and (layer.last_day is None or day <= layer.last_day)


def care_of(event: Event) -> str:
    """The kind of care; longer codes refine the first two digits, other national codes are covered by nothing."""
    return next((care for care, codes in CARES.items() if event["med_type"][:2] in codes), "其他")


def covers_care(layer: Layer, event: Event) -> bool:
    """Whether the layer looks at care of this kind."""
    return care_of(event) in {str(care) for care in layer.cares}


def owned_fields(layers: Sequence[Layer], layer: Layer, event: Event) -> list[str]:
    """The fund fields that are this layer's for this bill.

    A field named by two layers belongs to the one whose care covers the bill, else to the first that names it.
    """
    owned = []
    for name in layer.fund_fields:
        naming = [other for other in layers if name in other.fund_fields]
        covering = [other for other in naming if covers_care(other, event)]
        owner = naming[0] if len(naming) == 1 else (covering or naming)[0]
        if owner.id == layer.id:
            owned.append(name)
    return owned


def reported_for(layers: Sequence[Layer], layer: Layer, event: Event) -> Fraction:
    """What the platform has already paid in this layer's name."""
    return sum((yuan(event.get(name)) for name in owned_fields(layers, layer, event)), Fraction(0))


def row_by_identity(layer: Layer, codes: Iterable[str]) -> Row | None:
    """The first row that an identity opens. A row for everybody needs none."""
    held = set(codes)
    return next((row for row in layer.rows if row.codes is None or held & row.codes), None)


def rates(row: Row) -> list[tuple[Fraction, Fraction]]:
    """The row's marginal ratios as (start, ratio), the deductible's own stretch included as ratio 0."""
    assert row.curve is not None
    deductible = from_fen(row.curve.deductible)
    tiers = [(from_fen(start), ratio) for start, ratio in row.curve.tiers]
    at_deductible = [ratio for start, ratio in tiers if start <= deductible][-1:]
    stretches = [(deductible, ratio) for ratio in at_deductible] + [tier for tier in tiers if tier[0] > deductible]
    return stretches if deductible == 0 else [(Fraction(0), Fraction(0)), *stretches]


def slices(row: Row, before: Fraction, after: Fraction) -> list[tuple[Fraction, Fraction, Fraction]]:
    """The stretches of the year's base between two points, each with the ratio it is paid at."""
    stretches = rates(row)
    found = []
    for position, (start, ratio) in enumerate(stretches):
        end = stretches[position + 1][0] if position + 1 < len(stretches) else max(after, start)
        low, high = max(start, before), min(end, after)
        if low < high:
            found.append((low, high, ratio))
    return found


def owed(row: Row, base: Fraction) -> Fraction:
    """What the row owes in total on a year's base, rounded half up, before its cap."""
    return half_up(sum(((high - low) * ratio for low, high, ratio in slices(row, Fraction(0), base)), Fraction(0)))


# One bill ───────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Account:
    """What one layer has counted and paid in the year so far."""

    base: Fraction = Fraction(0)
    paid: Fraction = Fraction(0)


Accounts = dict[str, Account]


@dataclass
class Decided:
    """How a layer that reached a decision came to it."""

    row: Row
    base: Fraction
    base_before: Fraction
    base_after: Fraction
    cap: Fraction | None
    headroom: Fraction | None
    cap_left: Fraction | None


@dataclass
class Line:
    """What one layer does for one bill."""

    layer: Layer
    status: str
    reason: str | None
    paid: Fraction = Fraction(0)
    pending: Fraction | None = None
    decided: Decided | None = None


@dataclass
class Bill:
    """A bill with every layer's line and what is left to the person, by part of the bill."""

    event: Event
    pack: Pack
    codes: frozenset[str]
    left: list[Fraction]
    lines: list[Line] = field(default_factory=list)
    others: dict[str, Fraction] = field(default_factory=dict)
    already_paid: bool = False
    to_come: Fraction = Fraction(0)
    """Money reported for the layers after the one that is being settled."""
    unfit: Fraction = Fraction(0)
    """Reported money for which the bill has no room, or had none beside what a layer would have paid."""

    @property
    def total(self) -> Fraction:
        """The four parts of the bill together."""
        return yuan(self.event["medfee_sumamt"])

    @property
    def funds(self) -> Fraction:
        """`fund_pay_sumamt`: every layer and the funds that no layer names; the hospital's share is no fund."""
        others = sum((amount for name, amount in self.others.items() if name != HOSPITAL_PART), Fraction(0))
        return sum((line.paid for line in self.lines), others)

    @property
    def self_pay(self) -> Fraction:
        """`psn_part_amt`."""
        return sum(self.left, Fraction(0))

    def draw(self, order: Iterable[int], amount: Fraction) -> None:
        """Take money off the parts of the bill in this order. What does not fit anywhere is remembered."""
        for part in order:
            drawn = min(amount, self.left[part])
            self.left[part] -= drawn
            amount -= drawn
        self.unfit += amount


def settle(event: Event, pack: Pack, codes: frozenset[str], accounts: Accounts) -> Bill:
    """The bill with all its layers, drawn in pack order; adds what each layer counts and pays to `accounts`."""
    layers = layers_for(pack, event["enddate"])
    bill = Bill(event, pack, codes, [yuan(event[part]) for part in BILL_PARTS])
    named = {name for layer in layers for name in layer.fund_fields}
    unnamed = {name: yuan(event.get(name)) for name in (*FUNDS, HOSPITAL_PART) if name not in named}
    bill.others = {name: amount for name, amount in unnamed.items() if amount}
    others_drawn = False
    for position, layer in enumerate(layers):
        if layer.mode != "reported" and not others_drawn:
            bill.draw(range(4), sum(bill.others.values(), Fraction(0)))
            others_drawn = True
        reported = reported_for(layers, layer, event)
        bill.to_come = sum((reported_for(layers, later, event) for later in layers[position + 1 :]), Fraction(0))
        bill.lines.append(line_of(bill, layer, reported, accounts.setdefault(layer.id, Account())))
    if not others_drawn:
        bill.draw(range(4), sum(bill.others.values(), Fraction(0)))
    return bill


def line_of(bill: Bill, layer: Layer, reported: Fraction, account: Account) -> Line:
    """What one layer does, after every earlier layer has drawn."""
    if layer.mode == "reported":
        bill.draw(range(4), reported)
        return Line(layer, "reported", None, reported)
    reason, row = standing(layer, bill)
    if reason in DOES_NOT_COMPUTE:
        bill.draw(range(4), reported)
        return Line(layer, "reported", None, reported) if reported else Line(layer, "nothing", reason)
    bill.already_paid = bill.already_paid or reported > 0
    if row is None and not reported:
        return Line(layer, "nothing", reason)
    left, counted = list(bill.left), replace(account)
    line = None if row is None else computed_line(bill, layer, row, account)
    if line is not None and line.paid > reported:
        return line
    if line is not None and not reported:
        return line
    # Accepted when the layer did not compute: what the platform paid then is part of what is owed now, or stands.
    bill.left[:] = left
    account.base, account.paid = counted.base, counted.paid
    bill.draw(range(4), reported)
    return Line(layer, "reported", None, reported)


def standing(layer: Layer, bill: Bill) -> tuple[str | None, Row | None]:
    """The first reason from `not_in_force` to `no_identity` that holds, or the row that counts."""
    event = bill.event
    if not is_in_force(layer, event["enddate"]):
        return "not_in_force", None
    if layer.insutypes is not None and event["insutype"] not in layer.insutypes:
        return "other_insurance", None
    if not covers_care(layer, event):
        return "care_not_covered", None
    if set(event.get("exclusions") or ()) & {str(exclusion) for exclusion in layer.excludes}:
        return "excluded_cause", None
    row = row_by_identity(layer, bill.codes)
    if layer.mode == "on_application":
        return None, row or layer.rows[-1]
    if row is None or (layer.needs_subsidised_premium and event.get("premium_subsidised") is False):
        return "no_identity", None
    return ("delegated", None) if row.curve is None else (None, row)


def computed_line(bill: Bill, layer: Layer, row: Row, account: Account) -> Line:
    """A layer that computes, or would on application: the year's base moves, and the row says what that is worth.

    pay = max(0, min(round(F(base_before + base)) − round(F(base_before)), cap − paid_before))
    """
    assert row.curve is not None
    base = sum((bill.left[part] for part in layer.base), Fraction(0))
    before, after = account.base, account.base + base
    cap = None if row.cap is None else from_fen(row.cap)
    account.base = after
    if layer.mode == "on_application":
        due = owed(row, after) if cap is None else min(cap, owed(row, after))
        pending = max(Fraction(0), due - account.paid)
        line = Line(layer, "pending_application", None, pending=pending)
        pay = pending
    else:
        step = owed(row, after) - owed(row, before)
        pay = within_the_bill(bill, max(Fraction(0), step if cap is None else min(step, cap - account.paid)))
        line = Line(layer, "paid" if pay else "nothing", None, pay)
    if not pay:
        line.reason = why_nothing(layer, row, base, after, cap is not None and account.paid >= cap)
    headroom = None if cap is None else max(Fraction(0), cap - account.paid)
    account.paid += line.paid
    cap_left = None if cap is None else max(Fraction(0), cap - account.paid)
    line.decided = Decided(row, base, before, after, cap, headroom, cap_left)
    bill.draw(layer.base, line.paid)
    return line


def within_the_bill(bill: Bill, pay: Fraction) -> Fraction:
    """Never more than leaves room for the money that later layers have already paid.

    A bill that needs this is refused when it comes (`fund_payments_exceed_bill`). It can also happen to one accepted
    long ago, when a correction gives an earlier layer more: the contract is silent there, and what the platform has
    moved stays moved.
    """
    room = max(Fraction(0), bill.self_pay - bill.to_come)
    bill.unfit += max(Fraction(0), pay - room)
    return min(pay, room)


def why_nothing(layer: Layer, row: Row, base: Fraction, after: Fraction, cap_is_spent: bool) -> str:
    """The first reason that holds for a decision of nothing.

    On application it is the year's base that counts, so a bill with nothing left is no reason.
    """
    assert row.curve is not None
    if not base and layer.mode == "computed":
        return "nothing_left"
    if cap_is_spent:
        return "cap_spent"
    if after <= from_fen(row.curve.deductible):
        return "below_deductible"
    return "rounds_to_nothing"


def codes_valid(identities: Sequence[Event] | None, day: str) -> frozenset[str]:
    """The identities of a list that are valid on `day`, both ends included. No list is no identity."""
    return frozenset(
        identity["psn_idet_type"]
        for identity in identities or ()
        if identity["begntime"] <= day and (identity.get("endtime") is None or day <= identity["endtime"])
    )


def moved_slices(decided: Decided) -> Iterator[tuple[Fraction, Fraction, Fraction]]:
    """The slices of the year's base that the bill moved through."""
    yield from slices(decided.row, decided.base_before, decided.base_after)
