"""Workers, a broker and a store in one process, in virtual time, with everything going wrong that a seed decides.

Every request of a worker is a point where the worker may die or fall asleep, where the request or its answer may be
lost, or where it may arrive long after its sender has given up; a worker may also die between any two steps. Meanwhile
the group moves partitions, with workers that learn of it late, workers are told to end, and the store loses its latest
writes, all of them, or one field. At the end everything is healed and the books are compared.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from contracts.journal import HEADER_KEY, read_header
from contracts.topics import INPUTS, JOURNAL
from workers.exits import Exit
from workers.logs import lines_to
from workers.metrics import PartitionState
from workers.rehearsal.simulation import points, reckoning
from workers.rehearsal.simulation.broker import Broker
from workers.rehearsal.simulation.county import County, Message
from workers.rehearsal.simulation.loop import PROCESS, WORLD, Process, VirtualLoop
from workers.rehearsal.simulation.member import Member
from workers.rehearsal.simulation.shared import OURS, PARTITIONS, STRANGERS, settings
from workers.rehearsal.simulation.store import Store
from workers.rehearsal.simulation.trace import Trace
from workers.rehearsal.simulation.wire import Rates, Wire

WORKERS: Final = 3
KILLED_SHARE: Final = 0.6
"""Of those whom something strikes between two requests; the others fall asleep."""
STAY_SHARE: Final = 0.5
"""Of the worlds that end with the workers they have; the others end with a new one that takes everything over."""
MESSAGES: Final = 30
MESSAGES_A_SECOND: Final = 2.5
HEALED_SECONDS_MAX: Final = 120.0
LOOK_SECONDS: Final = 0.5


UNHEARD_OF: Final = ("the core failed", "worker failed", "the next offset does not exist")
"""What no worker has a reason to say."""

BUGS: Final = ("builtins.KeyError", "builtins.TypeError", "builtins.AttributeError", "builtins.RuntimeError")
"""Errors that no server answers with."""


class Wrong(Exception):
    """A worker did what no worker may."""


class Simulation:
    """One seed's world."""

    def __init__(self, seed: int, rates: Rates | None = None, *, whole_trace: bool = False) -> None:
        self.seed = seed
        self.rates = rates or Rates()
        self.trace = Trace(whole=whole_trace)
        self.tally: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.died_at: Counter[str] = Counter()
        self.healed = False
        self.over = False
        self.chance = random.Random(seed)
        self.draw: Callable[[], float] = random.Random(seed + 0.5).random
        self.loop = VirtualLoop()  # type: ignore[abstract]  # what asyncio does not ask for is left out
        self.broker = Broker(PARTITIONS, self._in_its_own_time)
        self.store = Store()
        self._county = County(self.chance, PARTITIONS)
        self.sent: list[Message] = []
        self.members: list[Member] = []
        self._stopped: dict[tuple[str, int], str] = {}
        self._processes: list[Process] = []
        self._graves: list[Any] = []
        self._owner = dict.fromkeys(range(PARTITIONS), 0)
        self._started = 0
        self._stranger = WORKERS - 1 if self.chance.random() < self.rates.strangers else None

    def run(self) -> "Simulation":
        """Runs to quiescence. Raises `Wrong` where a worker is, `BooksAreWrong` where the books are."""
        kept = random.getstate()
        random.seed(self.seed)  # the back-off of the seats
        try:
            with lines_to(self._line):
                self.loop.run(self._live())
                reckoning.check(self.broker, self.store)
        finally:
            with lines_to(self._line):
                self.loop.run(self._end())
            random.setstate(kept)
        return self

    # ── what a wire asks ──────────────────────────────────────────────────────────────────────────────────────

    def note(self, who: str, what: str, more: Any = "") -> None:
        """For the trace."""
        if not self.over:
            self.trace.note(self.loop.now, who, what, more)

    def _line(self, line: Any) -> None:
        """A line of a worker's own log."""
        process = PROCESS.get(None)
        if line["event"] in UNHEARD_OF or line.get("error", "").startswith(BUGS):
            self.loop.troubles.append(f"{process.name if process else ''} says: {line}")
        if line["event"] == "partition stopped":
            self._stopped[process.name if process else "", line["partition"]] = f"{line['reason']}: {line['detail']}"
        self.note(process.name if process else "", f"says: {line['event']}", line)

    def wait(self, mean_seconds: float) -> float:
        """A time that is usually shorter and sometimes much longer."""
        return self.chance.expovariate(1 / mean_seconds)

    def count(self, what: str) -> None:
        """For the tally."""
        self.tally[what] += 1

    def die(self, process: Process, point: str) -> None:
        """SIGKILL. Somebody must remember its tasks, or they are collected and clean up after themselves."""
        process.kill()
        self.died_at[point] += 1
        self.note(process.name, f"is killed at {point}")
        self._graves.append(asyncio.all_tasks(self.loop))

    def nap(self, process: Process, point: str) -> None:
        """SIGSTOP for a while."""
        seconds = self.wait(self.rates.nap_seconds)
        self.tally["naps"] += 1
        self.note(process.name, f"falls asleep at {point}", f"for {seconds:.1f} s")
        process.stop(seconds)

    def _strike(self, process: Process) -> None:
        """Between any two steps."""
        if self.draw() < KILLED_SHARE:
            self.die(process, points.ANYWHERE)
        else:
            self.nap(process, points.ANYWHERE)
            self._strike_later(process)

    def _strike_later(self, process: Process) -> None:
        if self.rates.strike_steps and not self.healed:
            process.steps_left = 1 + int(self.wait(self.rates.strike_steps))

    def _in_its_own_time(self, show: Callable[[], None]) -> None:
        """Markers and group offsets of a committed transaction are there at once, or a little later."""
        if self.healed or self.draw() < 0.6:
            show()
        else:
            self.loop.call_later(self.wait(0.15), show, context=WORLD.copy())

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────

    async def _live(self) -> None:
        self.members = [self._start(index) for index in range(WORKERS)]
        acts = (self._move, self._hurt, self._revive, self._time_out, self._say_enough)
        running = [asyncio.create_task(act()) for act in acts]
        await self._feed()
        for act in running:
            if act.done():
                act.result()
            act.cancel()
        await self._heal()
        deadline = self.loop.now + HEALED_SECONDS_MAX
        timing_out = asyncio.create_task(self._time_out())
        while not self._settled():
            self._look_after()
            if self.loop.now > deadline:
                reckoning.check(self.broker, self.store)  # which says why, where it can
                raise Wrong(f"stuck: {[member.states for member in self.members]}")
            await asyncio.sleep(LOOK_SECONDS)
        timing_out.cancel()
        self._look_after()

    async def _feed(self) -> None:
        for _ in range(MESSAGES):
            await asyncio.sleep(self.chance.expovariate(MESSAGES_A_SECOND))
            self._send()
        await asyncio.sleep(self.wait(3.0))

    def _send(self) -> int:
        """The next message; the partition that it went to."""
        message = self._county.next()
        offset = self.broker.send(*message)
        self.sent.append(message)
        self.note("gateway", f"sends {message.topic} {message.partition} {offset}")
        return message.partition

    async def _heal(self) -> None:
        """Nothing goes wrong any more. Who sleeps wakes up, and those go on to whom the group gives the partitions."""
        await asyncio.sleep(self.wait(1.0))
        self.healed = True
        self.note("", "from here on nothing goes wrong")
        for member in self.members:
            member.keeper.store = self.store
            member.process.steps_left = None
            member.process.go_on()
        if self._stranger is None and self.chance.random() < STAY_SHARE:
            self._stay()
            return
        for member in self.members:
            if member.group == OURS:
                member.consumer.tell(set())
        self.members.append(self._start(WORKERS))
        self.members[-1].consumer.tell(set(range(PARTITIONS)))
        if self._stranger is not None:
            # Who owns a partition and has nothing to settle looks at the store no more; a take-over does.
            self.members[self._stranger].told_to_end.set()
            self.members[self._stranger] = self._start(self._stranger)

    def _stay(self) -> None:
        """Who lives keeps what it has through one more rebalance, and every owner gets something to settle."""
        for index, member in enumerate(self.members):
            if member.process.dead or member.told_to_end.is_set():
                self.members[index] = self._start(index)
        for index, member in enumerate(self.members):
            member.consumer.tell({partition for partition, owner in self._owner.items() if owner == index})
        waiting = set(range(PARTITIONS))
        while waiting:
            waiting.discard(self._send())

    def _start(self, index: int) -> Member:
        self._started += 1
        stranger = index == self._stranger
        member = Member(
            self.loop,
            f"w{index}.{self._started}",
            self.broker,
            self.store,
            lambda process: Wire(self, process),
            STRANGERS if stranger else OURS,
        )
        process = member.process
        self._processes.append(process)
        process.strike = self._strike
        self._strike_later(process)
        if stranger:
            member.consumer.tell(set(range(PARTITIONS)))
        self.note(member.name, "is started")
        return member

    async def _move(self) -> None:
        """The group moves partitions; each worker learns of it after a while of its own, so that views overlap."""
        ours = [index for index in range(WORKERS) if index != self._stranger]
        while True:
            for partition in range(PARTITIONS):
                self._owner[partition] = self.chance.choice(ours)
            self.tally["moves"] += 1
            self.note("group", "gives", f"{self._owner}")
            for index in ours:
                self.loop.call_later(self.chance.choice((0.0, 0.1, 1.0, 3.0)), self._tell, index, context=WORLD.copy())
            await asyncio.sleep(self.wait(self.rates.move_seconds))

    def _tell(self, index: int) -> None:
        """Who has slept acts on what it last knew until it has heard from the group again."""
        if self.healed or index == self._stranger:
            return
        member = self.members[index]
        if member.process.wakes_at is not None:
            later = member.process.wakes_at - self.loop.now + self.chance.random() * 2
            self.loop.call_later(later, self._tell, index, context=WORLD.copy())
        else:
            mine = {partition for partition, owner in self._owner.items() if owner == index}
            member.consumer.tell(mine)

    async def _hurt(self) -> None:
        while True:
            await asyncio.sleep(self.wait(self.rates.hurt_seconds))
            harm = self.chance.choice(
                ("tail", "tail", "tail", "tail", "replica", "field", "field", "flush", "compaction")
            )
            self.tally[f"store: {harm}"] += 1
            self.note("store", f"suffers: {harm}")
            match harm:
                case "tail":
                    self.store.lose_tail(self.chance.randrange(1, 4))
                case "replica":
                    self._cut_off(self.chance.choice(self.members))
                case "field":
                    self.store.lose_field(self.chance.randrange(PARTITIONS), self.chance.randrange(100))
                case "flush":
                    self.store.flush()
                case "compaction":
                    partition = self.chance.randrange(PARTITIONS)
                    self.broker.compact(partition, self.chance.randint(0, self.broker.stable(JOURNAL, partition)))

    def _cut_off(self, member: Member) -> None:
        """For a while a worker talks to a server that is not, or no longer, the primary."""
        member.keeper.store = self.store.fork(self.chance.randrange(3))

        def back() -> None:
            member.keeper.store = self.store

        self.loop.call_later(self.wait(2.0), back, context=WORLD.copy())

    async def _revive(self) -> None:
        """A supervisor: a process that ended is started again in a while."""
        while True:
            await asyncio.sleep(0.5)
            self._look_after()
            for index, member in enumerate(self.members):
                if (member.process.dead or member.task.done()) and self.chance.random() < 0.4:
                    self.members[index] = self._start(index)
                    self._tell(index)

    async def _say_enough(self) -> None:
        """An operator: a worker is told to end in good order."""
        while True:
            await asyncio.sleep(self.wait(self.rates.leave_seconds))
            member = self.chance.choice(self.members)
            self.tally["told to end"] += 1
            self.note(member.name, "is told to end")
            member.told_to_end.set()

    async def _time_out(self) -> None:
        """The broker aborts a transaction that stays open too long, and fences its producer."""
        while True:
            await asyncio.sleep(1)
            for name, transaction in list(self.broker.open.items()):
                if transaction.open_since is None:
                    transaction.open_since = self.loop.now
                elif self.loop.now - transaction.open_since > settings(OURS).transaction_timeout_s:
                    self.note("broker", f"aborts what stayed open: {name}")
                    self.broker.new_epoch(name)

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────

    def _look_after(self) -> None:
        """Nothing here is a reason to end or to stop: the broker loses nothing that it has acknowledged."""
        for member in self.members:
            if member.task.done() and not member.process.dead and member.task.result() != Exit.OK:
                raise Wrong(f"{member.name} ended by itself: {member.task.result()}")
            stopped = [p for p, state in member.states.items() if state is PartitionState.STOPPED]
            for partition in stopped:
                # Of two groups on the same topics one gets a partition, and the other must keep away from it.
                if self._stranger is None or self._group_of(partition) in (None, member.group):
                    why = self._stopped.get((member.name, partition))
                    raise Wrong(f"{member.name} stopped partition {partition}: {why}")
        if self.loop.troubles:
            raise Wrong(self.loop.troubles[0])

    def _group_of(self, partition: int) -> str | None:
        """Whose journal it is."""
        for _, entry in self.broker.whole_journal(partition):
            if entry.key == HEADER_KEY:
                return read_header(entry.value or b"").group
        return None

    def _settled(self) -> bool:
        """Everything consumed, and the store where the journal is."""
        return all(
            self.broker.group.get((self._group_of(p) or "", topic, p)) == len(self.broker.logs[topic, p])
            for topic in INPUTS
            for p in range(PARTITIONS)
        ) and all(reckoning.stored(self.store, p) == reckoning.folded(self.broker, p) for p in range(PARTITIONS))

    async def _end(self) -> None:
        """Lets every process clean up at last, where it can change nothing any more."""
        self.over = True
        for process in self._processes:
            process.dead, process.wakes_at, process.steps_left = False, None, None
            process.release()
        this = asyncio.current_task()
        left = [task for task in asyncio.all_tasks(self.loop) if task is not this]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
