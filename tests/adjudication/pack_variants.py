"""The shipped packs, changed in ways that the format allows and other regions will need."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from typing import Any

from contracts.pack import Curve, Layer, Pack, PackSet, Row, Watch
from contracts.pack_file import load_pack
from contracts.vocabulary import Care, LayerId


def corrected_from_the_last(packs: PackSet) -> PackSet:
    """Only the last settlement of a year may be taken back, as some regions demand."""
    return PackSet(version(pack, "last first", last_first=True) for pack in packs.packs)


def with_county_and_editions(packs: PackSet) -> PackSet:
    """椒江 (331002) fills what Taizhou delegates, in its ledger; Taiyuan's serious illness changes in mid-year."""
    changed = {"140100": two_editions}
    city = next(pack for pack in packs.packs if pack.region == "331000")
    county = version(city, "county", county="331002", layers=tuple(map(filled, city.layers)))
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
    return version(pack, "editions", layers=tuple(layers))


def meaner(row: Row) -> Row:
    """The same row with less to give."""
    assert row.curve is not None
    deductible = row.curve.deductible
    tiers = ((0, Fraction("0.1")), (deductible - 1, Fraction("0.2")), (deductible + 700_001, Fraction("0.6789")))
    return replace(row, curve=Curve(deductible, tiers), cap=1_000_000)


# Texts of one region's policy that follow one another ───────────────────────────────────────────

_VERSIONS: dict[str, Pack] = {}


def load_version(texts: Sequence[str]) -> Pack:
    """Compiles what the journal kept; the versions made here stand in it by their digest."""
    return _VERSIONS.get(texts[0]) or load_pack(texts)


def version(pack: Pack, name: str, **changed: Any) -> Pack:
    """The pack with something changed, under a digest of its own."""
    digest = f"sha256:{sha256(f'{pack.digest} {name}'.encode()).hexdigest()}"
    return _VERSIONS.setdefault(digest, replace(pack, digest=digest, texts=(digest,), **changed))


def versions(pack: Pack) -> list[Pack]:
    """What may become of a region's pack: other numbers, caps and rows, a layer dropped, or what must be refused."""
    layers = pack.layers
    named = [name for layer in layers for name in layer.fund_fields]
    # A reported layer looks at every bill, so it can share its fund field with no other.
    alone = [layer for layer in layers if all(named.count(name) == 1 for name in layer.fund_fields)]
    decided = [layer.id for layer in alone if layer.mode != "reported"]
    made = [
        pack,
        version(pack, "half", layers=tuple(with_rows(layer, halved) for layer in layers)),
        version(pack, "double", layers=tuple(with_rows(layer, doubled) for layer in layers)),
        version(
            pack, "uncapped", layers=tuple(with_rows(layer, lambda row: replace(row, cap=None)) for layer in layers)
        ),
        version(pack, "last row only", layers=tuple(map(with_last_row_only, layers))),
        version(pack, "everybody", layers=tuple(map(for_everybody, layers))),
        version(pack, "last first", last_first=True),
        version(pack, "watchful", watches=tuple(map(watching_more, pack.watches))),
        version(pack, "unwatched", watches=()),
        version(pack, "fields moved", layers=fields_moved(layers)),
        version(pack, "another applicant", layers=tuple(map(for_another_applicant, layers))),
    ]
    for dropped in dict.fromkeys(layer.id for layer in layers if layer.id != LayerId.BASIC):
        without = tuple(layer for layer in layers if layer.id != dropped)
        made.append(version(pack, f"without {dropped}", layers=without))
    for told in dict.fromkeys(decided):
        given = tuple(replace(layer, mode="reported") if layer.id == told else layer for layer in layers)
        made.append(version(pack, f"{told} reported", layers=given))
    return made


def without_computed_layers(pack: Pack) -> Pack:
    """Nothing is paid at discharge any more; what is paid on application still is."""
    return version(pack, "stripped", layers=tuple(layer for layer in pack.layers if layer.mode != "computed"))


def watching_more(watch: Watch) -> Watch:
    """Smaller sums, everybody, any care."""
    at_least = None if watch.at_least is None else 1_000_000
    return replace(watch, at_least=at_least, codes=None, cares=None)


def with_rows(layer: Layer, change: Callable[[Row], Row]) -> Layer:
    """The layer with each row that has numbers changed."""
    return replace(layer, rows=tuple(row if row.curve is None else change(row) for row in layer.rows))


def with_last_row_only(layer: Layer) -> Layer:
    """Nobody is told apart any more, but for applicants, whose rows a pack must have."""
    return layer if layer.application is not None else replace(layer, rows=layer.rows[-1:])


def halved(row: Row) -> Row:
    """Half of everything, and a third of a cap."""
    assert row.curve is not None
    tiers = tuple((start, ratio / 2) for start, ratio in row.curve.tiers)
    return replace(row, curve=Curve(row.curve.deductible // 2, tiers), cap=None if row.cap is None else row.cap // 3)


def doubled(row: Row) -> Row:
    """A cap twice as high, the deductible gone, and every part paid at nine tenths of the rest."""
    assert row.curve is not None
    tiers = tuple((start, 1 - (1 - ratio) * Fraction(9, 10)) for start, ratio in row.curve.tiers)
    return replace(row, curve=Curve(0, tiers), cap=None if row.cap is None else row.cap * 2)


def for_everybody(layer: Layer) -> Layer:
    """Every insurance type, every care, nothing excluded, from the beginning; the shared fund field stays shared."""
    if layer.mode == "reported":
        return layer
    return replace(layer, insutypes=None, excludes=frozenset(), first_day="2000-01-01", needs_subsidised_premium=False)


def fields_moved(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """What the second layer's field was is now the first one's too; the second has none."""
    first, second, *others = layers
    gained = replace(first, fund_fields=(*first.fund_fields, *second.fund_fields))
    return gained, replace(second, fund_fields=()), *others


def for_another_applicant(layer: Layer) -> Layer:
    """The first applicant's word is gone, another one is known."""
    if layer.application is None:
        return layer
    (_, who), *others = layer.application.rows.items()
    return replace(layer, application=replace(layer.application, rows={**dict(others), "谁也不是": who}))
