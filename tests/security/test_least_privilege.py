"""Every kind of client with the rights that the runbook gives it and no others, on a Kafka and a Redis behind TLS."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from contracts.topics import CLEARING, CLEARING_PAYMENTS, DISCHARGES, JOURNAL, PAYOUTS, PERSONS, QUARANTINE, SIGNALS
from tests.security.access import rights
from tests.security.servers import Secured, password_of, with_servers
from tests.settlement.rig import Books, settled_at_once, some_county
from workers.kafka.connection import connection
from workers.kafka.writer import transactional_id

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
]

COUNTY = ("generate", "--settlements", "120", "--persons", "10")


async def committed(servers: Secured, principal: str, **changes: Any) -> Books:
    """What a payer with a group of its own is told, once nothing more comes."""
    books = Books()
    options = connection(servers.settings(principal, **changes))
    consumer = AIOKafkaConsumer(
        PAYOUTS,
        SIGNALS,
        **options,
        group_id="payer-finance",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        while got := await consumer.getmany(timeout_ms=3_000):
            for log, records in got.items():
                for record in records:
                    books.take(log.topic, json.loads(record.value))
        await consumer.commit()
    finally:
        await consumer.stop()
    return books


@with_servers
async def test_a_county_is_settled_with_the_rights_of_this_table_and_no_others(servers: Secured, tmp_path: Path):
    checked = await servers.yidan("operator", "topics", "check")
    assert (checked.code, checked.err) == (0, "")
    events = some_county(120, persons=10)
    bill = next(json.loads(event) for event in events if b'"settled"' in event)
    psn_no, setl_id, year = bill["psn_no"], bill["setl_id"], bill["enddate"][:4]

    async def ends_well(principal: str, *words: str, **changes: Any) -> str:
        ended = await servers.yidan(principal, *words, **changes)
        assert ended.code == 0, (principal, words, ended)
        return ended.out

    async with servers.running("worker", "work", redis_user="worker") as worker:
        await worker.owns(2)
        await ends_well("gateway", *COUNTY, "--to-kafka")
        await worker.settles(120)
        wanted, found = settled_at_once(events), await committed(servers, "payer")
        assert found.payouts == wanted.payouts
        assert found.times == wanted.times

        assert psn_no in await ends_well("desk", "year", psn_no, year)
        await ends_well("desk", "pending", year)
        await ends_well("desk", "journal", "backup", str(tmp_path / "journal.gz"))
        await ends_well("auditor", "audit")
        await ends_well("quarantine", "quarantine", "list", "--all")
        await ends_well("replay", "quarantine", "replay", "--all", "--yes")
        await ends_well("worker", "rebuild", redis_user="worker")
        assert setl_id in await ends_well("desk", "reverse", setl_id, "--psn-no", psn_no, "--preview")
        before = await worker.metric("yidan_events_total")
        await ends_well("sender", "reverse", setl_id, "--psn-no", psn_no)
        await worker.settles(int(before) + 1)
        (reversal,) = (await committed(servers, "payer")).payouts.values()
        assert reversal["kind"] == "reversal"

        async with servers.running("views", "operate") as views:
            await views.until(lambda: views.address, "an address")
            await views.until(lambda: views.said("partitions assigned"), "its partitions")
            paid = ("statements", "paid", "331002:610100:H33010000001:202103:21", "1.00", "--voucher", "V1", "--unseen")
            await ends_well("finance", *paid, "--paid-on", "2021-12-30")
            await ends_well(
                "finance", "statements", "take-back", "V2", "--why", "cancelled", "--on", "2021-12-31", "--unseen"
            )
        assert await worker.terminate() == 0


@with_servers
async def test_a_worker_shows_a_certificate_in_place_of_a_password(servers: Secured):
    ours = servers.authority.issue("worker", key_password="geheim-of-key")
    mutual = {
        "kafka_bootstrap": servers.kafka_mutual,
        "kafka_security_protocol": "SSL",
        "kafka_tls_cert_file": ours.certificate,
        "kafka_tls_key_file": ours.key,
        "kafka_tls_key_password": "geheim-of-key",
        "kafka_sasl_username": "",
        "kafka_sasl_password": "",
        "redis_tls_cert_file": ours.certificate,
        "redis_tls_key_file": ours.key,
        "redis_tls_key_password": "geheim-of-key",
    }
    async with servers.running("worker", "work", redis_user="worker", **mutual) as worker:
        await worker.owns(2)
        assert await worker.terminate() == 0
        assert "geheim" not in "".join(worker.lines)


# ── what nobody else may do ──────────────────────────────────────────────────────────────────────────────────


async def write(servers: Secured, principal: str, topic: str) -> None:
    producer = AIOKafkaProducer(**connection(servers.settings(principal)), enable_idempotence=False)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"{}", key=b"P1", partition=0)
    finally:
        await producer.stop()


async def read(servers: Secured, principal: str, topic: str) -> None:
    options = connection(servers.settings(principal))
    consumer = AIOKafkaConsumer(**options, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        if topic not in await consumer.topics():  # the broker does not even say that there is one
            raise TopicAuthorizationFailedError(topic)
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.getmany(timeout_ms=2_000)
    finally:
        await consumer.stop()


async def take_the_lock(servers: Secured, principal: str, _: str) -> None:
    options = connection(servers.settings(principal))
    producer = AIOKafkaProducer(**options, transactional_id=transactional_id(0))
    try:
        await producer.start()
    finally:
        await producer.stop()


async def join(servers: Secured, principal: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(topic, **connection(servers.settings(principal)), group_id="yidan-settlement")
    try:
        await consumer.start()
        await consumer.getmany(timeout_ms=2_000)
    finally:
        await consumer.stop()


async def make(servers: Secured, principal: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(**connection(servers.settings(principal)))
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, 1, 1)], validate_only=True)
        if answer.topic_errors[0][1] == TopicAuthorizationFailedError.errno:
            raise TopicAuthorizationFailedError(topic)
    finally:
        await admin.close()


Attempt = Callable[[Secured, str, str], Awaitable[None]]

FORBIDDEN: list[tuple[str, Attempt, str, type[KafkaError]]] = [
    *(
        (principal, take_the_lock, JOURNAL, TransactionalIdAuthorizationFailed)
        for principal in (
            "gateway",
            "payer",
            "operator",
            "desk",
            "sender",
            "auditor",
            "replay",
            "views",
            "finance",
            "scaler",
            "stranger",
        )
    ),
    *(
        (principal, write, topic, TopicAuthorizationFailedError)
        for principal in (
            "gateway",
            "payer",
            "operator",
            "desk",
            "sender",
            "auditor",
            "views",
            "finance",
            "scaler",
            "stranger",
        )
        for topic in (JOURNAL, PAYOUTS)
    ),
    ("replay", write, JOURNAL, TopicAuthorizationFailedError),
    ("replay", write, PAYOUTS, TopicAuthorizationFailedError),
    ("desk", write, CLEARING_PAYMENTS, TopicAuthorizationFailedError),
    ("finance", write, DISCHARGES, TopicAuthorizationFailedError),
    ("finance", write, CLEARING, TopicAuthorizationFailedError),
    ("finance", read, PAYOUTS, TopicAuthorizationFailedError),
    ("desk", write, DISCHARGES, TopicAuthorizationFailedError),
    ("worker", write, DISCHARGES, TopicAuthorizationFailedError),
    ("payer", read, JOURNAL, TopicAuthorizationFailedError),
    ("payer", read, QUARANTINE, TopicAuthorizationFailedError),
    ("gateway", read, DISCHARGES, TopicAuthorizationFailedError),
    ("gateway", read, PAYOUTS, TopicAuthorizationFailedError),
    ("operator", read, JOURNAL, TopicAuthorizationFailedError),
    ("views", read, JOURNAL, TopicAuthorizationFailedError),
    ("scaler", read, DISCHARGES, TopicAuthorizationFailedError),
    ("scaler", join, PERSONS, GroupAuthorizationFailedError),
    ("desk", join, PERSONS, GroupAuthorizationFailedError),
    ("gateway", join, PERSONS, GroupAuthorizationFailedError),
    ("worker", make, "onestop.more.v1", TopicAuthorizationFailedError),
    ("operator", make, "others.more.v1", TopicAuthorizationFailedError),
]


@with_servers
async def test_nobody_takes_the_lock_writes_what_was_paid_or_reads_what_is_not_for_them(servers: Secured):
    wrong = []
    for principal, attempt, topic, refusal in FORBIDDEN:
        try:
            async with asyncio.timeout(20):
                await attempt(servers, principal, topic)
        except (refusal, ClusterAuthorizationFailedError):
            continue
        except (KafkaError, TimeoutError) as error:
            wrong.append(f"{principal}, {attempt.__name__} {topic}: {error!r}, not {refusal.__name__}")
        else:
            wrong.append(f"{principal}, {attempt.__name__} {topic}: was let")
    assert not wrong


@with_servers
@pytest.mark.parametrize(
    ("user", "command"),
    [
        *(("desk", words) for words in ("HSET yidan:{0} f v", "EVAL return(1) 0", "UNLINK yidan:{0}", "FLUSHALL")),
        *(("desk", words) for words in ("RENAME yidan:{0} yidan:{9}", "EXPIRE yidan:{0} 1", "HMGET others f")),
        *(("worker", words) for words in ("DEL yidan:{0}", "FLUSHALL", "KEYS *", "CONFIG GET *", "HSET others f v")),
        *(("exporter", words) for words in ("HGET yidan:{0} f", "SCAN 0", "CONFIG GET *", "DBSIZE", "FLUSHALL")),
        *(("worker", words) for words in ("ACL LIST", "SHUTDOWN NOSAVE", "REPLICAOF NO ONE", "HGET others f")),
    ],
)
async def test_the_store_refuses_what_its_users_never_do(servers: Secured, user: str, command: str):
    authority = str(servers.authority.certificate)
    url = f"rediss://{user}:{password_of(user)}@{servers.redis}/0"
    async with Redis.from_url(url, ssl_ca_certs=authority) as store:
        with pytest.raises(NoPermissionError):
            await store.execute_command(*command.split())


# ── nothing is given that is not needed ──────────────────────────────────────────────────────────────────────


@with_servers
async def test_each_right_is_needed(servers: Secured):
    """A worker with one right less says so, and takes no partition over; nothing else would be noticed in time."""
    superfluous = []
    for right in (right for right in rights() if right.principal == "worker"):
        await servers.take_away(right)
        try:
            async with servers.running("worker", "work", redis_user="worker", start_timeout_s=1.0) as worker:
                if await settles_nothing(servers, worker):
                    continue
                superfluous.append(right)
        finally:
            await servers.give([right])
    assert not superfluous


async def settles_nothing(servers: Secured, worker: Any) -> bool:
    """Whether the worker complains before it settles what it is sent."""
    words = ("AuthorizationFailed", "may not see it", "Unauthorized")
    complains = lambda: any(word in line for line in worker.lines for word in words)  # noqa: E731
    for _ in range(200):
        if complains():
            return True
        if len(worker.said("partition taken over")) == 2:
            break
        await asyncio.sleep(0.1)
    sent = await servers.yidan("gateway", *COUNTY, "--seed", "7", "--to-kafka")
    assert sent.code == 0, sent.err
    for _ in range(100):
        if complains():
            return True
        await asyncio.sleep(0.1)
    return False
