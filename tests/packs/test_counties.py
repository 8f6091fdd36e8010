"""A county's file fills what its city delegated, stands in the city's order, and changes nothing else."""

from pathlib import Path

import pytest

from contracts.pack import Layer, Pack, PackSet
from contracts.pack_file import SHIPPED, load_directory, load_pack
from tests.packs.shelves import COUNTIES, copy_of_shipped
from workers.rehearsal.cases import cases_of, rehearse, run


@pytest.fixture
def packs(tmp_path: Path) -> PackSet:
    return load_directory(copy_of_shipped(tmp_path, county=True))


def county(packs: PackSet) -> Pack:
    found = packs.for_region("331099")
    assert found is not None
    return found


def test_the_countys_cases_pay_what_they_say(tmp_path: Path):
    directory = copy_of_shipped(tmp_path, county=True)
    count, differences = rehearse(directory)
    assert count > 90
    assert list(map(str, differences)) == []


def test_a_countys_people_settle_under_the_citys_ledger(packs: PackSet):
    pack = county(packs)
    assert (pack.region, pack.county, pack.name) == ("331000", "331099", "望海县（虚构）")
    assert packs.for_region("331002") is not pack


def test_the_digest_is_over_both_files(packs: PackSet):
    texts = [(SHIPPED / "taizhou.toml").read_text("utf-8"), (COUNTIES / "wanghai.toml").read_text("utf-8")]
    assert county(packs).digest == load_pack(texts).digest
    assert county(packs).texts == tuple(texts)
    assert len({pack.digest for pack in packs.packs}) == len(packs.packs)


def assistance(pack: Pack, day: str) -> Layer:
    """The edition of inpatient assistance in force on a day."""
    (layer,) = (each for each, in_force in pack.layers_on(day) if each.id == "assistance_inpatient" and in_force)
    return layer


def test_the_filled_row_goes_where_the_order_holds(packs: PackSet):
    def who(day: str) -> list[str]:
        return [row.who for row in assistance(county(packs), day).rows if row.curve is not None]

    city = ["特困供养人员", "低保对象", "低保边缘对象", "因病致贫对象"]
    assert who("2020-09-30") == city
    assert who("2020-10-01") == [*city[:3], "其他特殊困难人员", city[3]]
    assert who("2021-12-31") == [*city[:3], "其他特殊困难人员", city[3]]
    assert who("2022-01-01") == [*city, "其他特殊困难人员"]


def test_the_citys_rows_pay_the_same_in_the_county(packs: PackSet):
    city = packs.for_region("331000")
    assert city is not None
    for case in cases_of(city):
        if "delegated" not in {reason for step in case.story for reason in step.nothing.values()}:
            assert run(case, county(packs), packs.packs) == [], case.name


def test_a_line_under_the_countys_row_cites_the_county_and_the_citys_rows_the_city(packs: PackSet):
    layer = assistance(county(packs), "2021-03-02")
    cited = {row.who: layer.clauses_of("benefits.tiers", row=row) for row in layer.rows}
    assert cited["其他特殊困难人员"] == ["望医保〔2020〕9号 第二条"]
    assert cited["低保对象"] == ["台医保联发〔2020〕8号 二（二）1"]
