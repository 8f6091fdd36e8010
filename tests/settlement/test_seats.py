"""The table of partitions: who waits, who is tried again, who stops, and that the others never notice."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import pytest

from contracts.topics import DISCHARGES, INPUTS
from tests.settlement.memory import Broker, Faults, MemoryKeeper, MemoryLog, Reader
from tests.settlement.purse import Purses, event, purses
from workers.metrics import Metrics, PartitionState
from workers.seats import FETCHED_AHEAD, Seats
from workers.settings import Settings
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.pipeline import BatchResult
from workers.settlement.ports import OutcomeUnknown, WrongPartitionCount
from workers.settlement.records import Incoming
from workers.settlement.turn import NewBatch, take_turn

P = 2


@cache
def settings() -> Settings:
    """Small batches, and waits that nobody notices."""
    return Settings(
        partitions=P,
        group="g",
        discharges_batch_max=4,
        persons_batch_max=2,
        applications_batch_max=2,
        transaction_timeout_s=9.0,
        backoff_max_s=5.0,
    )


class World:
    """A worker without a process: `go` is a round of its loop."""

    def __init__(self, log_faults: Faults | None = None) -> None:
        self.broker = Broker(P)
        self.keeper = MemoryKeeper()
        self.now = 0.0
        self.log = MemoryLog(self.broker, "g", log_faults or Faults())
        self.reader = Reader(self.log)
        self.metrics = Metrics(version="tested", regions=())
        self.seats = Seats(settings(), self.log, self.keeper, self.reader, self.metrics, clock=lambda: self.now)
        self.new_batch: NewBatch = purses
        self.sizes: list[int] = []

    def send(self, partition: int, *numbers: object) -> None:
        for number in numbers:
            self.broker.send(DISCHARGES, partition, *event(f"n{partition}", str(number), 1))

    async def go(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.seats.advance()
            await asyncio.sleep(0.02)  # errands
            self.seats.advance()
            self.seats.receive(self.reader.fetch())
            batches = self.seats.batches()
            self.sizes += [len(batch) for _, batch in batches.values()]
            if batches:
                self.seats.judge(await take_turn(batches, self.keeper, self.new_batch), batches)

    async def until(self, true: Callable[[], object], rounds: int = 100) -> None:
        for _ in range(rounds):
            if true():
                return
            await self.go()
        raise AssertionError(f"not in {rounds} rounds: {self.seats.states()}")

    def paid(self, partition: int) -> int:
        return len(self.broker.committed("onestop.payouts.v1", partition))


Make = Callable[..., Awaitable[World]]


@pytest.fixture
async def world() -> World:
    world = World()
    world.seats.assigned({0, 1})
    await world.go(2)
    assert set(world.seats.states().values()) == {PartitionState.OWNED}
    return world


async def test_what_the_group_gives_is_taken_over_and_settled(world: World):
    world.send(0, 1, 2, 3)
    world.send(1, 4)
    await world.go(2)
    assert (world.paid(0), world.paid(1)) == (3, 1)


async def test_a_partition_that_is_kept_keeps_its_epoch_and_reads_on_from_the_journal(world: World):
    epochs = dict(world.broker.epochs)
    world.send(0, 1, 2)
    await world.go()
    world.reader.position[0] = dict.fromkeys(INPUTS, 0)  # the group has gone back to its own offset
    world.seats.assigned({0, 1})
    assert world.seats.batches() == {}, "what was fetched before the rebalance is not settled after it"
    world.send(0, 3)
    await world.go(2)
    assert world.paid(0) == 3
    assert world.broker.epochs == epochs


async def test_a_partition_that_is_lost_is_let_go_of_and_taken_over_when_it_comes_back(world: World):
    world.seats.assigned({1})
    assert world.seats.states() == {1: PartitionState.OWNED}
    world.send(0, 1)
    await world.go(2)
    assert world.paid(0) == 0
    world.seats.assigned({0, 1})
    await world.go(3)
    assert world.paid(0) == 1
    assert world.broker.epochs["yidan-onestop.journal.v1-0"] == 1
    assert world.broker.epochs["yidan-onestop.journal.v1-1"] == 0


async def test_a_take_over_that_fails_is_tried_again_later_and_later():
    class Away(Faults):
        away = True

        async def strike(self, where: str) -> None:
            if self.away and where == "open":
                raise OutcomeUnknown(where)

    faults = Away()
    world = World(faults)
    world.seats.assigned({0})
    waits = []
    for _ in range(6):
        await world.go()
        assert world.seats.states() == {0: PartitionState.WAITING}
        (seat,) = world.seats._seats.values()
        waits.append(seat.not_before - world.now)
        world.now = seat.not_before
    assert 0.25 <= waits[0] <= 0.5
    assert waits[-1] > 2 * waits[0]
    assert max(waits) <= settings().backoff_max_s
    faults.away = False
    await world.go(2)
    assert world.seats.states() == {0: PartitionState.OWNED}


async def test_a_store_that_is_away_does_not_make_a_worker_fence_itself_again_and_again():
    class Away(Faults):
        async def strike(self, where: str) -> None:
            raise StoreUnavailable(where)

    world = World()
    world.keeper.faults = Away()
    world.seats.assigned({0})
    for _ in range(5):
        await world.go()
        world.now += 10
    assert world.broker.epochs == {}


async def test_after_an_unknown_outcome_the_partition_is_taken_over_under_a_new_epoch(world: World):
    class OneAnswerLost(Faults):
        left = 1

        async def lose_answer(self, where: str) -> None:
            if where == "commit" and self.left:
                self.left -= 1
                raise OutcomeUnknown(where)

    world.log.faults = OneAnswerLost()
    world.seats.assigned({1})
    world.seats.assigned({0, 1})
    await world.go(2)
    world.send(0, 1)
    await world.go()
    assert world.seats.states()[0] is PartitionState.WAITING
    world.now += 10
    await world.go(3)
    assert world.seats.states()[0] is PartitionState.OWNED
    assert world.paid(0) == 1, "it had been committed, and was not said again"


async def test_a_stale_store_is_repaired_while_the_other_partition_goes_on(world: World):
    world.send(0, 1)
    await world.go()
    world.keeper.store.lose_tail(1)
    world.send(0, 2)
    world.send(1, 3)
    await world.go()
    assert world.seats.states()[0] is PartitionState.REPAIRING
    assert world.paid(1) == 1
    await world.go(2)
    assert world.paid(0) == 2


async def test_a_topic_with_many_records_is_paused_and_read_on_when_there_is_room(world: World):
    quota = settings().batch_max[DISCHARGES]
    world.send(0, *range(20 * quota))
    paused = False
    for _ in range(40):
        await world.go()
        inbox = world.seats._seats[0].inbox
        assert inbox is not None
        assert inbox.waiting(DISCHARGES) <= (FETCHED_AHEAD + 2) * quota
        paused = paused or (0, DISCHARGES) in world.reader.paused
    assert paused
    assert world.paid(0) == 20 * quota


class Choking(Purses):
    """A batch that raises while it holds a certain record."""

    poison = frozenset[bytes]()

    def settle(self) -> BatchResult:
        if any((record.value or b"") in self.poison for record in self._records):
            raise ZeroDivisionError
        return super().settle()


def choking_on(*values: bytes) -> NewBatch:
    def new_batch(partition: int, records: Sequence[Incoming]) -> Choking:
        batch = Choking(records)
        batch.poison = frozenset(values)
        return batch

    return new_batch


async def test_a_record_that_the_core_chokes_on_stops_its_partition_after_everything_before_it(world: World):
    _, poison = event("n0", "6", 1)
    world.new_batch = choking_on(poison)
    world.send(0, *range(12))
    world.send(1, *range(12))
    await world.until(lambda: world.seats.states()[0] is PartitionState.STOPPED)
    assert world.paid(0) == 6, "everything before the record is settled, nothing from it on"
    await world.until(lambda: world.paid(1) == 12)
    assert world.sizes.count(1) >= 2, "the record was tried alone, and once more"
    await world.go(5)
    assert world.seats.states() == {0: PartitionState.STOPPED, 1: PartitionState.OWNED}


async def test_a_core_that_chokes_once_is_given_another_try(world: World):
    _, poison = event("n0", "0", 1)
    world.new_batch = choking_on(poison)
    world.send(0, 0)
    await world.go()
    world.new_batch = purses
    await world.go()
    assert world.paid(0) == 1
    assert world.seats.states()[0] is PartitionState.OWNED


async def test_batches_grow_again_after_a_choking_record_was_passed(world: World):
    _, poison = event("n0", "1", 1)
    world.new_batch = choking_on(poison)
    world.send(0, *range(40))
    await world.go(2)
    world.new_batch = purses
    await world.until(lambda: world.paid(0) == 40)
    assert world.sizes[-2] == settings().batch_max[DISCHARGES]


async def test_a_position_that_the_broker_no_longer_has_is_looked_at_by_a_take_over(world: World):
    world.send(0, 1, 2)
    await world.go(2)
    world.send(0, 3, 4, 5)
    world.broker.first[DISCHARGES, 0] = 4
    world.seats.position_lost(0)
    world.now += 10
    await world.until(lambda: world.seats.states()[0] is PartitionState.STOPPED)
    assert world.paid(0) == 2
    assert world.seats.states()[1] is PartitionState.OWNED


async def test_another_number_of_partitions_is_fatal_for_the_whole_worker():
    class Grown(Faults):
        async def strike(self, where: str) -> None:
            if where == "open":
                raise WrongPartitionCount("onestop.journal.v1", 3, 2)

    world = World(Grown())
    world.seats.assigned({0})
    await world.go()
    assert isinstance(world.seats.fatal, WrongPartitionCount)


async def test_closing_lets_everything_go(world: World):
    world.send(0, 1)
    await world.go()
    await world.seats.close()
    assert world.seats.states() == {}


async def test_a_take_over_under_way_is_given_up_when_the_partition_goes():
    class Slow(Faults):
        opened = 0

        async def strike(self, where: str) -> None:
            if where == "open":
                self.opened += 1
                await asyncio.sleep(60)

    faults = Slow()
    world = World(faults)
    world.seats.assigned({0})
    await world.go()
    assert world.seats.states() == {0: PartitionState.TAKING_OVER}
    world.seats.assigned(set())
    await asyncio.wait_for(world.seats.close(), 1)
    assert faults.opened == 1
