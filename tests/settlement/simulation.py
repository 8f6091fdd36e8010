"""Workers, a broker and a store in one process, in virtual time, with everything going wrong that a seed decides.

The code under test is what ships: seats, take-over, replay, turn, commit and inbox. Every request of a worker is a
point where the worker may die or fall asleep, where the request or its answer may be lost, or where it may arrive long
after its sender has given up; meanwhile the group moves partitions, with workers that learn of it late, and the store
loses its latest writes, all of them, or one field. At the end everything is healed and the books are compared.
"""

import asyncio
import json
import random
from collections import Counter, defaultdict
from typing import Any

from contracts.journal import HEADER_KEY, read_header
from contracts.topics import APPLICATIONS, DISCHARGES, INPUTS, JOURNAL, PAYOUTS, PERSONS, QUARANTINE
from tests.settlement import memory
from tests.settlement.process import P, Process, Rates, Tally, VirtualLoop, settings
from tests.settlement.purse import CAP, event
from workers.settlement.ports import digest

WORKERS = 3
HEALED_SECONDS_MAX = 900.0


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
