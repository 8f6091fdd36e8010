"""Who could be paid on application and has not applied, told from the state alone."""

import asyncio
from typing import Any

from contracts.journal import read_field
from tests.desk.year_events import PACKS, Event, encoded, identities
from tests.desk.years import application, bill
from workers.desk.pending import Pending, pending_of
from workers.desk.pending_page import pending_table
from workers.desk.source import FileSource

PLACE: dict[str, Any] = {"insuplc_admdvs": "331127"}
MAY = "2023-05-01"


def nothing_to_say(done: int, total: int) -> None:
    assert 0 < done <= total


def found(*events: Event, year: int = 2022, by: str = MAY, region: str | None = None) -> list[Pending]:
    source = FileSource(PACKS, encoded(events))
    assert not source.refused
    listed = pending_of(source, year, region=region, by=by, scanned=nothing_to_say, judged=nothing_to_say)
    return asyncio.run(listed)


def of(psn_no: str, *events: Event) -> list[Event]:
    return [event | {"psn_no": psn_no} for event in events]


def stay(setl_id: str, day: str, code: str | None, yuan: int, **changes: Any) -> Event:
    return bill(setl_id, day, code, yuan, **PLACE, **changes)


def test_the_amount_is_the_rows_on_the_whole_year_and_the_highest_comes_first():
    listed = found(
        *of("P1", stay("A", "2022-02-01", "2303", 12_000), stay("B", "2022-03-01", "2303", 8_000)),
        *of("P2", stay("C", "2022-02-01", None, 60_000)),
        *of("P3", stay("D", "2022-02-01", "2303", 500_000)),
        *of("P4", stay("E", "2022-02-01", "2303", 10_000)),
    )
    # (20,000 − 10,000) × 0.50; (60,000 − 50,000) × 0.40; the cap of 100,000; nothing above the deductible.
    assert [(each.psn_no, each.amount, each.row.who, each.base) for each in listed] == [
        ("P3", 10_000_000, "困难人员", 50_000_000),
        ("P1", 500_000, "困难人员", 2_000_000),
        ("P2", 400_000, "其他因病困难人员", 6_000_000),
    ]
    assert {each.deadline for each in listed} == {"2023-06-30"}


def test_the_row_is_that_of_the_identity_at_the_last_settlement_that_the_layer_covers():
    was_poor = (stay("A", "2022-02-01", "2303", 60_000), stay("B", "2022-06-01", None, 10_000))
    (listed,) = found(*was_poor)
    # 70,000 as somebody else: (70,000 − 50,000) × 0.40.
    assert (listed.row.who, listed.amount) == ("其他因病困难人员", 800_000)
    outpatient = stay("C", "2022-07-01", "2303", 10, med_type="11")
    (listed,) = found(*was_poor, outpatient)
    assert listed.row.who == "其他因病困难人员"


def test_whoever_applied_in_time_is_not_listed_whatever_was_decided():
    rich = stay("A", "2022-02-01", "2303", 30_000)
    refused = application("A1", "2023-05-01", approved=False)
    assert not found(rich, refused)
    assert not found(rich, application("A1", "2023-04-30"))
    # A bill that comes after the application leaves something, but the person knows.
    assert not found(rich, application("A1", "2023-04-30"), stay("B", "2022-12-01", "2303", 10_000))


def test_an_application_that_came_later_is_listed_with_its_day_and_what_is_still_pending():
    rich = stay("A", "2022-02-01", "2303", 30_000)
    (refused,) = found(rich, application("A1", "2023-05-02", approved=False))
    assert (refused.applied_on, refused.amount) == ("2023-05-02", 1_000_000)
    (paid,) = found(rich, application("A1", "2023-06-30"))
    assert (paid.applied_on, paid.amount) == ("2023-06-30", 0)
    assert not found(rich, application("A1", "2023-06-30"), by="2023-06-30")


def test_what_was_carried_in_as_paid_is_not_pending_again():
    carried: Event = {
        "type": "carried_in",
        "psn_no": "P330000000001",
        "insuplc_admdvs": "331127",
        "year": 2022,
        "known_at": "2022-01-01T00:00:00+08:00",
        "layers": {"high_expense_subsidy": {"base": "30000.00", "paid": "10000.00"}},
    }
    assert not found(carried)
    (listed,) = found(carried, stay("A", "2022-02-01", "2303", 4_000))
    assert listed.amount == 200_000


def test_a_late_identity_and_a_reversal_count_as_they_stand_now():
    late: Event = {
        "type": "identity_changed",
        "psn_no": "P330000000001",
        "psn_idet": identities("2303"),
        "known_at": "2023-01-01T00:00:00+08:00",
    }
    (listed,) = found(stay("A", "2022-02-01", None, 30_000), late)
    assert (listed.row.who, listed.amount) == ("困难人员", 1_000_000)
    taken_back = {"type": "reversed", "msgid": "R", "setl_id": "A", "psn_no": "P330000000001"}
    assert not found(stay("A", "2022-02-01", "2303", 30_000), taken_back | {"setl_time": "2023-01-01T00:00:00+08:00"})


def test_other_years_and_other_regions_are_not_listed():
    assert not found(stay("A", "2022-02-01", "2303", 30_000), year=2021)
    assert not found(bill("A", "2022-02-01", "2303", 90_000))
    assert not found(stay("A", "2022-02-01", "2303", 30_000), region="331000")


def test_what_is_pending_is_what_the_last_payout_said():
    source = FileSource(PACKS, encoded([stay("A", "2022-02-01", "2303", 33_333)]))
    (listed,) = found(stay("A", "2022-02-01", "2303", 33_333))
    names = asyncio.run(source.read(0, ["y|P330000000001|331127|2022"]))
    year = read_field("y|P330000000001|331127|2022", names["y|P330000000001|331127|2022"] or b"")
    assert year.accounts["high_expense_subsidy"].base == listed.base
    # (33,333 − 10,000) × 0.50
    assert listed.amount == 1_166_650


def test_the_table_sums_up_and_says_when_a_deadline_has_passed():
    listed = found(
        *of("P1", stay("A", "2022-02-01", "2303", 30_000)), *of("P2", stay("B", "2022-02-01", "2303", 20_000))
    )
    table = pending_table(listed, "2023-06-21")
    assert [line.split()[-2:] for line in table.splitlines()[1:3]] == [["9", "未申请"]] * 2
    assert "合计 2 人" in table
    assert "15,000.00" in table
    assert listed[0].days_left("2023-06-30") == 0
    assert "已过" in pending_table(listed, "2023-07-01")
