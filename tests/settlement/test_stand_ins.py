"""The rehearsal's producer is aiokafka's in what it sends and when: on either, a commit makes the same requests.

What the stand-in gets wrong the simulation cannot find, so the two are laid side by side, request by request.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from contracts.topics import APPLICATIONS, DISCHARGES, JOURNAL, PAYOUTS, PERSONS, QUARANTINE, SIGNALS
from workers.kafka.topics import apply_topics
from workers.kafka.writer import PartitionWriter
from workers.rehearsal.server import Server
from workers.rehearsal.simulation.broker import Broker
from workers.rehearsal.simulation.faults import Faults
from workers.rehearsal.simulation.member import MemoryClients
from workers.rehearsal.stack import start_broker
from workers.settings import Settings
from workers.settlement.ports import OutcomeUnknown
from workers.settlement.records import Outgoing

P = 2
OFFSETS = {PERSONS: 1, DISCHARGES: 2, APPLICATIONS: 3}
RECORD = [Outgoing(b"key", b"value", [("ce_id", b"1")])]
RECORDS = {JOURNAL: RECORD, PAYOUTS: RECORD, SIGNALS: [], QUARANTINE: RECORD}
CAUGHT_UP: dict[str, Sequence[Outgoing]] = {}

CALLED = {
    "InitProducerIdRequest": "init",
    "AddPartitionsToTxnRequest": "add partitions",
    "ProduceRequest": "produce",
    "AddOffsetsToTxnRequest": "add offsets",
    "TxnOffsetCommitRequest": "offsets",
    "EndTxnRequest": "end",
}
BEFORE = (
    *(("init", "add partitions"), ("add partitions", "produce"), ("add partitions", "add offsets")),
    *(("add offsets", "offsets"), ("produce", "end"), ("offsets", "end")),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    broker = asyncio.run(start_broker())
    asyncio.run(apply_topics(settings_of(broker)))
    yield broker
    asyncio.run(broker.close())


def settings_of(server: Server | None) -> Settings:
    settings = Settings(partitions=P, replication_factor=1, min_insync=1)
    return settings.model_copy(update={"kafka_bootstrap": server.address}) if server else settings


class Listening(Faults):
    """Writes down every request."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.loses: str | None = None

    async def strike(self, where: str) -> None:
        self.heard.append(where.removesuffix(" journal"))

    async def lose_answer(self, where: str) -> None:
        if where == self.loses:
            raise KafkaLost


class KafkaLost(Exception):
    """An answer that did not come."""


async def on_aiokafka(server: Server, monkeypatch: pytest.MonkeyPatch, records: Any) -> list[str]:
    heard: list[str] = []
    send = AIOKafkaClient.send

    async def listened(client: AIOKafkaClient, node: int, request: Any, **more: Any) -> Any:
        name = type(request).__name__.partition("_v")[0]
        if name in CALLED:
            heard.append(CALLED[name])
        return await send(client, node, request, **more)

    monkeypatch.setattr(AIOKafkaClient, "send", listened)
    writer = await PartitionWriter.open(settings_of(server), 0)
    await writer.commit(records, OFFSETS)
    await writer.release()
    return heard


async def in_memory(records: Any) -> list[str]:
    faults = Listening()
    writer = await PartitionWriter.open(settings_of(None), 0, MemoryClients(Broker(P), faults))
    await writer.commit(records, OFFSETS)
    await writer.release()
    return faults.heard


def must_be_in_order(heard: list[str]) -> None:
    for first, then in BEFORE:
        if first in heard and then in heard:
            last = len(heard) - 1 - heard[::-1].index(first)
            assert last < heard.index(then), f"{first} comes after {then}: {heard}"


@pytest.mark.integration
@pytest.mark.parametrize("records", [RECORDS, CAUGHT_UP], ids=["a batch", "offsets alone"])
async def test_a_transaction_makes_the_same_requests_in_the_same_order(
    server: Server, monkeypatch: pytest.MonkeyPatch, records: Any
):
    real, ours = await on_aiokafka(server, monkeypatch, records), await in_memory(records)
    must_be_in_order(real)
    must_be_in_order(ours)
    once = {name: count for name, count in Counter(real).items() if name != "produce"}
    # aiokafka sends what goes to one node together; we send each batch by itself, so that each may fail by itself.
    assert {name: count for name, count in Counter(ours).items() if name != "produce"} == once
    assert ("produce" in real) == ("produce" in ours)


@pytest.mark.parametrize("lost", ["add partitions", "add offsets", "offsets", "end"])
async def test_a_lost_answer_is_an_unknown_outcome_and_the_end_is_sent_once_at_most(lost: str):
    faults = Listening()
    writer = await PartitionWriter.open(settings_of(None), 0, MemoryClients(Broker(P), faults))
    faults.loses = lost
    with pytest.raises(OutcomeUnknown):
        await writer.commit(RECORDS, OFFSETS)
    with pytest.raises(OutcomeUnknown):
        await writer.commit(RECORDS, OFFSETS)
    await writer.drop()
    assert faults.heard.count("end") == (lost == "end")


async def test_as_with_aiokafka_a_transaction_can_be_committed_although_a_produce_in_it_failed():
    class Refused(Faults):
        async def strike(self, where: str) -> None:
            if where == "produce":
                raise KafkaLost

    broker = Broker(P)
    producer = MemoryClients(broker, Refused()).producer(transactional_id="somebody")
    await producer.start()
    await producer.begin_transaction()
    batch = producer.create_batch()
    batch.append(key=b"k", value=b"v", timestamp=None, headers=[])
    failed = await producer.send_batch(batch, PAYOUTS, partition=0)
    await asyncio.wait([failed])
    await producer.commit_transaction()
    assert isinstance(failed.exception(), KafkaLost)
    assert broker.committed(PAYOUTS, 0) == []
