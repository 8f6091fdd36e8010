"""The same rules one event at a time, as most people would write it first.

Read the person's fields from Redis, settle, send the payout with an idempotent producer and wait, write the fields by
one script that looks whether the message was settled before, commit the offset. Four waits an event, and a crash
between two of them pays twice or loses a field.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from held import Shelf, names, read, settled
from redis.asyncio import Redis

from contracts.journal import message_field
from contracts.topics import DISCHARGES, PAYOUTS
from workers.kafka.connection import connection
from workers.settings import Settings

WRITE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""


async def work() -> None:
    """Until somebody ends it."""
    settings = Settings()
    redis = Redis.from_url(settings.redis_url.get_secret_value())
    write = redis.register_script(WRITE)
    consumer = AIOKafkaConsumer(
        DISCHARGES,
        **connection(settings),
        group_id=settings.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True, acks="all")
    await consumer.start()
    await producer.start()
    async for event in consumer:
        bill = read(event.value)
        key = f"person:{bill.psn_no}"
        wanted = names(bill)
        shelf = Shelf(dict(zip(wanted, await redis.hmget(key, wanted), strict=True)))
        for record in settled(shelf, bill):
            await producer.send_and_wait(
                PAYOUTS, record.value, key=record.key, partition=event.partition, headers=record.headers
            )
        fields = [part for field in shelf.changed().items() for part in field]
        await write(keys=[key], args=[message_field(bill.psn_no, bill.msgid), *fields])
        await consumer.commit()


asyncio.run(work())
