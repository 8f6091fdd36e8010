"""The log of the derived views: read whole from its beginning without a group, written at least once.

No transaction: a record says up to which offset it speaks, so writing one again, or late, does no harm.
"""

import asyncio
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition

from workers.kafka.connection import connection
from workers.kafka.consumer import Consumer
from workers.kafka.log import stopped
from workers.settings import Settings
from workers.settlement.records import Incoming

READ_AT_ONCE = 5_000


class ViewsLog:
    """A reader of some topics, all partitions, and a writer beside it."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._logs = [TopicPartition(topic, p) for topic in topics for p in range(settings.partitions)]
        self._consumer = Consumer(
            **connection(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        self._producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True, acks="all", linger_ms=5)
        self._read: dict[tuple[str, int], int] = {}

    async def start(self) -> None:
        """Connects; reading begins at the beginning of every partition."""
        async with asyncio.timeout(2 * self._settings.kafka_request_timeout_s):
            await self._consumer.start()
            await self._producer.start()
        self._consumer.assign(self._logs)
        await self._consumer.seek_to_beginning(*self._logs)

    async def stop(self) -> None:
        """Lets go, however the broker is."""
        await stopped(self._consumer)
        await stopped(self._producer)

    async def read(self, seconds: float) -> list[Incoming]:
        """The next records, in order within a partition; waits at most so long for some."""
        # What was given out before; a transaction's marker at the end of a log is never given out.
        for log in self._logs:
            self._read[log.topic, log.partition] = await self._consumer.position(log)
        got = await self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=READ_AT_ONCE)
        found = [
            Incoming(record.topic, record.partition, record.offset, record.key, record.value)
            for records in got.values()
            for record in records
        ]
        for log, records in got.items():
            self._read[log.topic, log.partition] = records[-1].offset + 1
        return found

    async def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Where each partition ends as of now."""
        wanted = set(topics)
        logs = [log for log in self._logs if log.topic in wanted]
        async with asyncio.timeout(2 * self._settings.kafka_request_timeout_s):
            ends = await self._consumer.end_offsets(logs)
        return {(log.topic, log.partition): end for log, end in ends.items()}

    async def ends_of(self, topic: str) -> dict[int, int]:
        """Where each partition of one topic ends as of now."""
        return {partition: end for (_, partition), end in (await self.ends((topic,))).items()}

    def unread(self, ends: dict[tuple[str, int], int]) -> bool:
        """Whether something before these ends has not been given out yet."""
        return any(self._read.get(log, 0) < end for log, end in ends.items())

    async def write(self, topic: str, partition: int, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes records in order; returns when all of them are acknowledged by every in-sync replica."""
        sent = [await self._producer.send(topic, value=value, key=key, partition=partition) for key, value in records]
        async with asyncio.timeout(self._settings.commit_timeout_s + self._settings.kafka_request_timeout_s):
            await asyncio.gather(*sent)
