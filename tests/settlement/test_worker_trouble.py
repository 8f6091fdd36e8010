"""Whole workers when the group, the broker or the set-up changes under them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from contracts.pack_file import load_directory, load_pack
from contracts.topics import DISCHARGES
from tests.settlement.rig import P, Rig, rig, same, settled_at_once, some_county
from workers.adjudication.books import Books
from workers.rehearsal.stack import start_store
from workers.settlement.pipeline import Batch
from workers.settlement.records import Incoming
from workers.worker import work

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


# ── the group ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_workers_that_come_and_go_share_the_partitions_by_the_group(servers: Rig):
    events = some_county(2_500)
    wanted = settled_at_once(events)
    sending = asyncio.create_task(servers.send(events, per_second=200))
    first = await servers.start()
    await first.owns(P)
    second = await servers.start()
    await second.owns(1)
    third = await servers.start()
    await third.owns(1)
    assert await first.terminate() == 0
    assert await second.terminate() == 0
    await third.owns(P)
    await sending
    same(await servers.harvest(wanted, seconds=120), wanted)
    assert await third.metric("yidan_partition_state", state="owned") == P
    assert await third.terminate() == 0


async def test_a_member_without_partitions_is_idle_and_ready(servers: Rig):
    workers = [await servers.start() for _ in range(P + 1)]
    owned: list[float] = []
    for _ in range(200):
        owned = [await worker.metric("yidan_partition_state", state="owned") for worker in workers]
        if sorted(owned) == [0, *[1] * P]:
            break
        await asyncio.sleep(0.1)
    assert sorted(owned) == [0, *[1] * P]
    ready: list[int] = []
    for _ in range(100):
        ready = [(await worker.get("/readyz"))[0] for worker in workers]
        if ready == [200] * (P + 1):
            break
        await asyncio.sleep(0.1)
    assert ready == [200] * (P + 1)
    for worker in workers:
        assert await worker.terminate() == 0


# ── the broker ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_broker_that_does_not_answer_for_a_while_costs_time_and_no_payout(servers: Rig):
    events = some_county(800)
    wanted = settled_at_once(events)
    worker = await servers.start(
        commit_timeout_s=2.0,
        transaction_timeout_s=6.0,
        kafka_request_timeout_s=3.0,
        beat_timeout_s=20.0,
        **servers.share(0, 1, 2, 3),
    )
    await worker.owns(P)
    sending = asyncio.create_task(servers.send(events, per_second=300))
    await worker.settles(100)
    await servers.stack.broker.pause()
    for _ in range(10):
        await asyncio.sleep(1)
        assert (await worker.get("/healthz"))[0] == 200, "a broker that is away is no reason to be killed"
    await servers.stack.broker.resume()
    await sending
    same(await servers.harvest(wanted, seconds=120), wanted)
    assert await worker.terminate() == 0


async def test_a_worker_told_to_stop_while_the_broker_is_away_ends_all_the_same(servers: Rig):
    worker = await servers.start(drain_timeout_s=12.0, kafka_request_timeout_s=3.0, **servers.share(0, 1, 2, 3))
    await worker.owns(P)
    await servers.stack.broker.pause()
    assert await asyncio.wait_for(worker.terminate(), 20) == 0
    await servers.stack.broker.resume()


async def test_a_broker_that_cannot_be_reached_at_the_start_is_waited_for_and_then_given_up(servers: Rig):
    nowhere = {"kafka_bootstrap": "127.0.0.1:9", "kafka_request_timeout_s": 1.0}
    impatient = await servers.start(**nowhere, start_timeout_s=2.0)
    assert await impatient.wait() == 69
    patient = await servers.start(**nowhere, start_timeout_s=60.0)
    await patient.until(lambda: patient.said("cannot be reached yet"), "looking for the broker")
    assert (await patient.get("/readyz"))[0] == 503
    assert await patient.terminate() == 0


# ── the set-up ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_partitions_that_are_added_stop_a_running_worker(servers: Rig):
    worker = await servers.start(partitions_check_s=0.5)
    await worker.owns(P)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.stack.kafka)
    await admin.start()
    answer = await admin.create_partitions({DISCHARGES: NewPartitions(P + 1)})
    await admin.close()
    if any(code for _, code, *_ in answer.topic_errors):
        await worker.terminate()
        pytest.skip("this broker cannot add partitions")
    assert await worker.wait() == 78
    assert f"{P + 1} partitions" in worker.said("worker ends")[0]["detail"]


async def test_an_input_of_which_the_next_record_was_deleted_stops_its_partition(servers: Rig):
    events = some_county(300)
    await servers.send(events[:150])
    first = await servers.start()
    await first.settles(150)
    assert await first.terminate() == 0
    await servers.send(events[150:])
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.stack.kafka)
    await admin.start()
    try:
        settled = next(line for line in first.said("partition taken over") if line["partition"] == 0)
        assert settled["next_in"][DISCHARGES] == 0
        await admin.delete_records({TopicPartition(DISCHARGES, 0): RecordsToDelete(before_offset=-1)})
    except (KafkaError, RuntimeError):
        pytest.skip("this broker cannot delete records")
    finally:
        await admin.close()
    second = await servers.start()
    await second.until(lambda: second.said("partition stopped"), "stopping")
    await second.owns(P - 1)
    (stopped,) = second.said("partition stopped")
    assert (stopped["partition"], stopped["reason"]) == (0, "input_is_lost")
    assert await second.terminate() == 0


async def test_a_store_that_may_evict_is_refused_at_the_start(servers: Rig):
    async with await start_store(options={"maxmemory-policy": "allkeys-lru"}) as valkey:
        worker = await servers.start(redis_url=f"redis://{valkey.address}/0")
        assert await worker.wait() == 78
        assert "noeviction" in worker.said("worker ends")[0]["detail"]


async def test_topics_that_are_missing_are_named_and_not_made(servers: Rig):
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.stack.kafka)
    await admin.start()
    await admin.delete_topics([DISCHARGES])
    await admin.close()
    worker = await servers.start()
    assert await worker.wait() == 78
    assert "0 partitions" in worker.said("worker ends")[0]["detail"]


# ── the core ──────────────────────────────────────────────────────────────────────────────────────────────────


class Choking(Batch):
    """The real pipeline, with a bug for one settlement."""

    chokes_on = b""

    def __init__(self, books: Books, partition: int, partitions: int, records: Sequence[Incoming]) -> None:
        super().__init__(books, partition, partitions, records)
        if any(self.chokes_on in (record.value or b"") for record in records):
            raise ZeroDivisionError(self.chokes_on)


async def test_a_bug_stops_its_partition_after_everything_before_it_and_names_nobody(
    servers: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    events = some_county(600)
    books = Books(load_directory(), load_pack)
    poison: Mapping[str, str] = next(event for event in map(json.loads, events[200:]) if event["type"] == "settled")
    monkeypatch.setattr(Choking, "chokes_on", poison["setl_id"].encode())
    await servers.send(events)
    stop = asyncio.Event()
    running = asyncio.create_task(
        work(servers.settings(), stop=stop, new_batch=lambda p, records: Choking(books, p, P, records))
    )
    wanted = settled_at_once(events)
    said = ""
    for _ in range(300):
        said += capsys.readouterr().out
        if "partition stopped" in said:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    stop.set()
    assert await asyncio.wait_for(running, 30) == 0
    said += capsys.readouterr().out
    assert '"reason":"core_failed_twice"' in said
    assert poison["psn_no"] not in said
    assert poison["setl_id"] not in said
    found = await servers.outputs()
    assert not [name for name, times in found.times.items() if times > 1]
    assert found.times.keys() < wanted.times.keys()
    assert not [name for name in found.times if poison["setl_id"] in name]
    assert all(found.payouts[name] == wanted.payouts[name] for name in found.payouts)
