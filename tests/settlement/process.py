"""One simulated worker: its clock, its network where everything goes wrong, and the loop around what ships."""

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from contracts.topics import INPUTS
from tests.settlement import memory
from tests.settlement.purse import purses
from workers import seats as seats_room
from workers.metrics import Metrics, PartitionState
from workers.settings import Settings
from workers.settlement import turn as turn_room
from workers.settlement.inbox import Waiting
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.ports import NotOurs, OutcomeUnknown

P = 2

TENDER = frozenset({"open", "commit", "apply"})
"""Where a nap does most harm: before the fence, before the commit, and between the commit and the store."""

STORE_REQUESTS = frozenset({"snapshot", "apply", "rebuild", "fill", "replace"})


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer. A loop with nothing to wait for is stuck, and says so."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_NoSelector(self))

    def time(self) -> float:
        return self.now


class _NoSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left to wait for")
        self._loop.now += timeout
        return []


@dataclass(frozen=True)
class Rates:
    """How often things go wrong, per request; and how often, in seconds, the group moves and the store is hurt."""

    die: float = 0.006
    sleep: float = 0.006
    lose_request: float = 0.01
    lose_answer: float = 0.01
    arrive_late: float = 0.5
    move_seconds: float = 12.0
    hurt_seconds: float = 6.0


@dataclass
class Tally:
    """What a run has been through."""

    deaths: int = 0
    naps: int = 0
    lost_requests: int = 0
    lost_answers: int = 0
    late: int = 0
    moves: int = 0
    batches: int = 0
    hurts: Counter[str] = field(default_factory=Counter)
    died_at: Counter[str] = field(default_factory=Counter)

    def flat(self) -> Counter[str]:
        """All counts in one."""
        plain = ("naps", "lost_requests", "lost_answers", "late", "moves", "batches")
        return Counter(
            {name: getattr(self, name) for name in plain}
            | {f"died at {where}": count for where, count in self.died_at.items()}
            | {f"store lost {what}": count for what, count in self.hurts.items()}
        )


class World(Protocol):
    """What a worker sees of the simulation it is in."""

    chance: random.Random
    rates: Rates
    tally: Tally
    loop: VirtualLoop
    broker: memory.Broker
    store: memory.Store
    healed: bool
    graves: list[Any]
    judgement_day: asyncio.Event


class Clients(memory.Faults):
    """The network of one process: every request of its goes through here."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.dead = False
        self.asleep_until = 0.0

    async def strike(self, where: str) -> None:
        world, chance = self.world, self.world.chance
        await asyncio.sleep(chance.random() * 0.01)
        if not world.healed:
            if chance.random() < world.rates.die:
                self.dead = True
                world.tally.deaths += 1
                world.tally.died_at[where] += 1
            if chance.random() < world.rates.sleep * (5 if where in TENDER else 1):
                self.asleep_until = world.loop.now + chance.expovariate(1 / 20)
                world.tally.naps += 1
        await self.sleep()
        if not world.healed and chance.random() < world.rates.lose_request:
            world.tally.lost_requests += 1
            raise self._unknown(where)

    async def lose_answer(self, where: str) -> None:
        world, chance = self.world, self.world.chance
        await asyncio.sleep(chance.random() * 0.01)
        await self.sleep()
        if not world.healed and chance.random() < world.rates.lose_answer:
            world.tally.lost_answers += 1
            raise self._unknown(where)

    async def sleep(self) -> None:
        """Waits until the process wakes up; for ever if it is dead."""
        await asyncio.sleep(max(0.0, self.asleep_until - self.world.loop.now))
        if self.dead:
            # For ever: a process that was killed does not clean up. Something must remember it, or it is collected.
            self.world.graves.append(asyncio.current_task())
            await self.world.judgement_day.wait()

    @staticmethod
    def _unknown(where: str) -> Exception:
        return StoreUnavailable(where) if where in STORE_REQUESTS else OutcomeUnknown(where)


class LateWriter(memory.MemoryWriter):
    """Its lost request to end a transaction may arrive long after it has given up."""

    async def commit(self, records: Mapping[str, Any], offsets: Mapping[str, int]) -> int:
        try:
            return await super().commit(records, offsets)
        except OutcomeUnknown as unknown:
            clients = self._faults
            assert isinstance(clients, Clients)
            world = clients.world
            if str(unknown) == "commit" and world.chance.random() < world.rates.arrive_late:
                world.tally.late += 1
                world.loop.call_later(world.chance.expovariate(1 / 5), self._arrive)
            raise

    def _arrive(self) -> None:
        try:
            self._broker.end(self._name, self._epoch)
        except (NotOurs, KeyError):
            return


class SimulatedLog(memory.MemoryLog):
    """A log whose writers' requests may come late."""

    async def open_writer(self, partition: int) -> memory.MemoryWriter:
        await self.faults.strike("open")
        writer = LateWriter(self.broker, partition, self.group, self.faults)
        await self.faults.lose_answer("open")
        return writer


class Reader:
    """The consumer of one process."""

    def __init__(self, log: memory.MemoryLog) -> None:
        self._log = log
        self.position: dict[int, dict[str, int]] = {}
        self.paused: set[tuple[int, str]] = set()

    def seek(self, partition: int, next_in: Mapping[str, int]) -> None:
        self.position[partition] = dict(next_in)
        self.paused -= {(partition, topic) for topic in INPUTS}

    def pause(self, partition: int, topics: Sequence[str] = INPUTS) -> None:
        self.paused |= {(partition, topic) for topic in topics}

    def resume(self, partition: int, topics: Sequence[str]) -> None:
        self.paused -= {(partition, topic) for topic in topics}

    def lag(self, partition: int, next_in: Mapping[str, int]) -> dict[str, int]:
        return {}

    def fetch(self) -> dict[int, dict[str, list[Waiting]]]:
        arrived: dict[int, dict[str, list[Waiting]]] = {}
        for partition, position in self.position.items():
            for topic, records in self._log.fetch(partition, position, 5).items():
                if records and (partition, topic) not in self.paused:
                    arrived.setdefault(partition, {})[topic] = [Waiting(record, 0) for record in records]
                    position[topic] = records[-1].offset + 1
        return arrived


class Process:
    """One worker: its loop is `workers.worker.Worker._round` without the waiting."""

    def __init__(self, world: "World", settings: Settings) -> None:
        self.world = world
        self.clients = Clients(world)
        log = SimulatedLog(world.broker, settings.group, self.clients)
        self.keeper = memory.MemoryKeeper(world.store, self.clients)
        self.reader = Reader(log)
        self.seats = seats_room.Seats(settings, log, self.keeper, self.reader, metrics(), clock=lambda: world.loop.now)
        self.view: set[int] = set()

    async def run(self) -> None:
        seen: set[int] = set()
        while not self.clients.dead:
            await self.clients.sleep()
            if self.view != seen:
                seen = set(self.view)
                self.seats.assigned(set(seen))
            self.seats.advance()
            self.seats.receive(self.reader.fetch())
            if batches := self.seats.batches():
                turn = await turn_room.take_turn(batches, self.keeper, purses, clock=lambda: 0.0)
                self.seats.judge(turn, batches)
                self.world.tally.batches += len(turn.verdicts)
            # Nothing here is a reason to stop: the broker loses nothing that it has acknowledged.
            assert PartitionState.STOPPED not in self.seats.states().values(), "a partition stopped"
            await asyncio.sleep(0.05)


@cache
def settings() -> Settings:
    """Waits that fit a simulation of minutes."""
    return Settings(
        partitions=P,
        group="g",
        discharges_batch_max=4,
        persons_batch_max=2,
        applications_batch_max=2,
        transaction_timeout_s=9.0,
        backoff_max_s=5.0,
    )


@cache
def metrics() -> Metrics:
    """One for all runs: it is not under test here."""
    return Metrics(version="simulated", regions=())
