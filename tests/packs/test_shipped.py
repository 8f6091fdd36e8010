"""The packs that come with Yidan: without a problem, priced, and as the design fixes them."""

import re
from itertools import combinations

import pytest

from contracts.pack import Layer, Pack
from contracts.pack_check import check
from contracts.pack_file import CASES_SUFFIX, SHIPPED, files_of, load_directory, load_otherwise, load_pack
from contracts.pack_format import Interpretation
from contracts.vocabulary import CARE_OF_MED_TYPE, FUND_FIELDS, Care, Exclusion
from workers.rehearsal.case_format import Case
from workers.rehearsal.cases import cases_of, run

PACKS = {pack.region: pack for pack in load_directory().packs}
CASES = [(pack, case) for pack in PACKS.values() for case in cases_of(pack)]
READINGS = [(pack, entry) for pack in PACKS.values() for entry in files_of(pack.texts)[0].interpretations]


def layer(region: str, layer_id: str) -> Layer:
    """The one edition of a shipped layer."""
    (found,) = (layer for layer in PACKS[region].layers if layer.id == layer_id)
    return found


def test_the_shipped_packs_have_no_problem():
    assert check() == []


def test_the_three_regions_are_there_in_the_order_of_the_design():
    assert {region: [layer.id for layer in pack.layers] for region, pack in PACKS.items()} == {
        "331000": ["basic", "serious_illness", "supplementary", "assistance_inpatient", "assistance_outpatient"],
        "140100": ["basic", "serious_illness", "assistance"],
        "331127": ["basic", "serious_illness", "assistance", "high_expense_subsidy"],
    }


@pytest.mark.parametrize(("pack", "case"), CASES, ids=lambda part: getattr(part, "region", None) or part.name)
def test_a_golden_case_pays_what_it_says(pack: Pack, case: Case):
    assert list(map(str, run(case, pack))) == []


@pytest.mark.parametrize("region", PACKS)
def test_a_pack_has_cases_enough(region: str):
    assert len(cases_of(PACKS[region])) >= 14


@pytest.mark.parametrize(
    ("pack", "reading"), READINGS, ids=lambda part: part.id if isinstance(part, Interpretation) else part.region
)
def test_a_reading_has_a_case_whose_money_it_changes(pack: Pack, reading: Interpretation):
    case = next(case for case in cases_of(pack) if case.name == reading.case)
    if reading.otherwise is None:
        assert any(step.pays or step.pending or step.nothing or step.corrects for step in case.story)
        return
    differences = run(case, load_otherwise(pack.texts, reading.id))
    assert any(difference.is_money for difference in differences), differences


@pytest.mark.parametrize(
    ("pack", "reading"), READINGS, ids=lambda part: part.id if isinstance(part, Interpretation) else part.region
)
def test_the_other_readings_money_is_among_the_stakes(pack: Pack, reading: Interpretation):
    """A patched case moves amounts that the officer reads in `stakes`, so that neither can drift alone."""
    if reading.otherwise is None:
        return
    case = next(case for case in cases_of(pack) if case.name == reading.case)
    told = set(re.findall(r"[0-9.]+", reading.stakes))
    moved = [(d.said, d.found) for d in run(case, load_otherwise(pack.texts, reading.id)) if d.is_money]
    amounts = {amount.lstrip("-").removesuffix(".00") for pair in moved for amount in pair}
    assert told & amounts - {"0"}, (told, moved)


def test_the_taizhou_readings_of_the_start_keep_their_numbers():
    numbers = {reading.id for pack, reading in READINGS if pack.region == "331000"}
    assert {f"TZ-{number:02d}" for number in range(1, 12)} <= numbers


def test_the_paid_assistance_line_shows_the_clauses_and_readings_of_the_contract():
    assistance = layer("331000", "assistance_inpatient")
    assert assistance.clauses_of("benefits.tiers") == ["台医保联发〔2020〕8号 二（二）1"]
    assert assistance.readings_of("base", "accumulates", "benefits.tiers") == ["TZ-04", "TZ-05", "TZ-06"]


def test_every_reason_for_paying_nothing_has_a_clause_or_a_reading():
    keys = ("from", "insutype", "settles", "excludes", "benefits.who", "base", "benefits.cap", "benefits.tiers")
    for pack in PACKS.values():
        for each in pack.layers:
            for key in keys if each.mode != "reported" else ():
                assert each.clauses_of(key) or each.readings_of(key), (pack.name, each.id, key)


def test_the_rows_of_the_design():
    def rows(region: str, layer_id: str) -> list[tuple[str, frozenset[str] | None]]:
        return [(row.who, row.codes) for row in layer(region, layer_id).rows]

    destitute = frozenset({"2304", "2307", "2301"})
    assert rows("331000", "assistance_inpatient") == [
        ("特困供养人员", destitute),
        ("低保对象", frozenset({"2303"})),
        ("低保边缘对象", frozenset({"236074"})),
        ("因病致贫对象", frozenset({"2306"})),
        ("其他特殊困难人员", frozenset({"2360"})),
    ]
    assert [codes for _, codes in rows("331000", "supplementary")] == [
        destitute,
        frozenset({"2303"}),
        frozenset({"236074"}),
        frozenset({"230801"}),
        frozenset({"2160"}),
        frozenset({"2360"}),
    ]
    assert rows("140100", "serious_illness") == [
        ("建档立卡贫困人口", frozenset({"2302"})),
        ("农村特困供养人员", frozenset({"2307"})),
        ("其他困难群众", frozenset({"2301", "2303", "2304", "230801", "2160", "2360"})),
        ("参保人员", None),
    ]
    assert rows("331127", "high_expense_subsidy") == [
        ("困难人员", destitute | {"2303", "236074"}),
        ("其他因病困难人员", None),
    ]


def test_the_exclusions_of_the_design():
    law = {"work_injury", "third_party", "public_health", "overseas", "non_designated"}
    for pack in PACKS.values():
        for each in pack.layers:
            if each.mode != "reported":
                more = {"cosmetic", "unlawful"} if pack.region == "331127" else set()
                assert {exclusion.value for exclusion in each.excludes} == law | more
    assert {exclusion.value for exclusion in Exclusion} == law | {"cosmetic", "unlawful"}


def test_the_first_days_of_the_design():
    days = {(pack.region, each.id): each.first_day for pack in PACKS.values() for each in pack.layers if each.rows}
    assert days == {
        ("331000", "supplementary"): "2019-07-01",
        ("331000", "assistance_inpatient"): "2020-07-01",
        ("331000", "assistance_outpatient"): "2020-07-01",
        ("140100", "serious_illness"): "2019-01-01",
        ("331127", "high_expense_subsidy"): "2021-12-01",
    }


def test_the_application_rule_of_jingning():
    rule = layer("331127", "high_expense_subsidy").application
    assert rule is not None
    assert (rule.deadline, rule.insured_years_least) == ((6, 30), 3)
    assert rule.hardship_first == {"其他因病困难人员"}
    assert set(rule.rows.values()) == {row.who for row in layer("331127", "high_expense_subsidy").rows}


def test_no_care_is_settled_by_two_layers_of_one_fund_field():
    for pack in PACKS.values():
        for one, other in combinations(pack.layers, 2):
            if set(one.fund_fields) & set(other.fund_fields):
                assert one.cares
                assert other.cares
                assert one.cares.isdisjoint(other.cares)


def test_fund_fields_and_cares_are_the_vocabularys():
    for pack in PACKS.values():
        for each in pack.layers:
            assert set(each.fund_fields) <= set(FUND_FIELDS)
            assert each.cares <= set(CARE_OF_MED_TYPE.values()) - {Care.OTHER}


def test_a_pack_is_its_text_and_nothing_else():
    for name in ("taizhou", "taiyuan", "jingning"):
        text = (SHIPPED / f"{name}.toml").read_text("utf-8")
        pack = load_pack([text])
        assert pack.digest == PACKS[pack.region].digest
        assert load_pack([text + "\n"]).digest != pack.digest


def test_every_pack_has_its_cases_beside_it():
    packs = {path.name.split(".")[0] for path in SHIPPED.glob("*.toml")}
    assert {path.name.removesuffix(CASES_SUFFIX) for path in SHIPPED.glob(f"*{CASES_SUFFIX}")} == packs
