"""Whole workers on real servers: killed, hurt, fenced and refused; and every payout still said exactly once.

On the embedded broker the partitions are dealt by hand, because it never notices that the leader of a group was killed;
with YIDAN_TEST_BROKER=apache the group deals them.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from contracts.journal import HEADER_KEY, write_header
from contracts.topics import APPLICATIONS
from tests.settlement.rig import P, Process, Rig, rig, same, settled_at_once, some_county
from workers.rehearsal.county import partition_key
from workers.settlement.ports import Watermark
from workers.settlement.validate import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


# ── the life of one worker ────────────────────────────────────────────────────────────────────────────────────


async def test_a_worker_settles_what_it_finds_and_leaves_in_good_order(servers: Rig):
    events = some_county(600)
    wanted = settled_at_once(events)
    await servers.send(events)
    worker = await servers.start()
    same(await servers.harvest(wanted), wanted)

    assert await worker.get("/healthz") == (200, '{"ok": true, "troubles": []}')
    assert await worker.get("/readyz") == (200, '{"ok": true, "troubles": []}')
    assert await worker.metric("yidan_events_total") == len(events)
    assert await worker.metric("yidan_events_total", outcome="refused") == wanted.refused.total()
    assert await worker.metric("yidan_refusals_total") == wanted.refused.total()
    assert await worker.metric("yidan_payouts_total") == len(wanted.payouts)
    ways = {"paid": 1, "returned": -1, "top_ups": 1, "clawbacks": -1}
    paid = sum([sign * await worker.metric(f"yidan_{way}_fen_total") for way, sign in ways.items()])
    assert paid == wanted.paid_fen()
    assert await worker.metric("yidan_births_total") == P
    assert await worker.metric("yidan_partition_state", state="owned") == P
    await asyncio.sleep(1.2)
    assert await worker.metric("yidan_lag_records") == 0

    assert await worker.terminate() == 0
    assert worker.said("worker ended")
    everything = "".join(worker.lines)
    for event in map(json.loads, events[:200:20]):
        assert event["psn_no"] not in everything
        assert event["setl_id"] not in everything


async def test_the_next_worker_goes_on_where_the_last_one_left(servers: Rig):
    events = some_county(400)
    wanted = settled_at_once(events)
    await servers.send(events[:200])
    first = await servers.start()
    await first.settles(200)
    assert await first.terminate() == 0
    await servers.send(events[200:])
    second = await servers.start()
    same(await servers.harvest(wanted), wanted)
    taken = second.said("partition taken over")
    assert [line["rebuilt"] for line in taken] == [False] * P
    assert await second.metric("yidan_births_total") == 0
    assert await second.terminate() == 0


async def test_a_worker_told_to_stop_in_the_middle_finishes_its_turn_and_nothing_is_lost(servers: Rig):
    events = some_county(1_500)
    wanted = settled_at_once(events)
    await servers.send(events)
    first = await servers.start()
    await first.settles(300)
    assert await first.terminate() == 0
    second = await servers.start()
    same(await servers.harvest(wanted), wanted)
    assert await second.metric("yidan_fenced_total") == 0
    assert await second.terminate() == 0


# ── killed ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_workers_share_the_partitions_and_are_killed_in_mid_stream_and_every_payout_is_said_once(servers: Rig):
    events = some_county(3_000, persons=120)
    wanted = settled_at_once(events)
    sending = asyncio.create_task(servers.send(events, per_second=150))
    workers = [await servers.start(**share) for share in (servers.share(0, 1), servers.share(2, 3))]
    killed = in_the_middle = 0
    # A real group notices that somebody was killed only when his session is over.
    least, least_in_the_middle = (6, 3) if servers.embedded else (3, 2)
    while not sending.done() or killed < least:
        for index, share in enumerate((servers.share(0, 1), servers.share(2, 3))):
            settled = await workers[index].metric("yidan_events_total")
            await workers[index].kill()
            workers[index] = await servers.start(**share)
            await workers[index].owns(1)
            killed += 1
            in_the_middle += settled > 0
    await sending
    same(await servers.harvest(wanted, seconds=120), wanted)
    assert in_the_middle >= least_in_the_middle
    print(f"{killed} kills, {in_the_middle} of them of a worker that had settled something")
    for worker in workers:
        assert await worker.terminate() == 0


async def test_a_partition_moves_to_another_worker_when_its_own_is_killed(servers: Rig):
    events = some_county(1_200)
    wanted = settled_at_once(events)
    sending = asyncio.create_task(servers.send(events, per_second=400))
    doomed, heir = await servers.start(**servers.share(0, 1)), await servers.start(**servers.share(2, 3))
    await asyncio.gather(doomed.settles(80), heir.settles(80))
    await doomed.kill()
    if servers.embedded:
        await heir.kill()
        heir = await servers.start(**servers.share(0, 1, 2, 3))
    await sending
    same(await servers.harvest(wanted, seconds=120), wanted)
    assert await heir.terminate() == 0


async def test_a_worker_that_slept_through_its_own_replacement_is_fenced(servers: Rig):
    events = some_county(2_000)
    wanted = settled_at_once(events)
    sending = asyncio.create_task(servers.send(events, per_second=400))
    sleeper = await servers.start(**servers.share(0, 1, 2, 3))
    await sleeper.settles(200)
    sleeper.signal(signal.SIGSTOP)
    heir = await servers.start(**servers.share(0, 1, 2, 3))
    await heir.settles(200)
    sleeper.signal(signal.SIGCONT)
    await sleeper.until(lambda: sleeper.said("partition let go of"), "being fenced")
    await sleeper.terminate()
    await sending
    same(await servers.harvest(wanted, seconds=120), wanted)
    assert await heir.terminate() == 0


# ── the store ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("harm", ["flushed", "one field deleted", "killed", "stale"])
async def test_whatever_happens_to_the_store_nobody_is_paid_twice(servers: Rig, harm: str):
    events = some_county(2_000)
    wanted = settled_at_once(events)
    sending = asyncio.create_task(servers.send(events, per_second=400))
    worker = await servers.start(**servers.share(0, 1, 2, 3))
    await worker.settles(300)
    for again in range(3):
        settled = int(await worker.metric("yidan_events_total"))
        async with Redis.from_url(servers.stack.redis) as redis:
            match harm:
                case "flushed":
                    await redis.flushall()
                case "one field deleted":
                    for key in map(hash_of, range(P)):
                        names = sorted(name for name in await redis.hkeys(key) if name[:1] in (b"p", b"y", b"s"))
                        await redis.hdel(key, names[again * 7])
                case "killed":
                    await servers.stack.store.kill()
                    await servers.stack.store.restart()
                case "stale":
                    old = {hash_of(p): await redis.hgetall(hash_of(p)) for p in range(P)}
                    await worker.settles(settled + 100)
                    await put_back(worker, redis, old)
        await worker.settles(settled + 150)
    await sending
    same(await servers.harvest(wanted, seconds=120), wanted)
    if harm != "killed":
        assert await worker.metric("yidan_repairs_total") + await worker.metric("yidan_take_overs_total") > P
    assert await worker.terminate() == 0


def hash_of(partition: int) -> str:
    return f"yidan:{{{partition}}}"


async def put_back(worker: Process, redis: "Redis", old: dict[str, Any]) -> None:
    """Puts the store back to an older moment while the worker looks away, as a fail-over to a slow replica would."""
    worker.signal(signal.SIGSTOP)
    try:
        for key, fields in old.items():
            await redis.delete(key)
            if fields:
                await redis.hset(key, mapping=fields)
    finally:
        worker.signal(signal.SIGCONT)


async def test_a_store_that_is_away_makes_the_partitions_wait_and_not_the_process_end(servers: Rig):
    events = some_county(400)
    wanted = settled_at_once(events)
    worker = await servers.start(redis_timeout_s=1.0)
    await worker.owns(P)
    await servers.send(events[:100])
    await worker.settles(100)
    await servers.stack.store.kill()
    await servers.send(events[100:])
    await worker.until(lambda: worker.said("partition let go of"), "noticing that the store is away")
    assert (await worker.get("/readyz"))[0] == 503
    assert (await worker.get("/healthz"))[0] == 200
    await servers.stack.store.restart()
    same(await servers.harvest(wanted), wanted)
    assert await worker.terminate() == 0


# ── refused ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_another_number_of_partitions_is_refused_at_the_start(servers: Rig):
    worker = await servers.start(partitions=P + 1)
    assert await worker.wait() == 78
    assert "4 partitions" in worker.said("worker ends")[0]["detail"]


async def test_a_group_that_is_ahead_of_the_journal_stops_its_partition_and_the_others_go_on(servers: Rig):
    events = some_county(200)
    await servers.send(events[:100])
    first = await servers.start()
    await first.settles(100)
    assert await first.terminate() == 0
    await move_group(servers, partition=1, offset=10_000)

    second = await servers.start()
    await second.until(lambda: second.said("partition stopped"), "stopping")
    await second.owns(P - 1)
    (stopped,) = second.said("partition stopped")
    assert (stopped["partition"], stopped["reason"]) == (1, "group_is_ahead_of_journal")
    status, troubles = await second.get("/readyz")
    assert status == 503
    assert json.loads(troubles)["troubles"] == ["partition 1 is stopped"]
    assert await second.metric("yidan_partition_stopped", partition="1", reason="group_is_ahead_of_journal") == 1
    others = [event for event in events[100:] if partition(event) != 1]
    await servers.send(events[100:])
    await second.settles(len(others))
    assert await second.metric("yidan_events_total") == len(others)
    assert await second.terminate() == 0


async def test_a_store_that_is_ahead_of_the_journal_stops_its_partition(servers: Rig):
    await servers.send(some_county(100))
    first = await servers.start()
    await first.settles(100)
    assert await first.terminate() == 0
    async with Redis.from_url(servers.stack.redis) as redis:
        seen = Watermark.read(cast(bytes, await redis.hget(hash_of(2), cast(str, HEADER_KEY))))
        assert seen is not None
        ahead = write_header(replace(seen.header, seq=seen.header.seq + 3))
        await redis.hset(hash_of(2), cast(str, HEADER_KEY), Watermark(seen.offset, ahead).encode())
    second = await servers.start()
    await second.until(lambda: second.said("partition stopped"), "stopping")
    (stopped,) = second.said("partition stopped")
    assert (stopped["partition"], stopped["reason"]) == (2, "store_is_ahead_of_journal")
    assert await second.terminate() == 0


async def test_a_journal_that_is_empty_but_not_new_stops_its_partition(servers: Rig):
    await move_group(servers, partition=3, offset=0)
    worker = await servers.start()
    await worker.until(lambda: worker.said("partition stopped"), "stopping")
    await worker.owns(P - 1)
    (stopped,) = worker.said("partition stopped")
    assert (stopped["partition"], stopped["reason"]) == (3, "journal_is_empty_but_not_new")
    assert await worker.terminate() == 0


async def test_another_group_is_refused_by_the_journal(servers: Rig):
    first = await servers.start()
    await first.owns(P)
    assert await first.terminate() == 0
    second = await servers.start(group="somebody-else")
    await second.until(lambda: len(second.said("partition stopped")) == P, "stopping")
    assert {line["reason"] for line in second.said("partition stopped")} == {"journal_is_of_another_group"}
    assert await second.terminate() == 0


def partition(event: bytes) -> int:
    return partition_of(partition_key(event) or b"", P)


async def move_group(servers: Rig, *, partition: int, offset: int) -> None:
    """Commits an offset as an operator's tool would."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers.stack.kafka, group_id=servers.settings().group, enable_auto_commit=False
    )
    await consumer.start()
    log = TopicPartition(APPLICATIONS, partition)
    consumer.assign([log])
    for _ in range(20):
        try:
            await consumer.commit({log: offset})
            break
        except Exception:  # noqa: BLE001 - the last member has just left
            await asyncio.sleep(0.5)
    else:
        raise AssertionError("the offset could not be committed")
    await consumer.stop()
