"""Each part of the protocol is there for a reason: taken out, the rehearsal must find a seed that pays wrongly.

A mutant is the shipped source of a module with one passage replaced. If the passage is no longer there, the test says
so: a mutant that changes nothing would be caught by nobody.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from workers import seats, worker
from workers.kafka import inputs, log, writer
from workers.rehearsal.simulation import (
    broker,
    consumer,
    member,
    producer,
    reckoning,
    simulation,
    store,
    wire,
)
from workers.rehearsal.simulation.simulation import Simulation
from workers.rehearsal.simulation.wire import Rates
from workers.settlement import commit, replay, takeover, turn

SEEDS = int(os.environ.get("YIDAN_TEST_MUTANT_SEEDS", "1000"))
ROOMS: tuple[ModuleType, ...] = (
    *(broker, producer, consumer, store, wire),
    *(writer, log, inputs, replay, takeover, commit, turn, seats, worker),
    *(member, reckoning, simulation),
)
"""In an order in which each finds those that it imports from already new."""

Change = tuple[ModuleType, str, str]

ROUGH: Final = Rates()
FORGETFUL: Final = Rates(hurt_seconds=0.25, lose_last=0.08)
SLEEPY: Final = Rates(sleep=0.02, move_seconds=2.5)
LOSSY: Final = Rates(die=0.3, lose_request=0.03, lose_answer=0.03)
LATE: Final = Rates(die=0.1, lose_last=0.25, arrive_late=0.9, late_seconds=0.4, move_seconds=20.0, leave_seconds=1e9)
OUTRUN: Final = Rates(die=0.3, lose_last=0.25, arrive_late=0.9, late_seconds=1.5, move_seconds=2.5)
STRANGE: Final = Rates(strangers=1.0)


@dataclass(frozen=True)
class Mutant:
    """What is taken out, and the weather in which that shows soonest."""

    weather: Rates
    changes: tuple[Change, ...]


BEFORE_COMMIT: Final = "        await producer.commit_transaction()\n"
EARLY_IN_THE_WRITER: Final = """
        if hasattr(self, "early"):
            await self.early(after)
        await producer.commit_transaction()
"""
EARLY: Final = """
    async def early(after):
        await keeper.apply([Change(held.partition, held.watermark, Watermark(after, sealed).encode(), fields)])

    held.writer.early = early
    offset = await held.writer.commit(records, header.next_in)
"""
COMMITS_EARLY: Final[tuple[Change, ...]] = (
    (writer, BEFORE_COMMIT, EARLY_IN_THE_WRITER),
    (commit, "next_in: Mapping[str, int]) -> Change:", "next_in: Mapping[str, int], keeper) -> Change:"),
    (commit, "    offset = await held.writer.commit(records, header.next_in)\n", EARLY),
    (turn, "_result(work), next_in[partition])", "_result(work), next_in[partition], keeper)"),
    (turn, "await _commit(works, turn)", "await _commit(works, turn, keeper)"),
    (turn, "def _commit(works: Mapping[int, _Work], turn: Turn)", "def _commit(works, turn, keeper)"),
)

OF_THE_PROCESS: Final = """
    from workers.rehearsal.simulation.loop import PROCESS

    return f"yidan-{PROCESS.get().name}-{partition}"
"""

FENCE: Final = "    writer = await log.open_writer(partition)\n"
FENCE_LATE: Final = """
    seen = await log.committed(partition), await log.journal_bounds(partition)
    writer = await log.open_writer(partition)
    log = _Seen(log, *seen)
"""
SEEN: Final = """

class _Seen:
    def __init__(self, log, committed, bounds):
        self._log, self._committed, self._bounds = log, committed, bounds

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def committed(self, partition):
        return self._committed

    async def journal_bounds(self, partition):
        return self._bounds


async def repair("""

OUTSIDE: Final = """producer._faults.request(
            "offsets", lambda: producer._broker.commit_offsets(self._group, self._partition, offsets)
        )"""

TAKEN_OVER: Final = "    return Held(partition, writer, restored.header, restored.watermark), restored\n"
TAKEN_OVER_AT_THE_GROUPS_OFFSET: Final = """
    from dataclasses import replace

    next_in = {topic: offset or 0 for topic, offset in (await log.committed(partition)).items()}
    return Held(partition, writer, replace(restored.header, next_in=next_in), restored.watermark), restored
"""

BELIEVED: Final = "        # another epoch is wrong.\n        return await _take_over(partition, log, keeper, terms)"
WITNESS: Final = "            await witness(tail.header, committed)"
WITNESS_LATE: Final = "            await witness(tail.header, await log.committed(partition))"

ANYWHERE: Final = (writer, "if self._journal_end is not None and offset != self._journal_end:", "if False:")
"""Where the journal goes on tells of a second writer too."""

UNKNOWN: Final = '            raise OutcomeUnknown(f"partition {self._partition}: {type'
ABORTED: Final = """
            with contextlib.suppress(Exception):
                ending = self._producer
                await ending._ask("end", lambda: ending._broker.end(ending._name, ending._epoch, commit=False))
            self._usable = True
"""
LET_GO: Final = '        """Drop the producer, forget what was read, and take over again in a while."""\n'
NOT_LET_GO: Final = """
        if seat.held is not None and type(error).__name__ == "OutcomeUnknown":
            return
"""

ENDED: Final = '        await self._ask("end", lambda: self._broker.end(self._name, self._epoch))\n'
ENDED_AGAIN: Final = """
        for _ in range(9):
            try:
                return await self._ask("end", lambda: self._broker.end(self._name, self._epoch))
            except KafkaConnectionError:
                continue
"""

LOOKED_AT: Final = "        for (topic, count, _), written in zip(sent, outcomes, strict=True):\n"
NOT_LOOKED_AT: Final = """
        for topic, count, future in sent:
            if topic == JOURNAL and future.done() and not future.exception():
                after = future.result().offset + count
        for (topic, count, _), written in ():
"""

MUTANTS: dict[str, Mutant] = {
    "writes the store before it commits": Mutant(ROUGH, COMMITS_EARLY),
    "decides on whatever the store shows": Mutant(
        FORGETFUL,
        ((turn, "if found.watermark != work.held.watermark or found.n != work.held.header.n:", "if False:"),),
    ),
    "does not count the fields": Mutant(
        FORGETFUL,
        (
            (turn, " or found.n != work.held.header.n:", ":"),
            (replay, "seen.header.n != found.n or ", ""),
            (takeover, "if counted == tail.header.n:", "if counted is not None:"),
        ),
    ),
    "writes the store without comparing": Mutant(
        OUTRUN,
        ((store, 'if (fields.get(HEADER_KEY) or b"") != (change.expected or b""):', "if False:"),),
    ),
    "has a transactional id for each process": Mutant(
        SLEEPY, ((writer, '    return f"yidan-{JOURNAL}-{partition}"\n', OF_THE_PROCESS),)
    ),
    "has a transactional id for each group": Mutant(
        STRANGE,
        ((writer, "=transactional_id(partition),", '=f"yidan-{settings.group}-{partition}",'), ANYWHERE),
    ),
    "reads where it stands before it has fenced anybody": Mutant(
        SLEEPY, ((takeover, FENCE, FENCE_LATE), (takeover, "\n\nasync def repair(", SEEN))
    ),
    "commits its offsets outside the transaction": Mutant(
        LOSSY, ((writer, "producer.send_offsets_to_transaction(positions, self._group)", OUTSIDE),)
    ),
    "goes on from the group's offset": Mutant(FORGETFUL, ((takeover, TAKEN_OVER, TAKEN_OVER_AT_THE_GROUPS_OFFSET),)),
    "hears the second witness after the journal, and believes what it hears": Mutant(
        SLEEPY, ((takeover, BELIEVED, "        raise"), (takeover, WITNESS, WITNESS_LATE))
    ),
    "does not read again what a rebalance has moved": Mutant(
        ROUGH, ((seats, "        self.rewind()\n        for partition in sorted", "        for partition in sorted"),)
    ),
    "aborts after an unknown outcome and goes on": Mutant(
        LATE, ((writer, UNKNOWN, ABORTED + UNKNOWN), (seats, LET_GO, NOT_LET_GO))
    ),
    "sends the end of a transaction again": Mutant(LATE, ((producer, ENDED, ENDED_AGAIN),)),
    "does not await what it has produced": Mutant(
        LOSSY,
        ((writer, "*(future for _, _, future in sent), ", ""), (writer, LOOKED_AT, NOT_LOOKED_AT)),
    ),
}
"""What is taken out, by what the worker then does."""


@contextmanager
def mutated(changes: tuple[Change, ...]) -> Iterator[None]:
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


def caught(seeds: range, weather: Rates) -> tuple[int, BaseException] | None:
    for seed in seeds:
        try:
            simulation.Simulation(seed, weather).run()
        except Exception as wrong:  # noqa: BLE001 - however it shows
            return seed, wrong
    return None


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_worker_that(mutant: str):
    with mutated(MUTANTS[mutant].changes):
        found = caught(range(SEEDS), MUTANTS[mutant].weather)
    assert found is not None, f"a worker that {mutant} passed {SEEDS} seeds"
    print(f"a worker that {mutant} is caught by seed {found[0]}: {found[1]}")


@pytest.mark.parametrize("weather", {mutant.weather for mutant in MUTANTS.values()}, ids=repr)
def test_the_worker_itself_passes_where_its_mutants_fail(weather: Rates):
    assert caught(range(20), weather) is None


def test_mutants_leave_nothing_behind():
    before = turn.take_turn
    with mutated(MUTANTS["decides on whatever the store shows"].changes):
        assert turn.take_turn is not before
    assert turn.take_turn is before
    assert simulation.Simulation is Simulation
