"""The harness of the proof: its plan, its load, its proxy and its snapshots do what they say."""

import asyncio
import json
import shutil
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from random import Random

import pytest
from redis.asyncio import Redis

from contracts.events import READ_EVENT
from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS
from workers.rehearsal import apache, stack
from workers.rehearsal.proof.load import load
from workers.rehearsal.proof.plan import FLOORS, MINUTES_DEFAULT, Fault, Plan, missing, timetable
from workers.rehearsal.proof.proxy import END_TXN, PRODUCE, Cut, Proxy
from workers.rehearsal.proof.servers import Servers
from workers.rehearsal.server import HOST, RehearsalFailed, Server
from workers.rehearsal.stack import start_store

# ── the plan ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_default_plan_has_the_floors_that_are_stated_and_others_scale_with_their_time():
    assert Plan(seed=1).scaled() == FLOORS
    shorter = Plan(seed=1, minutes=3).scaled()
    assert all(1 <= shorter[fault] <= floor for fault, floor in FLOORS.items())
    assert Plan(seed=1, minutes=2 * MINUTES_DEFAULT).scaled() == {fault: 2 * floor for fault, floor in FLOORS.items()}


def test_a_timetable_is_that_of_its_seed_and_meets_every_floor():
    order = timetable(FLOORS, Random(7))
    assert order == timetable(FLOORS, Random(7))
    assert order != timetable(FLOORS, Random(8))
    assert Counter(order) == FLOORS
    assert order.index(Fault.STORE_PUT_BACK) >= len(order) // 3
    assert missing(FLOORS, Counter(order)) == []
    assert missing(FLOORS, Counter(order[1:])) == [order[0]]


# ── the load ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_load_is_that_of_its_seed_and_holds_everything_that_can_befall_a_person():
    sent = list(islice(load(3), 4_000))
    assert sent == list(islice(load(3), 4_000))
    assert sent != list(islice(load(4), 4_000))
    assert {one.topic for one in sent} == {DISCHARGES, PERSONS, APPLICATIONS}
    types = Counter(json.loads(one.value)["type"] for one in sent if not one.broken)
    assert set(types) == {
        "settled", "reversed", "voided", "identity_changed", "carried_in", "application_decided"
    }  # fmt: skip
    values = Counter(one.value for one in sent)
    assert max(values.values()) > 1, "nothing is sent twice"


def test_what_is_not_marked_as_broken_can_be_read_and_what_is_has_a_fault():
    sent = list(islice(load(3), 3_000))
    for one in sent:
        if not one.broken:
            assert READ_EVENT.validate_json(one.value).psn_no.encode() == one.key
    broken = [one for one in sent if one.broken]
    assert len(broken) > 10
    assert any(one.astray for one in broken)


# ── the proxy ─────────────────────────────────────────────────────────────────────────────────────────────────


def request(api: int, correlation: int) -> bytes:
    body = struct.pack(">hhi", api, 0, correlation) + b"asked"
    return struct.pack(">i", len(body)) + body


class Upstream:
    """A server in Kafka's framing that answers every request, and remembers which it has got."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.heard = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = struct.unpack(">i", await reader.readexactly(4))[0]
                api, _, correlation = struct.unpack_from(">hhi", await reader.readexactly(size))
                self.asked.append(api)
                self.heard.set()
                writer.write(struct.pack(">ii", 4, correlation))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Proxy, Upstream]]:
    upstream = Upstream()
    async with await asyncio.start_server(upstream.serve, HOST, 0) as server, Proxy(speaks_kafka=True) as proxy:
        proxy.to(server.sockets[0].getsockname()[1])
        yield proxy, upstream


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, proxy: Proxy) -> "Client":
        return cls(*await asyncio.open_connection(HOST, proxy.port))

    async def ask(self, api: int, correlation: int = 1, seconds: float = 5.0) -> int:
        self._writer.write(request(api, correlation))
        async with asyncio.timeout(seconds):
            answer = await self._reader.readexactly(8)
        return int(struct.unpack(">ii", answer)[1])

    def leave(self) -> None:
        self._writer.close()


LOST = (ConnectionResetError, asyncio.IncompleteReadError)


async def test_a_lost_request_never_reaches_the_broker_and_its_connection_is_reset():
    async with proxied() as (proxy, upstream):
        client = await Client.of(proxy)
        trap = proxy.set_trap(END_TXN, Cut.REQUEST_IS_LOST)
        assert await client.ask(PRODUCE, 4) == 4
        with pytest.raises(LOST):
            await client.ask(END_TXN, 5)
        assert trap.sprung.is_set()
        assert upstream.asked == [PRODUCE]


async def test_a_lost_answer_is_one_that_the_broker_has_given():
    async with proxied() as (proxy, upstream):
        client, other = await Client.of(proxy), await Client.of(proxy)
        trap = proxy.set_trap(END_TXN, Cut.ANSWER_IS_LOST)
        with pytest.raises(LOST):
            await client.ask(END_TXN)
        assert trap.sprung.is_set()
        assert upstream.asked == [END_TXN]
        assert await other.ask(END_TXN, 9) == 9, "a trap springs once"


async def test_a_late_request_reaches_the_broker_after_its_sender_has_gone():
    async with proxied() as (proxy, upstream):
        client = await Client.of(proxy)
        trap = proxy.set_trap(END_TXN, Cut.REQUEST_IS_LATE)
        with pytest.raises(TimeoutError):
            await client.ask(END_TXN, seconds=0.2)
        client.leave()
        assert upstream.asked == []
        async with asyncio.timeout(5):
            await trap.sprung.wait()
            await upstream.heard.wait()
        assert upstream.asked == [END_TXN]


async def test_a_trap_that_is_taken_away_catches_nothing():
    async with proxied() as (proxy, _):
        trap = proxy.set_trap(END_TXN, Cut.REQUEST_IS_LOST)
        proxy.take_trap_away(trap)
        assert await (await Client.of(proxy)).ask(END_TXN, 3) == 3


async def test_a_stalled_connection_gets_everything_through_afterwards_and_a_half_open_one_nothing():
    async with proxied() as (proxy, upstream):
        client = await Client.of(proxy)
        await client.ask(PRODUCE)
        stalling = asyncio.create_task(proxy.stall(list(proxy.connections), 0.4))
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError):
            await client.ask(END_TXN, 2, seconds=0.1)
        await stalling
        assert await client.ask(PRODUCE, 3) == 2, "the late answer comes first"
        silent = asyncio.create_task(proxy.leave_half_open(list(proxy.connections)))
        await asyncio.sleep(0.05)
        before = len(upstream.asked)
        with pytest.raises(TimeoutError):
            await client.ask(PRODUCE, 4, seconds=0.2)
            await client.ask(PRODUCE, 5, seconds=0.2)
        assert len(upstream.asked) == before
        silent.cancel()


async def test_a_reset_connection_is_reset_and_a_server_that_is_away_refuses():
    async with proxied() as (proxy, _):
        client = await Client.of(proxy)
        await client.ask(PRODUCE)
        for connection in list(proxy.connections):
            connection.reset()
        with pytest.raises(LOST):
            await client.ask(PRODUCE)
        proxy.to(1)
        with pytest.raises((*LOST, BrokenPipeError)):
            await (await Client.of(proxy)).ask(PRODUCE)


# ── servers ───────────────────────────────────────────────────────────────────────────────────────────────────

with_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server: apt-get install it")


def holding(store: Server) -> Servers:
    """The store alone; snapshots need nothing else."""
    return Servers(store.folder, store, store, Proxy(speaks_kafka=True), Proxy(speaks_kafka=False))


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["embedded", pytest.param("redis", marks=with_redis)])
async def test_a_store_that_is_put_back_holds_what_it_held_and_keeps_what_it_is_given_then(kind):
    async with await start_store(store=kind) as store:
        hurt = holding(store)
        url = f"redis://{store.address}/0"
        async with Redis.from_url(url) as redis:
            await redis.hset("yidan:{0}", "a", "old")
            snapshot = await hurt.take_snapshot("1")
            await redis.hset("yidan:{0}", mapping={"a": "new", "b": "new"})
        await hurt.put_back(snapshot)
        async with Redis.from_url(url) as redis:
            assert await redis.hgetall("yidan:{0}") == {b"a": b"old"}
            await redis.hset("yidan:{0}", "c", "later")
        await store.kill()
        await store.restart()
        async with Redis.from_url(url) as redis:
            assert await redis.hgetall("yidan:{0}") == {b"a": b"old", b"c": b"later"}


def test_what_is_missing_is_named_with_the_package_that_brings_it(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(RehearsalFailed, match="apt-get install redis-server"):
        stack.redis()
    with pytest.raises(RehearsalFailed, match="apt-get install openjdk-17-jre-headless"):
        apache._java()


def test_a_java_that_is_too_old_is_refused(monkeypatch, tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019' >&2\n")
    java.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: str(java))
    with pytest.raises(RehearsalFailed, match=r'Java 17 or later; .* is version "11'):
        apache._java()


def test_a_store_of_a_kind_that_nobody_knows_is_refused(monkeypatch):
    monkeypatch.setenv("YIDAN_TEST_STORE", "dragonfly")
    with pytest.raises(RehearsalFailed, match="'dragonfly'; it may be embedded or redis"):
        asyncio.run(start_store())
