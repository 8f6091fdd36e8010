"""The desk over a store that goes back while it reads, and over a journal whose end is hidden."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.pack import PackSet
from contracts.topics import JOURNAL
from tests.settlement.world import P, World
from workers.desk.live import LiveSource
from workers.desk.source import SourceUnfit
from workers.settings import Settings
from workers.settlement.records import Outgoing


def source(world: World) -> LiveSource:
    settings = Settings(
        partitions=P, packs_dir=Path(), kafka_bootstrap="127.0.0.1:9092", redis_url=SecretStr("redis://127.0.0.1")
    )
    return LiveSource(settings, PackSet([]), world.keeper, world.log)  # type: ignore[arg-type]


async def test_a_store_that_restarts_stale_while_the_desk_reads_shows_no_year_that_was_left_behind():
    world = World()
    held = await world.take()
    await world.settle(held, "1")
    stale = dict(world.keeper.store.hashes[1])
    await world.settle(held, "2")
    names = [name.decode() for name in world.fields()]
    desk = source(world)
    before = await desk.read(1, names)
    as_of = await desk.as_of(1)
    assert before == {name.decode(): value for name, value in world.fields().items()}

    world.keeper.store.hashes[1] = stale
    assert await desk.still(1, before)
    assert await desk.as_of(1) == as_of


async def test_a_journal_whose_end_is_hidden_by_an_open_transaction_is_no_source():
    world = World()
    held = await world.take()
    await world.settle(held, "1")
    epoch = world.broker.new_epoch("somebody")
    world.broker.write("somebody", epoch, JOURNAL, 1, [Outgoing(b"p|a", b"{}", [])])
    with pytest.raises(SourceUnfit, match="a transaction is open"):
        await source(world).read(1, ["p|a"])
