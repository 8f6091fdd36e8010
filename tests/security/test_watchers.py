"""Who only looks: what scales the workers, and what tells how the store is, each with its rights and no others."""

import asyncio
import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientError, ClientSession
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError

from contracts.topics import INPUTS
from tests.security.servers import Secured, password_of, with_servers
from workers.kafka.connection import connection
from workers.rehearsal.apache import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(200),
]


async def offsets_of_group(admin: AIOKafkaAdminClient, logs: list[TopicPartition]) -> dict[TopicPartition, Any]:
    """Those of the workers' group; the broker makes its own topic for the first group that is asked for."""
    async with asyncio.timeout(30):
        while True:
            try:
                told: dict[TopicPartition, Any] = await admin.list_consumer_group_offsets(
                    "yidan-settlement", None, logs
                )
                return told
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(0.5)


@with_servers
async def test_what_scales_the_workers_reads_lags_and_no_record(servers: Secured):
    """What KEDA asks, as the principal that it is given."""
    options = connection(servers.settings("scaler"))
    admin, consumer = AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options)
    await admin.start()
    await consumer.start()
    try:
        logs = [TopicPartition(topic, 0) for topic in INPUTS]
        assert {topic["topic"] for topic in await admin.describe_topics(list(INPUTS))} == set(INPUTS)
        assert (await consumer.end_offsets(logs)).keys() == set(logs)
        assert (await offsets_of_group(admin, logs)).keys() == set(logs)
        with pytest.raises(GroupAuthorizationFailedError):
            await admin.list_consumer_group_offsets("payer-finance", partitions=logs)
    finally:
        await consumer.stop()
        await admin.close()


@with_servers
@pytest.mark.skipif(
    shutil.which("prometheus-redis-exporter") is None, reason="apt-get install prometheus-redis-exporter"
)
async def test_an_exporter_tells_how_the_store_is_with_a_password_from_a_file(servers: Secured, tmp_path: Path):
    """As the cluster starts it, word for word but for addresses and folders."""
    base = (Path(__file__).parents[2] / "ops/kubernetes/base/exporter.yaml").read_text(encoding="utf-8")
    (deployment, _) = yaml.safe_load_all(base)
    (tmp_path / "passwords.json").write_text(
        json.dumps({f"rediss://{servers.redis}": password_of("exporter")}), encoding="utf-8"
    )
    given = " ".join(deployment["spec"]["template"]["spec"]["containers"][0]["args"])
    for written, here in (
        ("redis.redis.svc:6379", servers.redis),
        ("/run/secrets/yidan", str(tmp_path)),
        ("/etc/yidan/ca/redis.crt", str(servers.authority.certificate)),
    ):
        assert written in given
        given = given.replace(written, here)
    port = free_port()
    exporter = await asyncio.create_subprocess_exec(
        "prometheus-redis-exporter",
        *given.split(),
        f"--web.listen-address=127.0.0.1:{port}",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        page = ""
        async with asyncio.timeout(20), ClientSession() as session:
            while "redis_up" not in page:
                with contextlib.suppress(ClientError):
                    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                        page = await answer.text()
                await asyncio.sleep(0.1)
    finally:
        exporter.terminate()
        await exporter.wait()
    told = {line.partition(" ")[0].partition("{")[0]: line.rpartition(" ")[2] for line in page.splitlines()}
    assert told["redis_up"] == "1"
    asked = set(re.findall(r"\bredis_\w+", (Path(__file__).parents[2] / "ops/prometheus/rules/alerts.yml").read_text()))
    assert asked <= told.keys()
