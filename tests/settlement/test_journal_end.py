"""A journal that is not the one that was read: whoever has been deceived about its end pays nothing on it."""

import pytest

from contracts.topics import DISCHARGES, INPUTS, JOURNAL
from tests.settlement.memory import Broker, MemoryLog
from tests.settlement.purse import event, purses
from tests.settlement.world import TERMS, World
from workers.settlement.inbox import Waiting
from workers.settlement.ports import Bounds, Held, OutcomeUnknown, PartitionMustStop, StopReason
from workers.settlement.records import Incoming
from workers.settlement.takeover import take_over
from workers.settlement.turn import Lost, take_turn


@pytest.fixture
def world() -> World:
    return World()


class CutOff(MemoryLog):
    """Says of journal and group what was true before it lost touch with the others."""

    def __init__(self, broker: Broker, end: int, group: dict[str, int | None]) -> None:
        super().__init__(broker)
        self._end, self._then = end, group

    async def journal_bounds(self, partition: int) -> Bounds:
        return Bounds(0, self._end)

    async def committed(self, partition: int) -> dict[str, int | None]:
        return {**self._then}


async def loses(world: World, held: Held) -> None:
    before = world.payouts()
    key, value = event("a", "next", 10)
    record = Incoming(DISCHARGES, 1, world.broker.send(DISCHARGES, 1, key, value), key, value)
    turn = await take_turn({1: (held, [Waiting(record, 0)])}, world.keeper, purses)
    verdict = turn.verdicts[1]
    assert isinstance(verdict, Lost), verdict
    assert "the journal goes on at" in str(verdict.error)
    assert world.payouts() == before, "nothing may be paid on what was read"


async def test_whoever_has_read_the_journal_from_a_broker_that_no_longer_leads_it_pays_nothing(world: World):
    held = await world.take()
    await world.settle(held, "1")
    then = len(world.broker.logs[JOURNAL, 1])
    group: dict[str, int | None] = {topic: world.broker.group["g", topic, 1] for topic in INPUTS}
    await world.settle(held, "2")
    world.keeper.store.hashes.clear()

    deceived, _ = await take_over(1, CutOff(world.broker, then, group), world.keeper, TERMS)
    assert deceived.header.seq == 1, "neither of the other witnesses has seen the second batch"
    await loses(world, deceived)
    assert (await world.take()).header == held.header


async def test_an_owner_whose_journal_was_made_anew_pays_nothing_more(world: World):
    held = await world.take()
    await world.settle(held, "1")
    world.broker.logs[JOURNAL, 1] = []
    await loses(world, held)
    with pytest.raises(PartitionMustStop) as stop:
        await world.take()
    assert stop.value.reason is StopReason.JOURNAL_IS_EMPTY_BUT_NOT_NEW


async def test_a_partition_is_not_born_a_second_time(world: World):
    held = await world.take()
    world.keeper.store.hashes.clear()
    with pytest.raises(OutcomeUnknown, match="read up to 0"):
        await take_over(1, CutOff(world.broker, 0, dict.fromkeys(INPUTS)), world.keeper, TERMS)
    assert (await world.take()).header == held.header
    assert world.headers() == [held.header]
