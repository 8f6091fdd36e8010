"""`yidan journal`: what was backed up goes on where it stood, and nothing is restored that would pay twice."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from contracts.journal import Header, write_header
from contracts.topics import JOURNAL
from tests.settlement.rig import P, Rig, rig, same, settled_at_once, some_county
from tests.worker.commands import yidan
from workers.journal_file import BackupUnfit, KeptPartition, read_backup, writing
from workers.kafka.topics import apply_topics

SEALED = write_header(Header("lineage", "group", 2, 7, {}, 1, ""))


def kept() -> KeptPartition:
    return KeptPartition({b"p|P1": '{"名":"字"}'.encode()}, SEALED)


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["journal.jsonl", "journal.jsonl.gz"])
def test_a_backup_is_read_back_as_it_was_written_and_by_its_owner_alone(tmp_path: Path, name: str):
    path = tmp_path / name
    with writing(path, "group", 2) as file:
        file.add(1, kept())
    assert read_backup(path) == ("group", {1: kept()})
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_backup_that_was_not_finished_is_not_there(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with pytest.raises(RuntimeError), writing(path, "group", 2) as file:
        file.add(1, kept())
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def broken_files(whole: bytes) -> dict[str, bytes]:
    lines = whole.splitlines(keepends=True)
    return {
        "cut off": whole[:-20],
        "without its seal": b"".join(lines[:-1]),
        "with a changed byte": whole.replace(b"P1", b"P2"),
        "without a field": lines[0] + b"".join(lines[2:]),
        "with something after its seal": whole + lines[1],
        "of another format": whole.replace(b'"yidan_journal":1', b'"yidan_journal":2'),
        "empty": b"",
        "another document": b"[]\n",
    }


@pytest.mark.parametrize("what", broken_files(b"0\n1\n2\n"))
def test_a_file_that_is_not_a_whole_journal_is_refused(tmp_path: Path, what: str):
    path = tmp_path / "journal.jsonl"
    with writing(path, "group", 2) as file:
        file.add(1, kept())
    path.write_bytes(broken_files(path.read_bytes())[what])
    with pytest.raises(BackupUnfit):
        read_backup(path)


def test_a_gzip_that_is_cut_off_is_refused(tmp_path: Path):
    path = tmp_path / "journal.gz"
    with writing(path, "group", 2) as file:
        file.add(1, kept())
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 4
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BackupUnfit):
        read_backup(path)


def test_a_gzip_with_a_changed_byte_is_refused_wherever_it_is(tmp_path: Path):
    path = tmp_path / "journal.gz"
    with writing(path, "group", 2) as file:
        file.add(1, kept())
    whole = path.read_bytes()
    for place in range(10, len(whole)):  # before that stand a time and a system, which nobody reads
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(BackupUnfit):
            read_backup(path)


# ── real servers ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


async def lose_the_journal(servers: Rig) -> None:
    """The topic is gone, and made anew."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.stack.kafka)
    await admin.start()
    await admin.delete_topics([JOURNAL])
    await admin.close()
    await apply_topics(servers.settings())


@pytest.mark.integration
@pytest.mark.timeout(240)
async def test_workers_go_on_from_a_restored_journal_and_nothing_is_paid_twice(servers: Rig, tmp_path: Path):
    file = str(tmp_path / "journal.jsonl.gz")
    events = some_county(600)
    wanted = settled_at_once(events)
    await servers.send(events[:300])
    worker = await servers.start()
    await worker.settles(300)
    assert await worker.terminate() == 0
    code, out, err = await yidan(servers, "journal", "backup", file)
    assert (code, out) == (0, ""), err
    code, _, err = await yidan(servers, "journal", "restore", file)
    assert (code, "is not empty" in err) == (1, True), err

    await lose_the_journal(servers)
    code, out, err = await yidan(servers, "journal", "restore", file)
    assert (code, out) == (0, ""), err
    await servers.send(events[300:])
    worker = await servers.start()
    same(await servers.harvest(wanted), wanted)
    assert [line["rebuilt"] for line in worker.said("partition taken over")] == [True] * P
    assert await worker.terminate() == 0
    code, out, err = await yidan(servers, "audit")
    assert (code, out) == (0, ""), err


@pytest.mark.integration
@pytest.mark.timeout(240)
async def test_a_backup_is_not_restored_over_payments_that_it_does_not_know(servers: Rig, tmp_path: Path):
    file = str(tmp_path / "journal.jsonl")
    events = some_county(200)
    await servers.send(events[:100])
    worker = await servers.start()
    await worker.settles(100)
    assert (await yidan(servers, "journal", "backup", file))[0] == 0
    await servers.send(events[100:])
    await worker.settles(200)
    assert await worker.terminate() == 0
    await lose_the_journal(servers)
    code, _, err = await yidan(servers, "journal", "restore", file)
    assert (code, "Redis remembers batch" in err) == (1, True), err
    async with Redis.from_url(servers.stack.redis) as redis:
        await redis.flushall()
    code, _, err = await yidan(servers, "journal", "restore", file)
    assert (code, "what lies between was paid and would be paid again" in err) == (1, True), err

    (tmp_path / "journal.jsonl").write_bytes(Path(file).read_bytes()[:-30])
    code, _, err = await yidan(servers, "journal", "restore", file)
    assert (code, "is not a whole journal" in err or "seal" in err) == (65, True), err
