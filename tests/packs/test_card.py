"""The page an officer signs: everything that pays is on it, nothing runs over the edge, the first sheet is one page."""

from pathlib import Path

import pytest

from contracts.pack import Pack
from contracts.pack_file import files_of, load_directory, load_pack
from tests.packs.shelves import COUNTIES, copy_of_shipped, edit
from workers.adjudication.card import card, overview
from workers.adjudication.page import COLUMNS, width

PACKS = load_directory().packs
SHEET_LINES_MAX = 64
"""Lines of an A4 page at ten points; 96 columns are as wide as its text."""


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.region)
def test_no_line_runs_over_the_edge_of_the_page(pack: Pack):
    assert [line for line in card(pack).splitlines() if width(line) > COLUMNS] == []


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.region)
def test_layers_and_signatures_are_on_one_sheet(pack: Pack):
    sheet = card(pack).split("附一  读法")[0].splitlines()[:-1]
    assert len(sheet) <= SHEET_LINES_MAX
    assert any("经办机构" in line for line in sheet)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.region)
def test_every_row_clause_and_reading_is_on_the_card(pack: Pack):
    text = card(pack)
    unbroken = "".join(text.split())
    assert pack.digest in text
    for layer in pack.layers:
        assert layer.label in text
        for row in layer.rows:
            percent = "" if row.curve is None else f"{row.curve.tiers[0][1] * 100}%"
            codes = "不限" if row.codes is None else " ".join(sorted(row.codes))
            lines = [line for line in text.splitlines() if line.startswith(f"  {row.who} ")]
            assert any(codes in line and percent in line for line in lines)
    for clause in {found for layer in pack.layers for clauses in layer.clauses.values() for found in clauses}:
        number, place = clause.split(" ")
        assert number in unbroken
        assert place in unbroken
    city, _ = files_of(pack.texts)
    for reading in city.interpretations:
        assert reading.id in text
        for words in (reading.question, reading.reading, reading.stakes):
            assert "".join(words.split()) in unbroken
    for entry in city.left_out:
        assert "".join(entry.because.split()) in unbroken


def test_the_rows_of_inpatient_assistance_line_up():
    (pack,) = (pack for pack in PACKS if pack.region == "331000")
    assert """\
  人员（从高到低，就高不重复）   身份编码                        起付线 年封顶  比例（年度基数）
  特困供养人员                   2301 2304 2307                       0   10万  100%
  低保对象                       2303                                 0   10万  70%，5万以上 75%
  低保边缘对象                   236074                               0   10万  60%，5万以上 65%
  因病致贫对象                   2306                                 0   10万  50%，5万以上 55%
  其他特殊困难人员               2360                                           由县定，未定前 0
""" in card(pack)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.region)
def test_whoever_issued_a_document_signs_for_the_words_and_the_readings(pack: Pack):
    sheet = card(pack).split("附一  读法")[0]
    city, _ = files_of(pack.texts)
    for issuer in (*(issuer for document in city.documents.values() for issuer in document.issuer), "经办机构"):
        assert f"{issuer} ________________" in sheet
    assert "以上与文件原文及附一读法一致" in sheet


def test_readings_about_a_watch_stand_at_the_watch_and_clauses_in_the_documents_order():
    cards = {pack.region: "".join(card(pack).split()) for pack in PACKS}
    assert "三（二）；读法TZ-09、TZ-26" in cards["331000"]
    assert "五（二）；读法TY-15" in cards["140100"]
    assert "二（一）、二（一）1、二（一）2、二（二）1、二（二）2（1）" in cards["331127"]
    assert "范围门诊（含急诊）；不分险种" in cards["331000"]


def test_a_watch_that_lends_its_clause_stands_on_the_card_without_a_day_or_an_amount():
    cards = {pack.region: "".join(card(pack).split()) for pack in PACKS}
    assert "重复参保提示：同一年度在两地或以两种险种结算的；不付款；并医保发〔2019〕27号二" in cards["140100"]
    assert "多头补助提示：批准付款后核实的其他补助增加的；不付款；景政办发〔2021〕29号二（四）3" in cards["331127"]
    assert "0001-01-01" not in "".join(cards.values())


def test_a_confirmed_reading_says_by_whom(tmp_path: Path):
    packs = copy_of_shipped(tmp_path)
    answered = 'status   = "confirmed"\nanswered_by = "台州市医疗保障局"\nanswered_on = 2026-03-01'
    edit(packs / "taizhou.toml", 'status   = "assumed"', answered)
    pack = load_pack([(packs / "taizhou.toml").read_text("utf-8")])
    assert "〔已确认，台州市医疗保障局 2026-03-01〕" in "".join(card(pack).split("\n")).replace(" " * 8, "")
    assert "读法 28 条，其中 27 条待确认" in card(pack)


def test_a_countys_card_shows_its_rows_and_who_runs_the_insurance(tmp_path: Path):
    packs = load_directory(copy_of_shipped(tmp_path, county=True))
    pack = packs.for_region("331099")
    assert pack is not None
    text = card(pack)
    assert "331099（账户归 331000 台州市）；承办 望海县医疗保障服务中心（虚构）" in text
    assert "其他特殊困难人员               2360                                 0   10万  55%，5万以上 60%" in text
    assert "2020-10-01 至 2021-12-31（出院日）" in text
    assert "望医保〔2020〕9号" in text
    assert [line for line in text.splitlines() if width(line) > COLUMNS] == []


def test_the_list_of_packs_lines_up(tmp_path: Path):
    lines = overview(load_directory(copy_of_shipped(tmp_path, county=True)))
    assert [line.split()[0] for line in lines] == ["region", "140100", "331000", "331099", "331127"]
    starts = {width(line[: line.index("sha256:")]) for line in lines[1:]}
    assert len(starts) == 1
    assert "assistance_inpatient 2020-07-01" in lines[2]
    assert "28 of 28" in lines[2]


def test_the_fictional_county_is_not_shipped():
    assert COUNTIES.is_dir()
    assert all(pack.county is None for pack in PACKS)
