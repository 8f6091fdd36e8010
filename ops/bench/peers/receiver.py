"""A fund's reader: committed payouts as they become visible, and says how long after its planned time each came."""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from open_loop import WARMING_SECONDS, Load, number_of

from contracts.topics import PAYOUTS
from workers.kafka.connection import connection
from workers.settings import Settings
from workers.worker import collect_seldom

WAIT_MS = 50


async def receive(load: Load, patience_seconds: float) -> None:
    """Says `ready`, reads the moment of the start, reads until everything has come or patience ends."""
    settings = Settings()
    consumer = AIOKafkaConsumer(
        **connection(settings), group_id=None, isolation_level="read_committed", fetch_max_wait_ms=WAIT_MS
    )
    await consumer.start()
    places = [TopicPartition(PAYOUTS, partition) for partition in range(settings.partitions)]
    consumer.assign(places)
    await consumer.seek_to_end(*places)
    for place in places:
        await consumer.position(place)
    collect_seldom()
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    spent = time.process_time()
    due = load.due()
    came: list[float | None] = [None] * load.count
    left, twice = load.count, 0
    until = start + load.seconds + patience_seconds
    while left and time.monotonic() < until:
        fetched = await consumer.getmany(timeout_ms=WAIT_MS)
        now = time.monotonic() - start
        for records in fetched.values():
            for record in records:
                number = number_of(record.key)
                if came[number] is not None:
                    twice += 1
                    continue
                came[number] = now
                left -= 1
    waited = [None if seen is None else seen - at for at, seen in zip(due, came, strict=True) if at >= WARMING_SECONDS]
    print(json.dumps({"twice": twice, "seconds": waited, "cpu_seconds": time.process_time() - spent}))
    await consumer.stop()


asyncio.run(receive(Load.read(sys.argv[1]), float(sys.argv[2])))
