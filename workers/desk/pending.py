"""Who could be paid on application for a year and has not applied. Source: 景政办发〔2021〕29号 二（三）2（4）."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.journal import Account, Entry, Year, read_field
from contracts.money import Fen, yuan
from contracts.pack import Layer, Row
from contracts.vocabulary import Day
from workers.adjudication.application import layer_applied_for
from workers.adjudication.layer import pend, row_for
from workers.desk.person_year import PersonYear, person_years
from workers.desk.source import Source

AT_ONCE: Final = 32
"""Persons whose years are read side by side."""

Progress = Callable[[int, int], None]
"""Told how much is done of how much: partitions while looking for candidates, then candidates while reading them."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A person who could be paid on application for a year, in fen, by the row of the identity that counted last.

    `base` is the year's; `applied_on` the day of an application that came after the day that was asked about.
    """

    psn_no: str
    region: str
    year: int
    layer: Layer
    row: Row
    base: Fen
    amount: Fen
    deadline: Day
    applied_on: Day | None

    def days_left(self, today: Day) -> int:
        """Days until the deadline, the last one included; negative when it has passed."""
        return (date.fromisoformat(self.deadline) - date.fromisoformat(today)).days

    def written(self, today: Day) -> dict[str, Any]:
        """As JSON writes it, in yuan."""
        return {
            "type": "pending_application",
            "psn_no": self.psn_no,
            "region": self.region,
            "year": self.year,
            "layer": self.layer.id,
            "label": self.layer.label,
            "who": self.row.who,
            "base": yuan(self.base),
            "pending_payamt": yuan(self.amount),
            "deadline": self.deadline,
            "days_left": self.days_left(today),
            "applied_on": self.applied_on,
        }


def regions_paid_on_application(source: Source, number: int) -> dict[str, list[Layer]]:
    """The regions whose packs in use pay a layer on application for a year, with that layer by each of their packs."""
    found: dict[str, list[Layer]] = {}
    for pack in source.books.packs.packs:
        layer = layer_applied_for(pack, number)
        if layer is not None:
            found.setdefault(pack.region, []).append(layer)
    return found


async def pending_of(
    source: Source, number: int, *, region: str | None, by: Day, scanned: Progress, judged: Progress
) -> list[Pending]:
    """Everybody with something pending for a year who had not applied by a day, the highest amounts first.

    A decision of any kind counts as an application, also one that refuses. Raises `SourceUnfit`.
    """
    layers = {name: its for name, its in regions_paid_on_application(source, number).items() if region in (None, name)}
    candidates: dict[tuple[str, str], None] = {}
    for partition in range(source.partitions):
        async for name, text in source.scan(partition, "y"):
            _, psn_no, its_region, its_number = name.split("|")
            if its_number == str(number) and its_region in layers and _may_be_paid(layers[its_region], text, name):
                candidates[psn_no, its_region] = None
        scanned(partition + 1, source.partitions)
    found: list[Pending] = []
    done = 0
    async for some in _read(source, list(candidates), number):
        found += (each for ledger in some if (each := pending(source, ledger, by=by)) is not None)
        done = min(done + AT_ONCE, len(candidates))
        judged(done, len(candidates))
    return sorted(found, key=lambda each: (-each.amount, each.psn_no, each.region))


def _may_be_paid(layers: Sequence[Layer], text: bytes, name: str) -> bool:
    """Whether any row of the layer would owe the year anything beyond what was carried in."""
    year: Year = read_field(name, text)
    return any(
        _due(row, year.accounts.get(layer.id, Account()).base) > _carried(year, layer)
        for layer in layers
        for row in layer.rows
    )


async def _read(source: Source, whose: Sequence[tuple[str, str]], number: int) -> AsyncIterator[list[PersonYear]]:
    """The ledgers of these persons and regions, some at once."""
    waiting = iter(whose)
    while some := list(islice(waiting, AT_ONCE)):
        read = await asyncio.gather(*(person_years(source, psn_no, number) for psn_no, _ in some))
        yield [
            ledger
            for (_, region), ledgers in zip(some, read, strict=True)
            for ledger in ledgers
            if ledger.region == region
        ]


def pending(source: Source, ledger: PersonYear, *, by: Day) -> Pending | None:
    """What a ledger's person could be paid and had not applied for by a day; None where there is nothing."""
    last = _last_covered(source, ledger)
    pack = None if last is None else source.books.packs.for_region(last.fact.insuplc_admdvs)
    layer = layer_applied_for(pack or ledger.in_use, ledger.number)
    if layer is None or layer.application is None:
        return None
    row = (None if last is None else row_for(layer, last.codes)) or layer.rows[-1]
    account = ledger.year.accounts.get(layer.id, Account())
    applied = sorted(entry.fact.applied_on for entry in ledger.entries if isinstance(entry.fact, ApplicationDecided))
    if row.curve is None or _due(row, account.base) <= _carried(ledger.year, layer) or (applied and applied[0] <= by):
        return None
    month, day = layer.application.deadline
    return Pending(
        ledger.psn_no,
        ledger.region,
        ledger.number,
        layer,
        row,
        account.base,
        pend(layer, row, 0, account).pending or 0,
        f"{ledger.number + 1}-{month:02d}-{day:02d}",
        applied[0] if applied else None,
    )


def _last_covered(source: Source, ledger: PersonYear) -> Entry | None:
    """The last live settlement that the layer paid on application looked at, by the pack that it was decided under."""
    for entry in reversed(ledger.entries):
        if entry.live and isinstance(entry.fact, Settled):
            steps = source.books.planner(ledger.packs[entry.digest]).plan(entry.fact).steps
            if any(step.reason is None and step.layer.mode == "on_application" for step in steps):
                return entry
    return None


def _due(row: Row, base: Fen) -> Fen:
    """What a row owes on a year's base in all, its cap included."""
    owed = 0 if row.curve is None else row.curve.owed(base)
    return owed if row.cap is None else min(row.cap, owed)


def _carried(year: Year, layer: Layer) -> Fen:
    """What had been paid elsewhere before the year was kept here; applications account for all that was paid since."""
    balances: Mapping[str, Account] = {} if year.opening is None else year.opening.layers
    return balances.get(layer.id, Account()).paid
