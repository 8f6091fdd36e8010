"""The state of a running system: the store, and the end of the journal that it may not show yet.

The store is a view that may be stale; what the journal holds beyond it is read once, when the desk opens, and laid over
what the store answers. So a desk never shows a year that the workers have left behind, and needs no worker to be up.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from contracts.journal import HEADER_KEY
from contracts.pack import PackSet
from contracts.pack_file import load_pack
from workers.adjudication.books import Books
from workers.desk.source import SourceUnfit
from workers.kafka.log import KafkaLog
from workers.settings import Settings
from workers.settlement.keeper import RedisKeeper
from workers.settlement.ports import JournalEndNotReached, Snapshot, Watermark
from workers.store import keeper_of

LOOKS_MAX: Final = 3
"""How often the journal's end is read for one answer while the store goes back under it."""


class LiveSource:
    """A reader of the store and of the journal's end. Opened by `live_source`."""

    def __init__(self, settings: Settings, packs: PackSet, keeper: RedisKeeper, log: KafkaLog) -> None:
        self.books = Books(packs, load_pack)
        self.partitions = settings.partitions
        self._keeper = keeper
        self._log = log
        self._tails: dict[int, dict[str, tuple[int, bytes]]] = {}  # partition -> field -> (journal offset, value)
        self._begins: dict[int, Watermark] = {}  # the store's last batch when each of them was read
        self._ends: dict[int, Watermark] = {}  # the last batch that each of them holds

    async def read(self, partition: int, names: Sequence[str]) -> dict[str, bytes | None]:
        """The values of these fields, all of one moment of the store."""
        tail, snapshot = await self._both(partition, names)
        shown = self._watermark(partition, snapshot).offset
        found: dict[str, bytes | None] = {}
        for name, value in zip(names, snapshot.values, strict=True):
            offset, later = tail.get(name, (-1, b""))
            found[name] = later if offset >= shown else value
        return found

    async def scan(self, partition: int, kind: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every field of a kind, in no order; what the journal held beyond the store at the opening comes last.

        It tells who is there. A figure that matters is then read with `read`, which is of one moment.
        """
        tail = await self._tail(partition)
        async for name, value in self._keeper.scan(partition, f"{kind}|*"):
            if name not in tail:
                yield name, value
        for name, (_, value) in tail.items():
            if name.startswith(f"{kind}|"):
                yield name, value

    async def still(self, partition: int, values: Mapping[str, bytes | None]) -> bool:
        """Whether all these fields have still these values."""
        return await self.read(partition, list(values)) == values

    async def as_of(self, partition: int) -> Watermark:
        """The last batch that shows in what is read now: the store's, or that of the journal's end at opening."""
        _, snapshot = await self._both(partition, ())
        shown = self._watermark(partition, snapshot)
        return max(shown, self._ends[partition], key=lambda watermark: watermark.offset)

    async def _both(self, partition: int, names: Sequence[str]) -> tuple[dict[str, tuple[int, bytes]], Snapshot]:
        """The tail, and a snapshot that it may be laid over: nothing of the journal lies between the two.

        A store that restarts stale while we are reading stands before the tail's beginning; one of another journal
        stands nowhere in it. Then the tail is read again.
        """
        for _ in range(LOOKS_MAX):
            tail = await self._tail(partition)
            snapshot = await self._snapshot(partition, names)
            shown, begun = self._watermark(partition, snapshot), self._begins[partition]
            if shown.header.lineage == begun.header.lineage and shown.offset >= begun.offset:
                return tail, snapshot
            del self._tails[partition]
        raise SourceUnfit(f"partition {partition}: the store goes back again and again; try again later")

    async def _snapshot(self, partition: int, names: Sequence[str]) -> Snapshot:
        return (await self._keeper.snapshots({partition: names}))[partition]

    def _watermark(self, partition: int, snapshot: Snapshot) -> Watermark:
        """How far the store has come. Raises `SourceUnfit` where it does not hold all that it should."""
        if snapshot.watermark is None and snapshot.n == 0:
            raise SourceUnfit(
                f"partition {partition}: the store holds nothing of it; a worker that owns the partition rebuilds it"
            )
        watermark = Watermark.read(snapshot.watermark)
        if watermark is None or watermark.header.n != snapshot.n:
            raise SourceUnfit(f"partition {partition}: the store lacks fields; a worker that owns it rebuilds it")
        return watermark

    async def _tail(self, partition: int) -> dict[str, tuple[int, bytes]]:
        """The fields that the journal holds beyond the store, read once."""
        if partition not in self._tails:
            watermark = begun = self._watermark(partition, await self._snapshot(partition, ()))
            bounds = await self._log.journal_bounds(partition)
            if watermark.offset > bounds.end:
                raise SourceUnfit(f"partition {partition}: the store is ahead of the journal; see the runbook")
            tail: dict[str, tuple[int, bytes]] = {}
            try:
                async for records in self._log.read_journal(partition, watermark.offset, bounds.end):
                    for record in records:
                        if record.key is None or record.value is None:
                            continue
                        if record.key == HEADER_KEY:
                            watermark = Watermark(record.offset + 1, record.value)
                        else:
                            tail[record.key.decode()] = record.offset, record.value
            except JournalEndNotReached as hidden:
                raise SourceUnfit(f"{hidden}: a transaction is open; try again later") from hidden
            self._begins[partition] = begun
            self._tails[partition], self._ends[partition] = tail, watermark
        return self._tails[partition]


@asynccontextmanager
async def live_source(settings: Settings, packs: PackSet) -> AsyncIterator[LiveSource]:
    """Opens the store and the journal of a running system, for reading."""
    keeper, log = keeper_of(settings), KafkaLog(settings)
    try:
        await log.start()
        yield LiveSource(settings, packs, keeper, log)
    finally:
        await log.stop()
        await keeper.close()
