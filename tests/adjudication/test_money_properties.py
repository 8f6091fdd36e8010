"""What money must do whatever the year: these hold of the core's payouts alone, with no second model to ask.

`YIDAN_PERSON_YEARS` sets how many years are drawn, as for `test_two_models.py`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Final, cast

from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st

from contracts.pack import PackSet
from contracts.pack_file import load_directory
from tests.adjudication.constant_years import Bill, ConstantYear, constant_years, split_stays
from tests.adjudication.person_years import PERSON_YEARS, Event, PersonYear, person_years
from tests.adjudication.telling import tell
from workers.rehearsal.auditor_bill import yuan
from workers.settlement.offline import Settler

Payout = dict[str, Any]

PACKS: Final[PackSet] = load_directory()

look = settings(
    max_examples=PERSON_YEARS // 6,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def settle_all(events: Iterable[Event]) -> list[list[Payout]]:
    """The core's payouts for each event, from an empty book."""
    core = Settler(PACKS)
    return [cast("list[Payout]", list(core.take(json.dumps(event).encode()).payouts)) for event in events]


def payouts_of(year: PersonYear) -> list[Payout]:
    return [payout for emitted in settle_all(year.events) for payout in emitted]


def latest(payouts: Iterable[Payout]) -> dict[str, Payout]:
    """The last word on each settlement."""
    return {payout["setl_id"]: payout for payout in payouts}


def live(payouts: Iterable[Payout]) -> list[Payout]:
    return [payout for payout in latest(payouts).values() if payout["kind"] != "reversal"]


def total(amounts: Iterable[str]) -> Fraction:
    return sum(map(yuan, amounts), Fraction(0))


@look
@given(person_years(PACKS))
def test_the_parts_of_every_payout_add_up_to_its_bill(year: PersonYear):
    for payout in payouts_of(year):
        others = payout.get("other_payments", {})
        hospital = yuan(others.get("hosp_part_amt"))
        left = total(payout["left"].values())
        funds = total(line["fund_payamt"] for line in payout["lines"]) + total(others.values()) - hospital
        note(f"{payout['payout_id']}: {payout['kind']}")
        assert left == yuan(payout["psn_part_amt"])
        if payout["kind"] == "reversal":
            assert not left
            assert not funds
            assert payout["fund_pay_sumamt"] == "0.00"
        else:
            assert funds == yuan(payout["fund_pay_sumamt"])
            assert funds + left + hospital == yuan(payout["medfee_sumamt"])
            assert all(yuan(amount) >= 0 for amount in payout["left"].values())


@look
@given(person_years(PACKS))
def test_no_layer_pays_above_its_base_or_its_headroom(year: PersonYear):
    payouts = payouts_of(year)
    for payout in payouts:
        for line in payout["lines"]:
            note(f"{payout['payout_id']} {line['layer']}")
            paid = yuan(line["fund_payamt"])
            assert paid >= 0
            if "inscp_scp_amt" in line:
                assert paid <= yuan(line["inscp_scp_amt"])
                assert yuan(line["base_after"]) - yuan(line["base_before"]) == yuan(line["inscp_scp_amt"])
            if line.get("cap") is not None:
                assert paid <= yuan(line["crt_payb_lmt_amt"]) <= yuan(line["cap"])
    for name, paid in paid_by_layer(live(payouts)).items():
        caps = [row.cap for pack in PACKS.packs for layer in pack.layers if layer.id == name[-1] for row in layer.rows]
        if caps and None not in caps:
            assert paid * 100 <= max(cap for cap in caps if cap is not None), name


def paid_by_layer(payouts: Iterable[Payout]) -> dict[tuple[str, int, str], Fraction]:
    """What every layer has computed and paid in each year."""
    paid: dict[tuple[str, int, str], Fraction] = defaultdict(Fraction)
    for payout in payouts:
        for line in payout["lines"]:
            if line["status"] != "reported":
                paid[payout["pack"]["region"], payout["year"], line["layer"]] += yuan(line["fund_payamt"])
    return paid


@look
@given(person_years(PACKS))
def test_deltas_add_up_to_the_latest_amount_of_every_layer(year: PersonYear):
    payouts = payouts_of(year)
    moved: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for payout in payouts:
        for line in payout["lines"]:
            moved[payout["setl_id"], line["layer"]] += yuan(line["delta"])
    for setl_id, payout in latest(payouts).items():
        for line in payout["lines"]:
            note(f"{payout['payout_id']} {line['layer']}")
            assert moved[setl_id, line["layer"]] == yuan(line["fund_payamt"])


@look
@given(person_years(PACKS))
def test_a_reversal_takes_back_from_each_payee_exactly_what_it_received(year: PersonYear):
    payouts = payouts_of(year)
    held: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for payout in payouts:
        for line in payout["lines"]:
            assert line["payable"] == (line["payee"] is not None)
            if line["payable"]:
                held[payout["setl_id"], line["layer"], line["payee"]] += yuan(line["delta"])
    reversed_ids = {payout["setl_id"] for payout in payouts if payout["kind"] == "reversal"}
    kept = {key: amount for key, amount in held.items() if key[0] in reversed_ids and amount}
    assert kept == {}


@look
@given(constant_years(PACKS), st.data())
def test_a_year_taken_back_bill_by_bill_leaves_nothing_with_anybody(year: ConstantYear, data: st.DataObject):
    order = data.draw(st.permutations(range(1, len(year.bills) + 1)))
    held: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for emitted in settle_all([*year.events(year.bills), *year.taken_back(order)]):
        for payout in emitted:
            for line in payout["lines"]:
                if line["payable"]:
                    held[payout["setl_id"], line["payee"]] += yuan(line["delta"])
    assert {key: amount for key, amount in held.items() if amount} == {}


# A settlement that never was ────────────────────────────────────────────────────────────────────


@look
@given(person_years(PACKS), st.data())
def test_taking_a_settlement_back_leaves_the_year_as_if_it_had_never_been(year: PersonYear, data: st.DataObject):
    """Precondition: the same later bills are accepted in both worlds.

    Reported money after a computed layer can make a bill acceptable in one of them only (`fund_payments_exceed_bill`).
    """
    accepted = [
        event for event, answer in zip(year.events, year.answers, strict=True) if answer.payouts and "med_type" in event
    ]
    assume(accepted)
    gone = data.draw(st.sampled_from(accepted))
    others = [event for event in year.events if event["setl_id"] != gone["setl_id"]]
    probes = [probe(event, f"PROBE{number}") for number, event in enumerate(accepted)]
    undone = {"type": "reversed", "setl_id": gone["setl_id"]} | {key: gone[key] for key in ("psn_no", "setl_time")}
    place = next(number for number, event in enumerate(year.events) if event is gone)
    before = [event for event in year.events[:place] if event in others]
    after = others[len(before) :]
    never = settle_all([*others, *probes])
    once = settle_all([*before, gone, *after, undone | {"msgid": "UNDONE"}, *probes])
    del once[len(others) + 1], once[len(before)]
    assume([bool(said) for said in never] == [bool(said) for said in once])
    note(f"taken back: {gone['setl_id']}")
    for at, one, other in zip((*others, *probes), never, once, strict=True):
        if at in probes:
            note(tell(0, at))
            assert [stripped(payout) for payout in one] == [stripped(payout) for payout in other]


def probe(event: Event, setl_id: str) -> Event:
    """A bill of the same kind and day, small enough to show where every account stands."""
    money = {name for name in event if name.endswith(("_pay", "_amt", "_sumamt", "_selfpay")) or name == "acct_pay"}
    bill = {name: value for name, value in event.items() if name not in money}
    parts = {"inscp_scp_amt": "1.00", "preselfpay_amt": "1.00", "overlmt_selfpay": "1.00", "fulamt_ownpay_amt": "1.00"}
    return bill | parts | {"medfee_sumamt": "4.00", "setl_id": setl_id, "msgid": setl_id}


def stripped(payout: Payout) -> Payout:
    return {key: value for key, value in payout.items() if key not in ("cause", "payout_id", "revision")}


# Order and splitting ────────────────────────────────────────────────────────────────────────────


def year_end(year: ConstantYear, bills: Sequence[Bill]) -> dict[str, Any]:
    """What the year comes to when these bills arrive in this order: per layer, and for the person."""
    payouts = [payout for emitted in settle_all(year.events(bills)) for payout in emitted]
    assert len(payouts) == len(bills), "every bill of such a year is settled"
    lines = [line for payout in payouts for line in payout["lines"]]
    decided = [line for line in lines if "base_after" in line]
    return {
        "paid": dict(paid_by_layer(payouts)),
        "base": {line["layer"]: line["base_after"] for line in decided},
        "pending": {line["layer"]: line["pending_payamt"] for line in decided if "pending_payamt" in line},
        "left to the person": total(payout["psn_part_amt"] for payout in payouts),
    }


@look
@given(constant_years(PACKS), st.data())
def test_the_order_of_arrival_changes_no_yearly_total(year: ConstantYear, data: st.DataObject):
    """Precondition: see `ConstantYear`. The totals are per layer and year, never per bill."""
    other = data.draw(st.permutations(year.bills))
    assert year_end(year, other) == year_end(year, year.bills)


@look
@given(constant_years(PACKS), st.data())
def test_splitting_a_stay_changes_no_yearly_total(year: ConstantYear, data: st.DataObject):
    """Precondition: see `ConstantYear`; each part of the stay has its own share of the reported money in its 自负."""
    split = data.draw(split_stays(year.bills))
    assert year_end(year, split) == year_end(year, year.bills)
