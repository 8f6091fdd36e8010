"""The shipped packs, changed in ways that the format allows and other regions will need."""

from dataclasses import replace
from fractions import Fraction

from contracts.pack import Curve, Layer, Pack, PackSet, Row
from contracts.vocabulary import Care, LayerId


def corrected_from_the_last(packs: PackSet) -> PackSet:
    """Only the last settlement of a year may be taken back, as some regions demand."""
    return PackSet(replace(pack, last_first=True) for pack in packs.packs)


def with_county_and_editions(packs: PackSet) -> PackSet:
    """椒江 (331002) fills what Taizhou delegates, in its ledger; Taiyuan's serious illness changes in mid-year."""
    changed = {"140100": two_editions}
    city = next(pack for pack in packs.packs if pack.region == "331000")
    county = replace(city, county="331002", digest="sha256:county", layers=tuple(map(filled, city.layers)))
    return PackSet([county, *(changed.get(pack.region, unchanged)(pack) for pack in packs.packs)])


def unchanged(pack: Pack) -> Pack:
    return pack


def filled(layer: Layer) -> Layer:
    """Delegated rows get a deductible, two tiers and a cap."""
    curve = Curve(100_000, ((0, Fraction("0.333")), (1_000_000, Fraction("0.4"))))
    return replace(layer, rows=tuple(row if row.curve else replace(row, curve=curve, cap=35_000) for row in layer.rows))


def two_editions(pack: Pack) -> Pack:
    """From 2019-07-01 a lower cap, a tier that starts below the deductible, and outpatients too; in 2020 nothing."""
    layers: list[Layer] = []
    for layer in pack.layers:
        if layer.id != LayerId.SERIOUS_ILLNESS:
            layers.append(layer)
            continue
        rows, cares = tuple(map(meaner, layer.rows)), layer.cares | {Care.OUTPATIENT}
        second = replace(layer, first_day="2019-07-01", last_day="2019-12-31", rows=rows, cares=cares)
        layers += [replace(layer, last_day="2019-06-30"), second]
    return replace(pack, layers=tuple(layers), digest="sha256:editions")


def meaner(row: Row) -> Row:
    """The same row with less to give."""
    assert row.curve is not None
    deductible = row.curve.deductible
    tiers = ((0, Fraction("0.1")), (deductible - 1, Fraction("0.2")), (deductible + 700_001, Fraction("0.6789")))
    return replace(row, curve=Curve(deductible, tiers), cap=1_000_000)
