"""A broker in memory that behaves as the protocol needs to know it.

It keeps epochs, open transactions, markers that take up offsets, a last stable offset and the group's offsets. The end
of a transaction is decided at once and shown later where `shows_after` says so: markers and group offsets each in their
own time, as on a cluster, and until then the producer may neither begin another transaction nor start anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from contracts.topics import INPUTS, JOURNAL, PAYOUTS, QUARANTINE, SIGNALS
from workers.settlement.ports import Fenced
from workers.settlement.records import Outgoing

OUTPUTS: Final = (JOURNAL, PAYOUTS, SIGNALS, QUARANTINE)

Where = tuple[str, int]
"""A topic and a partition."""


class NotYet(Exception):
    """CONCURRENT_TRANSACTIONS: the markers of the transaction before are still being written."""


@dataclass(eq=False)
class Transaction:
    """What one epoch has written since it last ended a transaction."""

    epoch: int
    state: str = "open"
    """Then `ending`, and at last `committed` or `aborted`."""
    open_since: float | None = None
    """When somebody who aborts what stays open too long has first seen it."""
    logs: dict[Where, int] = field(default_factory=dict)
    """Where it has written, and from which offset on."""
    offsets: dict[tuple[str, str, int], int] = field(default_factory=dict)


class Entry(NamedTuple):
    """One offset of a log: a record, or the marker of an ended transaction."""

    transaction: Transaction | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    is_marker: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether a `read_committed` reader below the last stable offset sees it."""
        return not self.is_marker and (self.transaction is None or self.transaction.state == "committed")


class Broker:
    """Logs, producers' epochs and the group's offsets."""

    def __init__(self, partitions: int, shows_after: Callable[[Callable[[], None]], None] | None = None) -> None:
        self.partitions = partitions
        self.logs: dict[Where, list[Entry]] = {
            (topic, p): [] for topic in (*INPUTS, *OUTPUTS) for p in range(partitions)
        }
        self.first: dict[Where, int] = dict.fromkeys(self.logs, 0)
        self.epochs: dict[str, int] = {}
        self.open: dict[str, Transaction] = {}
        self.ending: dict[str, Transaction] = {}
        self.group: dict[tuple[str, str, int], int] = {}
        self.compacted: dict[int, dict[int, Entry]] = {p: {} for p in range(partitions)}
        """What compaction took out of the journals, for those who want to check the whole of them."""
        self._unstable: dict[Where, dict[Transaction, int]] = {log: {} for log in self.logs}
        self._sequences: dict[tuple[str, int, Where], tuple[int, int]] = {}
        """By producer, epoch and log: the last batch's number and its offset."""
        self._shows_after = shows_after

    def send(self, topic: str, partition: int, key: bytes, value: bytes) -> int:
        """A gateway's record."""
        log = self.logs[topic, partition]
        log.append(Entry(None, key, value))
        return len(log) - 1

    # ── transactions ──────────────────────────────────────────────────────────────────────────────────────────

    def new_epoch(self, name: str) -> int:
        """InitProducerId: the open transaction is aborted, the epoch counted up."""
        if name in self.ending:
            raise NotYet(name)
        self.epochs[name] = self.epochs.get(name, -1) + 1
        if name in self.open:
            self._show(name, self.open.pop(name), "aborted")
        return self.epochs[name]

    def add_partitions(self, name: str, epoch: int) -> None:
        """AddPartitionsToTxn, and AddOffsetsToTxn: a transaction is open from here on."""
        self._transaction(name, epoch)

    def write(self, name: str, epoch: int, topic: str, partition: int, records: Iterable[Outgoing]) -> int:
        """Produce; the offset of the first record."""
        transaction = self._transaction(name, epoch)
        where = topic, partition
        log = self.logs[where]
        base = len(log)
        self._unstable[where].setdefault(transaction, base)
        transaction.logs.setdefault(where, base)
        log += [Entry(transaction, record.key, record.value, record.headers) for record in records]
        return base

    def write_once(
        self, name: str, epoch: int, topic: str, partition: int, records: Sequence[Outgoing], number: int
    ) -> int:
        """Produce by an idempotent producer: a batch that has come before is not written again.

        Where it stands, a broker remembers of the last few batches only: every other one is answered with -1 here.
        """
        key = name, epoch, (topic, partition)
        last, base = self._sequences.get(key, (-1, -1))
        if self.epochs[name] == epoch and number <= last:
            return base if number == last and base % 2 else -1
        base = self.write(name, epoch, topic, partition, records)
        self._sequences[key] = number, base
        return base

    def add_offsets(self, name: str, epoch: int, group: str, partition: int, offsets: Mapping[str, int]) -> None:
        """TxnOffsetCommit."""
        transaction = self._transaction(name, epoch)
        transaction.offsets.update({(group, topic, partition): offset for topic, offset in offsets.items()})

    def end(self, name: str, epoch: int, *, commit: bool = True) -> None:
        """EndTxn. Whatever transaction of that epoch is open ends; that is how the broker knows it, and no better."""
        transaction = self._transaction(name, epoch)
        del self.open[name]
        if self._shows_after is None:
            self._show(name, transaction, "committed" if commit else "aborted")
        elif commit:
            transaction.state = "ending"
            self.ending[name] = transaction
            self._shows_after(lambda: self._show(name, transaction, "committed"))
        else:
            self._show(name, transaction, "aborted")

    def commit_offsets(self, group: str, partition: int, offsets: Mapping[str, int]) -> None:
        """OffsetCommit, outside any transaction."""
        self.group.update({(group, topic, partition): offset for topic, offset in offsets.items()})

    def _transaction(self, name: str, epoch: int) -> Transaction:
        if self.epochs[name] != epoch:
            raise Fenced(f"{name}: epoch {epoch}, now {self.epochs[name]}")
        if name in self.ending:
            raise NotYet(name)
        return self.open.setdefault(name, Transaction(epoch))

    def _show(self, name: str, transaction: Transaction, state: str) -> None:
        """Writes the markers. What was committed can be seen from here on."""
        self.ending.pop(name, None)
        transaction.state = state
        for log in transaction.logs:
            self.logs[log].append(Entry(transaction, None, None, (), True))
            self._unstable[log].pop(transaction, None)
        if state == "committed":
            if self._shows_after is None:
                self.group.update(transaction.offsets)
            else:
                self._shows_after(lambda: self._move(transaction.offsets))

    def _move(self, offsets: Mapping[tuple[str, str, int], int]) -> None:
        """The group's offsets, which two transactions in a row may reach in either order; they never go back."""
        for key, offset in offsets.items():
            self.group[key] = max(offset, self.group.get(key, 0))

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    def stable(self, topic: str, partition: int) -> int:
        """The last stable offset: nothing beyond the first open transaction is shown."""
        unstable = self._unstable[topic, partition]
        return min(unstable.values()) if unstable else len(self.logs[topic, partition])

    def read(self, topic: str, partition: int, position: int, most: int) -> tuple[list[tuple[int, Entry]], int]:
        """What a `read_committed` reader gets from a position on, and where it stands then."""
        log, end = self.logs[topic, partition], self.stable(topic, partition)
        found: list[tuple[int, Entry]] = []
        while position < end and len(found) < most:
            entry = log[position]
            if entry.is_shown:
                found.append((position, entry))
            position += 1
        return found, position

    def committed(self, topic: str, partition: int, start: int = 0) -> list[tuple[int, Entry]]:
        """Everything that a `read_committed` reader sees."""
        first = max(start, self.first[topic, partition])
        return self.read(topic, partition, first, len(self.logs[topic, partition]))[0]

    def whole_journal(self, partition: int) -> list[tuple[int, Entry]]:
        """Every committed record of the journal, compacted or not."""
        entries = dict(self.committed(JOURNAL, partition)) | {
            offset: entry for offset, entry in self.compacted[partition].items() if entry.is_shown
        }
        return [(offset, entries[offset]) for offset in sorted(entries)]

    def compact(self, partition: int, upto: int) -> None:
        """Removes records of the journal below `upto` that have a later committed value below `upto`.

        As Kafka's cleaner does: it stays below the last stable offset and takes no notice of aborted records.
        """
        log = self.logs[JOURNAL, partition]
        upto = min(upto, self.stable(JOURNAL, partition))
        latest = {entry.key: offset for offset, entry in self.committed(JOURNAL, partition) if offset < upto}
        for offset, entry in enumerate(log[:upto]):
            if entry.key is not None and latest.get(entry.key) != offset:
                self.compacted[partition][offset] = entry
                log[offset] = Entry(entry.transaction, None, None, (), True)
