"""The local stack starts fast, survives being hurt, and leaves nothing behind. Every server here is a real one."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from workers.rehearsal.server import PortIsBusy, RehearsalFailed, ServerDidNotStart, ServerIsGone, is_free
from workers.rehearsal.stack import local_stack, start_broker, start_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes that are left over in /proc"),
]


def processes_in(folder: str) -> list[int]:
    """Every process that was started for a stack's folder: its guards and its servers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            cwd = str((process / "cwd").readlink())
        except OSError:
            continue  # it ended while we looked
        if cwd.startswith(folder) or any(word.startswith(folder.encode()) for word in words):
            found.append(int(process.name))
    return found


def port_of(address: str) -> int:
    return int(address.removesuffix("/0").rpartition(":")[2])


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)


async def make_topic(kafka: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


def nothing_is_left(folder: str) -> bool:
    return not processes_in(folder) and not Path(folder).exists()


async def test_both_servers_answer_inside_the_block_and_are_gone_after_it():
    async with local_stack() as stack:
        assert len(processes_in(str(stack.folder))) == 4, "two servers and a guard for each"
        async with Redis.from_url(stack.redis) as redis:
            assert await redis.ping()
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
        await admin.start()
        await admin.create_topics([NewTopic("onestop.trial", 3, 1)])
        assert "onestop.trial" in await admin.list_topics()
        await admin.close()
    assert nothing_is_left(str(stack.folder))
    assert is_free(port_of(stack.kafka))
    assert is_free(port_of(stack.redis))


async def test_a_transaction_that_is_aborted_on_the_local_broker_is_never_seen():
    async with await start_broker() as broker:
        await make_topic(broker.address, "onestop.trial")
        producer = AIOKafkaProducer(bootstrap_servers=broker.address, transactional_id="trial-0")
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait("onestop.trial", b"taken back", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait("onestop.trial", b"meant", partition=0)
        await producer.stop()
        reader = AIOKafkaConsumer(
            bootstrap_servers=broker.address, isolation_level="read_committed", auto_offset_reset="none"
        )
        await reader.start()
        reader.assign([TopicPartition("onestop.trial", 0)])
        await reader.seek_to_beginning()
        record = await asyncio.wait_for(reader.getone(), 10)
        await reader.stop()
        assert record.value == b"meant"


async def test_the_store_keeps_what_it_acknowledged_when_it_is_killed():
    async with await start_store() as store:
        url = f"redis://{store.address}/0"
        async with Redis.from_url(url) as redis:
            for number in range(1_000):
                await redis.hset("yidan:{0}", f"e|{number}", "x")
        await store.kill()
        assert not await store.is_running()
        await store.restart()
        async with Redis.from_url(url) as redis:
            assert await redis.hlen("yidan:{0}") == 1_000


async def test_the_store_never_evicts_and_writes_a_log():
    async with await start_store() as store, Redis.from_url(f"redis://{store.address}/0") as redis:
        assert await redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert await redis.config_get("appendonly") == {"appendonly": "yes"}


async def test_a_test_may_start_the_store_with_settings_that_a_worker_refuses():
    async with await start_store(options={"maxmemory-policy": "allkeys-lru"}) as store:
        async with Redis.from_url(f"redis://{store.address}/0") as redis:
            assert await redis.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}


async def test_a_paused_store_keeps_its_callers_waiting_and_answers_when_resumed():
    async with await start_store() as store, Redis.from_url(f"redis://{store.address}/0") as redis:
        await redis.ping()
        await store.pause()
        waiting = asyncio.ensure_future(redis.ping())
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        await store.resume()
        assert await asyncio.wait_for(waiting, 5)


async def test_a_paused_server_can_be_closed():
    store = await start_store()
    await store.pause()
    await asyncio.wait_for(store.close(), 5)
    assert nothing_is_left(str(store.folder.parent))


async def test_the_broker_keeps_its_records_over_an_orderly_restart():
    async with await start_broker() as broker:
        await make_topic(broker.address, "onestop.trial")
        producer = AIOKafkaProducer(bootstrap_servers=broker.address)
        await producer.start()
        await producer.send_and_wait("onestop.trial", b"kept", partition=0)
        await producer.stop()
        port = broker.port
        await broker.restart()
        assert broker.port == port
        reader = AIOKafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest")
        await reader.start()
        reader.assign([TopicPartition("onestop.trial", 0)])
        record = await asyncio.wait_for(reader.getone(), 10)
        await reader.stop()
        assert record.value == b"kept"


async def test_a_demanded_port_that_is_taken_is_named_and_nothing_is_left_of_the_half_that_started(tmp_path):
    folder = tmp_path / "stack"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortIsBusy, match=f"port {port} on 127.0.0.1 is taken"):
            async with local_stack(redis_port=port, folder=folder):
                pytest.fail("the block was entered")
    assert not processes_in(str(folder))


async def test_a_taken_port_is_passed_over_when_nobody_demanded_it():
    async with local_stack() as first, local_stack() as second:
        assert first.kafka != second.kafka
        assert first.redis != second.redis


async def test_six_stores_that_start_at_once_all_find_a_port_of_their_own():
    stores = await asyncio.gather(*(start_store() for _ in range(6)))
    try:
        assert len({store.port for store in stores}) == 6
        for store in stores:
            async with Redis.from_url(f"redis://{store.address}/0") as redis:
                assert (await redis.info("server"))["process_id"] == store.pid
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_a_server_that_refuses_its_settings_says_why():
    with pytest.raises(ServerDidNotStart, match=r"(?i)bad directive"):
        await start_store(options={"no-such-setting": "1"})


async def test_an_exception_in_the_block_leaves_nothing_behind():
    folder = ""
    with pytest.raises(ZeroDivisionError):
        async with local_stack() as stack:
            folder = str(stack.folder)
            raise ZeroDivisionError
    assert folder
    assert nothing_is_left(folder)


@pytest.mark.parametrize("after_seconds", [0.0, 0.02, 0.05, 0.1])
async def test_a_start_that_is_cancelled_leaves_nothing_behind(after_seconds, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def stand() -> None:
        async with local_stack():
            await asyncio.sleep(60)

    standing = asyncio.create_task(stand())
    await asyncio.sleep(after_seconds)
    standing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await standing
    await until(lambda: not processes_in(str(tmp_path)) and not list(tmp_path.iterdir()))


async def test_a_server_started_by_a_thread_outlives_that_thread():
    started = []
    thread = threading.Thread(target=lambda: started.append(asyncio.run(start_store())))
    thread.start()
    await asyncio.to_thread(thread.join)
    async with started[0] as store:
        await asyncio.sleep(0.2)
        assert await store.is_running()


async def test_a_folder_that_is_given_is_kept_and_must_be_empty(tmp_path):
    folder = tmp_path / "stack"
    async with local_stack(folder=folder):
        pass
    assert (folder / "redis" / "appendonlydir").exists()
    with pytest.raises(RehearsalFailed, match="is not empty"):
        async with local_stack(folder=folder):
            pytest.fail("the block was entered")


async def test_a_closed_server_says_so_and_can_be_closed_again():
    store = await start_store()
    await store.close()
    await store.close()
    with pytest.raises(ServerIsGone, match="has been closed"):
        await store.kill()


async def test_a_server_does_not_outlive_its_guard(tmp_path):
    store = await start_store(folder=tmp_path / "store")
    (guard,) = [pid for pid in processes_in(str(tmp_path)) if pid != store.pid]
    os.kill(guard, signal.SIGKILL)
    await until(lambda: is_free(store.port))
    with pytest.raises(ServerIsGone):
        await store.restart()
    await store.close()
    assert not processes_in(str(tmp_path))


OWNER = """
import asyncio, signal
from redis.asyncio import Redis
from workers.rehearsal.stack import local_stack

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background

async def main():
    async with local_stack() as stack:
        print(stack.folder, flush=True)
        try:
            await asyncio.sleep(60)
        finally:
            async with Redis.from_url(stack.redis) as redis:
                print("still there:", await redis.ping(), flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def owner() -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, start_new_session=True)


async def test_an_owner_that_is_killed_leaves_nothing_behind():
    with owner() as killed:
        assert killed.stdout is not None
        folder = (await asyncio.to_thread(killed.stdout.readline)).strip()
        assert len(processes_in(folder)) == 4
        killed.kill()
        await until(lambda: nothing_is_left(folder))


async def test_an_owner_that_is_terminated_leaves_nothing_behind():
    with owner() as terminated:
        assert terminated.stdout is not None
        folder = (await asyncio.to_thread(terminated.stdout.readline)).strip()
        terminated.terminate()
        await until(lambda: nothing_is_left(folder))


async def test_ctrl_c_in_the_terminal_lets_the_owner_finish_with_its_servers_still_there():
    with owner() as interrupted:
        assert interrupted.stdout is not None
        folder = (await asyncio.to_thread(interrupted.stdout.readline)).strip()
        os.killpg(interrupted.pid, signal.SIGINT)  # what a terminal sends: to the whole group
        said = await asyncio.to_thread(interrupted.stdout.read)
        assert interrupted.wait() == 0
        assert said.splitlines() == ["still there: True", "interrupted"]
    assert nothing_is_left(folder)
