"""Why a layer's total depends on the order of arrival, derived from the two folds' own figures.

For a layer that is computed, what a year pays is

    Σ owed on the slices of the year's base − what the cap took − what found no room in a bill + what stood as reported

and an application adds what it was granted. The two orders' totals therefore differ by exactly the sum of the
differences of these terms, and each term that differs is a reason with an amount. Slices lie end to end on the year's
base: where both orders pay a slice by the same row, it owes the same to the fen, however it is parted among the
settlements, because the curve is rounded on the year's sum. So within one row nothing can differ, neither by the
deductible, nor by a tier, nor by rounding; nor by the cap, which then is reached in both orders or in neither.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Final, Literal

from contracts.discharge import Settled
from contracts.money import Fen
from contracts.pack import Curve, Layer, Row
from workers.desk.order import Taken, TwoOrders, name_of


class Why(StrEnum):
    """A term in which the two orders' totals differ."""

    ANOTHER_ROW = "another_row"
    """A slice of the year's base is paid at another row's share."""
    ROUNDING_BETWEEN_ROWS = "rounding_between_rows"
    """The same, where the shares are equal and only the fen at the border of two rows differs."""
    ANOTHER_BASE = "another_base"
    """The year's base is not the same: earlier layers left another part of a bill, or a reported amount stood."""
    CAP = "cap"
    """The cap takes another part of what the rows owe."""
    NO_ROOM = "no_room"
    """Payments that others reported with a bill leave another part of what the row owes no room."""
    REPORTED_STOOD = "reported_stood"
    """What the platform reported for a settlement stands in place of what the layer computes, in one order only."""
    APPLICATION = "application"
    """An application saw another base, or another application was the last."""


class Same(StrEnum):
    """Why a layer's totals are equal although single settlements differ."""

    ONE_CURVE = "one_curve"
    """One row counted all year: the year's total telescopes, whoever comes first."""
    SAME_SLICES = "same_slices"
    """Rows differ, yet in both orders each slice of the base is paid at the same shares."""
    LAST_APPLICATION = "last_application"
    """Each application is paid up to its own amount less what was paid before: the last one makes the total."""
    OFFSET = "offset"
    """There are differences, and they cancel out."""


_WHOLE: Final = (Why.ANOTHER_BASE, Why.CAP, Why.APPLICATION)
"""Terms that are nothing where the year's figures are the same; parts of the others may cancel out among themselves."""

Because = Literal["identity", "edition", "pack"]


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of the year's base, in fen, that the two orders pay by different rows, and what each row owes on it."""

    begin: Fen
    end: Fen
    arrived: Row | None
    in_order: Row | None
    owed_arrived: Fen
    owed_in_order: Fen
    because: Because
    """What parts the rows: an identity, an edition of the layer, or the pack that decided."""
    rounding_only: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """What a settlement was owed and did not get, in one of the orders."""

    order: Literal["arrived", "in_order"]
    name: str
    who: str
    owed: Fen
    cut: Fen
    cap: Fen | None


@dataclass(frozen=True, slots=True)
class LastGrant:
    """The last approved application of an order: the base it saw, less other assistance, and its row."""

    order: Literal["arrived", "in_order"]
    name: str
    who: str
    counted: Fen


@dataclass(frozen=True, slots=True)
class Reason:
    """A term that differs: by how much, in fen, in order of discharge less as it arrived; and the facts behind it.

    The amount is nothing only where its own parts cancel out and the totals are equal for that.
    """

    why: Why
    amount: Fen
    slices: tuple[Slice, ...] = ()
    cuts: tuple[Cut, ...] = ()
    bases: tuple[Fen, Fen] | None = None
    settlements: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    """Labels of earlier layers that pay these settlements otherwise."""
    stood: tuple[str, ...] = ()
    """Settlements that the layer counts in one order only: in the other what the platform had reported stands."""
    grants: tuple[LastGrant, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerInTwoOrders:
    """What a layer pays in the year, in both orders, and why that differs, or why it does not although entries do."""

    layer: Layer
    arrived: Fen
    in_order: Fen
    reasons: tuple[Reason, ...]
    same: Same | None

    @property
    def difference(self) -> Fen:
        """What would have been paid more in order of discharge."""
        return self.in_order - self.arrived


def why(orders: TwoOrders) -> list[LayerInTwoOrders]:
    """Each layer's totals in both orders, and the reasons, in pack order."""
    told: list[LayerInTwoOrders] = []
    earlier: list[Layer] = []
    for layer in orders.layers:
        told.append(_Layer(orders, layer, tuple(earlier)).told())
        earlier.append(layer)
    return told


class _Layer:
    """One layer in both orders."""

    def __init__(self, orders: TwoOrders, layer: Layer, earlier: tuple[Layer, ...]) -> None:
        self._orders = orders
        self._layer = layer
        self._earlier = earlier
        self._arrived = orders.arrived.layers.get(layer.id, ())
        self._in_order = orders.in_order.layers.get(layer.id, ())
        self._slices = tuple(_slices(self._arrived, self._in_order))
        opening = orders.ledger.year.opening
        self._begin: Fen = opening.layers[layer.id].base if opening and layer.id in opening.layers else 0

    def told(self) -> LayerInTwoOrders:
        terms = tuple(self._terms())
        arrived, in_order = self._orders.arrived.paid(self._layer.id), self._orders.in_order.paid(self._layer.id)
        same = self._same(terms) if arrived == in_order and self._differs() else None
        reasons = tuple(term for term in terms if term.amount or (same is Same.OFFSET and _parts(term)))
        return LayerInTwoOrders(self._layer, arrived, in_order, reasons, same)

    def _terms(self) -> Iterator[Reason]:
        """Every term of the difference; their amounts add up to it."""
        by_row = sum(each.owed_in_order - each.owed_arrived for each in self._slices)
        moved = tuple(each for each in self._slices if each.owed_in_order != each.owed_arrived)
        only_rounding = all(each.rounding_only for each in moved)
        yield Reason(Why.ROUNDING_BETWEEN_ROWS if only_rounding else Why.ANOTHER_ROW, by_row, slices=moved)
        yield self._another_base()
        yield Reason(Why.CAP, self._less("cut_by_cap"), cuts=self._cuts("cut_by_cap"))
        yield Reason(Why.NO_ROOM, self._less("cut_by_room"), cuts=self._cuts("cut_by_room"))
        yield self._stood()
        yield Reason(
            Why.APPLICATION,
            sum(each.paid for each in self._in_order if each.grant) - sum(t.paid for t in self._arrived if t.grant),
            grants=(*self._last("arrived", self._arrived), *self._last("in_order", self._in_order)),
        )

    def _another_base(self) -> Reason:
        arrived, in_order = _tiles(self._arrived), _tiles(self._in_order)
        ends = _end(arrived, self._begin), _end(in_order, self._begin)
        shorter, longer, sign = (ends[0], in_order, 1) if ends[0] <= ends[1] else (ends[1], arrived, -1)
        beyond = sum(
            _owed(each, max(each.before, shorter), _end([each], 0)) for each in longer if _end([each], 0) > shorter
        )
        bases = {each.entry: each.base for each in arrived}
        others = {each.entry: each.base for each in in_order}
        moved = [entry for entry in {**bases, **others} if bases.get(entry) != others.get(entry)]
        labels = tuple(layer.label for layer in self._earlier if any(self._paid_otherwise(layer, e) for e in moved))
        return Reason(
            Why.ANOTHER_BASE,
            sign * beyond,
            bases=ends,
            settlements=self._names(moved),
            earlier=labels,
            stood=self._names(self._stood_once()),
        )

    def _stood_once(self) -> list[int]:
        """Entries for which a row was reached in one of the orders only."""
        arrived, in_order = ({each.entry: each.row is None for each in t} for t in (self._arrived, self._in_order))
        return [entry for entry in arrived if arrived[entry] != in_order.get(entry)]

    def _paid_otherwise(self, layer: Layer, entry: int) -> bool:
        arrived, in_order = self._orders.arrived.of(layer.id).get(entry), self._orders.in_order.of(layer.id).get(entry)
        return (arrived and arrived.paid) != (in_order and in_order.paid)

    def _stood(self) -> Reason:
        """Payments of settlements for which nothing was computed: what the platform said stands."""
        arrived = {each.entry: each.paid for each in self._arrived if each.row is None and not each.grant}
        in_order = {each.entry: each.paid for each in self._in_order if each.row is None and not each.grant}
        amount = sum(in_order.values()) - sum(arrived.values())
        return Reason(Why.REPORTED_STOOD, amount, stood=self._names(self._stood_once()))

    def _less(self, cut: str) -> Fen:
        """How much more of what was owed is cut as it arrived than in order."""
        arrived: list[Fen] = [getattr(each, cut) for each in self._arrived]
        in_order: list[Fen] = [getattr(each, cut) for each in self._in_order]
        return sum(arrived) - sum(in_order)

    def _cuts(self, cut: str) -> tuple[Cut, ...]:
        """Every cut of both orders; none where they are the same."""
        orders: tuple[tuple[Literal["arrived", "in_order"], Sequence[Taken]], ...] = (
            ("arrived", self._arrived),
            ("in_order", self._in_order),
        )
        cuts = tuple(
            Cut(order, self._name(each.entry), each.row.who, each.owed, getattr(each, cut), each.row.cap)
            for order, taken in orders
            for each in taken
            if each.row is not None and getattr(each, cut)
        )
        both: tuple[set[tuple[str, Fen]], ...] = tuple(
            {(each.name, each.cut) for each in cuts if each.order == order} for order, _ in orders
        )
        return () if both[0] == both[1] else cuts

    def _last(self, order: Literal["arrived", "in_order"], taken: Sequence[Taken]) -> Iterator[LastGrant]:
        granted = [(each.entry, each.grant) for each in taken if each.grant is not None and each.grant.row is not None]
        for entry, grant in granted[-1:]:
            assert grant.row is not None
            yield LastGrant(order, self._name(entry), grant.row.who, grant.counted)

    def _differs(self) -> bool:
        """Whether a single entry is paid otherwise."""
        arrived, in_order = ({each.entry: each.paid for each in taken} for taken in (self._arrived, self._in_order))
        return arrived != in_order

    def _same(self, terms: Sequence[Reason]) -> Same:
        """Why the totals are equal, given every term of their difference."""
        if any(term.amount or _parts(term) for term in terms):
            return Same.OFFSET
        if any(each.grant for each in self._arrived):
            return Same.LAST_APPLICATION
        taken = (*self._arrived, *self._in_order)
        rows = {(shape_of(each.row.curve), each.row.cap) for each in taken if each.row is not None and each.row.curve}
        return Same.ONE_CURVE if len(rows) == 1 else Same.SAME_SLICES

    def _name(self, entry: int) -> str:
        return name_of(self._orders.ledger.entries[entry])

    def _names(self, entries: Sequence[int]) -> tuple[str, ...]:
        settled = [entry for entry in sorted(entries) if isinstance(self._orders.ledger.entries[entry].fact, Settled)]
        return tuple(map(self._name, settled))


def _parts(term: Reason) -> bool:
    """Whether a term has parts that differ, also where they come to nothing together."""
    return term.why not in _WHOLE and bool(term.slices or term.stood or term.cuts)


# ── slices of the year's base ─────────────────────────────────────────────────────────────────────────────────

_FAR: Final = 10**18
"""Beyond every bill, in fen."""


def shape_of(curve: Curve) -> tuple[tuple[Fen, Fen, str], ...]:
    """What a curve pays where, however its deductible and tiers are written."""
    pieces = [(ratio, list(group)) for ratio, group in groupby(curve.slices(0, _FAR), key=lambda piece: piece[2])]
    return tuple((group[0][0], group[-1][1], ratio) for ratio, group in pieces)


def _tiles(taken: Sequence[Taken]) -> list[Taken]:
    """Those that lie end to end on the year's base."""
    return [each for each in taken if each.base]


def _end(tiles: Sequence[Taken], begin: Fen) -> Fen:
    return tiles[-1].before + tiles[-1].base if tiles else begin


def _curve(taken: Taken) -> Curve | None:
    """The curve that paid; a layer that is paid on application owes nothing at discharge."""
    return taken.row.curve if taken.row is not None and taken.layer.mode == "computed" else None


def _owed(taken: Taken, begin: Fen, end: Fen) -> Fen:
    curve = _curve(taken)
    return 0 if curve is None else curve.owed(end) - curve.owed(begin)


def _slices(arrived: Sequence[Taken], in_order: Sequence[Taken]) -> Iterator[Slice]:
    """The slices that both orders reach and that they pay by rows of different shape, joined where they meet."""
    ours, theirs = _tiles(arrived), _tiles(in_order)
    points = sorted({point for each in (*ours, *theirs) for point in (each.before, each.before + each.base)})
    open_: Slice | None = None
    for begin, end in pairwise(points):
        one, other = _at(ours, begin), _at(theirs, begin)
        here = None if one is None or other is None else _slice(one, other, begin, end)
        joined = _joined(open_, here)
        if joined is None and open_ is not None:
            yield open_
        open_ = joined or here
    if open_ is not None:
        yield open_


def _at(tiles: Sequence[Taken], point: Fen) -> Taken | None:
    return next((each for each in tiles if each.before <= point < each.before + each.base), None)


def _slice(one: Taken, other: Taken, begin: Fen, end: Fen) -> Slice | None:
    """The slice with what each row owes on it; None where the rows are of one shape, and so owe the same."""
    curves = [_curve(one), _curve(other)]
    if curves[0] is curves[1] or (curves[0] and curves[1] and shape_of(curves[0]) == shape_of(curves[1])):
        return None
    because: Because = "pack" if one.digest != other.digest else "identity" if one.layer is other.layer else "edition"
    owed = _owed(one, begin, end), _owed(other, begin, end)
    shares = [() if curve is None else tuple(curve.slices(begin, end)) for curve in curves]
    return Slice(begin, end, one.row, other.row, *owed, because, shares[0] == shares[1])


def _joined(one: Slice | None, other: Slice | None) -> Slice | None:
    """Two slices that meet and are paid by the same two rows, as one."""
    if one is None or other is None or one.end != other.begin:
        return None
    if one.arrived is not other.arrived or one.in_order is not other.in_order or one.because != other.because:
        return None
    owed = one.owed_arrived + other.owed_arrived, one.owed_in_order + other.owed_in_order
    rounding = one.rounding_only and other.rounding_only
    return Slice(one.begin, other.end, one.arrived, one.in_order, *owed, one.because, rounding)
