"""Sends a planned load at its planned times, whatever becomes of it; then says how late it was itself, in milliseconds."""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaProducer
from open_loop import Load, quantile

from contracts.topics import DISCHARGES
from workers.kafka.connection import connection
from workers.settings import Settings
from workers.settlement.validate import partition_of
from workers.worker import collect_seldom


async def send(load: Load) -> None:
    """Says `ready`, reads the moment of the start, sends."""
    settings = Settings()
    due = load.due()
    places = [(key, value, partition_of(key, settings.partitions)) for key, value in load.events()]
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True, acks="all", linger_ms=0)
    await producer.start()
    await producer.partitions_for(DISCHARGES)
    collect_seldom()
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    late = []
    sent: list[asyncio.Future[object]] = []
    for at, (key, value, partition) in zip(due, places, strict=True):
        if (wait := start + at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        sent.append(await producer.send(DISCHARGES, value, key=key, partition=partition))
        late.append(time.monotonic() - start - at)
    await asyncio.gather(*sent)
    await producer.stop()
    late.sort()
    print(json.dumps({"late_p50_ms": quantile(late, 0.5) * 1e3, "late_p99_ms": quantile(late, 0.99) * 1e3}))


asyncio.run(send(Load.read(sys.argv[1])))
