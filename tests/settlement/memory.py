"""A broker and a store in memory that behave as the protocol needs to know them, and fail as real ones do.

The broker keeps epochs, open transactions, markers that take up offsets, a last stable offset, pending group offsets;
a request may be lost on its way, its answer on the way back, or it may arrive late. The store loses its latest writes,
everything, or a single field. Where a call may fail is decided by `Faults.strike`, which by default never does.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.journal import HEADER_KEY
from contracts.topics import INPUTS, JOURNAL, PAYOUTS, QUARANTINE, SIGNALS
from workers.kafka.writer import transactional_id
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.ports import (
    Bounds,
    Change,
    Fenced,
    JournalEndNotReached,
    JournalRecord,
    OutcomeUnknown,
    Snapshot,
)
from workers.settlement.records import Incoming, Outgoing

OUTPUTS = (JOURNAL, PAYOUTS, SIGNALS, QUARANTINE)
MARKER = object()


class Faults:
    """Where something may go wrong. `strike` raises, waits or returns; tests and simulations override it."""

    async def strike(self, where: str) -> None:
        """Before a request has its effect."""

    async def lose_answer(self, where: str) -> None:
        """After a request had its effect."""


NO_FAULTS = Faults()


@dataclass
class Transaction:
    """What one epoch has written since it last ended a transaction."""

    epoch: int
    state: str = "open"
    open_since: float | None = None
    """When somebody who aborts what stays open too long has first seen it."""
    logs: dict[tuple[str, int], None] = field(default_factory=dict)
    offsets: dict[tuple[str, str, int], int] = field(default_factory=dict)


@dataclass
class Entry:
    """One offset of a log: a record, or the marker of an ended transaction."""

    transaction: Transaction | None
    key: bytes | None
    value: bytes | Any
    headers: Sequence[tuple[str, bytes]] = ()


class Broker:
    """Logs, producers' epochs and the group's offsets."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.logs: dict[tuple[str, int], list[Entry]] = {
            (topic, p): [] for topic in (*INPUTS, *OUTPUTS) for p in range(partitions)
        }
        self.first: dict[tuple[str, int], int] = dict.fromkeys(self.logs, 0)
        self.epochs: dict[str, int] = {}
        self.open: dict[str, Transaction] = {}
        self.group: dict[tuple[str, str, int], int] = {}
        self.compacted: dict[int, dict[int, Entry]] = {p: {} for p in range(partitions)}
        """What compaction took out of the journals, for those who want to check the whole of them."""

    def send(self, topic: str, partition: int, key: bytes, value: bytes) -> int:
        """A gateway's record."""
        log = self.logs[topic, partition]
        log.append(Entry(None, key, value))
        return len(log) - 1

    # ── transactions ──────────────────────────────────────────────────────────────────────────────────────────

    def new_epoch(self, name: str) -> int:
        """InitProducerId: the open transaction is aborted, the epoch counted up."""
        self.epochs[name] = self.epochs.get(name, -1) + 1
        if name in self.open:
            self._end(self.open.pop(name), "aborted")
        return self.epochs[name]

    def write(self, name: str, epoch: int, topic: str, partition: int, records: Iterable[Outgoing]) -> int:
        """Produce; the offset of the first record."""
        transaction = self._transaction(name, epoch)
        log = self.logs[topic, partition]
        transaction.logs[topic, partition] = None
        base = len(log)
        log += [Entry(transaction, record.key, record.value, record.headers) for record in records]
        return base

    def add_offsets(self, name: str, epoch: int, group: str, partition: int, offsets: Mapping[str, int]) -> None:
        """TxnOffsetCommit."""
        transaction = self._transaction(name, epoch)
        transaction.offsets.update({(group, topic, partition): offset for topic, offset in offsets.items()})

    def end(self, name: str, epoch: int) -> None:
        """EndTxn with commit."""
        transaction = self._transaction(name, epoch)
        del self.open[name]
        self._end(transaction, "committed")

    def _transaction(self, name: str, epoch: int) -> Transaction:
        if self.epochs[name] != epoch:
            raise Fenced(f"{name}: epoch {epoch}, now {self.epochs[name]}")
        return self.open.setdefault(name, Transaction(epoch))

    def _end(self, transaction: Transaction, state: str) -> None:
        transaction.state = state
        if state == "committed":
            self.group.update(transaction.offsets)
        for log in transaction.logs:
            self.logs[log].append(Entry(transaction, None, MARKER))

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    def stable(self, topic: str, partition: int) -> int:
        """The last stable offset: nothing beyond the first open transaction is shown."""
        for offset, entry in enumerate(self.logs[topic, partition]):
            if entry.transaction is not None and entry.transaction.state == "open":
                return offset
        return len(self.logs[topic, partition])

    def committed(self, topic: str, partition: int, start: int = 0) -> list[tuple[int, Entry]]:
        """What a `read_committed` reader sees."""
        first = max(start, self.first[topic, partition])
        end = self.stable(topic, partition)
        return [
            (offset, entry)
            for offset, entry in enumerate(self.logs[topic, partition][first:end], first)
            if entry.value is not MARKER and (entry.transaction is None or entry.transaction.state == "committed")
        ]

    def whole_journal(self, partition: int) -> list[Entry]:
        """Every committed record of the journal, compacted or not."""
        entries = dict(self.committed(JOURNAL, partition)) | {
            offset: entry
            for offset, entry in self.compacted[partition].items()
            if entry.transaction is not None and entry.transaction.state == "committed"
        }
        return [entries[offset] for offset in sorted(entries)]

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
                log[offset] = Entry(entry.transaction, None, MARKER)


class MemoryWriter:
    """One epoch of a partition's transactional id."""

    def __init__(self, broker: Broker, partition: int, group: str, faults: Faults) -> None:
        self._broker = broker
        self._partition = partition
        self._group = group
        self._faults = faults
        self._name = transactional_id(partition)
        self._epoch = broker.new_epoch(self._name)
        self._usable = True

    async def commit(self, records: Mapping[str, Sequence[Outgoing]], offsets: Mapping[str, int]) -> int:
        """As `workers.kafka.writer.PartitionWriter.commit`, a request at a time."""
        if not self._usable:
            raise OutcomeUnknown("this writer has failed before")
        self._usable = False
        broker, after = self._broker, -1
        for topic, outgoing in records.items():
            if outgoing:
                await self._faults.strike("produce")
                base = broker.write(self._name, self._epoch, topic, self._partition, outgoing)
                await self._faults.lose_answer("produce")
                if topic == JOURNAL:
                    after = base + len(outgoing)
        await self._faults.strike("offsets")
        broker.add_offsets(self._name, self._epoch, self._group, self._partition, offsets)
        await self._faults.lose_answer("offsets")
        await self._faults.strike("commit")
        broker.end(self._name, self._epoch)
        await self._faults.lose_answer("commit")
        self._usable = True
        return after

    async def release(self) -> None:
        """Lets go."""
        self._usable = False

    async def drop(self) -> None:
        """Lets go."""
        self._usable = False


class MemoryLog:
    """One client of the broker."""

    def __init__(self, broker: Broker, group: str = "g", faults: Faults = NO_FAULTS) -> None:
        self.broker = broker
        self.group = group
        self.faults = faults

    async def open_writer(self, partition: int) -> MemoryWriter:
        """A new epoch."""
        await self.faults.strike("open")
        writer = MemoryWriter(self.broker, partition, self.group, self.faults)
        await self.faults.lose_answer("open")
        return writer

    async def journal_bounds(self, partition: int) -> Bounds:
        """Committed or not."""
        await self.faults.strike("bounds")
        return Bounds(self.broker.first[JOURNAL, partition], len(self.broker.logs[JOURNAL, partition]))

    async def read_journal(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[JournalRecord], None]:
        """In pieces, so that something may happen between."""
        await self.faults.strike("journal")
        if self.broker.stable(JOURNAL, partition) < end:
            raise JournalEndNotReached(f"stuck before {end}")
        found = [
            JournalRecord(offset, entry.key, entry.value)
            for offset, entry in self.broker.committed(JOURNAL, partition, start)
            if offset < end
        ]
        for piece in range(0, len(found), 7):
            await self.faults.strike("journal")
            yield found[piece : piece + 7]

    async def input_bounds(self, partition: int) -> dict[str, Bounds]:
        """Of each input."""
        await self.faults.strike("bounds")
        return {
            topic: Bounds(self.broker.first[topic, partition], len(self.broker.logs[topic, partition]))
            for topic in INPUTS
        }

    async def committed(self, partition: int) -> dict[str, int | None]:
        """The group's offsets."""
        await self.faults.strike("group")
        return {topic: self.broker.group.get((self.group, topic, partition)) for topic in INPUTS}

    def fetch(self, partition: int, position: Mapping[str, int], most: int) -> dict[str, list[Incoming]]:
        """The next records of each input."""
        return {
            topic: [
                Incoming(topic, partition, offset, entry.key, entry.value, ())
                for offset, entry in self.broker.committed(topic, partition, position[topic])[:most]
            ]
            for topic in INPUTS
        }


class Store:
    """The hashes of a server, and its latest writes, in case it loses them."""

    def __init__(self) -> None:
        self.hashes: dict[int, dict[bytes, bytes]] = {}
        self._undo: list[tuple[int, dict[bytes, bytes] | None]] = []

    def replace(self, partition: int, fields: dict[bytes, bytes] | None) -> None:
        """One atomic step of the command stream."""
        self._undo.append((partition, self.hashes.get(partition)))
        del self._undo[:-8]
        if fields is None:
            self.hashes.pop(partition, None)
        else:
            self.hashes[partition] = fields

    def lose_tail(self, writes: int) -> None:
        """As after a fail-over to a replica that lags."""
        for _ in range(min(writes, len(self._undo))):
            partition, before = self._undo.pop()
            if before is None:
                self.hashes.pop(partition, None)
            else:
                self.hashes[partition] = before

    def flush(self) -> None:
        """FLUSHALL."""
        self.hashes.clear()
        self._undo.clear()

    def lose_field(self, partition: int, index: int) -> None:
        """One field, as an eviction or a careless hand would; never the watermark."""
        fields = self.hashes.get(partition, {})
        names = sorted(fields.keys() - {HEADER_KEY})
        if names:
            self.hashes[partition] = {
                name: value for name, value in fields.items() if name != names[index % len(names)]
            }


class MemoryKeeper:
    """One client of the store. Behaves as `workers.settlement.keeper.RedisKeeper`: one suite runs over both."""

    def __init__(self, store: Store | None = None, faults: Faults = NO_FAULTS) -> None:
        self.store = store or Store()
        self.faults = faults

    async def snapshots(self, wanted: Mapping[int, Sequence[str]]) -> dict[int, Snapshot]:
        """All of one moment."""
        await self.faults.strike("snapshot")
        found = {}
        for partition, names in wanted.items():
            fields = self.store.hashes.get(partition, {})
            watermark = fields.get(HEADER_KEY)
            values = [fields.get(name.encode()) for name in names]
            found[partition] = Snapshot(watermark, len(fields) - (watermark is not None), values)
        await self.faults.lose_answer("snapshot")
        return found

    async def apply(self, changes: Sequence[Change]) -> list[int | None]:
        """Each an atomic step; between two of them anything may happen."""
        answers: list[int | None] = []
        for change in changes:
            await self.faults.strike("apply")
            fields = self.store.hashes.get(change.partition, {})
            if (fields.get(HEADER_KEY) or b"") != (change.expected or b""):
                answers.append(None)
                continue
            after = {**fields, **dict(change.fields), HEADER_KEY: change.watermark}
            self.store.replace(change.partition, after)
            answers.append(len(after) - 1)
        await self.faults.lose_answer("apply")
        return answers

    async def rebuild(self, partition: int) -> "MemoryFilling":
        """Beside the present one."""
        await self.faults.strike("rebuild")
        return MemoryFilling(self, partition)

    async def close(self) -> None:
        """Nothing to close."""


class MemoryFilling:
    """A rebuild in memory."""

    def __init__(self, keeper: MemoryKeeper, partition: int) -> None:
        self._keeper = keeper
        self._partition = partition
        self._fields: dict[bytes, bytes] = {}

    async def add(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """Later values replace earlier ones."""
        await self._keeper.faults.strike("fill")
        self._fields.update(fields)

    async def finish(self, expected: bytes | None, watermark: bytes, n: int) -> int | None:
        """Takes the old one's place."""
        await self._keeper.faults.strike("replace")
        store = self._keeper.store
        if (store.hashes.get(self._partition, {}).get(HEADER_KEY) or b"") != (expected or b""):
            return None
        if len(self._fields) == n:
            store.replace(self._partition, {**self._fields, HEADER_KEY: watermark})
        await self._keeper.faults.lose_answer("replace")
        return len(self._fields)

    async def discard(self) -> None:
        """Gives up."""


__all__ = [
    "NO_FAULTS",
    "Broker",
    "Faults",
    "MemoryKeeper",
    "MemoryLog",
    "MemoryWriter",
    "Store",
    "StoreUnavailable",
]
