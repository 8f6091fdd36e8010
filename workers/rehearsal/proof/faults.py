"""Each kind of harm, done to real servers. A fault counts once it has taken place, never because it was meant to."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from workers.rehearsal.proof.gateway import Eye
from workers.rehearsal.proof.plan import Fault, Plan
from workers.rehearsal.proof.proxy import (
    ADD_OFFSETS_TO_TXN,
    ADD_PARTITIONS_TO_TXN,
    END_TXN,
    PRODUCE,
    TXN_OFFSET_COMMIT,
    Cut,
)
from workers.rehearsal.proof.servers import (
    PATIENCE,
    Servers,
    Worker,
    group_answers,
    settings_past_the_proxies,
    up_again,
)

SNAPSHOT_EVERY: Final = 1_000
"""Settlements."""
SNAPSHOTS_KEPT: Final = 16
SNAPSHOT_MARGIN: Final = 500
"""What may have been settled and not yet counted when a snapshot was taken."""

TRAP_SECONDS_MAX: Final = 12.0
STALL_SECONDS: Final = 5.0

ANSWERS_TO_BE_WELL: Final = 8
REFUSALS_TO_BE_ILL: Final = 8
"""A second apart, or as long as an answer is waited for: loading takes a broker less than two."""

BROKER_AGAIN_MAX: Final = 3

CUTS: Final = (
    *((END_TXN, cut) for cut in (Cut.REQUEST_IS_LOST, Cut.ANSWER_IS_LOST, Cut.ANSWER_IS_LOST, Cut.REQUEST_IS_LATE)),
    (ADD_OFFSETS_TO_TXN, Cut.REQUEST_IS_LOST),
    (ADD_OFFSETS_TO_TXN, Cut.ANSWER_IS_LOST),
    (TXN_OFFSET_COMMIT, Cut.REQUEST_IS_LOST),
    (TXN_OFFSET_COMMIT, Cut.ANSWER_IS_LOST),
    (ADD_PARTITIONS_TO_TXN, Cut.ANSWER_IS_LOST),
    (PRODUCE, Cut.ANSWER_IS_LOST),
)
"""Where a transaction can be cut, and how; its end twice as often as the rest."""

API_NAMES: Final = {
    PRODUCE: "Produce",
    ADD_PARTITIONS_TO_TXN: "AddPartitionsToTxn",
    ADD_OFFSETS_TO_TXN: "AddOffsetsToTxn",
    END_TXN: "EndTxn",
    TXN_OFFSET_COMMIT: "TxnOffsetCommit",
}


class Harm:
    """Does what the timetable says, and keeps count."""

    def __init__(self, hurt: Servers, plan: Plan, eye: Eye, chance: Random) -> None:
        self._hurt = hurt
        self._plan = plan
        self._eye = eye
        self._chance = chance
        self._errands: set[asyncio.Task[None]] = set()
        self._broker_held = asyncio.Lock()
        self._snapshots: deque[tuple[int, Path]] = deque()
        self._acts: dict[Fault, Callable[[], Awaitable[bool]]] = {
            Fault.WORKER_KILLED: self._kill_worker,
            Fault.COMMIT_CUT: self._cut_commit,
            Fault.WORKER_FROZEN: self._freeze_worker,
            Fault.WORKER_MOVED: self._move_worker,
            Fault.BROKER_KILLED: self._kill_broker,
            Fault.STORE_KILLED: self._kill_store,
            Fault.STORE_PUT_BACK: self._put_store_back,
            Fault.STORE_EMPTIED: self._empty_store,
            Fault.FIELD_DELETED: self._delete_field,
            Fault.NETWORK: self._break_network,
        }
        self.done: Counter[Fault] = Counter()
        self.ways: Counter[str] = Counter()
        """How it was done, where there is more than one way."""
        self.troubles: list[str] = []
        """What a worker did that it must not do, whatever happens to it."""

    async def do(self, fault: Fault) -> bool:
        """Whether it took place; or will have, in a moment, by itself."""
        try:
            return await self._acts[fault]()
        except RedisError:
            return False  # the store was away

    async def end(self) -> None:
        """Everything that still lasts is over: nobody is frozen, nothing is held."""
        if self._errands:
            await asyncio.wait(self._errands)

    async def watch_workers(self) -> None:
        """Starts workers again that ended by themselves, as a supervisor would. Runs until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            for worker in self._hurt.present():
                if not await worker.server.is_running() and not worker.away:
                    self.ways["a worker ended by itself and was started again"] += 1
                    await self._hurt.start(worker)

    async def watch_settlements(self) -> None:
        """Takes a snapshot of Redis every so many settlements. Runs until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            last = self._snapshots[-1][0] if self._snapshots else 0
            if self._eye.settlements - last < SNAPSHOT_EVERY:
                continue
            try:
                snapshot = await self._hurt.take_snapshot(str(self._eye.settlements))
            except (RedisError, OSError):
                continue
            self._snapshots.append((self._eye.settlements + SNAPSHOT_MARGIN, snapshot))
            if len(self._snapshots) > SNAPSHOTS_KEPT:
                self._snapshots.popleft()[1].unlink()

    def _errand(self, lasting: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(lasting)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _counted(self, fault: Fault, way: str = "") -> bool:
        self.done[fault] += 1
        if way:
            self.ways[way] += 1
        return True

    # ── workers ───────────────────────────────────────────────────────────────────────────────────────────────

    def _somebody(self) -> Worker | None:
        """A worker to hurt; never the last one."""
        present = self._hurt.present()
        return self._chance.choice(present) if len(present) > 1 else None

    async def _kill_worker(self) -> bool:
        worker = self._somebody()
        if worker is None:
            return False
        await self._hurt.kill(worker)
        await asyncio.sleep(self._chance.uniform(0.0, 1.0))
        await self._hurt.start(worker)
        return self._counted(Fault.WORKER_KILLED)

    async def _move_worker(self) -> bool:
        worker = self._somebody()
        if worker is None:
            return False
        code = await self._hurt.leave(worker)
        if code:
            self.troubles.append(f"a worker that was told to end ended with {code}, not with 0")
        await asyncio.sleep(self._chance.uniform(0.5, 2.0))
        await self._hurt.start(worker)
        return self._counted(Fault.WORKER_MOVED)

    async def _freeze_worker(self) -> bool:
        worker = self._somebody()
        if worker is None or any(other.frozen for other in self._hurt.workers):
            return False
        worker.frozen = True
        await worker.server.pause()
        self._errand(self._thaw(worker, PATIENCE["session_timeout_s"] + self._chance.uniform(1.5, 5.0)))
        return True

    async def _thaw(self, worker: Worker, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await worker.server.resume()
        worker.frozen = False
        self._counted(Fault.WORKER_FROZEN)

    # ── the broker, and transactions ──────────────────────────────────────────────────────────────────────────

    async def _kill_broker(self) -> bool:
        away = self._chance.uniform(0.0, 2.0)
        async with self._broker_held:
            await self._hurt.broker.kill()
            await asyncio.sleep(away)
            await up_again(self._hurt.broker)
        self._errand(self._watch_group())
        return self._counted(Fault.BROKER_KILLED)

    async def _watch_group(self) -> None:
        """Restarts a broker that has come back and cannot read its own log of groups, as an operator must.

        Apache Kafka 4.1.1 now and then met writes while it loaded that log after a kill, gave it up ("failed to load
        metadata from __consumer_offsets", "out of sync with the underlying log") and answered that it was not the
        coordinator until it was started again. No worker can mend that: the group has nobody to ask.
        """
        settings = settings_past_the_proxies(self._hurt, self._plan.partitions)
        well = ill = again = 0
        while well < ANSWERS_TO_BE_WELL:
            await asyncio.sleep(1.0)
            if self._broker_held.locked():  # it is away because somebody has killed it once more
                well = ill = 0
            elif await group_answers(settings):
                well, ill = well + 1, 0
            else:
                well, ill = 0, ill + 1
            if ill < REFUSALS_TO_BE_ILL or self._broker_held.locked():
                continue
            if again == BROKER_AGAIN_MAX:
                self.troubles.append(
                    f"Kafka cannot say what the group has consumed, although started {again} times more"
                )
                return
            async with self._broker_held:
                await self._hurt.broker.kill()
                await up_again(self._hurt.broker)
            self.ways["Kafka: started once more, as it could not read its groups after a kill"] += 1
            again, ill = again + 1, 0

    async def _cut_commit(self) -> bool:
        api, cut = self._chance.choice(CUTS)
        trap = self._hurt.kafka.set_trap(api, cut, PATIENCE["commit_timeout_s"])
        try:
            async with asyncio.timeout(TRAP_SECONDS_MAX + trap.late_seconds):
                await trap.sprung.wait()
        except TimeoutError:
            self._hurt.kafka.take_trap_away(trap)
            return False
        return self._counted(Fault.COMMIT_CUT, f"{API_NAMES[api]}: {cut}")

    # ── the store ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _kill_store(self) -> bool:
        await self._hurt.store.kill()
        await asyncio.sleep(self._chance.uniform(0.0, 1.5))
        await up_again(self._hurt.store)
        return self._counted(Fault.STORE_KILLED)

    async def _put_store_back(self) -> bool:
        old = [
            (settled, snapshot)
            for settled, snapshot in self._snapshots
            if self._eye.settlements - settled >= self._plan.snapshot_age
        ]
        if not old:
            return False
        settled, snapshot = old[-1]
        age = self._eye.settlements - settled
        await self._hurt.put_back(snapshot)
        self.ways["settlements that Redis had forgotten when it was put back"] += age
        return self._counted(Fault.STORE_PUT_BACK)

    async def _empty_store(self) -> bool:
        async with self._store() as store:
            await store.flushall()
        return self._counted(Fault.STORE_EMPTIED)

    async def _delete_field(self) -> bool:
        async with self._store() as store:
            key = f"yidan:{{{self._chance.randrange(self._plan.partitions)}}}"
            found: Any = await store.hrandfield(key, 8)
            fields = [name for name in found or () if not name.startswith(b"\0")]
            if not fields or not await store.hdel(key, self._chance.choice(fields)):
                return False
        return self._counted(Fault.FIELD_DELETED)

    def _store(self) -> Redis:
        return Redis.from_url(self._hurt.redis_url, socket_timeout=5.0)

    # ── the network ───────────────────────────────────────────────────────────────────────────────────────────

    async def _break_network(self) -> bool:
        name, proxy = self._chance.choice((("Kafka", self._hurt.kafka), ("Redis", self._hurt.redis)))
        connections = sorted(proxy.connections, key=id)
        if not connections:
            return False
        some = self._chance.sample(connections, self._chance.randint(1, len(connections)))
        match self._chance.randrange(3):
            case 0:
                for connection in some:
                    connection.reset()
                return self._counted(Fault.NETWORK, f"{name}: connections reset")
            case 1:
                self._errand(proxy.leave_half_open(some))
                return self._counted(Fault.NETWORK, f"{name}: connections half open")
            case _:
                await proxy.stall(some, STALL_SECONDS)
                return self._counted(Fault.NETWORK, f"{name}: connections stalled")
