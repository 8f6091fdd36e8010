"""Golden cases prove something: a wrong amount, a forgotten layer, a silent warning are all told."""

import pytest

from contracts.pack_file import load_directory, load_otherwise
from contracts.pack_problem import PackError
from contracts.signals import Signal
from contracts.vocabulary import Correction
from workers.adjudication.books import Outcome
from workers.rehearsal.case_acts import Teller, codes_of_words
from workers.rehearsal.case_answers import compare
from workers.rehearsal.case_format import Case, read_cases
from workers.rehearsal.cases import Difference, cases_of, run
from workers.settlement.offline import Settler

PACKS = load_directory()
PACK = PACKS.for_region("331000")
STORY = """
[[cases]]
name  = "a_case"
says  = "低保对象住院一次。"
who   = ["低保对象"]
story = [ { day = 2021-03-02, discharge = "A", kind = "住院", %s } ]
"""


def differences(row: str) -> list[Difference]:
    (case,) = read_cases(STORY % row, "test")
    assert PACK is not None
    return run(case, PACK)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("copay_policy = 10_000, pays = { assistance_inpatient = 7_000.00 }", []),
        ("copay_policy = 10_000, pays = { assistance_inpatient = 7_000.01 }", ["pays assistance_inpatient"]),
        ("copay_policy = 10_000", ["pays assistance_inpatient"]),
        (
            "copay_policy = 10_000, pays = { assistance_inpatient = 7_000, supplementary = 1 }",
            ["pays supplementary"],
        ),
        (
            "copay_policy = 10_000, pays = { assistance_inpatient = 7_000 }, pending = { assistance_inpatient = 1 }",
            ["pending assistance_inpatient"],
        ),
        (
            'copay_policy = 10_000, pays = { assistance_inpatient = 7_000 }, nothing = { supplementary = "cap_spent" }',
            ["nothing supplementary"],
        ),
        (
            "copay_policy = 10_000, pays = { assistance_inpatient = 7_000 }, left = { copay_policy = 3_001 }",
            ["left copay_policy"],
        ),
        ('copay_policy = 10_000, pays = { assistance_inpatient = 7_000 }, warns = ["large_bill"]', ["warns"]),
        ("copay_policy = 10_000, total = 300_000, pays = { assistance_inpatient = 7_000 }", ["warns"]),
        (
            'copay_policy = 10_000, pays = { assistance_inpatient = 7_000 }, caps = ["assistance_inpatient"]',
            ["caps"],
        ),
        (
            "copay_policy = 10_000, pays = { assistance_inpatient = 7_000 }, corrects = { B = { supplementary = -1 } }",
            ["corrects B supplementary"],
        ),
        ('copay_policy = 10_000, pays = { assistance_inpatient = 7_000 }, refused = "layer_already_paid"', ["refused"]),
        ("copay_policy = 10_000, funds = { maf_pay = 1 }", ["refused"]),
    ],
)
def test_a_case_tells_where_it_disagrees(row: str, what: list[str]):
    assert [difference.what for difference in differences(row)] == what


def test_a_difference_reads_as_a_sentence():
    (difference,) = differences("copay_policy = 10_000, pays = { assistance_inpatient = 6_500 }")
    assert str(difference) == "test: a_case: A: pays assistance_inpatient: the case says 6500.00, Yidan says 7000.00"
    assert difference.is_money


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("copay_polcy = 10_000", "a_case.A.copay_polcy: case_is_malformed"),
        ("copay_policy = 10_000, pays = { assistence = 1 }", "case_is_malformed"),
        ('copay_policy = 10_000, reverse = "B"', "a row is one of discharge, reverse, applies, becomes"),
        ("copay_policy = 10_000, funds = { hifp_pay = 1 }", "write total"),
        ('copay_policy = 10_000, applies = "P"', "a row is one of discharge, reverse, applies, becomes"),
        ('application = { applicant = "困难人员", year = 2020 }', "belong together"),
        ('copay_policy = 10_000, med_type = "21"', "its kind, or its med_type"),
        ('copay_policy = 10_000, nothing = { supplementary = "no_reason" }', "case_is_malformed"),
    ],
)
def test_a_case_that_cannot_be_meant_is_refused(row: str, problem: str):
    with pytest.raises(PackError, match=problem):
        differences(row)


def test_a_case_with_less_total_than_parts_is_refused():
    with pytest.raises(PackError, match="total is less"):
        differences("copay_policy = 10_000, total = 9_000")


def test_a_case_about_people_the_pack_does_not_know_is_refused():
    (case,) = read_cases((STORY % "copay_policy = 1").replace('who   = ["低保对象"]', 'who   = ["低保户"]'), "test")
    assert PACK is not None
    with pytest.raises(PackError, match="低保户"):
        run(case, PACK)


# ── Stories of several rows ──────────────────────────────────────────────────────────────────────────────────


def story(*rows: str, who: str = "低保对象") -> Case:
    """A case of some rows, each from March on a day of its own unless it says one."""
    told = [row if "day =" in row else f"day = 2021-03-{day:02d}, {row}" for day, row in enumerate(rows, 1)]
    text = f'[[cases]]\nname = "a_case"\nsays = "。"\nwho = ["{who}"]\nstory = [' + ", ".join(
        f"{{ {r} }}" for r in told
    )
    (case,) = read_cases(text + "]", "test")
    return case


def told(*rows: str, who: str = "低保对象") -> list[tuple[str, str]]:
    """Where Yidan disagrees with a story: rows and what."""
    assert PACK is not None
    return [(difference.row, difference.what) for difference in run(story(*rows, who=who), PACK)]


PAID = 'discharge = "A", kind = "住院", copay_policy = 60_000, pays = { assistance_inpatient = 42_500 }'
"""50,000 × 0.70 + 10,000 × 0.75."""


CARRIED_IN = "carried_in = { assistance_inpatient = { base = 10_000, paid = 0 } }"
"""40,000 × 0.70 + 20,000 × 0.75 for the bill of 60,000 after it."""

CHANGED = (
    "adopts = { from = 2021-01-01, "
    'changes = { "assistance_inpatient.benefits.因病致贫对象.tiers" = [[0, 0.50], [50_000, 0.52]] } }'
)
"""A change for others than the person of the story."""


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ('again = "A"', ["effect"]),
        ('again = "A", effect = "repeated"', []),
        ('again = "A", effect = "repeated", pays = { assistance_inpatient = 1 }', ["pays assistance_inpatient"]),
        ('again = "A", effect = "repeated", left = { copay_policy = 1 }', ["left copay_policy"]),
        ('reverse = "B"', ["effect"]),
        ('reverse = "B", effect = "remembered"', []),
        ('reverse = "A", effect = "repeated", pays = { assistance_inpatient = -42_500 }', ["effect"]),
        ('voids = "A", pays = { assistance_inpatient = -42_500 }', []),
        ('voids = "A"', ["pays assistance_inpatient"]),
        ("becomes = [], corrects = { A = { assistance_inpatient = -42_500 } }", ["warns"]),
        (
            'becomes = [], warns = ["clawback_needs_decision.supplementary"]',
            ["corrects A assistance_inpatient", "warns"],
        ),
        (
            f"{CARRIED_IN}, corrects = {{ A = {{ assistance_inpatient = 500 }} }}",
            [],
        ),
        (CARRIED_IN, ["corrects A assistance_inpatient"]),
        (CHANGED, []),
        (CHANGED + ", corrects = { A = { assistance_inpatient = 1 } }", ["corrects A assistance_inpatient"]),
        (CHANGED.replace("0.50", "1.50"), PackError),
    ],
)
def test_every_act_is_held_against_what_its_row_says(row: str, what: list[str] | type[PackError]):
    if isinstance(what, list):
        assert [each for _, each in told(PAID, row)] == what
    else:
        with pytest.raises(what, match="ratio_is_outside_0_to_1"):
            told(PAID, row)


def test_a_reached_cap_is_told_where_the_row_speaks_of_it_and_so_is_its_end():
    full = 'discharge = "A", kind = "住院", copay_policy = 100_000, pays = { assistance_inpatient = 100_000 }'
    gone = 'reverse = "A", pays = { assistance_inpatient = -100_000 }'
    assert told(full, gone, who="特困供养人员") == []
    assert told(f"{full}, caps = []", gone, who="特困供养人员") == [("A", "caps")]
    freed = gone + ', withdraws = ["cap_reached.assistance_inpatient"]'
    assert told(f'{full}, caps = ["assistance_inpatient"]', freed, who="特困供养人员") == []
    assert told(full, freed.replace("inpatient", "outpatient", 1), who="特困供养人员") != []


@pytest.mark.parametrize("direction", [None, Correction.TOP_UP])
def test_a_correction_must_say_which_way_it_goes(direction: Correction | None):
    case = story(
        PAID,
        "becomes = [], corrects = { A = { assistance_inpatient = -42_500 } }, "
        'warns = ["clawback_needs_decision.assistance_inpatient"]',
    )
    answer = answers(case)[1]
    assert list(compare(case, case.story[1], answer)) == []
    line = next(line for line in answer.payouts[0]["lines"] if line["payable"])
    del line["correction"]
    if direction is not None:
        line["correction"] = direction
    (found,) = compare(case, case.story[1], answer)
    assert found == ("correction A assistance_inpatient", "clawback", direction or "none")


def answers(case: Case) -> list[Outcome]:
    """What Yidan answers to each row of a case that changes no pack."""
    assert PACK is not None
    settler, teller = Settler(PACKS), Teller(case, PACK, codes_of_words(PACK))
    return [settler.take(teller.event(step, PACK.digest)) for step in case.story]


def test_a_bill_that_comes_late_was_settled_when_it_came():
    late = 'day = 2021-02-20, discharge = "A", kind = "住院", copay_policy = 10_000'
    known = 'day = 2021-03-01, becomes = ["低保边缘对象"]'
    assert told(known, late + ", pays = { assistance_inpatient = 6_000 }") == []
    assert told(known, late + ", arrives = 2021-03-02, pays = { assistance_inpatient = 7_000 }") == []


def test_a_place_of_another_pack_is_settled_by_that_pack():
    there = 'day = 2022-03-01, region = "331127", discharge = "A", kind = "住院", copay_policy = 30_000'
    assert told(there + ", pending = { high_expense_subsidy = 10_000 }") == []
    assert told(there + ', refused = "no_pack_for_region"') == [("A", "refused"), ("A", "pending high_expense_subsidy")]
    nowhere = there.replace("331127", "990000")
    assert told(nowhere + ', refused = "no_pack_for_region"') == []


def test_a_neighbour_of_the_directory_comes_before_the_shipped_one():
    there = PACKS.for_region("331127")
    assert there is not None
    assert PACK is not None
    case = story('day = 2021-11-30, region = "331127", discharge = "A", kind = "住院", copay_policy = 30_000')
    assert run(case, PACK, PACKS.packs) == []
    (found,) = run(case, PACK, [load_otherwise(there.texts, "JN-05")])
    assert (found.what, found.found) == ("pending high_expense_subsidy", "10000.00")


def test_a_pack_that_pays_the_wrong_row_cannot_be_adopted():
    crossing = 'adopts = { changes = { "assistance_inpatient.benefits.低保对象.cap" = 120_000 } }'
    with pytest.raises(PackError, match="rows_cross"):
        told(crossing)


def test_a_case_that_changes_the_pack_is_not_told_under_another_reading():
    assert PACK is not None
    with pytest.raises(PackError, match="another reading"):
        run(story(CHANGED), load_otherwise(PACK.texts, "TZ-04"))


def test_packs_that_change_twice_leave_every_entry_under_its_own():
    """The journal keeps no text of a changed pack, so a story must remember each of them itself."""
    bill = 'kind = "住院", copay_policy = 10_000, pays = { assistance_inpatient ='
    share = 'adopts = {{ changes = {{ "assistance_inpatient.benefits.低保对象.tiers" = [[0, {}]] }} }}'
    rows = (
        f'discharge = "A", {bill} 7_000 }}',
        share.format("0.80"),
        f'discharge = "B", {bill} 8_000 }}',
        share.format("0.90"),
        f'discharge = "C", {bill} 9_000 }}',
        share.format("0.95"),
        'reverse = "A", pays = { assistance_inpatient = -7_000 }',
        f'discharge = "D", {bill} 9_500 }}',
    )
    assert told(*rows) == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('voids = "B"', "voids = B: name a row"),
        ('voids = "becomes nothing"', "voids = becomes nothing: name a row"),
        ('again = "B"', "again = B: name an earlier row"),
        ('again = "again again A"', "name an earlier row"),
        ('applies = "A", application = { applicant = "困难人员", year = 2021 }', "a discharge and an application"),
        ('reverse = "A", arrives = 2021-04-01', "arrives is a later day"),
        ('discharge = "B", kind = "住院", arrives = 2021-02-01', "arrives is a later day"),
        ('discharge = "B", kind = "住院", year = 2021', "year belongs to"),
        ('reverse = "A", warns = ["clawback_needs_decision"]', "write one of"),
        ('reverse = "A", warns = ["large_bill.basic"]', "write one of"),
        ('reverse = "A", warns = ["cap_reached.supplementary"]', "write one of"),
        ('reverse = "A", effect = "settled"', "case_is_malformed"),
        ("carried_in = {}", "case_is_malformed"),
        ("adopts = { from = 2021-01-01, changes = {} }", "case_is_malformed"),
        ('adopts = { changes = { "no_layer.cap" = 1 } }', "no_layer.cap leads to no table"),
    ],
)
def test_a_story_that_leads_nowhere_is_refused(row: str, problem: str):
    with pytest.raises(PackError, match=problem):
        told(PAID, row, "becomes = []")


# ── The clauses of signals ───────────────────────────────────────────────────────────────────────────────────


def raised(region: str, name: str) -> dict[str, str | None]:
    """The clause of each signal that a shipped case raises, by kind."""
    pack = PACKS.for_region(region)
    assert pack is not None
    case = next(case for case in cases_of(pack) if case.name == name)
    settler, teller = Settler(PACKS), Teller(case, pack, codes_of_words(pack))
    signals: list[Signal] = [s for step in case.story for s in settler.take(teller.event(step, pack.digest)).signals]
    return {signal["kind"]: signal["clause"] for signal in signals if signal["state"] == "raised"}


def test_a_signal_of_every_region_shows_the_clause_where_a_document_speaks_of_it():
    assert raised("140100", "insured_twice_as_employee_and_resident") == {"insured_twice": "并医保发〔2019〕27号 二"}
    assert raised("331000", "employee_and_resident_in_one_year") == {"insured_twice": None}
    assert raised("331127", "other_assistance_has_risen") == {
        "other_assistance_risen": "景政办发〔2021〕29号 二（四）3"
    }
