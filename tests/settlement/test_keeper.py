"""The store's promises, asked of the one in memory and of a real server alike."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from contracts.journal import HEADER_KEY
from tests.settlement.memory import MemoryKeeper
from workers.rehearsal.server import Server
from workers.rehearsal.stack import start_store
from workers.settlement.keeper import FILLING_FIELDS_MAX, RedisKeeper, StoreUnavailable, StoreUnfit
from workers.settlement.ports import Change, Keeper

Kept = Keeper


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    valkey = asyncio.run(start_store())
    yield valkey
    asyncio.run(valkey.close())


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.integration)])
def address(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "memory" else request.getfixturevalue("server").address


@pytest.fixture
async def keeper(address: str | None) -> AsyncIterator[Kept]:
    if address is None:
        yield MemoryKeeper()
        return
    redis = RedisKeeper.connect(f"redis://{address}/0", prefix=f"{uuid4()}:")
    yield redis
    await redis.close()


def pairs(**fields: str) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in fields.items()]


async def test_a_partition_that_was_never_written_has_no_watermark_and_no_fields(keeper: Kept):
    found = await keeper.snapshots({3: ["a", "b"]})
    assert (found[3].watermark, found[3].n, list(found[3].values)) == (None, 0, [None, None])


async def test_a_snapshot_shows_watermark_count_and_fields_and_leaves_the_watermark_out_of_the_count(keeper: Kept):
    assert await keeper.apply([Change(3, None, b"w1", pairs(a="1", b="2"))]) == [2]
    found = (await keeper.snapshots({3: ["b", "x", "a"]}))[3]
    assert (found.watermark, found.n, list(found.values)) == (b"w1", 2, [b"2", None, b"1"])


async def test_nothing_is_written_over_another_watermark_than_the_expected_one(keeper: Kept):
    await keeper.apply([Change(3, None, b"w1", pairs(a="1"))])
    assert await keeper.apply([Change(3, None, b"w2", pairs(a="9")), Change(3, b"w0", b"w2", pairs(a="9"))]) == [
        None,
        None,
    ]
    found = (await keeper.snapshots({3: ["a"]}))[3]
    assert (found.watermark, list(found.values)) == (b"w1", [b"1"])


async def test_a_chain_of_changes_is_applied_in_order_and_each_answers_its_own_count(keeper: Kept):
    chain = [
        Change(3, None, b"w1", pairs(a="1")),
        Change(3, b"w1", b"w2", pairs(a="2", b="2")),
        Change(3, b"w2", b"w3", pairs(c="3")),
    ]
    assert await keeper.apply(chain) == [1, 2, 3]
    found = (await keeper.snapshots({3: ["a", "b", "c"]}))[3]
    assert (found.watermark, list(found.values)) == (b"w3", [b"2", b"2", b"3"])


async def test_partitions_do_not_see_one_another(keeper: Kept):
    assert await keeper.apply([Change(1, None, b"w", pairs(a="1")), Change(2, None, b"v", pairs(b="2"))]) == [1, 1]
    found = await keeper.snapshots({2: ["a"], 1: ["a"]})
    assert [list(found[p].values) for p in (1, 2)] == [[b"1"], [None]]


async def test_a_change_of_the_watermark_alone_counts_what_was_there(keeper: Kept):
    await keeper.apply([Change(3, None, b"w1", pairs(a="1"))])
    assert await keeper.apply([Change(3, b"w1", b"w2", [])]) == [1]


async def test_a_rebuild_takes_the_old_ones_place_in_one_step(keeper: Kept):
    await keeper.apply([Change(3, None, b"w1", pairs(a="1", gone="1"))])
    filling = await keeper.rebuild(3)
    await filling.add(pairs(a="0"))
    await filling.add(pairs(a="2", b="2"))
    assert (await keeper.snapshots({3: ["gone"]}))[3].watermark == b"w1", "nothing shows before the end"
    assert await filling.finish(b"w1", b"w9", 2) == 2
    found = (await keeper.snapshots({3: ["a", "b", "gone"]}))[3]
    assert (found.watermark, found.n, list(found.values)) == (b"w9", 2, [b"2", b"2", None])


async def test_a_rebuild_of_an_absent_partition_expects_no_watermark(keeper: Kept):
    filling = await keeper.rebuild(3)
    await filling.add(pairs(a="1"))
    assert await filling.finish(None, b"w1", 1) == 1


async def test_a_rebuild_gives_way_if_the_watermark_has_moved(keeper: Kept):
    await keeper.apply([Change(3, None, b"w1", pairs(a="1"))])
    filling = await keeper.rebuild(3)
    await filling.add(pairs(a="2"))
    assert await filling.finish(b"w0", b"w9", 1) is None
    await filling.discard()
    assert (await keeper.snapshots({3: []}))[3].watermark == b"w1"


async def test_a_rebuild_with_a_wrong_count_says_so_and_changes_nothing(keeper: Kept):
    await keeper.apply([Change(3, None, b"w1", pairs(a="1"))])
    filling = await keeper.rebuild(3)
    await filling.add(pairs(a="2", b="2"))
    assert await filling.finish(b"w1", b"w9", 3) == 2
    await filling.discard()
    assert (await keeper.snapshots({3: []}))[3].watermark == b"w1"


async def test_a_rebuild_may_be_larger_than_a_chunk_and_a_batch_larger_than_luas_stack(keeper: Kept):
    many = [(b"f%d" % number, b"v") for number in range(3 * FILLING_FIELDS_MAX + 1)]
    filling = await keeper.rebuild(3)
    await filling.add(many)
    assert await filling.finish(None, b"w1", len(many)) == len(many)
    more = [(b"g%d" % number, b"v") for number in range(9_000)]
    assert await keeper.apply([Change(3, b"w1", b"w2", more)]) == [len(many) + 9_000]


@pytest.mark.integration
class TestARealServer:
    async def test_that_forgets_its_scripts_is_taught_again_in_the_middle_of_a_pipeline(self):
        async with await start_store() as valkey:
            keeper = RedisKeeper.connect(f"redis://{valkey.address}/0")
            assert await keeper.apply([Change(1, None, b"w1", pairs(a="1"))]) == [1]
            await keeper._redis.script_flush()
            chain = [Change(1, b"w1", b"w2", pairs(b="2")), Change(1, b"w2", b"w3", pairs(c="3"))]
            assert await keeper.apply(chain) == [2, 3]
            await keeper.close()

    async def test_that_restarts_is_found_again_and_has_kept_what_it_acknowledged(self):
        async with await start_store(fsync="always") as valkey:
            keeper = RedisKeeper.connect(f"redis://{valkey.address}/0")
            await keeper.apply([Change(1, None, b"w1", pairs(a="1"))])
            await valkey.kill()
            with pytest.raises(StoreUnavailable):
                await keeper.snapshots({1: []})
            await valkey.restart()
            assert (await keeper.snapshots({1: []}))[1].watermark == b"w1"
            assert await keeper.apply([Change(1, b"w1", b"w2", pairs(b="1"))]) == [2]
            await keeper.close()

    async def test_that_does_not_answer_is_given_up_in_time_and_no_late_answer_is_taken_for_another(self):
        async with await start_store() as valkey:
            keeper = RedisKeeper.connect(f"redis://{valkey.address}/0", timeout_seconds=0.3)
            await keeper.apply([Change(1, None, b"w1", pairs(a="1")), Change(2, None, b"v1", pairs(a="2"))])
            await valkey.pause()
            with pytest.raises(StoreUnavailable):
                await keeper.snapshots({1: ["a"]})
            await valkey.resume()
            for _ in range(20):
                found = await keeper.snapshots({2: ["a"]})
                assert (found[2].watermark, list(found[2].values)) == (b"v1", [b"2"])
            await keeper.close()

    async def test_that_may_evict_is_refused(self):
        async with await start_store(options={"maxmemory-policy": "allkeys-lru"}) as valkey:
            keeper = RedisKeeper.connect(f"redis://{valkey.address}/0")
            with pytest.raises(StoreUnfit, match="noeviction"):
                await keeper.check()
            await keeper.close()

    async def test_that_is_full_refuses_the_write_and_still_shows_the_old_watermark(self):
        async with await start_store(options={"maxmemory": "3mb"}) as valkey:
            keeper = RedisKeeper.connect(f"redis://{valkey.address}/0")
            await keeper.check()
            await keeper.apply([Change(1, None, b"w1", pairs(a="1"))])
            with pytest.raises(StoreUnavailable):
                for number in range(40):
                    wm = b"w%d" % (number + 1)
                    await keeper.apply([Change(1, wm, b"w%d" % (number + 2), [(b"f%d" % number, b"x" * 200_000)])])
            found = (await keeper.snapshots({1: []}))[1]
            assert found.watermark is not None
            assert found.n >= 1
            await keeper.close()

    async def test_tells_of_a_failure_without_naming_anybody(self):
        async with await start_store() as valkey:
            keeper = RedisKeeper.connect(f"redis://{valkey.address}/0")
            await keeper._redis.set(keeper.key(1), "not a hash")
            with pytest.raises(StoreUnavailable) as failure:
                await keeper.snapshots({1: ["p|P330000000001"]})
            assert "P330000000001" not in str(failure.value)
            assert "WRONGTYPE" in str(failure.value)
            await keeper.close()

    async def test_keeps_no_rebuild_that_was_abandoned(self):
        async with await start_store() as valkey:
            keeper = RedisKeeper.connect(f"redis://{valkey.address}/0")
            filling = await keeper.rebuild(1)
            await filling.add(pairs(a="1"))
            (name,) = [key for key in await keeper._redis.keys("*") if key != keeper.key(1).encode()]
            assert 0 < await keeper._redis.ttl(name) <= 3600
            await filling.discard()
            assert await keeper._redis.keys("*") == []
            filling = await keeper.rebuild(1)
            await filling.add(pairs(a="1"))
            await filling.finish(None, b"w", 1)
            assert await keeper._redis.ttl(keeper.key(1)) == -1, "what became the store must not end by itself"
            assert await keeper._redis.hget(keeper.key(1), HEADER_KEY) == b"w"
            await keeper.close()
