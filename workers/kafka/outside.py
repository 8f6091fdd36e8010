"""The two ends outside the workers: a gateway that sends events, and a reader of what was settled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from contracts.topics import INPUTS
from workers.kafka.connection import connection
from workers.kafka.consumer import Consumer
from workers.kafka.refusal import refusal
from workers.settings import Settings
from workers.settlement.records import Incoming

IN_FLIGHT_MAX = 2_000
"""Events that are sent before their acknowledgements are awaited."""

ALL_BYTES = 1 << 29
ALL_SECONDS_MAX = 60.0
"""What `everything_committed` takes at once, and how long it may take in all."""

Partitioner = Callable[[bytes, int], int]


async def send(
    settings: Settings, topic: str, events: AsyncIterator[tuple[bytes | None, bytes]], partition_of: Partitioner
) -> int:
    """Send keyed events as an idempotent gateway does; how many were acknowledged by every in-sync replica.

    Each goes to its key's own partition; one without a key, which only a broken event has, to partition 0.
    """
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True, acks="all", linger_ms=5)
    sent = 0
    pending: list[asyncio.Future[object]] = []
    try:
        try:
            await producer.start()
        except KafkaConnectionError as error:
            raise await refusal(settings) or error from None
        partitions = len(await producer.partitions_for(topic))
        async for key, value in events:
            partition = 0 if key is None else partition_of(key, partitions)
            pending.append(await producer.send(topic, value=value, key=key, partition=partition))
            sent += 1
            if len(pending) >= IN_FLIGHT_MAX:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return sent


@asynccontextmanager
async def committed_records(
    settings: Settings, topics: Sequence[str]
) -> AsyncIterator[Callable[[float], Awaitable[list[Incoming]]]]:
    """A reader of committed records only, from the beginning of every partition, without a group.

    Gives a function that waits at most so many seconds for the next records, in order within a partition.
    """
    consumer = Consumer(
        **connection(settings), isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        await consumer.start()
        consumer.assign([TopicPartition(topic, p) for topic in topics for p in range(settings.partitions)])

        async def read(seconds: float) -> list[Incoming]:
            got = await consumer.getmany(timeout_ms=int(seconds * 1000), max_records=2_000)
            return [_incoming(record) for records in got.values() for record in records]

        yield read
    finally:
        await consumer.stop()


async def everything_committed(settings: Settings, topics: Sequence[str]) -> list[Incoming]:
    """All committed records of some topics, read by a reader of its own from the beginning to the end as it is now.

    In fetches as large as they come: the embedded broker tells a fetch in mid-log of aborted transactions that ended
    before it, and the client then drops what the same producer has committed since. Raises `TimeoutError`.
    """
    consumer = Consumer(
        **connection(settings),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=ALL_BYTES,
        fetch_max_bytes=ALL_BYTES,
    )
    found: list[Incoming] = []
    try:
        async with asyncio.timeout(ALL_SECONDS_MAX):
            await consumer.start()
            places = [TopicPartition(topic, p) for topic in topics for p in range(settings.partitions)]
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            unread = {place for place in places if ends[place]}
            while unread:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [_incoming(record) for record in records]
                unread = {place for place in unread if await consumer.position(place) < ends[place]}
    finally:
        await consumer.stop()
    return found


def _incoming(record: Any) -> Incoming:
    return Incoming(record.topic, record.partition, record.offset, record.key, record.value)


@asynccontextmanager
async def progress_of_group(settings: Settings) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Gives a function that tells how many input records the group has not consumed yet."""
    consumer = Consumer(**connection(settings), group_id=settings.group, enable_auto_commit=False)
    places = [TopicPartition(topic, p) for topic in INPUTS for p in range(settings.partitions)]
    try:
        await consumer.start()
        consumer.assign(places)

        async def behind() -> int:
            ends = await consumer.end_offsets(places)
            lag = 0
            for place in places:
                committed = await consumer.committed(place)
                lag += ends[place] - (committed or 0)
            return lag

        yield behind
    finally:
        await consumer.stop()


async def paced(
    events: Iterable[bytes], key_of: Callable[[bytes], bytes | None], per_second: float | None
) -> AsyncIterator[tuple[bytes | None, bytes]]:
    """Events with their keys, about so many a second; None: as fast as they are taken."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for number, event in enumerate(events):
        if per_second is None:
            if number % 200 == 0:
                await asyncio.sleep(0)
        elif (ahead := number / per_second - (loop.time() - begin)) > 0.01:
            await asyncio.sleep(ahead)
        yield key_of(event), event
