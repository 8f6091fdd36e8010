"""The network of one simulated process: every request of its clients goes through here, and anything may happen to it.

The process may die or fall asleep with the request on its way or with its answer on its way; the request may be lost,
or its answer; and a request that its sender has given up may arrive long after.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from aiokafka.errors import KafkaConnectionError

from workers.rehearsal.simulation import points
from workers.rehearsal.simulation.broker import NotYet
from workers.rehearsal.simulation.faults import Faults
from workers.rehearsal.simulation.loop import PHASE, WORLD, Process
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.ports import Fenced

T = TypeVar("T")

STORE_REQUESTS: Final = frozenset({"snapshot", "apply", "fill", "replace"})
CHANGES: Final = frozenset(
    {*("init", "add partitions", "produce journal", "produce", "add offsets", "offsets", "end"), *("apply", "replace")}
)
"""What changes something at its server, and so matters when it arrives late."""

LAST: Final = frozenset({"end", "apply"})
TENDER: Final = frozenset({"init", "end", "apply"})
"""Where a nap does most harm: before the fence, before the commit, and between the commit and the store."""

TRAVELS_SECONDS: Final = 0.01
TRIED_SECONDS: Final = 1.0
"""How long somebody waits for an answer before it is lost."""


@dataclass(frozen=True)
class Rates:
    """How often things go wrong, per request; and how often, in seconds, the group moves and the store is hurt."""

    die: float = 1.0
    """Times the likelihood of each point; 0 for nobody ever dies."""
    strike_steps: float = 6_000.0
    """The mean number of steps after which a process is killed or stopped between two requests; 0 for never."""
    sleep: float = 0.004
    nap_seconds: float = 7.0
    lose_request: float = 0.005
    lose_answer: float = 0.005
    lose_last: float = 0.04
    """For the two requests that make a batch stand, and their answers."""
    arrive_late: float = 0.5
    late_seconds: float = 3.0
    move_seconds: float = 5.0
    hurt_seconds: float = 0.7
    leave_seconds: float = 12.0
    """How often somebody is told to end in good order."""
    strangers: float = 0.1
    """The share of the worlds in which one worker was started under another group by mistake."""


class Around(Protocol):
    """What a wire asks of the world it lies in."""

    rates: Rates
    healed: bool
    over: bool
    passed: Counter[str]
    """How often a worker came by each point while something could happen to it."""

    def note(self, who: str, what: str, more: Any = "") -> None:
        """For the trace."""

    def draw(self) -> float:
        """From 0 up to 1."""

    def wait(self, mean_seconds: float) -> float:
        """A time that is usually shorter and sometimes much longer."""

    def count(self, what: str) -> None:
        """For the tally."""

    def die(self, process: Process, point: str) -> None:
        """A process dies here."""

    def nap(self, process: Process, point: str) -> None:
        """A process falls asleep here."""


class Wire(Faults):
    """Everything that a process sends."""

    def __init__(self, world: Around, process: Process) -> None:
        self._world = world
        self._process = process

    async def strike(self, where: str) -> None:
        """The request is on its way."""
        await self._send(where, None)

    async def _send(self, where: str, effect: Callable[[], Any] | None) -> None:
        await self._travel(where, points.SENT, effect)
        if self._loses(where, self._world.rates.lose_request):
            raise await self._lost(where, "request")

    async def request(self, where: str, effect: Callable[[], T], about: object = "") -> T:
        """There and back."""
        try:
            await self._send(where, effect)
        except (asyncio.CancelledError, KafkaConnectionError, StoreUnavailable):
            self._perhaps_late(where, effect)
            raise
        answer = self._done(where, effect, about)
        await self._travel(where, points.DONE)
        if self._loses(where, self._world.rates.lose_answer):
            raise await self._lost(where, "answer")
        return answer

    def _done(self, where: str, effect: Callable[[], T], about: object) -> T:
        try:
            answer = effect()
        except Fenced:
            self._world.note(self._process.name, f"{PHASE.get()}: {where} is refused: fenced", about)
            raise
        self._world.note(self._process.name, f"{PHASE.get()}: {where}", about)
        return answer

    async def _travel(self, where: str, moment: str, effect: Callable[[], Any] | None = None) -> None:
        world = self._world
        if world.over:
            raise self._unknown(where)
        await asyncio.sleep(world.draw() * TRAVELS_SECONDS)
        if world.healed:
            return
        rates, point = world.rates, f"{PHASE.get()}: {where}, {moment}"
        world.passed[point] += 1
        if rates.die and world.draw() < rates.die * points.POINTS[point]:
            if effect is not None:
                self._perhaps_late(where, effect)
            world.die(self._process, point)
            await asyncio.sleep(0)  # and never wakes up
        if world.draw() < rates.sleep * (5 if where in TENDER else 1):
            world.nap(self._process, point)
            await asyncio.sleep(0)

    def _loses(self, where: str, rate: float) -> bool:
        world = self._world
        return not world.healed and world.draw() < (world.rates.lose_last if where in LAST else rate)

    async def _lost(self, where: str, what: str) -> Exception:
        self._world.count(f"lost {what}s")
        self._world.note(self._process.name, f"the {what} is lost: {where}")
        await asyncio.sleep(TRIED_SECONDS)
        return self._unknown(where)

    def _perhaps_late(self, where: str, effect: Callable[[], Any]) -> None:
        """It was sent: the network may still have it."""
        world = self._world
        if where not in CHANGES or world.over or world.healed or world.draw() >= world.rates.arrive_late:
            return

        def arrive() -> None:
            with suppress(Fenced, NotYet):
                effect()
                world.note(self._process.name, f"arrives late: {where}")

        world.count("late requests")
        self._process.loop.call_later(world.wait(world.rates.late_seconds), arrive, context=WORLD.copy())

    @staticmethod
    def _unknown(where: str) -> Exception:
        return StoreUnavailable(where) if where in STORE_REQUESTS else KafkaConnectionError(where)
