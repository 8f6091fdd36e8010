"""A person's year as it is told: everything that was settled and corrected, where it stands, what comes next."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from contracts.year_sheet import READ_YEAR_SHEET, RegionSheet, YearSheet
from tests.adjudication.person_years import PERSON_YEARS, PersonYear, person_years
from tests.desk.year_events import (
    JINGNING,
    PACKS,
    PERSON,
    TAIYUAN,
    Event,
    bill,
    carried,
    decision,
    encoded,
    reversal,
    settled,
)
from workers.adjudication.explain_year import explain_year
from workers.adjudication.page import COLUMNS, width
from workers.desk.person_year import person_years as read_years
from workers.desk.source import FileSource, SourceUnfit
from workers.desk.year_sheet import year_sheet
from workers.settlement.offline import Settler


async def told(source: FileSource, year: int = 2021, on: str | None = None, psn_no: str = PERSON) -> YearSheet:
    years = await read_years(source, psn_no, year)
    sheet = year_sheet(source.books, psn_no, year, years, on or f"{year}-12-31")
    assert READ_YEAR_SHEET.validate_json(json.dumps(sheet)) == sheet
    return sheet


async def region(*events: Event, year: int = 2021, on: str | None = None) -> RegionSheet:
    (found,) = (await told(settled(*events), year, on))["regions"]
    return found


def layer(sheet: RegionSheet, name: str) -> Any:
    (found,) = [each for each in sheet["layers"] if each["layer"] == name]
    return found


def following(sheet: RegionSheet, name: str, care: str = "住院") -> Any:
    assert sheet["next_yuan"] is not None
    (of_care,) = [each for each in sheet["next_yuan"]["cares"] if each["care"] == care]
    (found,) = [each for each in of_care["layers"] if each["layer"] == name]
    return found


TWO = (
    bill("S1", "2021-03-02", policy=32_000, catalogue=4_000),
    bill("S2", "2021-09-10", policy=32_000, catalogue=4_000),
)


# ── settled and corrected ─────────────────────────────────────────────────────────────────────────────────────


async def test_settlements_stand_in_order_of_arrival_with_what_each_layer_paid():
    sheet = await region(*TWO)
    paid = [{str(line["layer"]): line["fund_payamt"] for line in entry["lines"]} for entry in sheet["entries"]]
    # 34,000 × 0.70; then 16,000 × 0.70 + 18,000 × 0.75
    assert [(each["supplementary"], each["assistance_inpatient"]) for each in paid] == [
        ("2000.00", "23800.00"),
        ("2000.00", "24700.00"),
    ]
    assert [entry["number"] for entry in sheet["entries"]] == [1, 2]


async def test_a_reversal_stays_in_the_year_with_everything_that_it_changed():
    sheet = await region(*TWO, reversal("S1", "2021-10-01"))
    first, second = sheet["entries"]
    assert first["kind"] == second["kind"] == "settlement"
    assert (first["live"], second["live"]) == (False, True)
    assert [line["fund_payamt"] for line in first["lines"]] == ["0.00", "0.00"]
    assert {line["layer"]: line["first"] for line in first["lines"]} == {
        "supplementary": "2000.00",
        "assistance_inpatient": "23800.00",
    }
    (reversed_,), (moved,) = first["revisions"], second["revisions"]
    assert {each["layer"]: each["delta"] for each in reversed_["changes"]} == {
        "supplementary": "-2000.00",
        "assistance_inpatient": "-23800.00",
    }
    assert moved["cause"] == {"type": "reversed", "msgid": "RS1"}
    # 34,000 × 0.70 − 24,700
    assert moved["changes"] == [
        {"layer": "assistance_inpatient", "label": "医疗救助·住院", "delta": "-900.00", "to_person": "-900.00"}
    ]
    assert [signal["kind"] for signal in sheet["signals"]] == ["clawback_needs_decision"]


async def test_what_was_carried_in_opens_the_year():
    sheet = await region(carried("2021-07-01T00:00:00+08:00", assistance_inpatient=("50000.00", "35000.00")), TWO[1])
    assert sheet["opening"] == {
        "known_at": "2021-07-01T00:00:00+08:00",
        "layers": [{"layer": "assistance_inpatient", "label": "医疗救助·住院", "base": "50000.00", "paid": "35000.00"}],
    }
    standing = layer(sheet, "assistance_inpatient")
    # 34,000 × 0.75 more
    assert (standing["base"], standing["paid"], standing["cap_left"]) == ("84000.00", "60500.00", "39500.00")


@pytest.mark.parametrize(
    ("later", "state", "paid"),
    [
        ((), "approved", "5000.00"),  # (20,000 − 10,000) × 0.50
        ((decision("A1", "2023-05-01T00:00:00+08:00", other="4000.00"),), "approved", "3000.00"),
        ((decision("A1", "2023-05-01T00:00:00+08:00", approved=False),), "withdrawn", "0.00"),
    ],
)
async def test_an_application_is_told_with_its_decision(later: tuple[Event, ...], state: str, paid: str):
    stay = bill("S1", "2022-03-02", policy=20_000, region=JINGNING)
    sheet = await region(stay, decision("A1", "2023-04-01T00:00:00+08:00"), *later, year=2022)
    entry = sheet["entries"][1]
    assert entry["kind"] == "application"
    assert entry["decision"] == state
    assert [line["fund_payamt"] for line in entry["lines"]] == [paid]
    assert len(entry["revisions"]) == len(later)


async def test_an_application_that_was_never_approved_is_refused_not_withdrawn():
    stay = bill("S1", "2022-03-02", policy=20_000, region=JINGNING)
    sheet = await region(stay, decision("A1", "2023-04-01T00:00:00+08:00", approved=False), year=2022)
    assert sheet["entries"][1]["kind"] == "application"
    assert sheet["entries"][1]["decision"] == "refused"


async def test_each_region_of_the_year_has_a_block_of_its_own():
    sheet = await told(settled(TWO[0], bill("S3", "2021-05-05", policy=30_000, region=TAIYUAN)))
    assert [each["region"] for each in sheet["regions"]] == ["331000", "140100"]
    assert "insured_twice" in [signal["kind"] for each in sheet["regions"] for signal in each["signals"]]


async def test_a_year_that_nobody_knows_has_no_block():
    assert (await told(settled(*TWO), 2020))["regions"] == []


async def test_accounts_that_do_not_follow_from_the_entries_are_not_told():
    source = settled(*TWO)
    years = await read_years(source, PERSON, 2021)
    years[0].year.accounts["supplementary"] = years[0].year.accounts["assistance_inpatient"]  # type: ignore[index]
    with pytest.raises(SourceUnfit, match="do not lead to its accounts"):
        year_sheet(source.books, PERSON, 2021, years, "2021-12-31")


# ── where it stands ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_layer_says_which_row_counted_how_far_it_is_and_by_which_clauses():
    standing = layer(await region(*TWO), "assistance_inpatient")
    assert standing["who"] == "低保对象"
    assert (standing["base"], standing["paid"]) == ("68000.00", "48500.00")
    assert (standing["cap"], standing["cap_left"]) == ("100000.00", "51500.00")
    assert (standing["deductible"], standing["deductible_used"]) == ("0.00", "0.00")
    assert "台医保联发〔2020〕8号 二（二）1" in standing["clauses"]
    assert {"TZ-04", "TZ-05", "TZ-06", "TZ-07"} <= set(standing["readings"])


async def test_a_deductible_is_used_up_by_the_years_base():
    stay = bill("S1", "2022-03-02", policy=6_000, region=JINGNING)
    standing = layer(await region(stay, year=2022), "high_expense_subsidy")
    assert (standing["deductible"], standing["deductible_used"]) == ("10000.00", "6000.00")
    assert standing["pending_payamt"] == "0.00"


async def test_what_the_platform_paid_is_told_beside_what_we_paid():
    stay = bill("S1", "2021-03-02", policy=100_000, hifp_pay="70000.00", hifmi_pay="15000.00")
    sheet = await region(stay)
    assert layer(sheet, "basic")["reported"] == "70000.00"
    assert layer(sheet, "basic")["fund_pay_type"] == "390100"
    assert layer(sheet, "assistance_inpatient")["base"] == "15000.00"


# ── the next yuan ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_next_yuan_is_what_a_bill_of_a_hundred_yuan_is_paid():
    """A hundred yuan in each part in turn, settled by the worker's own core on the same day."""
    for part, field in (("policy", "inscp_scp_amt"), ("catalogue", "preselfpay_amt"), ("outside", "fulamt_ownpay_amt")):
        sheet = await region(*TWO, on="2021-11-01")
        core = Settler(PACKS)
        more: dict[str, Any] = {part: 100}
        *_, last = [core.take(event) for event in encoded([*TWO, bill("MORE", "2021-11-01", **more)])]
        for line in last.payouts[0]["lines"]:
            share = following(sheet, line["layer"])["shares"]
            assert Fraction(line["fund_payamt"]) == 100 * Fraction(share[field] if share else 0), (part, line)


async def test_layers_of_the_platform_are_left_to_the_platform():
    assert following(await region(*TWO), "basic")["shares"] is None


async def test_the_identity_held_on_the_day_counts_for_the_next_yuan():
    changed = {
        "type": "identity_changed",
        "psn_no": PERSON,
        "psn_idet": [{"psn_idet_type": "2304", "begntime": "2021-10-01", "endtime": None}],
        "known_at": "2021-10-05T00:00:00+08:00",
    }
    events = (bill("S1", "2021-10-02", policy=100), changed)
    assert following(await region(*events, on="2021-11-01"), "assistance_inpatient")["who"] == "特困供养人员"
    before = await region(*events, on="2021-09-30")
    assert before["next_yuan"] is not None
    assert before["next_yuan"]["codes"] == []
    assert following(before, "assistance_inpatient")["reason"] == "no_identity"


async def test_the_edition_in_force_on_the_day_counts_for_the_next_yuan():
    early = await region(bill("S1", "2020-08-02", policy=100), year=2020, on="2020-06-30")
    assert following(early, "assistance_inpatient")["reason"] == "not_in_force"
    late = await region(bill("S1", "2020-08-02", policy=100), year=2020, on="2020-07-01")
    assert following(late, "assistance_inpatient")["shares"]["inscp_scp_amt"] == "0.70"


async def test_without_a_settlement_nobody_knows_how_the_person_is_insured():
    sheet = await region(carried("2021-07-01T00:00:00+08:00", assistance_inpatient=("50000.00", "35000.00")))
    assert sheet["next_yuan"] is None
    assert layer(sheet, "assistance_inpatient")["paid"] == "35000.00"


# ── every year there is ───────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=PERSON_YEARS // 6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(person_years(PACKS))
async def test_the_sheet_of_any_year_says_what_its_last_payouts_said(year: PersonYear):
    core = Settler(PACKS)
    latest: dict[str, Any] = {}
    numbers = set()
    for event in year.events:
        for payout in core.take(json.dumps(event).encode()).payouts:
            latest[payout["setl_id"]] = payout
            numbers.add(payout["year"])
    source = FileSource(PACKS, [json.dumps(event).encode() for event in year.events])
    found = {}
    for number in numbers:
        sheet = await told(source, number)
        wide = [line for line in explain_year(sheet).splitlines() if width(line, 2) > COLUMNS]
        assert not wide
        for each in sheet["regions"]:
            for entry in each["entries"]:
                assert entry["kind"] == "settlement"
                found[entry["setl_id"]] = entry
                for line in entry["lines"]:
                    changes = [change for revision in entry["revisions"] for change in revision["changes"]]
                    deltas = [Fraction(each["delta"]) for each in changes if each["layer"] == line["layer"]]
                    assert Fraction(line["first"]) + sum(deltas) == Fraction(line["fund_payamt"])
    assert found.keys() == latest.keys()
    for setl_id, payout in latest.items():
        said = {line["layer"]: line["fund_payamt"] for line in payout["lines"] if line["fund_payamt"] != "0.00"}
        lines = found[setl_id]["lines"]
        assert {line["layer"]: line["fund_payamt"] for line in lines if line["fund_payamt"] != "0.00"} == said
        assert found[setl_id]["revision"] == payout["revision"]
        assert found[setl_id]["psn_part_amt"] == payout["psn_part_amt"]
        others = found[setl_id].get("other_payments", {})
        assert others == payout.get("other_payments", {})
        if found[setl_id]["live"]:
            parts = [*(line["fund_payamt"] for line in lines), *others.values(), payout["psn_part_amt"]]
            assert sum(map(Fraction, parts)) == Fraction(payout["medfee_sumamt"])
