"""The broker as the protocol sees it: writers, the journal, and what the inputs and the group say."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from contracts.topics import INPUTS, JOURNAL
from workers.kafka.clients import AIOKAFKA, Clients
from workers.kafka.connection import connection
from workers.kafka.writer import LETTING_GO_SECONDS, PartitionWriter
from workers.settings import Settings
from workers.settlement.ports import Bounds, JournalEndNotReached, JournalRecord, WrongPartitionCount

FETCH_BYTES: Final = 52_428_800
"""aiokafka's own limit for one answer."""

WHOLE_JOURNAL_BYTES: Final = 1 << 30

JOURNAL_WAIT_MS: Final = 200
"""How long the broker may wait for more before it answers that a journal has not grown."""


class KafkaLog:
    """What a take-over asks of the broker. Every call ends within the request time-out, or as it says."""

    def __init__(self, settings: Settings, clients: Clients = AIOKAFKA) -> None:
        self._settings = settings
        self._clients = clients
        # It reads no records: it is asked for the ends of logs as they are written, not as they are committed, and for
        # the group's offsets without being a member of the group.
        self._scout = clients.consumer(
            **connection(settings),
            group_id=settings.group,
            enable_auto_commit=False,
            isolation_level="read_uncommitted",
        )

    async def start(self) -> None:
        """Connects. Raises `BrokerRefuses` with the reason where there is one to be told."""
        try:
            await self._bounded(self._scout.start())
        except KafkaConnectionError as error:
            raise await self._clients.refusal(self._settings) or error from None

    async def stop(self) -> None:
        """Lets go, however the broker is."""
        await stopped(self._scout)

    async def open_writer(self, partition: int) -> PartitionWriter:
        """A new epoch of the partition's transactional id."""
        return await PartitionWriter.open(self._settings, partition, self._clients)

    async def journal_bounds(self, partition: int) -> Bounds:
        """Of everything in the journal, committed or not."""
        return await self.bounds(JOURNAL, partition)

    async def input_bounds(self, partition: int) -> dict[str, Bounds]:
        """Of each input topic."""
        return await self._bounds([TopicPartition(topic, partition) for topic in INPUTS])

    async def committed(self, partition: int) -> dict[str, int | None]:
        """The group's offset of each input topic; None where it has none."""
        offsets = await self._bounded(
            asyncio.gather(*(self._scout.committed(TopicPartition(topic, partition)) for topic in INPUTS))
        )
        return dict(zip(INPUTS, offsets, strict=True))

    def read_journal(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[JournalRecord], None]:
        """The committed records from `start` up to `end`. Raises `JournalEndNotReached` where it gets no further."""
        return self.read_committed(JOURNAL, partition, start, end)

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """Of everything in one partition of a topic, committed or not."""
        return (await self._bounds([TopicPartition(topic, partition)]))[topic]

    async def read_committed(
        self, topic: str, partition: int, start: int, end: int
    ) -> AsyncGenerator[Sequence[JournalRecord], None]:
        """What `read_journal` promises, of any topic of ours."""
        if start >= end:
            return
        journal = TopicPartition(topic, partition)
        consumer = self._clients.consumer(
            **connection(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=JOURNAL_WAIT_MS,
            **self._fetch_sizes(),
        )
        try:
            await self._bounded(consumer.start())
            consumer.assign([journal])
            consumer.seek(journal, 0 if self._settings.journal_from_start else start)
            clock = asyncio.get_running_loop()
            position, moved = -1, clock.time()
            while position < end:
                fetched = await self._bounded(consumer.getmany(timeout_ms=JOURNAL_WAIT_MS))
                records = [
                    JournalRecord(record.offset, record.key, record.value)
                    for record in fetched.get(journal, ())
                    if start <= record.offset < end
                ]
                if records:
                    yield records
                reached = await self._bounded(consumer.position(journal))
                if reached > position:
                    position, moved = reached, clock.time()
                elif clock.time() - moved > self._settings.journal_stall_timeout_s:
                    raise JournalEndNotReached(f"partition {partition}: stuck at {position}, the end is {end}")
        finally:
            await stopped(consumer)

    def _fetch_sizes(self) -> dict[str, int]:
        """How much of a journal is fetched at once.

        The embedded broker tells every fetch of aborted transactions that ended before it, and a client then drops what
        the same producer has committed since. So there the whole journal has to come in one answer.
        """
        most = WHOLE_JOURNAL_BYTES if self._settings.journal_from_start else self._settings.fetch_max_bytes
        return {"max_partition_fetch_bytes": most, "fetch_max_bytes": max(most, FETCH_BYTES)}

    async def check_partitions(self) -> None:
        """Raises `WrongPartitionCount` unless every topic has as many partitions as we were started with."""
        counts = await self._clients.partition_counts(self._settings)
        for topic, found in counts.items():
            if found != self._settings.partitions:
                raise WrongPartitionCount(topic, found, self._settings.partitions)

    async def _bounds(self, logs: list[TopicPartition]) -> dict[str, Bounds]:
        first, end = await self._bounded(
            asyncio.gather(self._scout.beginning_offsets(logs), self._scout.end_offsets(logs))
        )
        return {log.topic: Bounds(first[log], end[log]) for log in logs}

    async def _bounded(self, waiting: Any) -> Any:
        async with asyncio.timeout(2 * self._settings.kafka_request_timeout_s):
            return await waiting


async def stopped(consumer: Any) -> None:
    """Stops a consumer, or cuts its connections where it does not stop: aiokafka waits for ever on a broker gone."""
    try:
        async with asyncio.timeout(LETTING_GO_SECONDS):
            await consumer.stop()
    except Exception:  # noqa: BLE001 - it is thrown away
        with contextlib.suppress(Exception):
            async with asyncio.timeout(LETTING_GO_SECONDS):
                await consumer._client.close()
