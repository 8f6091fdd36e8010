"""The path of a batch of one partition: decode → validate → load → adjudicate → emit.

Nothing here waits, reads a clock or knows a store: the worker reads the fields that `wanted` names, hands them to
`supply`, and commits what `settle` returns. The same records over the same fields give the same bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from contracts.events import Event
from contracts.money import Fen, parse_yuan
from contracts.payout import CombinedPayout, Line
from contracts.signals import Signal
from contracts.topics import INPUTS
from workers.adjudication.books import Books, Outcome
from workers.adjudication.refuse import RefusedError
from workers.settlement.decode import decode
from workers.settlement.emit import payout_record, signal_record
from workers.settlement.loaded import LoadedShelf
from workers.settlement.quarantine import quarantined
from workers.settlement.reach import Reach
from workers.settlement.records import Incoming, Outgoing
from workers.settlement.take import take, time_of
from workers.settlement.validate import refuse_card_numbers, refuse_misplaced


class Movement(StrEnum):
    """How money moved: at discharge or on application, back by a reversal, or by a correction, one way or the other.

    A reversal also pays: a person gets back what a correction had asked back of the settlement.
    """

    PAID = "paid"
    RETURNED = "returned"
    TOP_UP = "top_up"
    CLAWBACK = "clawback"


def movement_of(line: Line) -> tuple[Movement, Fen]:
    """Which way a payable line moves money, and how much of it, never negative."""
    correction = line.get("correction")
    if correction is not None:
        way = Movement(correction)
    else:
        way = Movement.RETURNED if line["delta"].startswith("-") else Movement.PAID
    return way, parse_yuan(line["delta"].removeprefix("-"))


@dataclass(slots=True)
class Counts:
    """What a batch did, for the metrics: labels from closed lists only, amounts in fen."""

    effects: Counter[tuple[str, str]] = field(default_factory=Counter)  # (event type, effect)
    refusals: Counter[str] = field(default_factory=Counter)  # reason
    payouts: Counter[str] = field(default_factory=Counter)  # kind
    signals: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, state)
    moved: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (region, layer, movement) -> fen
    lines: Counter[tuple[str, str]] = field(default_factory=Counter)  # (layer, status or reason)


@dataclass(slots=True)
class BatchResult:
    """Everything one transaction carries. `fresh` is how many of `fields` were absent before."""

    fields: list[tuple[str, bytes]]
    fresh: int
    payouts: list[Outgoing] = field(default_factory=list)
    signals: list[Outgoing] = field(default_factory=list)
    quarantine: list[Outgoing] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


class Batch:
    """A batch of one partition's records, in the order in which they count: persons, discharges, applications."""

    def __init__(self, books: Books, partition: int, partitions: int, records: Sequence[Incoming]) -> None:
        self._books = books
        self._partition = partition
        self._shelf = LoadedShelf()
        self._rounds = 0
        self._records = sorted(records, key=lambda record: (INPUTS.index(record.topic), record.offset))
        self._read: list[tuple[Incoming, Event | RefusedError]] = [
            (record, self._decoded(record, partitions)) for record in self._records
        ]
        events = [event for _, event in self._read if not isinstance(event, RefusedError)]
        self._reach = Reach(books, self._shelf, events)

    @staticmethod
    def _decoded(record: Incoming, partitions: int) -> Event | RefusedError:
        try:
            event = decode(record.value)
            refuse_card_numbers(event)
            refuse_misplaced(event, record, partitions)
        except RefusedError as refusal:
            return refusal
        return event

    # ── load ──────────────────────────────────────────────────────────────────────────────────────────────────

    def wanted(self) -> list[str]:
        """The fields to read next; empty when everything that the batch may see has been read.

        Three rounds at most: what the events name; the ledgers that corrections lead to and the entries that repeats
        are compared with; the entries of the ledgers to fold again.
        """
        while self._rounds < 3:
            self._rounds += 1
            names = (self._reach.named, self._reach.led_to, self._reach.to_fold)[self._rounds - 1]()
            unread = self._shelf.unread(names)
            if unread:
                return unread
        return []

    def supply(self, values: Mapping[str, bytes | None]) -> None:
        """Take in the fields that `wanted` named; None where one is absent."""
        self._shelf.supply(values)

    # ── adjudicate and emit ───────────────────────────────────────────────────────────────────────────────────

    def settle(self) -> BatchResult:
        """Adjudicate every record in order. Pure; an exception other than a refusal is a broken invariant."""
        result = BatchResult([], 0)
        for record, event in self._read:
            if isinstance(event, RefusedError):
                _refuse(result, record, event)
                continue
            try:
                outcome = take(self._books, self._shelf, event)
            except RefusedError as refusal:
                _refuse(result, record, refusal)
                continue
            _emit(result, event, outcome)
        result.fields = self._shelf.changed()
        result.fresh = self._shelf.fresh()
        return result


def _refuse(result: BatchResult, record: Incoming, refusal: RefusedError) -> None:
    result.quarantine.append(quarantined(refusal, record))
    result.counts.refusals[refusal.reason.value] += 1


def _emit(result: BatchResult, event: Event, outcome: Outcome) -> None:
    counts = result.counts
    counts.effects[event.type, outcome.effect] += 1
    time = time_of(event)
    for payout in outcome.payouts:
        result.payouts.append(payout_record(payout, time))
        _count(counts, payout)
    for signal in outcome.signals:
        result.signals.append(signal_record(signal, time))
        _count_signal(counts, signal)


def _count(counts: Counts, payout: CombinedPayout) -> None:
    counts.payouts[payout["kind"]] += 1
    region = payout["pack"]["region"]
    for line in payout["lines"]:
        counts.lines[line["layer"], line["reason"] or line["status"]] += 1
        if line["payable"]:
            movement, amount = movement_of(line)
            counts.moved[region, line["layer"], movement] += amount


def _count_signal(counts: Counts, signal: Signal) -> None:
    counts.signals[signal["kind"], signal["state"]] += 1
