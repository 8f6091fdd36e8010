"""Each problem that a pack can have, seen in a copy of a shipped pack that has just that one (`broken.toml`).

Where a change cannot but break something else as well, the table names it under `also`.
"""

import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from contracts.pack_check import check
from contracts.pack_file import TEXT_BYTES_MAX, load_directory
from contracts.pack_problem import PackError, ProblemName
from tests.packs.shelves import copy_of_shipped, cut, edit
from workers.rehearsal.case_format import read_cases
from workers.rehearsal.cases import rehearse

BROKEN = tomllib.loads(Path(__file__).with_name("broken.toml").read_text("utf-8"))["broken"]
SHOWN_BELOW = {"gap_between_editions", "case_is_malformed", "cases_are_missing", "no_pack_here", "file_is_too_large"}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken['name']}-{broken['file']}-{broken['key']}")
def test_a_broken_pack_shows_the_problem_it_has_and_no_other(broken: dict[str, Any], tmp_path: Path):
    packs = copy_of_shipped(tmp_path, county=True)
    path = packs / broken["file"]
    if "remove" in broken:
        cut(path, *broken["remove"])
    for old, new in broken.get("replace", ()):
        edit(path, old, new)
    found = check(packs)
    told = list(map(str, found))
    assert {problem.name for problem in found} == {broken["name"], *broken.get("also", ())}, told
    assert any((problem.file, problem.key) == (broken["file"], broken["key"]) for problem in found), told
    assert all(problem.wrong and problem.fix for problem in found)


def test_the_unbroken_copy_has_no_problem(tmp_path: Path):
    assert check(copy_of_shipped(tmp_path, county=True)) == []


def two_editions(packs: Path, until: str, begins: str) -> None:
    """Taiyuan's serious illness as two editions that say the same: one until a day, the next from another."""
    path = packs / "taiyuan.toml"
    edit(path, '{ "serious_illness.until" = 2019-12-31 }', f'{{ "serious_illness@{begins}.until" = 2021-12-31 }}')
    layer = cut(path, '[[layers]]\nid            = "serious_illness"', "# ── 三")
    first = layer.replace("excludes  ", f"until         = {until}\nexcludes  ", 1)
    second = layer.replace("from          = 2019-01-01", f"from          = {begins}", 1)
    end = "困难群众医疗负担。"
    day = f"{begins[:4]}年{int(begins[5:7])}月{int(begins[8:])}日"
    quote = f"从2019年起至2019年12月31日，其后自{day}起"
    cited = '\n[[layers.citations]]\nclause = "三（二）"\nsupports = ["{key}"]\nquote = "{quote}"\n'
    parts = (first, cited.format(key="until", quote=quote), second, cited.format(key="from", quote=quote))
    edit(path, "# ── 三", "\n".join(parts) + "\n# ── 三")
    edit(packs / "documents" / "taiyuan-residents-2019.txt", end, f"{end}{quote}。")


@pytest.mark.parametrize(
    ("until", "begins", "problems"),
    [
        ("2019-12-31", "2020-01-01", set()),
        ("2019-12-31", "2019-12-31", {("editions_overlap", "serious_illness.until")}),
        ("2019-12-31", "2020-01-02", {("gap_between_editions", "serious_illness.from")}),
    ],
)
def test_editions_of_a_layer_meet(tmp_path: Path, until: str, begins: str, problems: set[tuple[str, str]]):
    packs = copy_of_shipped(tmp_path)
    two_editions(packs, until, begins)
    assert {(problem.name, problem.key) for problem in check(packs)} == problems


def test_an_edition_without_an_end_overlaps_the_next(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    two_editions(packs, "2019-12-31", "2020-01-01")
    edit(packs / "taiyuan.toml", "until         = 2019-12-31\n", "")
    assert ("editions_overlap", "serious_illness.until") in {(p.name, p.key) for p in check(packs)}


def test_a_pack_without_cases_is_a_problem(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    (packs / "taiyuan.cases.toml").unlink()
    assert [(p.name, p.file) for p in check(packs)] == [("cases_are_missing", "taiyuan.cases.toml")]


def test_a_county_without_cases_is_a_problem(tmp_path: Path):
    packs = copy_of_shipped(tmp_path, county=True)
    (packs / "wanghai.cases.toml").unlink()
    assert [(p.name, p.file) for p in check(packs)] == [("cases_are_missing", "wanghai.cases.toml")]


def test_a_wrong_clause_is_told_with_where_the_quote_stands(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    edit(packs / "taizhou.toml", 'clause   = "末条"', 'clause   = "二（九）"')
    (problem,) = check(packs)
    assert problem.wrong == "“本办法自2019年7月1日起实行” is not in 二（九） of 台政办发〔2019〕23号 but in 末条"
    assert problem.fix == 'write clause = "末条", or quote what 二（九） says'


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    names = {pack.region: pack.digest for pack in load_directory(packs).packs}
    for name in ("taizhou.toml", "taizhou.cases.toml", "documents/jingning-subsidy-2021.txt"):
        path = packs / name
        path.write_text(path.read_text("utf-8"), "utf-8-sig")
    assert check(packs) == []
    assert {pack.region: pack.digest for pack in load_directory(packs).packs} == names
    assert rehearse(packs)[1] == []


@pytest.mark.parametrize("name", ["taizhou.toml", "taizhou.cases.toml"])
def test_a_file_in_another_encoding_is_refused_by_name(tmp_path: Path, name: str):
    packs = copy_of_shipped(tmp_path)
    (packs / name).write_text((packs / name).read_text("utf-8"), "utf-16")
    assert [(p.file, p.name, p.wrong) for p in check(packs)] == [(name, "file_is_not_toml", "it is not UTF-8")]


def test_a_file_that_the_journal_could_not_keep_is_refused_by_name(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    (packs / "taizhou.toml").write_text((packs / "taizhou.toml").read_text("utf-8") + "#" * TEXT_BYTES_MAX, "utf-8")
    (problem, *_) = check(packs)
    assert (problem.file, problem.name) == ("taizhou.toml", "file_is_too_large")


def test_what_is_wrong_is_told_without_the_words_of_the_machine(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    path = packs / "taizhou.toml"
    edit(path, "issued    = 2019-06-10", 'issued    = "2019-06-10"')
    edit(path, 'year        = "calendar"', 'year        = "fiscal"')
    edit(path, 'region      = "331000"', 'region      = "3310"')
    edit(path, 'title     = "台州市', "titel     = '台州市")
    edit(path, '暂行办法"', "暂行办法'")
    edit(packs / "taizhou.cases.toml", 'kind = "住院"', 'kind = "入院"')
    told = list(map(str, check(packs)))
    with pytest.raises(PackError) as caught:
        read_cases((packs / "taizhou.cases.toml").read_text("utf-8"), "taizhou.cases.toml")
    told += map(str, caught.value.problems)
    assert len(told) == 6
    for jargon in ("Input should", "Extra inputs", "Field required", "Value error", "pattern '^", "Literal", "valid "):
        assert [line for line in told if jargon in line] == []


def test_a_case_that_pays_otherwise_is_told_with_file_case_and_layer(tmp_path: Path):
    packs = copy_of_shipped(tmp_path, county=True)
    edit(packs / "wanghai.cases.toml", "pays = { assistance_inpatient = ", "pays = { assistance_inpatient = 1")
    _, (difference, *_) = rehearse(packs)
    assert str(difference).startswith("wanghai.cases.toml: ")
    assert f": {difference.case}: " in str(difference)
    assert ": pays assistance_inpatient: " in str(difference)


def test_a_directory_without_a_pack_is_a_problem(tmp_path: Path):
    with pytest.raises(PackError, match="no_pack_here"):
        load_directory(tmp_path)


def test_a_malformed_case_is_a_problem(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    edit(packs / "taiyuan.cases.toml", "copay_catalogue = 8_000", "copay_catalog = 8_000")
    with pytest.raises(PackError, match=r"copay_catalog: case_is_malformed"):
        rehearse(packs)


def test_every_problem_has_a_test():
    assert {broken["name"] for broken in BROKEN} | SHOWN_BELOW == set(get_args(ProblemName))


def test_loading_refuses_what_would_pay_wrong_and_names_every_problem_of_every_file(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    edit(packs / "taiyuan.toml", "tiers = [[0, 0.75]], cap = 400_000", "tiers = [[0, 0.90]], cap = 400_000")
    edit(packs / "jingning.toml", "cap = 100_000", "cap = 100_000.001")
    with pytest.raises(PackError) as caught:
        load_directory(packs)
    assert {(problem.file, problem.name) for problem in caught.value.problems} == {
        ("taiyuan.toml", "rows_cross"),
        ("jingning.toml", "amount_is_not_yuan_and_fen"),
    }


def test_quotes_may_differ_from_the_scan_in_space_and_width_only(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    text = packs / "documents" / "taizhou-supplementary-2019.txt"
    edit(text, "其中特困人员按 90%的比例予以支付、", "其中特困人员\n\n按９０％ 的比例予以支付、")
    assert check(packs) == []
    edit(text, "其他人员按 50%的比例", "其余人员按 50%的比例")
    assert {problem.name for problem in check(packs)} >= {"quote_is_not_in_the_document"}
