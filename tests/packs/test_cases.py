"""Golden cases prove something: a wrong amount, a forgotten layer, a silent warning are all told."""

import pytest

from contracts.pack_file import load_directory
from contracts.pack_problem import PackError
from workers.rehearsal.case_format import read_cases
from workers.rehearsal.cases import Difference, run

PACK = load_directory().for_region("331000")
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
