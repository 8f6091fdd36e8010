"""Reading the journal: from the store's watermark where that can be trusted, from the start where not.

Headers after a watermark must follow one another, each with the hash of the one before. A gap means that compaction has
passed; then the journal is read from the start, where only the last header counts: compaction keeps the last value of
every field and the last header, and nobody has decided anything on the states between.
"""

from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import ValidationError

from contracts.journal import FORMAT, HEADER_KEY, Header, read_header
from workers.settlement.ports import (
    Bounds,
    Change,
    Filling,
    JournalRecord,
    Keeper,
    Log,
    PartitionMustStop,
    Snapshot,
    StopReason,
    Watermark,
    digest,
)

REPLAYED_FIELDS_MAX: Final = 100_000
"""Beyond this a replay would hold too much in memory; the partition is rebuilt in chunks instead."""

CHUNK_FIELDS: Final = 1_000
"""How many fields of a rebuild are written at once."""


class Tail(Protocol):
    """What the journal holds beyond the store, and how to bring it there."""

    header: Header
    watermark: bytes
    rebuilt: bool
    replayed: int
    end: int
    """Up to where the journal was read."""

    async def apply(self, expected: bytes | None) -> int | None:
        """The number of fields the store holds afterwards; None if its watermark was no longer `expected`."""

    async def discard(self) -> None:
        """Leaves nothing behind of what was not applied."""


@dataclass(frozen=True, slots=True)
class Unborn:
    """A journal that was read up to `end`, and nothing was ever committed to it."""

    end: int


async def read_tail(partition: int, log: Log, keeper: Keeper, found: Snapshot, *, trusted: bool) -> Tail | Unborn:
    """The journal's tail, read up to its end."""
    bounds = await log.journal_bounds(partition)
    if trusted:
        try:
            return await _follow(partition, log, keeper, found, bounds)
        except _Gap:
            pass
    return await _read_all(partition, log, keeper, bounds) or Unborn(bounds.end)


class _Gap(Exception):
    """The journal cannot be followed from the store's watermark."""


@dataclass(slots=True)
class _Followed:
    """The batches after the store's watermark, each applied by a compare-and-set of its own."""

    partition: int
    keeper: Keeper
    header: Header
    watermark: bytes
    end: int
    changes: list[Change] = field(default_factory=list)
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Of the batch whose header has not come yet."""
    replayed: int = 0
    rebuilt: bool = False

    def take(self, record: JournalRecord) -> None:
        """Takes the next record. Raises `_Gap` where this cannot be followed, or no longer held in memory."""
        if record.key != HEADER_KEY:
            self.fields.append(_field(record))
            self.replayed += 1
            if self.replayed > REPLAYED_FIELDS_MAX:
                raise _Gap
            return
        header, watermark = _header(record)
        _must_follow(self.header, self.watermark, header)
        self.changes.append(Change(self.partition, self.watermark, watermark, self.fields))
        self.header, self.watermark, self.fields = header, watermark, []

    async def apply(self, expected: bytes | None) -> int | None:
        """Applies them in order. Only the last count is compared: compaction may have thinned out those before."""
        if not self.changes:
            return self.header.n  # the snapshot that we followed from held as many
        answers = await self.keeper.apply(self.changes)
        return None if None in answers else answers[-1]

    async def discard(self) -> None:
        """Nothing was written beside the store."""


@dataclass(slots=True)
class _Rebuilt:
    """The whole journal, filled in beside the store."""

    filling: Filling
    header: Header
    watermark: bytes
    replayed: int
    end: int
    rebuilt: bool = True
    open: bool = True

    async def apply(self, expected: bytes | None) -> int | None:
        """Takes the store's place."""
        counted = await self.filling.finish(expected, self.watermark, self.header.n)
        self.open = counted != self.header.n
        return counted

    async def discard(self) -> None:
        """Gives the filling up, unless it has become the store."""
        if self.open:
            await self.filling.discard()


async def _follow(partition: int, log: Log, keeper: Keeper, found: Snapshot, bounds: Bounds) -> _Followed:
    """Reads on from the store's watermark. The header it names must stand in the journal where it says."""
    seen = Watermark.read(found.watermark)
    if seen is None or seen.header.n != found.n or not bounds.first < seen.offset <= bounds.end:
        raise _Gap
    tail: _Followed | None = None
    async with aclosing(log.read_journal(partition, seen.offset - 1, bounds.end)) as journal:
        async for records in journal:
            for record in records:
                if tail is not None:
                    tail.take(record)
                elif (record.offset, record.key, record.value) == (seen.offset - 1, HEADER_KEY, seen.sealed):
                    tail = _Followed(partition, keeper, seen.header, seen.encode(), bounds.end)
                else:
                    raise _Gap
    if tail is None:
        raise _Gap
    if tail.fields:
        raise _broken("it does not end in a header")
    return tail


async def _read_all(partition: int, log: Log, keeper: Keeper, bounds: Bounds) -> _Rebuilt | None:
    """Reads the journal from its start into a filling."""
    filling = await keeper.rebuild(partition)
    try:
        reading = _Reading(filling)
        async with aclosing(log.read_journal(partition, bounds.first, bounds.end)) as journal:
            async for records in journal:
                await reading.take(records)
        rebuilt = await reading.end(bounds.end)
    except BaseException:
        await filling.discard()
        raise
    if rebuilt is None:
        await filling.discard()
    return rebuilt


@dataclass(slots=True)
class _Reading:
    """The journal so far: its last header, and fields that wait to be written in chunks."""

    filling: Filling
    last: tuple[Header, bytes] | None = None
    sealed: bool = True
    replayed: int = 0
    latest: dict[bytes, bytes] = field(default_factory=dict)

    async def take(self, records: Sequence[JournalRecord]) -> None:
        """Takes the next records."""
        for record in records:
            self.sealed = record.key == HEADER_KEY
            if self.sealed:
                self._take_header(*_header(record))
            else:
                name, value = _field(record)
                self.latest[name] = value
                self.replayed += 1
        if len(self.latest) >= CHUNK_FIELDS:
            await self._flush()

    def _take_header(self, header: Header, watermark: bytes) -> None:
        if self.last is not None:
            with suppress(_Gap):
                _must_follow(*self.last, header)
        self.last = header, watermark

    async def end(self, end: int) -> _Rebuilt | None:
        """What was read up to `end`, all of it written; None if there was nothing."""
        if self.last is None and not self.replayed:
            return None
        if self.last is None or not self.sealed:
            raise _broken("it does not end in a header")
        await self._flush()
        return _Rebuilt(self.filling, *self.last, self.replayed, end)

    async def _flush(self) -> None:
        if self.latest:
            await self.filling.add(list(self.latest.items()))
            self.latest.clear()


def _must_follow(last: Header, watermark: bytes, header: Header) -> None:
    """Raises `_Gap` where headers are missing, and stops the partition where two do not fit."""
    if header.lineage == last.lineage and header.seq > last.seq + 1:
        raise _Gap
    if header.lineage != last.lineage or header.seq != last.seq + 1:
        raise _broken(f"header {header.seq} comes after {last.seq}")
    if header.prev_hash != digest(watermark.partition(b" ")[2]):
        raise _broken(f"header {header.seq} was not written after the header before it")
    if any(header.next_in.get(topic, -1) < offset for topic, offset in last.next_in.items()):
        raise _broken(f"header {header.seq} goes back in its inputs")


def _field(record: JournalRecord) -> tuple[bytes, bytes]:
    if record.key is None or record.value is None:
        raise _broken(f"the record at {record.offset} has no name or no value")
    return record.key, record.value


def _header(record: JournalRecord) -> tuple[Header, bytes]:
    """The header and the watermark of a store that has applied it."""
    try:
        header = read_header(record.value or b"")
    except ValidationError as fault:
        raise _broken(f"the header at {record.offset} cannot be read") from fault
    if header.format > FORMAT:
        raise PartitionMustStop(
            StopReason.JOURNAL_FORMAT_IS_UNKNOWN, f"format {header.format}; this worker reads up to {FORMAT}"
        )
    return header, Watermark(record.offset + 1, record.value or b"").encode()


def _broken(detail: str) -> PartitionMustStop:
    return PartitionMustStop(StopReason.JOURNAL_IS_BROKEN, detail)
