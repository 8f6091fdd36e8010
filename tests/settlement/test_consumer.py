"""A consumer that has nothing to do does next to nothing, and one that cannot go on says so."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.record.util import calc_crc32c

from contracts.topics import DISCHARGES, INPUTS
from tests.settlement.rig import P, Rig, rig
from workers.kafka import inputs as inputs_module
from workers.kafka.consumer import ANSWER_SECONDS_LEAST, Consumer
from workers.kafka.inputs import Inputs
from workers.kafka.log import KafkaLog, stopped
from workers.rehearsal.proof.proxy import Proxy

pytestmark = pytest.mark.integration

LOG = TopicPartition(DISCHARGES, 2)


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


async def test_a_consumer_that_finds_nothing_asks_a_hundred_times_a_second_at_most_and_misses_nothing(servers: Rig):
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

    waiting = asyncio.create_task(consumer.getmany(timeout_ms=5_000))
    await send_bills(servers, b"a bill")
    ((log, (record,)),) = (await waiting).items()
    assert (log.partition, record.value) == (2, b"a bill")
    await asyncio.wait_for(consumer.stop(), 5)


async def send_bills(servers: Rig, *values: bytes) -> None:
    """Each in a record batch of its own."""
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    for value in values:
        await producer.send_and_wait(LOG.topic, value, partition=LOG.partition)
    await producer.stop()


@asynccontextmanager
async def reader(servers: Rig, change: Callable[[Any], Any]) -> AsyncIterator[Consumer]:
    """Reads the log from its start; what the broker answers of a partition is changed on its way."""
    consumer = Consumer(bootstrap_servers=servers.stack.kafka, isolation_level="read_committed")
    await consumer.start()
    send = consumer._client.send

    async def changed(node: int, request: Any, **options: Any) -> Any:
        answer = await send(node, request, **options)
        if type(request).__name__ == "FetchRequest":
            answer.topics = [
                (topic, [change(partition) for partition in partitions]) for topic, partitions in answer.topics
            ]
        return answer

    consumer._client.send = changed
    consumer.assign([LOG])
    consumer.seek(LOG, 0)
    try:
        yield consumer
    finally:
        await stopped(consumer)


HEADER = ">qiibIhiqqqhii"
"""Of a record batch: offset, length, leader's epoch, magic, checksum, attributes, last offset, two times, producer, its
epoch and sequence, and the number of records."""

MARKERS_OF_A_TRANSACTION = 0x30


def emptied(partition: Any) -> Any:
    """The first batch as Kafka's log cleaner leaves a batch of markers behind: without a record."""
    *about, batches = partition
    if not batches:
        return partition
    offset, length = struct.unpack_from(">qi", batches)
    size = struct.calcsize(HEADER)
    told = (MARKERS_OF_A_TRANSACTION, 0, 0, 0, 7, 1, -1, 0)
    checksum = calc_crc32c(struct.pack(HEADER, 0, 0, 0, 0, 0, *told)[struct.calcsize(">qiibI") :])
    return *about, struct.pack(HEADER, offset, size - 12, 0, 2, checksum, *told) + batches[12 + length :]


def misnumbered(partition: Any) -> Any:
    """As a broker or a proxy would answer that confuses partitions."""
    return partition[0] + 100, *partition[1:]


async def test_a_batch_of_markers_that_compaction_has_emptied_is_passed(servers: Rig):
    await send_bills(servers, b"compacted away", b"a bill")
    async with reader(servers, emptied) as consumer:
        found = await consumer.getmany(timeout_ms=3_000)
        assert [record.value for record in found[LOG]] == [b"a bill"]
        assert await consumer.position(LOG) == 2


async def test_a_consumer_whose_fetching_has_ended_by_an_error_says_so_and_does_not_find_nothing_for_ever(servers: Rig):
    await send_bills(servers, b"a bill")
    async with reader(servers, misnumbered) as consumer:
        with pytest.raises(KafkaError):
            for _ in range(50):
                assert await consumer.getmany(timeout_ms=100) == {}


@pytest.mark.parametrize("same", [True, False], ids=["the same cluster", "another cluster"])
async def test_a_cluster_that_comes_back_under_other_addresses_is_found_at_the_one_that_was_given_and_no_other(
    servers: Rig, same: bool
):
    async with Proxy(speaks_kafka=False) as front, rig() as elsewhere:
        front.to(int(servers.stack.kafka.rpartition(":")[2]))
        consumer = Consumer(bootstrap_servers=f"127.0.0.1:{front.port}", auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([LOG])
        assert await consumer.getmany(timeout_ms=300) == {}
        # Embedded brokers all give their cluster the same name, Apache's each another.
        consumer._cluster_id = None if same else "the one before"
        await servers.stack.broker.kill()
        front.to(int(elsewhere.stack.kafka.rpartition(":")[2]))
        await send_bills(elsewhere, b"a bill")
        if same:
            found = await consumer.getmany(timeout_ms=10_000)
            assert [record.value for record in found[LOG]] == [b"a bill"]
        else:
            with pytest.raises(KafkaConnectionError, match="it was the one before"):
                for _ in range(50):
                    assert await consumer.getmany(timeout_ms=200) == {}
        await stopped(consumer)


@pytest.mark.parametrize("answer", ["no topics", "no partitions", "unknown partitions"])
async def test_a_partition_of_which_the_broker_says_nothing_is_not_one_without_an_offset(servers: Rig, answer: str):
    log = KafkaLog(servers.settings())
    await log.start()
    send = log._scout._client.send
    refused = {
        "no topics": lambda topics: [],
        "no partitions": lambda topics: [(topic, []) for topic, _ in topics],
        "unknown partitions": lambda topics: [
            (topic, [(p, -1, "", UnknownTopicOrPartitionError.errno) for p, *_ in found]) for topic, found in topics
        ],
    }

    async def changed(node: int, request: Any, **options: Any) -> Any:
        found = await send(node, request, **options)
        if type(request).__name__ == "OffsetFetchRequest":
            found.topics = refused[answer](found.topics)
        return found

    assert set((await log.committed(0)).values()) == {None}
    log._scout._client.send = changed
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await log.committed(0)
    await log.stop()


async def test_a_rebalance_that_takes_longer_than_the_poll_interval_comes_to_an_end(
    servers: Rig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inputs_module, "POLL_INTERVAL_MS", 1_000)
    inputs = Inputs(servers.settings())
    await inputs.start()

    async def until(true: Callable[[], bool], seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while not true() and asyncio.get_running_loop().time() < deadline:
            inputs.check_group()  # as the worker's loop does
            await asyncio.sleep(0.02)
        return true()

    assert await until(lambda: inputs.assignments == 1, 15)
    await inputs.fetch(0.1)
    coordinator = inputs._consumer._coordinator
    send, away = coordinator._send_req, True

    async def nobody_there(request: Any) -> Any:
        if away and type(request).__name__ == "JoinGroupRequest":
            raise KafkaConnectionError("the coordinator is away")
        return await send(request)

    coordinator._send_req = nobody_there
    coordinator.request_rejoin()
    assert await until(lambda: inputs.rebalancing, 5)
    assert not await until(lambda: not inputs.rebalancing, 2)
    away = False
    assert await until(lambda: inputs.assignments == 2, 10)
    await inputs.stop()


async def test_a_partition_that_the_broker_only_has_an_error_for_is_told_from_one_that_is_quiet(servers: Rig):
    inputs = Inputs(servers.settings(partitions_fixed=f"{LOG.partition},0"))
    await inputs.start()
    send, ill = inputs._consumer._client.send, True

    async def changed(node: int, request: Any, **options: Any) -> Any:
        answer = await send(node, request, **options)
        if ill and type(request).__name__ == "FetchRequest":
            answer.topics = [
                (topic, [(p, -1 if p == LOG.partition else code, *rest) for p, code, *rest in partitions])
                for topic, partitions in answer.topics
            ]
        return answer

    inputs._consumer._client.send = changed
    for partition in (0, LOG.partition):
        inputs.seek(partition, dict.fromkeys(INPUTS, 0))
    for _ in range(8):
        await inputs.fetch(0.2)
    assert inputs.unheard(LOG.partition) > 1
    assert inputs.unheard(0) < 1
    inputs.pause(LOG.partition)
    assert inputs.unheard(LOG.partition) == 0
    inputs.resume(LOG.partition, INPUTS)
    ill = False
    for _ in range(8):
        await inputs.fetch(0.2)
    assert inputs.unheard(LOG.partition) < 1
    await inputs.stop()
