"""A consumer that has nothing to do does next to nothing, also where the broker never makes it wait."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from contracts.topics import DISCHARGES
from tests.settlement.rig import P, rig
from workers.kafka.consumer import ANSWER_SECONDS_LEAST, Consumer

pytestmark = pytest.mark.integration


async def test_a_consumer_that_finds_nothing_asks_a_hundred_times_a_second_at_most_and_misses_nothing():
    async with rig() as servers:
        consumer = Consumer(bootstrap_servers=servers.stack.kafka, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(DISCHARGES, p) for p in range(P)])
        asked = 0
        send = consumer._client.send

        async def counted(node: int, request: Any, **options: Any) -> Any:
            nonlocal asked
            asked += type(request).__name__ == "FetchRequest"
            return await send(node, request, **options)

        consumer._client.send = counted
        assert await consumer.getmany(timeout_ms=1_000) == {}
        assert 1 <= asked <= 1.2 / ANSWER_SECONDS_LEAST

        producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
        await producer.start()
        waiting = asyncio.create_task(consumer.getmany(timeout_ms=5_000))
        await producer.send_and_wait(DISCHARGES, b"a bill", partition=2)
        ((log, (record,)),) = (await waiting).items()
        assert (log.partition, record.value) == (2, b"a bill")
        await producer.stop()
        await asyncio.wait_for(consumer.stop(), 5)
