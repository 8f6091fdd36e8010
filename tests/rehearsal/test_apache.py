"""The real broker does what the embedded one cannot be trusted with. Runs where `make kafka` has brought the jars."""

import asyncio
import shutil
import struct
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ProducerFenced

from workers.kafka.log import KafkaLog
from workers.rehearsal import apache
from workers.rehearsal.proof.servers import group_answers
from workers.rehearsal.server import RehearsalFailed
from workers.rehearsal.stack import start_broker
from workers.settings import Settings

JARS = Path(__file__).parents[2] / "ops" / "kafka" / "lib" / ".fetched"
with_jars = pytest.mark.skipif(not JARS.exists() or shutil.which("java") is None, reason="no jars: `make kafka`")
pytestmark = [pytest.mark.integration, pytest.mark.slow]

DISCHARGES, PAYOUTS = TopicPartition("onestop.discharges.v1", 0), TopicPartition("onestop.payouts.v1", 0)


async def committed_records(kafka: str) -> list[bytes | None]:
    """Everything that a reader of committed records finds in the payouts, from their start to their end."""
    reader = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed", auto_offset_reset="none")
    await reader.start()
    try:
        reader.assign([PAYOUTS])
        end = (await reader.end_offsets([PAYOUTS]))[PAYOUTS]
        await reader.seek_to_beginning()
        found = []
        while await reader.position(PAYOUTS) < end:
            for records in (await reader.getmany(timeout_ms=1_000)).values():
                found += [record.value for record in records]
        return found
    finally:
        await reader.stop()


@with_jars
async def test_apache_kafka_fences_a_zombie_and_keeps_a_transaction_over_a_crash():
    async with await start_broker(broker="apache") as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        await admin.create_topics([NewTopic(DISCHARGES.topic, 1, 1), NewTopic(PAYOUTS.topic, 1, 1)])
        await admin.close()

        former = AIOKafkaProducer(bootstrap_servers=broker.address, transactional_id="yidan-0")
        await former.start()
        async with former.transaction():
            await former.send_and_wait(PAYOUTS.topic, b"first", partition=0)
            await former.send_offsets_to_transaction({DISCHARGES: 1}, "yidan")
        await former.begin_transaction()
        await former.send_and_wait(PAYOUTS.topic, b"left open", partition=0)

        owner = AIOKafkaProducer(bootstrap_servers=broker.address, transactional_id="yidan-0")
        await owner.start()
        with pytest.raises(ProducerFenced):
            await former.commit_transaction()
        await former.stop()
        async with owner.transaction():
            await owner.send_and_wait(PAYOUTS.topic, b"second", partition=0)
            await owner.send_offsets_to_transaction({DISCHARGES: 2}, "yidan")
        await owner.stop()
        assert await committed_records(broker.address) == [b"first", b"second"]

        await broker.kill()
        await broker.restart()
        assert await committed_records(broker.address) == [b"first", b"second"]
        group = AIOKafkaConsumer(bootstrap_servers=broker.address, group_id="yidan", enable_auto_commit=False)
        await group.start()
        assert await asyncio.wait_for(group.committed(DISCHARGES), 10) == 2
        await group.stop()
    assert not broker.folder.parent.exists()
    assert not Path(f"/proc/{broker.pid}").exists()


ADMIN_CLIENT = "__admin_client"
"""Whoever calls itself so may write to Kafka's internal topics."""

A_KEY = struct.pack(">hh5sh3si", 1, 5, b"other", 3, b"any", 0)
"""The key of an offset that a group has committed, as Kafka writes it: version, group, topic, partition."""


@with_jars
async def test_a_broker_that_cannot_read_its_groups_is_told_from_one_that_can():
    async with await start_broker(broker="apache") as broker:
        settings = Settings(_env_file=None, kafka_bootstrap=broker.address)
        assert any([await group_answers(settings) for _ in range(5)])  # the first makes Kafka create its log of groups

        vandal = AIOKafkaProducer(bootstrap_servers=broker.address, client_id=ADMIN_CLIENT)
        await vandal.start()
        for log in await vandal.partitions_for("__consumer_offsets"):
            await vandal.send_and_wait("__consumer_offsets", b"\0\3torn", key=A_KEY, partition=log)
        await vandal.stop()
        assert await group_answers(settings), "the broker reads its log when it starts, and not before"

        await broker.kill()
        await broker.restart()
        assert not await group_answers(settings)
        log = KafkaLog(settings)
        await log.start()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await log.committed(0)
        await log.stop()


async def test_without_its_jars_apache_kafka_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(apache, "OPS", tmp_path)
    monkeypatch.setattr(apache, "_java", lambda: "java")
    with pytest.raises(RehearsalFailed, match="`make kafka` brings them"):
        await start_broker(broker="apache")
