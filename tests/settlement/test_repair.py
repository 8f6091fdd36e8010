"""A running owner whose store does not show its last batch."""

import asyncio
from dataclasses import replace

import pytest

from contracts.journal import HEADER_KEY
from contracts.topics import JOURNAL
from tests.settlement.memory import Faults
from tests.settlement.world import TERMS, World, forge
from workers.settlement.ports import NotOurs
from workers.settlement.takeover import StoreKeepsMoving, repair


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("harm", ["tail", "flush", "field"])
async def test_a_running_owner_repairs_its_store_without_a_new_epoch(world: World, harm: str):
    held = await world.take()
    await world.settle(held, "1")
    await world.settle(held, "2")
    match harm:
        case "tail":
            world.keeper.store.lose_tail(1)
        case "flush":
            world.keeper.store.flush()
        case "field":
            world.keeper.store.lose_field(1, 0)
    await repair(held, world.log, world.keeper, TERMS)
    assert world.stored() == world.fields()
    await world.settle(held, "3")


async def test_an_owner_whose_journal_has_gone_on_without_it_lets_go(world: World):
    held = await world.take()
    await world.settle(held, "1")
    await world.settle(await world.take(), "2")
    with pytest.raises(NotOurs):
        await repair(held, world.log, world.keeper, TERMS)


async def test_an_owner_waits_for_its_own_commit_to_show_and_lets_go_if_it_does_not(world: World):
    held = await world.take()
    await world.settle(held, "1")
    late = list(world.broker.logs[JOURNAL, 1])
    await world.settle(held, "2")
    shown, world.broker.logs[JOURNAL, 1] = world.broker.logs[JOURNAL, 1], late
    world.keeper.store.lose_tail(1)
    waiting = asyncio.create_task(repair(held, world.log, world.keeper, TERMS))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    world.broker.logs[JOURNAL, 1] = shown
    await waiting
    assert world.stored() == world.fields()

    world.broker.logs[JOURNAL, 1] = late
    world.keeper.store.lose_tail(1)
    with pytest.raises(NotOurs, match="did not become visible"):
        await repair(held, world.log, world.keeper, TERMS)


async def test_a_verdict_that_stops_is_left_to_a_take_over(world: World):
    held = await world.take()
    await world.settle(held, "1")
    forge(world, replace(held.header, seq=2, prev_hash="0"))
    world.keeper.store.flush()
    with pytest.raises(NotOurs):
        await repair(held, world.log, world.keeper, TERMS)


async def test_a_store_that_somebody_keeps_changing_is_tried_again_later(world: World):
    await world.settle(await world.take(), "1")

    class Meddler(Faults):
        """Moves the watermark before every compare-and-set."""

        def __init__(self, world: World) -> None:
            self._world = world
            self._moves = 0

        async def strike(self, where: str) -> None:
            if where in ("apply", "replace"):
                self._moves += 1
                self._world.keeper.store.hashes[1] = {HEADER_KEY: b"%d" % self._moves}

    world.keeper.store.flush()
    world.keeper.faults = Meddler(world)
    with pytest.raises(StoreKeepsMoving):
        await world.take()
