"""A record that the Kafka client itself cannot decode stops its own partition by name, and no other."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from contracts.topics import DISCHARGES
from tests.settlement.rig import P, Rig, rig
from workers.rehearsal.broken import encoded, whole
from workers.settlement.validate import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

# Header names are UTF-8 by the protocol; C clients send whatever they are given. Only aiokafka's encoder in Python can
# be talked into it, hence a process of its own without the compiled one.
SEND_IN_GBK = """
import asyncio, sys
from aiokafka import AIOKafkaProducer
class Gbk(str):
    def encode(self, *_):
        return b"\\xc4\\xe3\\xba\\xc3"
async def main():
    producer = AIOKafkaProducer(bootstrap_servers=sys.argv[1])
    await producer.start()
    await producer.send_and_wait(sys.argv[2], b"{}", key=b"x", partition=int(sys.argv[3]), headers=[(Gbk("x"), b"1")])
    await producer.stop()
asyncio.run(main())
"""


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


async def test_it_stops_its_own_partition_by_name_and_the_others_go_on(servers: Rig):
    good = [encoded(whole(number)) for number in range(1, 60)]
    place = partition_of(whole(1)["psn_no"].encode(), P)
    elsewhere = [e for n, e in enumerate(good, 1) if partition_of(whole(n)["psn_no"].encode(), P) != place]
    environment = {**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"}
    command = [sys.executable, "-c", SEND_IN_GBK, servers.stack.kafka, DISCHARGES, str(place)]
    await asyncio.to_thread(subprocess.run, command, env=environment, check=True, timeout=30)
    worker = await servers.start()
    await servers.send(good)
    for _ in range(100):
        if len((await servers.outputs()).payouts) >= len(elsewhere):
            break
        await asyncio.sleep(0.2)
    assert len((await servers.outputs()).payouts) == len(elsewhere)
    status, troubles = await worker.get("/readyz")
    assert status == 503
    assert f"partition {place} is stopped" in troubles
    assert worker.said("partition stopped")
    assert await worker.terminate() == 0


async def test_batches_in_every_codec_of_kafka_are_read(servers: Rig):
    from aiokafka import AIOKafkaProducer

    await servers.start()
    for number, codec in enumerate((None, "gzip", "snappy", "lz4", "zstd"), start=1):
        producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka, compression_type=codec)
        await producer.start()
        key = whole(number)["psn_no"].encode()
        await producer.send_and_wait(DISCHARGES, encoded(whole(number)), key=key, partition=partition_of(key, P))
        await producer.stop()
    for _ in range(100):
        if len((await servers.outputs()).payouts) >= 5:
            break
        await asyncio.sleep(0.2)
    assert len((await servers.outputs()).payouts) == 5
