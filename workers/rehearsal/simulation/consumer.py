"""A consumer that behaves as aiokafka's does: a member of the group, a scout for offsets, or a reader of one log."""

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from contracts.topics import INPUTS, JOURNAL
from workers.rehearsal.simulation.broker import Broker, Entry
from workers.rehearsal.simulation.faults import Faults

FETCHED_MAX: Final = 5
"""Records of one log in one answer: small, so that something may happen between two of them."""


class Record(NamedTuple):
    """A record as it is consumed."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class MemoryConsumer:
    """One client. It reads what is committed only."""

    def __init__(self, broker: Broker, faults: Faults, *, group_id: str | None = None, **_: Any) -> None:
        self._broker = broker
        self._faults = faults
        self._group = group_id
        self._positions: dict[TopicPartition, int | None] = {}
        self._paused: set[TopicPartition] = set()
        self._listener: Any = None
        self._news: asyncio.Future[set[int]] | None = None
        self._told: set[int] | None = None
        self._membership: asyncio.Task[None] | None = None
        self._stable = asyncio.Event()
        """Set while no rebalance is under way."""
        self._stable.set()

    async def start(self) -> None:
        """Connects."""
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Leaves."""
        if self._membership is not None:
            self._membership.cancel()
            self._membership = None
        self._positions.clear()

    # ── the group ─────────────────────────────────────────────────────────────────────────────────────────────

    def subscribe(self, _: Sequence[str], *, listener: Any) -> None:
        """Joins the group. What it gives is heard of in a task beside the loop."""
        self._listener = listener
        self._membership = asyncio.get_running_loop().create_task(self._belong())

    def tell(self, partitions: set[int]) -> None:
        """The group has spoken."""
        self._told = partitions
        if self._news is not None and not self._news.done():
            self._news.set_result(partitions)

    async def _belong(self) -> None:
        while True:
            if self._told is None:
                self._news = asyncio.get_running_loop().create_future()
                await self._news
            self._stable.clear()
            await self._listener.on_partitions_revoked(self.assignment())
            partitions, self._told = self._told or set(), None
            found: dict[TopicPartition, int | None] = {}
            for partition in sorted(partitions):
                for topic in INPUTS:
                    found[TopicPartition(topic, partition)] = self._broker.group.get(
                        (self._group or "", topic, partition)
                    )
            self._positions, self._paused = found, set()
            await self._listener.on_partitions_assigned(self.assignment())
            self._stable.set()

    # ── positions ─────────────────────────────────────────────────────────────────────────────────────────────

    def assign(self, logs: Iterable[TopicPartition]) -> None:
        """By hand."""
        self._positions = dict.fromkeys(logs)

    def assignment(self) -> frozenset[TopicPartition]:
        """What may be read."""
        return frozenset(self._positions)

    def seek(self, log: TopicPartition, offset: int) -> None:
        """Reads on from there."""
        if log in self._positions:
            self._positions[log] = offset

    def pause(self, *logs: TopicPartition) -> None:
        """Fetches no more."""
        self._paused.update(logs)

    def resume(self, *logs: TopicPartition) -> None:
        """Fetches again."""
        self._paused.difference_update(logs)

    def paused(self) -> set[TopicPartition]:
        """What is not fetched."""
        return self._paused & self._positions.keys()

    async def position(self, log: TopicPartition) -> int:
        """Where the next fetch begins."""
        return self._positions[log] or 0

    def heard_at(self, _: TopicPartition) -> float:
        """It always answers."""
        return math.inf

    def stands_at(self, log: TopicPartition) -> int | None:
        """Where the next fetch begins, if it is known."""
        return self._positions[log]

    def highwater(self, log: TopicPartition) -> int | None:
        """The end as the last fetch saw it."""
        return len(self._broker.logs[log])

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────

    async def committed(self, log: TopicPartition) -> int | None:
        """OffsetFetch."""
        return await self._faults.request("group", lambda: self._broker.group.get((self._group or "", *log)), _of(log))

    async def beginning_offsets(self, logs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """ListOffsets. `end_offsets` is asked for beside it and counts as one request with it."""
        return {log: self._broker.first[log] for log in logs}

    async def end_offsets(self, logs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """ListOffsets: the ends as they are written, not as they are committed."""
        where = "journal end" if logs[0].topic == JOURNAL else "input bounds"
        return await self._faults.request(
            where, lambda: {log: len(self._broker.logs[log]) for log in logs}, _of(logs[0])
        )

    # ── records ───────────────────────────────────────────────────────────────────────────────────────────────

    async def getmany(self, *logs: TopicPartition, timeout_ms: int = 0) -> dict[TopicPartition, list[Record]]:
        """What has come, by log. Waits for the end of a rebalance, however little time it was given."""
        await self._stable.wait()
        if self._group is None:
            found = await self._faults.request("journal", lambda: self._take(logs), _of(*self._positions))
            if not found:
                await asyncio.sleep(timeout_ms / 1000)
            return found
        if not self._has_come(logs) and timeout_ms:
            await asyncio.sleep(timeout_ms / 1000)
            await self._stable.wait()
        if self._has_come(logs):
            await self._faults.strike("fetch")
        # Positions move when records are handed out, not before: whoever gives up waiting has missed nothing.
        return self._take(logs)

    def _has_come(self, logs: Sequence[TopicPartition]) -> bool:
        for log in logs or self._positions:
            position = self._positions.get(log)
            if position is not None and log not in self._paused and position != self._broker.stable(*log):
                return True
        return False

    def _take(self, logs: Sequence[TopicPartition]) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        for log in logs or list(self._positions):
            position = self._positions.get(log)
            if position is None or log in self._paused:
                continue
            if not self._broker.first[log] <= position <= len(self._broker.logs[log]):
                raise OffsetOutOfRangeError({log: position})
            entries, after = self._broker.read(log.topic, log.partition, position, FETCHED_MAX)
            self._positions[log] = after
            if entries:
                found[log] = [_record(log, offset, entry) for offset, entry in entries]
        return found


def _record(log: TopicPartition, offset: int, entry: Entry) -> Record:
    return Record(log.topic, log.partition, offset, entry.key, entry.value, tuple(entry.headers), 0)


def _of(*logs: TopicPartition) -> str:
    return ", ".join(f"{log.topic} {log.partition}" for log in logs)
