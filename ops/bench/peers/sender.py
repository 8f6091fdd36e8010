"""Sends a planned load at its planned times, whatever becomes of it; then says how late it was itself."""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaProducer
from contest import BATCH_BYTES
from open_loop import Load, quantile

from contracts.topics import DISCHARGES
from workers.kafka.connection import connection
from workers.settings import Settings
from workers.settlement.validate import partition_of
from workers.worker import collect_seldom

TICK_SECONDS = 0.001
"""What has become due since the last tick goes out together, a batch a partition: a cheap sender leaves the processors
to those who are measured."""


async def send(load: Load) -> None:
    """Says `ready`, reads the moment of the start, sends."""
    settings = Settings()
    due = load.due()
    places = [(key, value, partition_of(key, settings.partitions)) for key, value in load.events()]
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True, acks="all", max_batch_size=BATCH_BYTES)
    await producer.start()
    await producer.partitions_for(DISCHARGES)
    collect_seldom()
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    spent = time.process_time()
    late: list[float] = []
    sent: list[asyncio.Future[object]] = []
    at = 0
    while at < len(due):
        await asyncio.sleep(max(TICK_SECONDS, start + due[at] - time.monotonic()))
        now = time.monotonic() - start
        batches = {}
        while at < len(due) and due[at] <= now:
            key, value, partition = places[at]
            batch = batches.get(partition) or batches.setdefault(partition, producer.create_batch())
            if batch.append(key=key, value=value, timestamp=None) is None:
                break  # it goes with the next tick
            late.append(now - due[at])
            at += 1
        for partition, batch in batches.items():
            sent.append(await producer.send_batch(batch, DISCHARGES, partition=partition))
    await asyncio.gather(*sent)
    await producer.stop()
    late.sort()
    print(json.dumps({"late_p99_ms": quantile(late, 0.99) * 1e3, "cpu_seconds": time.process_time() - spent}))


asyncio.run(send(Load.read(sys.argv[1])))
