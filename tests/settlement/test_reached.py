"""What became of settlements that a layer has a row for: each counted once, and what a cap cut told from the rest."""

from typing import Any

import pytest

from contracts.pack_file import load_pack
from contracts.topics import DISCHARGES, PERSONS
from tests.desk.year_events import JINGNING, PACKS, PERSON, Event, bill, encoded, reversal
from workers.adjudication.books import Books
from workers.settlement.pipeline import Batch, Counts
from workers.settlement.reached import Reached
from workers.settlement.records import Incoming

INPATIENT = ("331000", "assistance_inpatient")
NOBODY: list[dict[str, Any]] = []


def counted(*events: Event) -> Counts:
    """What a batch of these events is counted as."""
    records = [
        Incoming(PERSONS if event["type"] == "identity_changed" else DISCHARGES, 0, n, PERSON.encode(), value)
        for n, (event, value) in enumerate(zip(events, encoded(events), strict=True))
    ]
    batch = Batch(Books(PACKS, load_pack), 0, 1, records)
    while names := batch.wanted():
        batch.supply(dict.fromkeys(names))
    result = batch.settle()
    assert not result.quarantine
    return result.counts


def inpatient(*events: Event) -> dict[str, int]:
    """How often each outcome of assistance for inpatients."""
    return {
        outcome: number for (*where, outcome), number in counted(*events).reached.items() if tuple(where) == INPATIENT
    }


def test_a_payment_below_the_cap_is_paid_and_one_that_the_cap_cut_is_cut_and_the_next_finds_it_spent():
    # 10,000 × 0.70; then 40,000 × 0.70 + 92,000 × 0.75 = 97,000 where 93,000 are left; then nothing is left.
    assert inpatient(
        bill("A", "2021-03-02", policy=10_000),
        bill("B", "2021-04-02", policy=132_000),
        bill("C", "2021-05-02", policy=1_000),
    ) == {Reached.PAID: 1, Reached.CUT: 1, Reached.CAP_SPENT: 1}


@pytest.mark.parametrize(("last", "outcome"), [("00", Reached.PAID), ("01", Reached.PAID), ("02", Reached.CUT)])
def test_a_payment_that_ends_at_the_cap_is_paid_in_full_unless_more_was_owed_by_a_fen(last, outcome):
    # 50,000 × 0.70 + 86,666.666… × 0.75 = 100,000, the cap: 136,666.67 owes it by rounding, a fen more of it does not.
    amount = f"136666.{66 + int(last)}"
    found = bill("A", "2021-03-02") | {"inscp_scp_amt": amount, "medfee_sumamt": amount}
    assert inpatient(found) == {outcome: 1}


def test_somebody_without_an_identity_is_not_among_those_whom_assistance_reaches():
    assert inpatient(bill("A", "2021-03-02", policy=10_000, psn_idet=NOBODY)) == {}


def test_a_bill_of_which_nothing_is_left_for_the_layer_has_had_the_policy_carried_out():
    assert inpatient(bill("A", "2021-03-02", policy=10_000, hifp_pay="10000.00")) == {Reached.NOTHING_LEFT: 1}


def test_a_layer_that_waits_for_an_application_is_pending():
    assert set(counted(bill("A", "2022-03-02", policy=50_000, region=JINGNING)).reached) == {
        ("331127", "high_expense_subsidy", Reached.PENDING_APPLICATION)
    }


def test_a_correction_of_what_was_paid_is_no_second_settlement():
    first = (bill("A", "2021-03-02", policy=140_000), bill("B", "2021-04-02", policy=10_000))
    assert inpatient(*first) == {Reached.CUT: 1, Reached.CAP_SPENT: 1}
    assert inpatient(*first, reversal("A", "2021-05-02")) == {
        Reached.CUT: 1,
        Reached.CAP_SPENT: 1,
        Reached.PAID_LATER: 1,
    }


def test_a_cap_that_is_reached_is_counted_by_region_and_layer():
    found = counted(bill("A", "2021-03-02", policy=142_000), bill("B", "2021-04-02", policy=1_000))
    assert found.caps_reached == {INPATIENT: 1}


def test_the_basic_funds_share_is_taken_of_residents_in_hospital_only_and_of_each_bill_once():
    one = bill("A", "2021-03-02", policy=10_000, hifp_pay="7500.00")
    found = counted(
        one,
        one,
        bill("B", "2021-03-03", policy=10_000, hifp_pay="9000.00", insutype="310"),
        bill("C", "2021-03-04", policy=10_000, hifp_pay="9000.00", med_type="11"),
        bill("D", "2021-03-05", policy=10_000),
    )
    assert found.residents_inpatient == {"331000": (2_000_000, 750_000)}
    assert found.setl_times == [f"2021-03-0{day}T10:00:00+08:00" for day in (2, 3, 4, 5)]
