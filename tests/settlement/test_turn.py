"""One turn over several partitions: what goes wrong with one of them is its own affair."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from contracts.journal import HEADER_KEY
from contracts.topics import DISCHARGES, PAYOUTS
from tests.settlement.memory import Broker, Faults, MemoryKeeper, MemoryLog
from tests.settlement.purse import Purses, event, purses
from workers.settlement.inbox import Waiting
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.pipeline import BatchResult
from workers.settlement.ports import Fenced, Held, OutcomeUnknown
from workers.settlement.records import Incoming
from workers.settlement.takeover import Terms, take_over
from workers.settlement.turn import Committed, CoreFailed, Lost, NewBatch, RoundsDidNotEnd, Stale, Turn, take_turn

P = 3


class World:
    def __init__(self) -> None:
        self.broker = Broker(P)
        self.keeper = MemoryKeeper()
        self.held: dict[int, Held] = {}

    async def own(self, faults: Mapping[int, Faults] | None = None) -> None:
        for partition in range(P):
            log = MemoryLog(self.broker, faults=(faults or {}).get(partition, Faults()))
            self.held[partition], _ = await take_over(partition, log, self.keeper, Terms("g", P))

    def waiting(self, partition: int, *numbers: str) -> list[Waiting]:
        found = []
        for number in numbers:
            key, value = event(f"p{partition}", number, 10)
            offset = self.broker.send(DISCHARGES, partition, key, value)
            found.append(Waiting(Incoming(DISCHARGES, partition, offset, key, value), 1_000))
        return found

    async def turn(self, *partitions: int, new_batch: NewBatch = purses, lane_records: int = 250) -> Turn:
        batches = {p: (self.held[p], self.waiting(p, f"{self.held[p].header.seq}a", "b")) for p in partitions}
        return await take_turn(batches, self.keeper, new_batch, lane_records)

    def payouts(self) -> list[int]:
        return [len(self.broker.committed(PAYOUTS, p)) for p in range(P)]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.own()
    return world


async def test_every_partition_commits_its_batch_and_the_store_has_it(world: World):
    turn = await world.turn(0, 1, 2)
    assert all(isinstance(verdict, Committed) and verdict.applied for verdict in turn.verdicts.values())
    assert world.payouts() == [2, 2, 2]
    for partition, held in world.held.items():
        assert world.keeper.store.hashes[partition][HEADER_KEY] == held.watermark
        assert (held.header.seq, held.header.n, held.header.next_in[DISCHARGES]) == (1, 3, 2)


async def test_a_verdict_says_what_a_batch_came_to_and_where_it_goes_on(world: World):
    verdict = (await world.turn(1)).verdicts[1]
    assert isinstance(verdict, Committed)
    assert verdict.next_in == {DISCHARGES: 2}
    assert verdict.result.counts.effects["settled", "settled"] == 2


async def test_several_events_of_one_person_see_each_other_and_a_repeat_is_paid_once(world: World):
    waiting = world.waiting(0, "1", "1", "2")
    await take_turn({0: (world.held[0], waiting)}, world.keeper, purses)
    assert world.payouts() == [2, 0, 0]


async def test_a_store_that_shows_another_watermark_holds_up_its_own_partition_only(world: World):
    await world.turn(0, 1)
    world.keeper.store.lose_tail(1)
    turn = await world.turn(0, 1)
    assert isinstance(turn.verdicts[0], Committed)
    assert isinstance(turn.verdicts[1], Stale)
    assert world.payouts() == [3, 2, 0]


async def test_a_store_that_has_lost_a_field_is_not_believed(world: World):
    await world.turn(0)
    world.keeper.store.lose_field(0, 1)
    assert isinstance((await world.turn(0)).verdicts[0], Stale)
    assert world.payouts() == [2, 0, 0]


async def test_a_store_that_is_away_loses_the_turn_and_nothing_else(world: World):
    class Away(Faults):
        async def strike(self, where: str) -> None:
            raise StoreUnavailable(where)

    world.keeper.faults = Away()
    turn = await world.turn(0, 1)
    assert all(isinstance(verdict, Lost) for verdict in turn.verdicts.values())
    assert world.payouts() == [0, 0, 0]


async def test_a_batch_that_is_committed_stands_although_the_store_could_not_be_told(world: World):
    class RefusesWrites(Faults):
        async def strike(self, where: str) -> None:
            if where == "apply":
                raise StoreUnavailable(where)

    world.keeper.faults = RefusesWrites()
    verdict = (await world.turn(0)).verdicts[0]
    assert isinstance(verdict, Committed)
    assert not verdict.applied
    assert world.payouts() == [2, 0, 0]
    assert isinstance((await world.turn(0)).verdicts[0], Stale), "the next snapshot shows it"


async def test_in_a_busy_turn_a_store_that_goes_away_loses_only_those_who_were_asking(world: World):
    class AwayAtTheSecond(Faults):
        asked = 0

        async def strike(self, where: str) -> None:
            self.asked += where == "snapshot"
            if self.asked == 2:
                raise StoreUnavailable(where)

    world.keeper.faults = AwayAtTheSecond()
    turn = await world.turn(0, 1, 2, lane_records=2)
    kinds = [type(turn.verdicts[partition]) for partition in range(P)]
    assert sorted(kind.__name__ for kind in kinds) == ["Committed", "Committed", "Lost"]
    assert world.payouts() == [2 if kind is Committed else 0 for kind in kinds]


async def test_in_a_busy_turn_whoever_waits_for_the_store_holds_nobody_up(world: World):
    class AnswersTheFirstLast(Faults):
        asked = 0

        async def strike(self, where: str) -> None:
            self.asked += where == "snapshot"
            if where == "snapshot" and self.asked == 1:
                for _ in range(1_000):
                    if sum(world.payouts()) == 2 * (P - 1):
                        return
                    await asyncio.sleep(0)
                raise StoreUnavailable(where)

    world.keeper.faults = AnswersTheFirstLast()
    turn = await world.turn(0, 1, 2, lane_records=2)
    assert all(isinstance(verdict, Committed) for verdict in turn.verdicts.values())
    assert world.payouts() == [2, 2, 2]


@pytest.mark.parametrize("where", ["produce", "offsets", "commit"])
@pytest.mark.parametrize("answered", [False, True])
async def test_a_transaction_that_fails_is_lost_for_its_partition_only(where: str, answered: bool):
    class Breaks(Faults):
        armed = False

        async def strike(self, at: str) -> None:
            if self.armed and at == where and not answered:
                raise OutcomeUnknown(at)

        async def lose_answer(self, at: str) -> None:
            if self.armed and at == where and answered:
                raise OutcomeUnknown(at)

    world, faults = World(), Breaks()
    await world.own({1: faults})
    faults.armed = True
    before = world.held[1].header
    turn = await world.turn(0, 1, 2)
    assert isinstance(turn.verdicts[1], Lost)
    assert world.held[1].header == before, "what was not confirmed is not believed"
    assert [isinstance(turn.verdicts[p], Committed) for p in (0, 2)] == [True, True]
    assert world.payouts() == [2, 2 if (where, answered) == ("commit", True) else 0, 2]


async def test_a_fenced_owner_writes_nothing(world: World):
    old = world.held[0]
    await world.own()
    world.held[0] = old
    verdict = (await world.turn(0)).verdicts[0]
    assert isinstance(verdict, Lost)
    assert isinstance(verdict.error, Fenced)
    assert world.payouts() == [0, 0, 0]


class Faulty(Purses):
    """Raises where it is told to, for partition 1."""

    where = ""

    def wanted(self) -> list[str]:
        self._raise("wanted")
        return [f"x|{len(self._read)}"] if self._mine("endless") else super().wanted()

    def supply(self, values: Mapping[str, bytes | None]) -> None:
        self._raise("supply")
        super().supply(values)

    def settle(self) -> BatchResult:
        self._raise("settle")
        return super().settle()

    def _mine(self, where: str) -> bool:
        return self.where == where and self._records[0].partition == 1

    def _raise(self, where: str) -> None:
        if self._mine(where):
            raise ZeroDivisionError(where)


@pytest.mark.parametrize("where", ["new", "wanted", "supply", "settle", "endless"])
async def test_an_exception_of_the_core_changes_nothing_and_the_other_partitions_go_on(world: World, where: str):
    def faulty(partition: int, records: Sequence[Incoming]) -> Faulty:
        if where == "new" and partition == 1:
            raise ZeroDivisionError
        batch = Faulty(records)
        batch.where = where
        return batch

    turn = await world.turn(0, 1, 2, new_batch=faulty)
    verdict = turn.verdicts[1]
    assert isinstance(verdict, CoreFailed)
    assert isinstance(verdict.error, RoundsDidNotEnd if where == "endless" else ZeroDivisionError)
    assert world.payouts() == [2, 0, 2]
