"""The auditor's own eyes: what stands in the topics for a reader of committed records, and what Redis holds.

It knows aiokafka, redis-py and JSON, and nothing of the pipeline.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from contracts.topics import APPLICATIONS, DISCHARGES, JOURNAL, PAYOUTS, PERSONS, QUARANTINE, SIGNALS

TOPICS: Final = (PERSONS, DISCHARGES, APPLICATIONS, JOURNAL, PAYOUTS, SIGNALS, QUARANTINE)
STALL_SECONDS_MAX: Final = 60.0
AT_ONCE: Final = 8 << 20


class Record(NamedTuple):
    """One record, where it stands."""

    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about one partition."""

    partition: int
    topics: Mapping[str, Sequence[Record]]
    ends: Mapping[str, int]
    """The offset after the last record of each topic, committed or not."""
    redis: Mapping[bytes, bytes]


@dataclass(slots=True)
class Findings:
    """What was counted in one partition, and everything that is wrong with it."""

    counts: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def count(self, what: str, more: int = 1) -> None:
        """Adds to a count."""
        self.counts[what] = self.counts.get(what, 0) + more

    def wrong(self, partition: int, what: str) -> None:
        """Notes a violation."""
        self.violations.append(f"partition {partition}: {what}")


async def gather_evidence(bootstrap: str, redis_url: str, partition: int) -> Evidence:
    """Reads one partition of every topic to its end, and its hash."""
    topics: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
    logs = [TopicPartition(topic, partition) for topic in TOPICS]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=AT_ONCE,
    )
    await consumer.start()
    try:
        consumer.assign(logs)
        ends = await _ends_as_written(bootstrap, logs)
        await consumer.seek_to_beginning(*logs)
        unread = {log for log in logs if ends[log]}
        clock = asyncio.get_running_loop()
        moved = clock.time()
        while unread:
            for log, records in (await consumer.getmany(timeout_ms=200)).items():
                topics[log.topic] += [_record(record) for record in records]
                moved = clock.time()
            unread = {log for log in unread if await consumer.position(log) < ends[log]}
            if clock.time() - moved > STALL_SECONDS_MAX:
                raise TimeoutError(f"partition {partition}: {sorted(unread)} cannot be read to the end")
    finally:
        await consumer.stop()
    async with Redis.from_url(redis_url) as store:
        held: dict[Any, Any] = await store.hgetall(f"yidan:{{{partition}}}")
    return Evidence(partition, topics, {log.topic: ends[log] for log in logs}, held)


async def _ends_as_written(bootstrap: str, logs: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Not as committed: a transaction that nobody ended would hide what is behind it."""
    scout = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_uncommitted")
    await scout.start()
    try:
        found: dict[TopicPartition, int] = await scout.end_offsets(logs)
        return found
    finally:
        await scout.stop()


def _record(record: Any) -> Record:
    return Record(record.offset, record.key, record.value or b"", tuple(record.headers))
