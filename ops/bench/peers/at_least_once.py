"""The worker's own batches, store and core without transactions: what exactness costs.

Payouts and journal go out by an idempotent producer, one for the process; then the store is written and the offsets are
committed. A crash between the two pays a whole batch twice.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.pack_file import load_directory, load_pack
from contracts.topics import DISCHARGES, JOURNAL, PAYOUTS
from workers.adjudication.books import Books
from workers.kafka.connection import connection
from workers.kafka.writer import PRODUCED_BYTES_MAX
from workers.settings import Settings
from workers.settlement.pipeline import Batch, BatchResult
from workers.settlement.ports import Change
from workers.settlement.records import Incoming, Outgoing
from workers.store import keeper_of
from workers.worker import collect_seldom


async def work() -> None:
    """Until somebody ends it."""
    settings = Settings()
    books = Books(load_directory(settings.packs_dir), load_pack)
    keeper = keeper_of(settings)
    consumer = AIOKafkaConsumer(
        DISCHARGES,
        **connection(settings),
        group_id=settings.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=settings.fetch_max_bytes,
        fetch_max_wait_ms=50,
    )
    producer = AIOKafkaProducer(
        **connection(settings), enable_idempotence=True, acks="all", max_batch_size=PRODUCED_BYTES_MAX
    )
    await consumer.start()
    await producer.start()
    most = settings.discharges_batch_max

    async def send(topic: str, partition: int, records: Sequence[Outgoing]) -> list[Any]:
        sent = []
        batch = producer.create_batch()
        for record in records:
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
        if batch.record_count():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        return sent

    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=most * settings.partitions)
        batches = {
            log.partition: Batch(books, log.partition, settings.partitions, [_incoming(record) for record in records])
            for log, records in fetched.items()
        }
        while wanted := {partition: names for partition, batch in batches.items() if (names := batch.wanted())}:
            for partition, snapshot in (await keeper.snapshots(wanted)).items():
                batches[partition].supply(dict(zip(wanted[partition], snapshot.values, strict=True)))
        results: dict[int, BatchResult] = {partition: batch.settle() for partition, batch in batches.items()}
        sent: list[Any] = []
        for partition, result in results.items():
            journal = [Outgoing(name.encode(), value, []) for name, value in result.fields]
            sent += await send(JOURNAL, partition, journal)
            sent += await send(PAYOUTS, partition, result.payouts)
        await asyncio.gather(*sent)
        await keeper.apply(
            [
                Change(partition, None, b"", [(name.encode(), value) for name, value in result.fields])
                for partition, result in results.items()
            ]
        )
        if fetched:
            await consumer.commit(
                {TopicPartition(log.topic, log.partition): records[-1].offset + 1 for log, records in fetched.items()}
            )


def _incoming(record: Any) -> Incoming:
    return Incoming(record.topic, record.partition, record.offset, record.key, record.value)


collect_seldom()
asyncio.run(work())
