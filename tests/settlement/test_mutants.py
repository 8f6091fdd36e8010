"""Each part of the protocol is there for a reason: taken out, the simulation must find a seed that pays wrongly.

A mutant is the shipped source of a module with one passage replaced. If the passage is no longer there, the test says
so: a mutant that changes nothing would be caught by nobody.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
import structlog

from tests.settlement import memory, process, simulation
from tests.settlement.process import Rates
from tests.settlement.simulation import Simulation
from workers import seats
from workers.settlement import commit, replay, takeover, turn

SEEDS = int(os.environ.get("YIDAN_TEST_MUTANT_SEEDS", "600"))
ROOMS: tuple[ModuleType, ...] = (memory, replay, takeover, commit, turn, seats, process, simulation)

Change = tuple[ModuleType, str, str]

NO_WATERMARK_CHECK: Change = (
    turn,
    "if found.watermark != work.held.watermark or found.n != work.held.header.n:",
    "if False:",
)
NO_COUNT_CHECK: Change = (turn, " or found.n != work.held.header.n:", ":")

ONE_LOOK: Change = (
    takeover,
    "        # another epoch is wrong.\n        return await _take_over(partition, log, keeper, terms)",
    "        raise",
)

LOSES_SILENTLY: Final = """try:
                    await self._faults.strike("produce")
                except OutcomeUnknown:
                    continue
"""

MUTANTS: dict[str, list[Change]] = {
    "decides on whatever the store shows": [NO_WATERMARK_CHECK],
    "does not count the fields": [
        NO_COUNT_CHECK,
        (replay, "seen.header.n != found.n or ", ""),
        (takeover, "if counted == tail.header.n:", "if counted is not None:"),
    ],
    "writes the store without comparing": [
        (memory, 'if (fields.get(HEADER_KEY) or b"") != (change.expected or b""):', "if False:"),
        (turn, "if found.watermark != work.held.watermark or", "if"),
    ],
    "has a transactional id for each process": [(memory, "transactional_id(partition)", 'f"{id(faults)}-{partition}"')],
    "goes on after an unknown outcome": [
        (memory, "        self._usable = False\n        broker, after", "        broker, after"),
        (
            seats,
            '        """Drop the producer, forget what was read, and take over again in a while."""\n',
            "        if seat.held is not None and not isinstance(error, Fenced):\n            return\n",
        ),
    ],
    "hears the second witness after the journal, and believes what it hears": [
        ONE_LOOK,
        (
            takeover,
            "            await witness(tail.header, committed)",
            "            await witness(tail.header, await log.committed(partition))",
        ),
    ],
    "does not await what it has produced": [
        (
            memory,
            'await self._faults.strike("produce")\n',
            LOSES_SILENTLY,
        )
    ],
}
"""What is taken out, by what the worker then does."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=silent, cache_logger_on_first_use=False)
    yield
    structlog.configure(**before)


@contextmanager
def mutated(changes: list[Change]) -> Iterator[None]:
    """Runs every room's source again, changed where that is wanted, in an order in which each finds the others new."""
    kept = {room: dict(room.__dict__) for room in ROOMS}
    sources = {room: Path(str(room.__file__)).read_text() for room in ROOMS}
    for room, old, new in changes:
        assert sources[room].count(old) == 1, f"{room.__name__} holds this {sources[room].count(old)} times: {old}"
        sources[room] = sources[room].replace(old, new)
    try:
        for room in ROOMS:
            exec(compile(sources[room], str(room.__file__), "exec"), room.__dict__)
        yield
    finally:
        for room, names in kept.items():
            room.__dict__.clear()
            room.__dict__.update(names)


WEATHERS: Final = (
    Rates(lose_answer=0.03, hurt_seconds=3.0),
    Rates(sleep=0.04, move_seconds=6.0, hurt_seconds=10.0),
    Rates(die=0.02, lose_request=0.03),
)


def caught(seeds: range) -> tuple[int, BaseException] | None:
    for seed in seeds:
        try:
            simulation.Simulation(seed, WEATHERS[seed % len(WEATHERS)]).run()
        except (AssertionError, RuntimeError, SystemExit) as wrong:
            return seed, wrong
    return None


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_worker_that(mutant: str):
    with mutated(MUTANTS[mutant]):
        found = caught(range(SEEDS))
    assert found is not None, f"a worker that {mutant} passed {SEEDS} seeds"
    print(f"caught by seed {found[0]}: {found[1]!r}")


def test_the_worker_itself_passes_where_its_mutants_fail():
    assert caught(range(20)) is None


def test_mutants_leave_nothing_behind():
    before = turn.take_turn
    with mutated([NO_WATERMARK_CHECK]):
        assert turn.take_turn is not before
    assert turn.take_turn is before
    assert simulation.Simulation is Simulation
