"""`yidan audit` and `yidan rebuild` on real servers, while workers go on and after Redis was tampered with."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts.journal import HEADER_KEY
from tests.settlement.rig import P, Rig, rig, settled_at_once, some_county
from tests.worker.commands import yidan

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


async def some_field(redis: Redis, letter: bytes) -> tuple[str, bytes]:
    """The key of a partition, and one of its fields of this kind."""
    for partition in range(P):
        key = f"yidan:{{{partition}}}"
        found: list[Any] = await redis.hkeys(key)
        for name in sorted(found):
            if name.startswith(letter):
                return key, name
    raise AssertionError("there is no such field")


async def test_what_workers_settle_is_audited_while_they_settle_it(servers: Rig, tmp_path: Path):
    events = some_county(900)
    wanted = settled_at_once(events)
    worker = await servers.start()
    sending = asyncio.create_task(servers.send(events, per_second=120))
    await worker.settles(100)
    code, out, err = await yidan(servers, "audit")
    assert (code, out) == (0, ""), err
    await sending
    await servers.harvest(wanted)
    code, out, err = await yidan(servers, "audit", "--textfile", str(tmp_path / "audit.prom"))
    assert (code, out) == (0, ""), err
    assert f"{len(wanted.payouts):,} payouts added up: 0 differences" in err
    assert "\nyidan_audit_drift 0.0\n" in (tmp_path / "audit.prom").read_text()
    assert await worker.terminate() == 0


async def test_a_changed_fen_a_lost_field_and_an_empty_redis_are_named_and_rebuilt(servers: Rig):
    events = some_county(300)
    wanted = settled_at_once(events)
    await servers.send(events)
    worker = await servers.start()
    await servers.harvest(wanted)
    assert await worker.terminate() == 0
    async with Redis.from_url(servers.stack.redis) as redis:
        key, name = await some_field(redis, b"y|")
        value: Any = await redis.hget(key, name.decode())
        await redis.hset(key, name.decode(), value.replace(b'"entries":', b'"entries":1'))
        code, out, err = await yidan(servers, "audit")
        assert code == 1
        partition = key[7:-1]
        assert out.splitlines() == [
            f"partition {partition}: year: {name.decode()}: differs between Redis and the journal"
        ]
        assert name.split(b"|")[1].decode() not in err

        code, out, err = await yidan(servers, "rebuild", "--partition", partition)
        assert code == 0, err
        assert out.startswith(f"partition {partition}: ")
        assert out.count("\n") == 1
        assert "ledgers/s, from here" in out
        assert (await yidan(servers, "audit"))[0] == 0

        await redis.hdel(key, name.decode())
        code, out, _ = await yidan(servers, "audit")
        assert (code, out) == (1, f"partition {partition}: year: {name.decode()}: is missing in Redis\n")
        await redis.flushall()
        code, out, _ = await yidan(servers, "audit")
        assert code == 1
        assert out.count("Redis holds none: it is empty, or not ours") == P
        assert (await yidan(servers, "rebuild"))[0] == 0
        assert (await yidan(servers, "audit"))[0] == 0
        assert [await redis.hexists(f"yidan:{{{number}}}", HEADER_KEY.decode()) for number in range(P)] == [True] * P


async def test_redis_is_rebuilt_under_workers_that_go_on_and_nothing_is_paid_twice(servers: Rig):
    events = some_county(900)
    wanted = settled_at_once(events)
    worker = await servers.start()
    sending = asyncio.create_task(servers.send(events, per_second=120))
    await worker.settles(100)
    code, out, err = await yidan(servers, "rebuild")
    assert code == 0, err
    assert out.count("\n") == P
    await sending
    books = await servers.harvest(wanted)
    assert books.payouts == wanted.payouts
    assert set(books.times.values()) == {1}
    code, out, err = await yidan(servers, "audit")
    assert (code, out) == (0, ""), err
    assert await worker.terminate() == 0


async def test_a_partition_that_does_not_exist_is_a_usage_error(servers: Rig):
    code, out, err = await yidan(servers, "rebuild", "--partition", str(P))
    assert (code, out) == (2, "")
    assert f"there are 0 to {P - 1}" in err


async def test_a_store_that_is_away_is_said_in_a_line(servers: Rig):
    await servers.stack.store.kill()
    code, out, err = await yidan(servers, "audit")
    assert (code, out) == (69, "")
    assert err.startswith("YIDAN_REDIS_URL cannot be used: ")
