"""A year settled again in the order of discharge: what each layer would have paid, had everything arrived in order.

Settlements are paid in order of arrival, so caps and deductibles go to who settles first. The fold here is the core's
own: each entry under the pack and the identities that it was decided with, from the balances that were carried in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.fields import moment
from contracts.journal import Account, Entry
from contracts.money import Fen
from contracts.pack import Layer, Row
from contracts.vocabulary import Day
from workers.adjudication.adjudicate import adjudicate
from workers.adjudication.application import Grant, granted
from workers.adjudication.books import Books
from workers.adjudication.layer import Decision
from workers.desk.person_year import PersonYear


@dataclass(frozen=True, slots=True)
class Taken:
    """What one layer did for one entry in one of the two orders, in fen.

    `owed` is what the row's curve owes on the slice of the year's base from `before` on, `base` long; the cap took
    `cut_by_cap` of it, and payments that others had made with the bill left no room for `cut_by_room`. Without a row
    nothing was computed, and `paid` is what the platform reported. `grant` is set for an application only.
    """

    entry: int
    digest: str
    layer: Layer
    row: Row | None
    before: Fen
    base: Fen
    owed: Fen
    cut_by_cap: Fen
    cut_by_room: Fen
    paid: Fen
    grant: Grant | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """A year folded in one order: the entries' indexes in that order, and by layer what it did for each of them."""

    order: tuple[int, ...]
    layers: Mapping[str, tuple[Taken, ...]]

    def of(self, layer: str) -> dict[int, Taken]:
        """What a layer did, by entry."""
        return {taken.entry: taken for taken in self.layers.get(layer, ())}

    def paid(self, layer: str) -> Fen:
        """What a layer pays for the year."""
        return sum(taken.paid for taken in self.layers.get(layer, ()))


@dataclass(frozen=True, slots=True)
class TwoOrders:
    """A year as it arrived and as it would have been in order of discharge."""

    ledger: PersonYear
    arrived: Fold
    in_order: Fold

    @property
    def layers(self) -> list[Layer]:
        """The layers that anything was computed for, in pack order."""
        found: dict[str, Layer] = {}
        for name, taken in self.arrived.layers.items():
            beside = self.in_order.layers.get(name, ())
            reached = next((each for each in (*taken, *beside) if each.row is not None or each.grant is not None), None)
            if reached is not None:
                found[name] = reached.layer
        return list(found.values())


def two_orders(books: Books, ledger: PersonYear) -> TwoOrders:
    """Fold the live entries as they arrived, and again in order of discharge."""
    live = [index for index, entry in enumerate(ledger.entries) if entry.live]
    in_order = sorted(live, key=lambda index: _when(ledger.entries[index]))
    return TwoOrders(ledger, _fold(books, ledger, live), _fold(books, ledger, in_order))


def day_of(entry: Entry) -> Day:
    """The day by which an entry takes its place: of the discharge, or on which a decision was known."""
    return entry.fact.enddate if isinstance(entry.fact, Settled) else entry.fact.known_at[:10]


def name_of(entry: Entry) -> str:
    """The settlement's or the application's own id."""
    return entry.fact.setl_id if isinstance(entry.fact, Settled) else entry.fact.application_id


def _when(entry: Entry) -> tuple[Day, datetime]:
    """Its place in order; entries of one moment stay as they arrived, since the sort is stable."""
    fact = entry.fact
    return day_of(entry), moment(fact.setl_time if isinstance(fact, Settled) else fact.known_at)


def _fold(books: Books, ledger: PersonYear, order: Sequence[int]) -> Fold:
    accounts: Mapping[str, Account] = {} if ledger.year.opening is None else ledger.year.opening.layers
    layers: dict[str, list[Taken]] = {}
    for index in order:
        entry = ledger.entries[index]
        pack = ledger.packs[entry.digest]
        if isinstance(entry.fact, ApplicationDecided):
            grant = granted(pack, entry.fact, accounts)
            accounts = grant.accounts
            layers.setdefault(grant.layer.id, []).append(_granted(index, entry.digest, grant))
            continue
        plan = books.planner(pack).plan(entry.fact)
        adjudication = adjudicate(entry.fact, entry.codes, plan, accounts, again=True)
        accounts = adjudication.accounts
        for taken in _taken(index, entry.digest, adjudication.decisions):
            layers.setdefault(taken.layer.id, []).append(taken)
    return Fold(tuple(order), {name: tuple(taken) for name, taken in layers.items()})


def _granted(index: int, digest: str, grant: Grant) -> Taken:
    return Taken(index, digest, grant.layer, grant.row, 0, 0, 0, 0, 0, grant.share.paid, grant)


def _taken(index: int, digest: str, decisions: Sequence[Decision]) -> Iterator[Taken]:
    for decision in decisions:
        layer, row, before, base, paid = decision.layer, decision.row, decision.before, decision.base, decision.paid
        curve = None if row is None else row.curve
        if row is None or curve is None:
            yield Taken(index, digest, layer, None, 0, 0, 0, 0, 0, paid)
        elif decision.pending is not None:
            yield Taken(index, digest, layer, row, before, base, 0, 0, 0, 0)
        else:
            owed = curve.owed(before + base) - curve.owed(before)
            allowed = owed if decision.headroom is None else min(owed, decision.headroom)
            yield Taken(index, digest, layer, row, before, base, owed, owed - allowed, allowed - paid, paid)
