"""A policy pack as the core reads it: layers in order, their rows, curves, caps, and the clauses behind each number.

Packs are written as TOML (`contracts/pack_file.py` reads and compiles them). Everything here is frozen and exact.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Final, Literal

from contracts.money import Fen
from contracts.vocabulary import Care, Day, Exclusion, LayerId, SignalKind

BEGINNING: Final[Day] = "0001-01-01"


def ratio_text(ratio: Fraction) -> str:
    """A ratio as a decimal with at least two places, `0.70`. Pack ratios are finite decimals."""
    places = 2
    while (ratio * 10**places).denominator != 1:
        places += 1
    units = int(ratio * 10**places)
    return f"{units // 10**places}.{units % 10**places:0{places}d}"


@dataclass(frozen=True, eq=False)
class Curve:
    """What a row owes in total on a year's base: a deductible, then marginal tiers.

    `tiers` are (start in fen, ratio) in rising order, the first at 0. A tier's start is on the year's base, the
    deductible included.
    """

    deductible: Fen
    tiers: tuple[tuple[Fen, Fraction], ...]

    @cached_property
    def _steps(self) -> tuple[tuple[Fen, ...], tuple[int, ...], tuple[int, ...], int]:
        """Starts, slopes, sums at the starts (both over one denominator), and that denominator."""
        starts: list[Fen] = [0]
        ratios: list[Fraction] = [Fraction(0)]
        for position, (start, ratio) in enumerate(self.tiers):
            end = self.tiers[position + 1][0] if position + 1 < len(self.tiers) else None
            if end is not None and end <= self.deductible:
                continue
            begin = max(start, self.deductible)
            if begin == starts[-1]:
                ratios[-1] = ratio
            else:
                starts.append(begin)
                ratios.append(ratio)
        denominator = lcm(*(ratio.denominator for ratio in ratios))
        slopes = [int(ratio * denominator) for ratio in ratios]
        sums = [0]
        for position in range(1, len(starts)):
            sums.append(sums[-1] + (starts[position] - starts[position - 1]) * slopes[position - 1])
        return tuple(starts), tuple(slopes), tuple(sums), denominator

    def owed(self, base: Fen) -> Fen:
        """What the row owes in total on a year's `base`, before its cap, rounded half up to the fen.

        Cumulative on purpose: a settlement is owed the difference between two points on this curve, so taking an
        earlier one away moves the later ones along it and needs no rule of its own.
        """
        starts, slopes, sums, denominator = self._steps
        step = bisect_right(starts, base) - 1
        exact = sums[step] + (base - starts[step]) * slopes[step]
        return (2 * exact + denominator) // (2 * denominator)

    def share_at(self, base: Fen) -> Fraction:
        """The share of the next fen of a year's base that the row owes, before its cap: the curve's slope, exact."""
        starts, slopes, _, denominator = self._steps
        return Fraction(slopes[bisect_right(starts, base) - 1], denominator)

    def slices(self, before: Fen, after: Fen) -> Iterable[tuple[Fen, Fen, str]]:
        """The slices (from, to, ratio) between two points of the year's base; the deductible is a slice of ratio 0."""
        starts, texts = self._texts
        step = bisect_right(starts, before) - 1
        while before < after:
            end = min(after, starts[step + 1]) if step + 1 < len(starts) else after
            yield before, end, texts[step]
            before, step = end, step + 1

    @cached_property
    def _texts(self) -> tuple[tuple[Fen, ...], tuple[str, ...]]:
        starts, slopes, _, denominator = self._steps
        return starts, tuple(ratio_text(Fraction(slope, denominator)) for slope in slopes)


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a benefit table. `codes` is None for everybody; `curve` is None where the row is delegated.

    `clauses` are the row's own, in place of its layer's: a county's, for a row that its city delegates.
    """

    who: str
    codes: frozenset[str] | None
    curve: Curve | None
    cap: Fen | None
    clauses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ApplicationRule:
    """When a layer paid on application may be paid, and to whom. Source: 景政办发〔2021〕29号 二（一）（三）.

    `deadline` is (month, day) of the year after the benefit year, included. `rows` maps an applicant to a row's `who`.
    `hardship_first` are applicants who must have asked for a hardship identity before.
    """

    deadline: tuple[int, int]
    insured_years_least: int
    rows: Mapping[str, str]
    hardship_first: frozenset[str]


Mode = Literal["reported", "computed", "on_application"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One edition of one layer. `first_day` and `last_day` are days of discharge, both included.

    `base` are indexes into `BUCKETS`, in drawing order. `insutypes` is None for every insurance type. `clauses` and
    `readings` are keyed by the pack's own keys (`base`, `settles`, `benefits.tiers` …).
    """

    id: LayerId
    label: str
    mode: Mode
    fund_fields: tuple[str, ...]
    fund_pay_types: Mapping[str, str]
    fund_pay_type: str
    first_day: Day = BEGINNING
    last_day: Day | None = None
    insutypes: frozenset[str] | None = None
    cares: frozenset[Care] = frozenset()
    excludes: frozenset[Exclusion] = frozenset()
    needs_subsidised_premium: bool = False
    base: tuple[int, ...] = ()
    rows: tuple[Row, ...] = ()
    application: ApplicationRule | None = None
    clauses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    readings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def in_force(self, day: Day) -> bool:
        """Whether a discharge on `day` falls into this edition."""
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)

    def fund_pay_type_for(self, insutype: str) -> str:
        """The fund code of the line, which for basic insurance depends on the insurance type."""
        return self.fund_pay_types.get(insutype, self.fund_pay_type)

    def clauses_of(self, *keys: str, row: Row | None = None) -> list[str]:
        """The clauses that support `keys`, each once, in pack order; a row's own take the place of the layer's."""
        clauses = self.clauses if row is None else {**self.clauses, **row.clauses}
        return list(dict.fromkeys(clause for key in keys for clause in clauses.get(key, ())))

    def readings_of(self, *keys: str) -> list[str]:
        """The readings that concern `keys`, each once, in order of their names."""
        return sorted({reading for key in keys for reading in self.readings.get(key, ())})


@dataclass(frozen=True)
class Watch:
    """Something to be told about. `large_bill`: the year's live bills from `first_day` on reach `at_least` fen.

    `zero_self_pay`: a live settlement of `cares` for a person with one of `codes` leaves nothing to pay. Other kinds
    measure nothing: they lend their clause to a signal that is raised in every region.
    """

    kind: SignalKind
    label: str
    first_day: Day
    clause: str
    at_least: Fen | None = None
    codes: frozenset[str] | None = None
    cares: frozenset[Care] | None = None


@dataclass(frozen=True, eq=False)
class Pack:
    """One region's policy. `region` names the ledger (the city's, also under a county's file); `digest` its text.

    `carrier` is the insurer that a county's file names for its supplementary insurance.
    """

    region: str
    name: str
    digest: str
    texts: tuple[str, ...]
    layers: tuple[Layer, ...]
    watches: tuple[Watch, ...] = ()
    last_first: bool = False
    county: str | None = None
    carrier: str | None = None

    @cached_property
    def _on(self) -> dict[Day, tuple[tuple[Layer, bool], ...]]:
        return {}

    @cached_property
    def _same(self) -> dict[tuple[tuple[Layer, bool], ...], tuple[tuple[Layer, bool], ...]]:
        return {}

    def layers_on(self, day: Day) -> tuple[tuple[Layer, bool], ...]:
        """Every layer in pack order, each by the edition in force on `day` (or its nearest one), and whether it is.

        Days with the same editions get the same tuple, so that it can stand for them.
        """
        found = self._on.get(day)
        if found is None:
            editions: dict[str, Layer] = {}
            for layer in self.layers:
                held = editions.get(layer.id)
                if held is None or layer.in_force(day) or (not held.in_force(day) and layer.first_day <= day):
                    editions[layer.id] = layer
            found = tuple((layer, layer.in_force(day)) for layer in editions.values())
            found = self._on[day] = self._same.setdefault(found, found)
        return found


def region_prefix(region: str) -> str:
    """The digits that a region's codes begin with: `331000` matches every `3310xx`, `330000` every `33xxxx`."""
    prefix = region
    while len(prefix) > 2 and prefix.endswith("00"):
        prefix = prefix[:-2]
    return prefix


class PackSet:
    """The packs in use, found by region or by digest."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        self.packs = tuple(packs)
        self._by_prefix = {region_prefix(pack.county or pack.region): pack for pack in self.packs}
        self._by_region: dict[str, Pack | None] = {}
        self._by_digest = {pack.digest: pack for pack in self.packs}

    def for_region(self, insuplc_admdvs: str) -> Pack | None:
        """The pack of the longest matching region, or None."""
        try:
            return self._by_region[insuplc_admdvs]
        except KeyError:
            pass
        lengths = range(len(insuplc_admdvs), 1, -2)
        found = next((p for n in lengths if (p := self._by_prefix.get(insuplc_admdvs[:n])) is not None), None)
        if len(self._by_region) < 4096:
            self._by_region[insuplc_admdvs] = found
        return found

    def by_digest(self, digest: str) -> Pack | None:
        """The pack with this digest, or None where it is not one of those in use or remembered."""
        return self._by_digest.get(digest)

    def remember(self, pack: Pack) -> None:
        """Keep a pack of the past, so that entries decided under it can be folded again."""
        self._by_digest.setdefault(pack.digest, pack)
