"""`yidan journal restore` and `yidan rebuild` where something gives way in the middle of it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.journal import Header, write_header
from contracts.topics import INPUTS, JOURNAL
from tests.settlement.memory import Broker, MemoryKeeper, MemoryLog
from tests.settlement.world import TERMS, P
from workers.audit_commands import _rebuild_all
from workers.exits import Exit
from workers.journal_commands import _restore
from workers.journal_file import KeptPartition
from workers.settings import Settings
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.records import Outgoing
from workers.settlement.takeover import take_over


class Store(MemoryKeeper):
    """A store that can be away when a key is to be deleted."""

    away = False

    def key(self, partition: int) -> int:
        return partition

    async def unlink(self, partition: int) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.store.hashes.pop(partition, None)


class Begun(MemoryLog):
    """A broker at which a worker begins a partition just before it is restored."""

    async def open_writer(self, partition: int) -> Any:
        await take_over(partition, MemoryLog(self.broker), MemoryKeeper(), TERMS)
        return await super().open_writer(partition)


def kept(group: str = "g") -> dict[int, KeptPartition]:
    header = Header("L", group, P, 3, dict.fromkeys(INPUTS, 0), 1, "")
    return {number: KeptPartition({b"p|P1": b"{}"}, write_header(header)) for number in range(P)}


def the_settings() -> Settings:
    redis = SecretStr("redis://127.0.0.1")
    return Settings(partitions=P, group="g", packs_dir=Path(), kafka_bootstrap="127.0.0.1:9092", redis_url=redis)


async def restored(log: MemoryLog, store: Store, backup: dict[int, KeptPartition]) -> Exit:
    return await _restore(the_settings(), "g", backup, log, store)  # type: ignore[arg-type]


async def test_a_journal_is_restored_whole():
    broker, store = Broker(P), Store()
    assert await restored(MemoryLog(broker), store, kept()) is Exit.OK
    held, _ = await take_over(1, MemoryLog(broker), store, TERMS)
    assert held.header.seq == 3


async def test_a_store_that_is_away_leaves_the_journal_unwritten_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
):
    broker, store = Broker(P), Store()
    store.away = True
    assert await restored(MemoryLog(broker), store, kept()) is Exit.CHECK_FAILED
    assert not broker.logs[JOURNAL, 0]
    assert "restored in part: " in capsys.readouterr().err


async def test_nothing_is_written_over_a_journal_that_a_worker_has_begun_meanwhile(capsys: pytest.CaptureFixture[str]):
    broker = Broker(P)
    assert await restored(Begun(broker), Store(), kept()) is Exit.CHECK_FAILED
    assert "a worker has begun it" in capsys.readouterr().err
    assert b"p|P1" not in {entry.key for _, entry in broker.committed(JOURNAL, 0)}


async def test_a_journal_of_another_group_is_not_restored_whatever_the_file_is_called(
    capsys: pytest.CaptureFixture[str],
):
    broker = Broker(P)
    assert await restored(MemoryLog(broker), Store(), kept("another")) is Exit.CHECK_FAILED
    assert "the journal is of group another" in capsys.readouterr().err
    assert not broker.logs[JOURNAL, 0]


async def test_a_journal_whose_end_is_hidden_holds_up_the_rebuild_of_its_own_partition_only(
    capsys: pytest.CaptureFixture[str],
):
    broker, store = Broker(P), Store()
    assert await restored(MemoryLog(broker), store, kept()) is Exit.OK
    broker.write("somebody", broker.new_epoch("somebody"), JOURNAL, 0, [Outgoing(b"p|P1", b"{}", [])])
    assert await _rebuild_all(the_settings(), (0, 1), MemoryLog(broker), store) is Exit.CHECK_FAILED  # type: ignore[arg-type]
    assert "partition 0: not rebuilt" in capsys.readouterr().err
    assert [*store.store.hashes] == [1]
