"""Whether somebody who reads a log elsewhere has read it to an end: asked of the broker, with a reader of its own."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition

from workers.kafka.connection import connection
from workers.kafka.consumer import Consumer
from workers.kafka.log import stopped
from workers.settings import Settings

FETCH_BYTES: Final = 65_536
"""Of a partition at a time: it wants to know whether there is a record, not what stands in it."""


class Ahead:
    """Looks at a topic between positions and ends."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._seconds = 2 * settings.kafka_request_timeout_s
        self._logs = [TopicPartition(topic, p) for p in range(settings.partitions)]
        self._consumer = Consumer(
            **connection(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    async def start(self) -> None:
        """Connects."""
        async with asyncio.timeout(self._seconds):
            await self._consumer.start()

    async def stop(self) -> None:
        """Lets go, however the broker is."""
        await stopped(self._consumer)

    async def ends(self) -> dict[int, int]:
        """Where what is committed ends now, by partition."""
        async with asyncio.timeout(self._seconds):
            ends = await self._consumer.end_offsets(self._logs)
        return {log.partition: end for log, end in ends.items()}

    async def unread(self, spans: Mapping[int, tuple[int, int]]) -> set[int]:
        """Partitions that hold a committed record from a position on and before an end.

        Offsets alone do not say so: a transaction's marker and what was aborted take some, and nobody is given them.
        """
        left = {log: spans[log.partition] for log in self._logs if log.partition in spans}
        found: set[int] = set()
        self._consumer.assign(list(left))
        for log, (position, _) in left.items():
            self._consumer.seek(log, position)
        async with asyncio.timeout(self._seconds):
            while left:
                for log, records in (await self._consumer.getmany(*left, timeout_ms=100)).items():
                    _, end = left.pop(log)
                    if records[0].offset < end:
                        found.add(log.partition)
                for log, (_, end) in list(left.items()):
                    if await self._consumer.position(log) >= end:
                        del left[log]
        return found
