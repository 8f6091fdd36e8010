"""The log as the protocol sees it, on the rehearsal's broker: for tests that need no client in between.

Where a call may fail is decided by `Faults.strike`, which by default never does.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence

from contracts.topics import INPUTS, JOURNAL
from workers.kafka.writer import transactional_id
from workers.rehearsal.simulation.broker import Broker
from workers.rehearsal.simulation.faults import NO_FAULTS, Faults
from workers.rehearsal.simulation.store import MemoryKeeper, Store
from workers.settlement.inbox import Waiting
from workers.settlement.ports import Bounds, JournalEndNotReached, JournalRecord, OutcomeUnknown
from workers.settlement.records import Incoming, Outgoing


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
        self._journal_end: int | None = None

    def follow(self, end: int) -> None:
        """As `workers.kafka.writer.PartitionWriter.follow`."""
        self._journal_end = end if self._journal_end is None else self._journal_end

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
                    if self._journal_end not in (None, base):
                        raise OutcomeUnknown(f"the journal goes on at {base}, it was read up to {self._journal_end}")
                    after = base + len(outgoing)
        await self._faults.strike("offsets")
        broker.add_offsets(self._name, self._epoch, self._group, self._partition, offsets)
        await self._faults.lose_answer("offsets")
        await self._faults.strike("commit")
        broker.end(self._name, self._epoch)
        await self._faults.lose_answer("commit")
        self._usable = True
        self._journal_end = after + 1 if after >= 0 else self._journal_end
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
                Incoming(topic, partition, offset, entry.key, entry.value)
                for offset, entry in self.broker.committed(topic, partition, position[topic])[:most]
            ]
            for topic in INPUTS
        }


class Reader:
    """The consumer of one process."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.position: dict[int, dict[str, int]] = {}
        self.paused: set[tuple[int, str]] = set()

    def seek(self, partition: int, next_in: Mapping[str, int]) -> None:
        self.position[partition] = dict(next_in)
        self.paused -= {(partition, topic) for topic in INPUTS}

    def pause(self, partition: int, topics: Sequence[str] = INPUTS) -> None:
        self.paused |= {(partition, topic) for topic in topics}

    def resume(self, partition: int, topics: Sequence[str]) -> None:
        self.paused -= {(partition, topic) for topic in topics}

    def unread(self, partition: int) -> dict[str, int]:
        return {}

    def unheard(self, partition: int) -> float:
        return 0.0

    def fetch(self) -> dict[int, dict[str, list[Waiting]]]:
        arrived: dict[int, dict[str, list[Waiting]]] = {}
        for partition, position in self.position.items():
            for topic, records in self._log.fetch(partition, position, 5).items():
                if records and (partition, topic) not in self.paused:
                    arrived.setdefault(partition, {})[topic] = [Waiting(record, 0) for record in records]
                    position[topic] = records[-1].offset + 1
        return arrived


__all__ = ["Broker", "Faults", "MemoryKeeper", "MemoryLog", "MemoryWriter", "Reader", "Store"]
