"""The path of a batch of one partition: decode → validate → load → adjudicate → emit.

Nothing here waits, reads a clock or knows a store: the worker reads the fields that `wanted` names, hands them to
`supply`, and commits what `settle` returns. The same records over the same fields give the same bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from contracts.discharge import Settled
from contracts.events import Event
from contracts.money import Fen, parse_yuan
from contracts.payout import CombinedPayout, Line
from contracts.signals import Signal
from contracts.topics import INPUTS
from contracts.vocabulary import Care, InsuranceType, SignalKind
from workers.adjudication.books import Books, Outcome
from workers.adjudication.refuse import RefusedError
from workers.settlement.decode import decode
from workers.settlement.emit import payout_record, signal_record, trace_of
from workers.settlement.loaded import LoadedShelf
from workers.settlement.quarantine import quarantined
from workers.settlement.reach import Reach
from workers.settlement.reached import reached
from workers.settlement.records import Incoming, Outgoing
from workers.settlement.take import take, time_of
from workers.settlement.validate import refuse_card_numbers, refuse_misplaced

_RESIDENTS: Final = InsuranceType.RESIDENTS.value
_INPATIENT: Final = Care.INPATIENT


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
    moved: Counter[tuple[str, str, str, str, str]] = field(default_factory=Counter)
    """(region, layer, fund, payee, movement) -> fen"""
    lines: Counter[tuple[str, str]] = field(default_factory=Counter)  # (layer, status or reason)
    reached: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (region, layer, what became of it)
    caps_reached: Counter[tuple[str, str]] = field(default_factory=Counter)  # (region, layer)
    residents_inpatient: dict[str, tuple[Fen, Fen]] = field(default_factory=dict)
    """region -> in-scope cost and the basic fund's share of it, of residents' inpatient settlements as they came.

    并医保发〔2019〕27号 三（一） wants the second to be about 75 % of the first. Reversals are not taken out again."""
    setl_times: list[str] = field(default_factory=list)
    """Of settlements that were settled now."""


@dataclass(slots=True)
class BatchResult:
    """Everything one transaction carries. `fresh` is how many of `fields` were absent before."""

    fields: list[tuple[str, bytes]]
    fresh: int
    payouts: list[Outgoing] = field(default_factory=list)
    signals: list[Outgoing] = field(default_factory=list)
    quarantine: list[Outgoing] = field(default_factory=list)
    came_to: list[tuple[Incoming, str, str]] = field(default_factory=list)
    """Each record, its event's type and its effect; of a refused one nothing and the reason."""
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
            _emit(result, record, event, outcome)
        result.fields = self._shelf.changed()
        result.fresh = self._shelf.fresh()
        return result


def _refuse(result: BatchResult, record: Incoming, refusal: RefusedError) -> None:
    result.quarantine.append(quarantined(refusal, record))
    result.came_to.append((record, "", refusal.reason.value))
    result.counts.refusals[refusal.reason.value] += 1


def _emit(result: BatchResult, record: Incoming, event: Event, outcome: Outcome) -> None:
    counts = result.counts
    counts.effects[event.type, outcome.effect] += 1
    result.came_to.append((record, event.type, outcome.effect))
    time = time_of(event)
    trace = trace_of(record) if record.headers else ()
    for payout in outcome.payouts:
        result.payouts.append(payout_record(payout, time, trace))
        _count(counts, payout)
    for signal in outcome.signals:
        result.signals.append(signal_record(signal, time, trace))
        _count_signal(counts, signal)
    if outcome.effect == "settled" and isinstance(event, Settled):
        _count_bill(counts, event, outcome.payouts[0]["pack"]["region"])


def _count(counts: Counts, payout: CombinedPayout) -> None:
    lines, kind, region = counts.lines, payout["kind"], payout["pack"]["region"]
    counts.payouts[kind] += 1
    for line in payout["lines"]:
        layer = line["layer"]
        lines[layer, line["reason"] or line["status"]] += 1
        if line["payable"]:
            movement, amount = movement_of(line)
            counts.moved[region, layer, line["fund_pay_type"], line["payee"] or "", movement] += amount
        if "who" in line and (came_to := reached(line, kind)) is not None:
            counts.reached[region, layer, came_to] += 1


def _count_signal(counts: Counts, signal: Signal) -> None:
    counts.signals[signal["kind"], signal["state"]] += 1
    if signal["kind"] is SignalKind.CAP_REACHED and signal["state"] == "raised" and signal["layer"] is not None:
        counts.caps_reached[signal["region"], signal["layer"]] += 1


def _count_bill(counts: Counts, bill: Settled, region: str) -> None:
    counts.setl_times.append(bill.setl_time)
    if bill.insutype == _RESIDENTS and bill.care is _INPATIENT:
        in_scope, paid = counts.residents_inpatient.get(region, (0, 0))
        counts.residents_inpatient[region] = in_scope + bill.inscp_scp_amt, paid + (bill.hifp_pay or 0)
