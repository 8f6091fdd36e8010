"""What one payout adds to the views: pure, exact, and the same whoever works it out.

A view is kept in parts. A part is named by a key (its kind, then what it is about) and belongs to one partition of the
payouts topic. Its value is nested dictionaries: numbers are added, everything else stands as it was written. Money is
fen.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from contracts.fields import moment
from contracts.money import Fen
from contracts.reconciliation import parse_signed
from contracts.vocabulary import ClrType, Kind, LayerId, Payee
from workers.settlement.pipeline import Movement, movement_of

Key = tuple[str, ...]
Value = dict[str, Any]
RowOf = Callable[[str, str], Value | None]
"""The row of a person's settlement, by `psn_no` and `setl_id`; None where none was seen."""

STATISTICS: Final = "statistics"  # region, institution, day -> hour -> layer and fund -> counters
CLEARING: Final = "clearing"  # office, region, fund, carrier, institution, month, kind of care -> day -> counters
YEARS: Final = "years"  # office, region, layer, fund, carrier, benefit year -> month -> counters
PERSONS: Final = "persons"  # region, layer, month, payout, line -> what a person is given or owes
ROWS: Final = "rows"  # institution, day, person, settlement, refund flag -> the row as a hospital has it

ANY: Final = ""
"""In a key: none, or all of them. A payout as a whole is counted under no layer."""

CHINA: Final = timezone(timedelta(hours=8))

MOVED: Final = {
    Movement.PAID: "paid",
    Movement.RETURNED: "returned",
    Movement.TOP_UP: "topped_up",
    Movement.CLAWBACK: "clawed_back",
}
"""The counter of each way in which money moves: as the workers' own metrics count it."""

ROW_AMOUNTS: Final = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")


def in_china(time: str) -> datetime:
    """A moment as the clock in China showed it: days and months of clearing are China's."""
    return moment(time).astimezone(CHINA)


def add(into: Value, more: Mapping[str, Any]) -> None:
    """Adds numbers to numbers, at any depth; writes everything else."""
    for name, value in more.items():
        if isinstance(value, dict):
            add(into.setdefault(name, {}), value)
        elif isinstance(value, int) and not isinstance(value, bool):
            into[name] = into.get(name, 0) + value
        else:
            into[name] = value


def contributions(payout: Mapping[str, Any], time: str, row_of: RowOf) -> dict[Key, Value]:
    """What a payout adds, by part. Fields that it does not know are left alone: a later worker may write more."""
    at = in_china(time)
    found: dict[Key, Value] = {}
    day, hour, month = at.strftime("%Y-%m-%d"), at.strftime("%H"), at.strftime("%Y%m")
    kind, region, hospital = payout["kind"], payout["pack"]["region"], payout.get("fixmedins_code", ANY)
    whole = {"payouts": {kind: 1}, **({"settlements": 1} if kind == Kind.SETTLEMENT else {})}
    hourly = found[STATISTICS, region, hospital, day] = {hour: {ANY: whole}}
    for line in payout["lines"]:
        delta = parse_signed(line["delta"])
        of_layer = f"{line['layer']} {line['fund_pay_type']}"
        if not line["payable"]:
            if delta:
                add(hourly, {hour: {of_layer: {"reported": delta}}})
            continue
        moved = MOVED[movement_of(line)[0]]
        counters = hourly[hour].setdefault(of_layer, {})
        counters["payouts"] = {kind: 1}  # once, however many lines the layer has
        add(counters, {moved: delta})
        carrier = payout["pack"].get("carrier", ANY) if line["layer"] == LayerId.SUPPLEMENTARY else ANY
        fund = (region, line["layer"], line["fund_pay_type"], carrier)
        year = (YEARS, payout["insuplc_admdvs"], *fund, str(payout["year"]))
        add(found.setdefault(year, {}), {month: {moved: delta, "lines": 1}})
        if line["payee"] == Payee.PERSON:
            person = (PERSONS, region, line["layer"], month, payout["payout_id"], str(line["seq"]))
            found[person] = _owed_to_person(payout, line, day)
    for key, cleared in _cleared(payout, month).items():
        add(found.setdefault(key, {}), {day[8:]: cleared})
    if kind in (Kind.SETTLEMENT, Kind.REVERSAL):
        key, row = _row(payout, day, row_of)
        found[key] = row
    return found


def _cleared(payout: Mapping[str, Any], month: str) -> dict[Key, Value]:
    """What hospital and fund clear: one settlement, or one refund, a statement, however many lines it has there."""
    refund = payout["kind"] == Kind.REVERSAL
    found: dict[Key, Value] = {}
    for line in payout["lines"]:
        if not line["payable"] or line["payee"] != Payee.INSTITUTION:
            continue
        carrier = payout["pack"].get("carrier", ANY) if line["layer"] == LayerId.SUPPLEMENTARY else ANY
        key = (
            *(CLEARING, payout["insuplc_admdvs"], payout["pack"]["region"], line["fund_pay_type"], carrier),
            *(payout["fixmedins_code"], month, payout.get("clr_type", ClrType.OTHER.value)),
        )
        cleared = found.setdefault(key, {"refd_setl_cnt" if refund else "fixmedins_setl_cnt": 1})
        add(cleared, {"lines": 1, "returned" if refund else "paid": parse_signed(line["delta"])})
    return found


def _owed_to_person(payout: Mapping[str, Any], line: Mapping[str, Any], day: str) -> Value:
    named = ("payout_id", "kind", "setl_id", "application_id", "psn_no", "insuplc_admdvs", "fixmedins_code")
    return {
        **{name: payout[name] for name in named if name in payout},
        "fund_pay_type": line["fund_pay_type"],
        # A string, so that the same line taken in twice is still the same line.
        "amount": line["delta"],
        "correction": line.get("correction"),
        "cause": payout["cause"],
        "day": day,
    }


def _row(payout: Mapping[str, Any], day: str, row_of: RowOf) -> tuple[Key, Value]:
    """The row of a settlement or of its refund, as the hospital's file has it (table 150).

    A refund's row is the settlement's with the signs turned: what was cleared, not what corrections made of it since.
    """
    refund = payout["kind"] == Kind.REVERSAL
    row: Value = {
        "mdtrt_id": payout["mdtrt_id"],
        "insuplc_admdvs": payout["insuplc_admdvs"],
        "insutype": payout.get("insutype"),
        "clr_type": payout.get("clr_type", ClrType.OTHER.value),
        "msgid": payout["cause"].get("msgid"),
        "medfee_sumamt": payout["medfee_sumamt"],
        "fund_pay_sumamt": payout["fund_pay_sumamt"],
        "acct_pay": payout.get("acct_pay", "0.00"),
    }
    if refund:
        settled = row_of(payout["psn_no"], payout["setl_id"]) or row
        row |= {name: negated(settled[name]) for name in ROW_AMOUNTS}
        row["voided"] = payout["cause"]["type"] == "voided"
    key = (ROWS, payout["fixmedins_code"], day, payout["psn_no"], payout["setl_id"], "1" if refund else "0")
    return key, row


def negated(amount: str) -> str:
    """An amount as Yidan writes it, with the other sign."""
    if parse_signed(amount) == 0:
        return amount
    return amount.removeprefix("-") if amount.startswith("-") else f"-{amount}"


def summed(counters: Mapping[str, Any], *names: str) -> Fen:
    """The sum of some counters; one that is not there is nothing."""
    return sum(counters.get(name, 0) for name in names)
