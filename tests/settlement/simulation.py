"""Workers, a broker and a store in one process, in virtual time, with everything going wrong that a seed decides.

The code under test is what ships: seats, take-over, replay, turn, commit and inbox. Every request of a worker is a
point where the worker may die or fall asleep, where the request or its answer may be lost, or where it may arrive long
after its sender has given up; meanwhile the group moves partitions, with workers that learn of it late, and the store
loses its latest writes, all of them, or one field. At the end everything is healed and the books are compared.
"""

import asyncio
import json
import random
import selectors
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from contracts.journal import HEADER_KEY, read_header
from contracts.topics import APPLICATIONS, DISCHARGES, INPUTS, JOURNAL, PAYOUTS, PERSONS, QUARANTINE
from tests.settlement import memory
from tests.settlement.purse import CAP, event, purses
from workers import seats as seats_room
from workers.metrics import Metrics
from workers.settings import Settings
from workers.settlement import turn as turn_room
from workers.settlement.inbox import Waiting
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.ports import NotOurs, OutcomeUnknown, digest

P = 2
WORKERS = 3
TENDER = frozenset({"open", "commit", "apply"})
"""Where a nap does most harm: before the fence, before the commit, and between the commit and the store."""

STORE_REQUESTS = frozenset({"snapshot", "apply", "rebuild", "fill", "replace"})
HEALED_SECONDS_MAX = 900.0


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


class Clients(memory.Faults):
    """The network of one process: every request of its goes through here."""

    def __init__(self, world: "Simulation") -> None:
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

    def __init__(self, world: "Simulation", settings: Settings) -> None:
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
            await asyncio.sleep(0.05)


class Simulation:
    """One seed's world."""

    def __init__(self, seed: int, rates: Rates | None = None, *, events: int = 60) -> None:
        self.chance = random.Random(seed)
        random.seed(seed)  # the back-off of the seats
        self.rates = rates or Rates()
        self.events = events
        self.tally = Tally()
        self.loop = VirtualLoop()
        self.broker = memory.Broker(P)
        self.store = memory.Store()
        self.healed = False
        self.graves: list[Any] = []
        self.judgement_day = asyncio.Event()
        self.sent: dict[tuple[str, str], int] = {}
        self.broken = 0
        self.processes: list[Process] = []
        self.owner = dict.fromkeys(range(P), 0)

    def run(self) -> "Simulation":
        """Runs to quiescence. Raises AssertionError where the books are wrong."""
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._live())
        finally:
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.close()
            asyncio.set_event_loop(None)
        self.check()
        return self

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────

    async def _live(self) -> None:
        self.processes = [self._process() for _ in range(WORKERS)]
        acts = (self._feed, self._move, self._hurt, self._revive, self._time_out)
        running = [asyncio.create_task(act()) for act in acts]
        await running[0]
        for act in running[:-1]:
            act.cancel()
        await asyncio.sleep(60)  # late requests arrive
        self.healed = True
        for process in self.processes:
            process.clients.asleep_until = 0.0
            process.view = set()
        last = self._process()
        last.view = set(range(P))
        self.processes.append(last)
        deadline = self.loop.now + HEALED_SECONDS_MAX
        while not self._settled():
            assert self.loop.now < deadline, f"stuck: {last.seats.states()}"
            await asyncio.sleep(1)
        await asyncio.sleep(1)

    def _process(self) -> Process:
        process = Process(self, settings())
        task = self.loop.create_task(process.run())
        task.add_done_callback(self._ended)
        return process

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A loop that raises is a bug, whatever the books say."""
        if not task.cancelled() and (error := task.exception()) is not None:
            raise SystemExit(f"a worker's loop raised {error!r}") from error

    async def _feed(self) -> None:
        chance, ids = self.chance, 0
        for _ in range(self.events):
            await asyncio.sleep(chance.expovariate(2.0))
            person = chance.randrange(6)
            topic = chance.choice((DISCHARGES, DISCHARGES, DISCHARGES, PERSONS, APPLICATIONS))
            partition = person % P
            if chance.random() < 0.03:
                self.broker.send(topic, partition, b"%d" % person, b"not json")
                self.broken += 1
                continue
            if self.sent and chance.random() < 0.2:
                who, number = chance.choice(list(self.sent))
                amount = self.sent[who, number]
            else:
                ids += 1
                who, number, amount = f"n{person}", f"e{ids}", chance.randrange(1, 400)
                self.sent[who, number] = amount
            self.broker.send(topic, int(who[1:]) % P, *event(who, number, amount))

    async def _move(self) -> None:
        """The group moves partitions; each worker learns of it after a while of its own, so that views overlap."""
        while True:
            for partition in range(P):
                self.owner[partition] = self.chance.randrange(WORKERS)
            self.tally.moves += 1
            for index in range(WORKERS):
                self.loop.call_later(self.chance.choice((0.0, 0.1, 1.0, 5.0)), self._tell, index)
            await asyncio.sleep(self.chance.expovariate(1 / self.rates.move_seconds))

    def _tell(self, index: int) -> None:
        """Who has slept acts on what it last knew until it has heard from the group again."""
        asleep = self.processes[index].clients.asleep_until - self.loop.now
        if self.healed:
            return
        if asleep > 0:
            self.loop.call_later(asleep + self.chance.random() * 3, self._tell, index)
        else:
            self.processes[index].view = {p for p, owner in self.owner.items() if owner == index}

    async def _hurt(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / self.rates.hurt_seconds))
            harm = self.chance.choice(("tail", "tail", "tail", "field", "field", "flush", "compaction"))
            self.tally.hurts[harm] += 1
            match harm:
                case "tail":
                    self.store.lose_tail(self.chance.randrange(1, 7))
                case "field":
                    self.store.lose_field(self.chance.randrange(P), self.chance.randrange(100))
                case "flush":
                    self.store.flush()
                case "compaction":
                    partition = self.chance.randrange(P)
                    self.broker.compact(partition, self.chance.randint(0, self.broker.stable(JOURNAL, partition)))

    async def _revive(self) -> None:
        """A supervisor: a process that died is started again in a few seconds."""
        while True:
            await asyncio.sleep(1)
            for index, process in enumerate(self.processes):
                if process.clients.dead and self.chance.random() < 0.3:
                    self.processes[index] = self._process()
                    self._tell(index)

    async def _time_out(self) -> None:
        """The broker aborts a transaction that stays open too long, and fences its producer."""
        while True:
            await asyncio.sleep(1)
            for name, transaction in list(self.broker.open.items()):
                if transaction.open_since is None:
                    transaction.open_since = self.loop.now
                elif self.loop.now - transaction.open_since > settings().transaction_timeout_s:
                    self.broker.new_epoch(name)

    # ── what must be true ─────────────────────────────────────────────────────────────────────────────────────

    def _settled(self) -> bool:
        """Everything consumed, and the store where the journal is."""
        return all(
            self.broker.group.get((settings().group, topic, p)) == len(self.broker.logs[topic, p])
            for topic in INPUTS
            for p in range(P)
        ) and all(self._stored(p) == self._journal(p) for p in range(P))

    def _stored(self, partition: int) -> dict[bytes, bytes]:
        return {n: v for n, v in self.store.hashes.get(partition, {}).items() if n != HEADER_KEY}

    def _journal(self, partition: int) -> dict[bytes | None, bytes]:
        return {e.key: e.value for _, e in self.broker.committed(JOURNAL, partition) if e.key != HEADER_KEY}

    def check(self) -> None:
        """The invariants of the protocol over everything a `read_committed` reader sees."""
        paid: dict[str, int] = defaultdict(int)
        seen: Counter[tuple[str, str]] = Counter()
        refused = 0
        for p in range(P):
            for _, entry in self.broker.committed(PAYOUTS, p):
                payout = json.loads(entry.value)
                seen[payout["person"], payout["id"]] += 1
                paid[payout["person"]] += payout["pay"]
                assert paid[payout["person"]] <= CAP, f"{payout['person']} is over the cap"
            refused += len(self.broker.committed(QUARANTINE, p))
            self._check_chain(p)
        twice = {name: count for name, count in seen.items() if count > 1}
        assert not twice, f"paid more than once: {twice}"
        assert seen.keys() == self.sent.keys(), f"not settled: {self.sent.keys() - seen.keys()}"
        wanted: dict[str, int] = defaultdict(int)
        for (person, _), amount in self.sent.items():
            wanted[person] = min(CAP, wanted[person] + amount)
        assert paid == wanted
        assert refused == self.broken, "a refused record was lost or refused twice"

    def _check_chain(self, partition: int) -> None:
        sealed = [entry.value for entry in self.broker.whole_journal(partition) if entry.key == HEADER_KEY]
        headers = [read_header(text) for text in sealed]
        assert [header.seq for header in headers] == list(range(len(headers)))
        assert [header.prev_hash for header in headers[1:]] == [digest(text) for text in sealed[:-1]]
        assert headers[-1].n == len(self._journal(partition))
        assert headers[-1].next_in == {topic: len(self.broker.logs[topic, partition]) for topic in INPUTS}


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
