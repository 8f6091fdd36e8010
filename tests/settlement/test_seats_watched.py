"""What becomes of partitions, as an operator sees it: by cause, by outcome, and how long it took."""

from collections.abc import Sequence

import pytest

from tests.settlement.memory import Faults
from tests.settlement.purse import Purses
from tests.settlement.test_seats import P, World
from workers.metrics import PartitionState
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.ports import Fenced, OutcomeUnknown
from workers.settlement.records import Incoming
from workers.settlement.turn import Lost, Turn


def value(world: World, name: str, **labels: str) -> float | None:
    return world.metrics.registry.get_sample_value(f"yidan_{name}", labels)


class Once(Faults):
    """Raises once, where it is told to."""

    def __init__(self, where: str, error: Exception) -> None:
        self.where, self.error = where, error
        self.armed = False

    async def strike(self, where: str) -> None:
        if self.armed and where == self.where:
            self.armed = False
            raise self.error


async def owned(faults: Faults | None = None) -> World:
    world = World(faults)
    world.seats.assigned({0, 1})
    await world.until(lambda: set(world.seats.states().values()) == {PartitionState.OWNED})
    return world


async def test_a_partition_that_the_group_gives_is_taken_over_because_it_was_assigned():
    world = await owned()
    assert value(world, "partitions") == P
    assert value(world, "take_overs_total", cause="assigned") == 2
    assert value(world, "restore_seconds_count", errand="take_over", how="rebuild") == 2
    assert value(world, "take_overs_failed_total") == 0


@pytest.mark.parametrize(
    ("error", "cause", "outcome"),
    [
        (Fenced("another worker"), "fenced", "fenced"),
        (OutcomeUnknown("no answer"), "outcome_unknown", "unknown"),
        (StoreUnavailable("no answer"), "store_unavailable", None),
        (RuntimeError("a bug"), "failure", "unknown"),
    ],
)
async def test_why_a_partition_was_lost_is_why_it_is_taken_over_again(error, cause, outcome):
    world = await owned()
    world.send(0, 1)
    world.seats.receive(world.reader.fetch())
    world.seats.judge(Turn({0: Lost(error)}), world.seats.batches())
    failed = {way: value(world, "transactions_total", outcome=way) for way in ("fenced", "unknown")}
    assert failed == {way: float(way == outcome) for way in failed}
    world.now += 100
    await world.until(lambda: world.paid(0) == 1)
    assert value(world, "take_overs_total", cause=cause) == 1
    assert value(world, "take_overs_total", cause="assigned") == 2
    assert value(world, "transactions_total", outcome="committed") == 1


async def test_a_partition_that_cannot_be_had_goes_on_waiting_as_long_as_its_oldest_record():
    world = await owned()
    world.send(0, 1)
    world.seats.receive(world.reader.fetch())
    world.seats.judge(Turn({0: Lost(StoreUnavailable("no answer"))}), world.seats.batches())
    world.seats.lag()
    waited = value(world, "lag_seconds", partition="0")
    assert waited is not None
    assert waited > 0
    world.seats.lag()
    again = value(world, "lag_seconds", partition="0")
    assert again is not None
    assert again > waited
    world.now += 100
    await world.until(lambda: world.paid(0) == 1)
    world.seats.lag()
    assert value(world, "lag_seconds", partition="0") == 0


async def test_a_take_over_that_fails_keeps_its_cause_and_is_counted_as_failed():
    faults = Once("open", OutcomeUnknown("the broker is away"))
    faults.armed = True
    world = World(faults)
    world.seats.assigned({0})
    await world.go()
    assert value(world, "take_overs_failed_total") == 1
    world.now += 100
    await world.until(lambda: set(world.seats.states().values()) == {PartitionState.OWNED})
    assert value(world, "take_overs_total", cause="assigned") == 1
    assert value(world, "take_overs_total", cause="outcome_unknown") == 0


async def test_a_store_that_fell_behind_is_repaired_and_how_is_told():
    world = await owned()
    world.send(0, 1)
    await world.go()
    world.keeper.store.hashes.clear()
    world.send(0, 2)
    await world.until(lambda: world.paid(0) == 2)
    assert value(world, "repairs_total") == 1
    assert value(world, "restore_seconds_count", errand="repair", how="rebuild") == 1
    assert value(world, "take_overs_total", cause="repair_failed") == 0


async def test_the_wait_of_every_record_of_a_batch_is_observed():
    world = await owned()
    world.send(0, 1, 2, 3)
    world.send(1, 4)
    await world.go(2)
    assert value(world, "record_seconds_count", topic="onestop.discharges.v1") == 4
    assert value(world, "batch_records_count") == 2


async def test_a_core_that_fails_is_no_transaction():
    world = await owned()

    def broken(partition: int, records: Sequence[Incoming]) -> Purses:
        raise ValueError("a bug")

    world.new_batch = broken
    world.send(0, 1)
    await world.go()
    assert value(world, "core_failed_total") == 1
    assert value(world, "transactions_total", outcome="unknown") == 0
