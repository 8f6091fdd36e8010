"""A worker under a planned load: its servers, its maximum, and what the three processes and the servers spend on it."""

import asyncio
import json
import re
import sys
import time
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from contest import (
    CONTESTANTS,
    PEERS,
    ROOT,
    TICKS,
    Contestant,
    cpu_seconds,
    end,
    environment,
    fill,
    progress_of,
    settings_of,
    start,
    watched,
)
from open_loop import WARMING_SECONDS, Load, quantile
from stream import settlements, templates

from workers.kafka.topics import apply_topics
from workers.rehearsal.apache import free_port
from workers.rehearsal.server import HOST, RehearsalFailed
from workers.rehearsal.stack import LocalStack, local_stack
from workers.settings import Settings

LOW: Final = 0.1
HALF: Final = 0.5
LOADS: Final = (0.75, 0.25, LOW, HALF)
"""Shares of the maximum. The target's comes last, on a broker as warm as one that has run for days would be."""

WARMING: Final = (8_000, 12_000)
WARMING_LOAD_SECONDS: Final = 18.0
"""What comes before anything is measured, full topics and a load: a JVM that has just started compiles as it goes, and
takes three times the processor for the same; a worker beside it waits for the processor, not for the broker."""

OVERLOAD: Final = 1.2
OVERLOAD_SECONDS: Final = 5.0
"""What finds the maximum with everything beside it: so much of a full topic's rate, for so long."""

PATIENCE_SECONDS: Final = 5.0
"""After the last settlement was to be sent. What has not come by then counts as missing."""

READY_SECONDS_MAX: Final = 40.0
PHASES: Final = ("read", "settle", "commit", "apply")


@dataclass(frozen=True, slots=True)
class Variant:
    """A way of making batches: the settings that differ, and how many settlements show its maximum."""

    name: str
    what: str
    told: Mapping[str, str]
    most: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor seconds of worker, broker, store and the whole machine since they began, and the worker's counters."""

    worker: float
    broker: float
    store: float
    machine: float
    counted: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """A load, or a maximum (which has no waits): microseconds of processor a settlement, settlements in a batch."""

    variant: str
    share: float
    settlements: int
    rate: float
    worker: float
    broker: float = 0.0
    store: float = 0.0
    batch: float = 0.0
    turns: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds of a turn, by phase."""
    waits: tuple[float, ...] = ()
    """Seconds, in rising order."""
    missing: int = 0
    beside: float = 0.0
    """Microseconds of processor a settlement of sender and reader."""
    sender_ms: float = 0.0
    """How late the sender itself was, at its 99th percentile."""
    others: float = 0.0
    """Processors that somebody else kept busy meanwhile."""

    @property
    def at(self) -> str:
        """As a row's name has it."""
        if self.waits:
            return f"{self.share * 100:.0f}"
        return "sustained" if self.beside else "maximum"

    def ms(self, share: float) -> float:
        """A quantile of the waits, in milliseconds."""
        return quantile(self.waits, share) * 1e3

    def detail(self) -> str:
        """As a row tells it."""
        if not self.waits:
            return "under too much, sender and reader beside" if self.beside else "a topic full of settlements"
        waits = " ".join(
            f"{name}={self.ms(share):.1f}ms" for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
        )
        turns = " ".join(f"{phase}={self.turns[phase]:.1f}ms" for phase in PHASES)
        return (
            f"{waits} batch={self.batch:.1f} turn: {turns} broker_us={self.broker:.0f} store_us={self.store:.0f} "
            f"sender_and_reader_us={self.beside:.0f} "
            f"missing={self.missing} sender_late_p99={self.sender_ms:.1f}ms cores_of_others={self.others:.2f}"
        )

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        if not self.waits:
            kind = "most" if self.beside else "full"
            return (self.variant, kind, f"{self.rate:,.0f}", "", "", "", "", f"{self.worker:.0f}", "", "", "")
        waits = (f"{self.ms(share):.1f}" for share in (0.5, 0.99, 0.999))
        turns = " ".join(f"{phase} {self.turns[phase]:.1f}" for phase in PHASES)
        spent = (f"{each:.0f}" for each in (self.worker, self.broker, self.store))
        lost = f" MISSING {self.missing}" if self.missing else ""
        load = f"{self.share:.0%}"
        return (self.variant, load, f"{self.rate:,.0f}", *waits, f"{self.batch:.1f}", *spent, turns + lost)


@dataclass(slots=True)
class Worker:
    """A worker's process and its page."""

    process: Process
    port: int

    async def page(self, name: str) -> str:
        """What it answers."""
        return await asyncio.to_thread(_page, f"http://{HOST}:{self.port}/{name}")

    async def is_ready(self, partitions: int) -> bool:
        """Whether it holds exactly so many."""
        try:
            await self.page("readyz")
        except OSError:
            return False
        return len(_OWNED.findall(await self.page("metrics"))) == partitions

    async def ready(self) -> None:
        """Waits until every partition is held."""
        until = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < until:
            try:
                await self.page("readyz")
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return
        raise RehearsalFailed(f"the worker is not ready after {READY_SECONDS_MAX:.0f} s")


class Bench:
    """One broker and one store for the whole run; one worker at a time."""

    def __init__(self, stack: LocalStack, settings: Settings, seed: int) -> None:
        self.stack = stack
        self.settings = settings
        self.seed = seed
        self.yidan: Contestant = next(who for who in CONTESTANTS if who.name == "yidan")
        self.filled = 0
        self._nth = 0

    @classmethod
    @asynccontextmanager
    async def on_new_servers(cls, seed: int) -> AsyncIterator[Self]:
        """With the topics made."""
        async with local_stack() as stack:
            settings = settings_of(stack)
            await apply_topics(settings)
            yield cls(stack, settings, seed)

    async def warm_up(self) -> None:
        """Makes persons known, and lets the broker find its pace."""
        for most in WARMING:
            pace = await self.maximum(variant := Variant("warming up", "", {}, most))
        async with self.working(variant) as worker:
            await self.loaded(worker, variant, pace.rate, HALF, WARMING_LOAD_SECONDS)

    async def maximum(self, variant: Variant) -> Measured:
        """The pace through a full topic, from a worker that starts on it."""
        events = settlements(templates(self.seed), range(variant.most), self.next())
        await fill(self.settings, events)
        process = await start(self.yidan, self.settings, self._log, variant.told)
        try:
            async with progress_of(self.yidan, self.settings) as progress:
                pace = await watched(self.yidan, process, progress, self.filled, self.filled + len(events))
        finally:
            await end(process)
        self.filled += len(events)
        sys.stderr.write(f"{variant.name}: at most {pace.per_second:,.0f}/s\n")
        return Measured(variant.name, 1.0, pace.settlements, pace.per_second, pace.microseconds)

    async def sustained(self, worker: Worker, variant: Variant, full: float) -> Measured:
        """The most that goes through with sender and reader beside: what comes out under more than that."""
        load = Load(full * OVERLOAD, OVERLOAD_SECONDS + WARMING_SECONDS, self.next(), self.seed)
        receiver = await self._beside("receiver.py", load.written(), str(OVERLOAD_SECONDS * 2))
        sender = await self._beside("sender.py", load.written())
        begin = self._begin(receiver, sender)
        await asyncio.sleep(begin + WARMING_SECONDS - time.monotonic())
        before, since = await self._spent(worker), time.monotonic()
        await asyncio.sleep(OVERLOAD_SECONDS)
        after, seconds = await self._spent(worker), time.monotonic() - since
        await asyncio.gather(sender.communicate(), receiver.communicate())
        self.filled += load.count
        settled = after.counted["batch_records_sum"] - before.counted["batch_records_sum"]
        sys.stderr.write(f"{variant.name}: {settled / seconds:,.0f}/s with sender and reader beside\n")
        worker_us = (after.worker - before.worker) / settled * 1e6
        return Measured(variant.name, 1.0, round(settled), settled / seconds, worker_us, beside=1.0)

    @asynccontextmanager
    async def working(self, variant: Variant) -> AsyncIterator[Worker]:
        """A worker that holds every partition."""
        port = free_port()
        process = await start(self.yidan, self.settings, self._log, {**variant.told, "YIDAN_HTTP_PORT": str(port)})
        try:
            worker = Worker(process, port)
            await worker.ready()
            yield worker
        finally:
            await end(process)

    async def loaded(self, worker: Worker, variant: Variant, full: float, share: float, seconds: float) -> Measured:
        """A share of the full rate, sent and received by processes of their own."""
        load = Load(full * share, seconds + WARMING_SECONDS, self.next(), self.seed)
        receiver = await self._beside("receiver.py", load.written(), str(PATIENCE_SECONDS))
        sender = await self._beside("sender.py", load.written())
        begin = self._begin(receiver, sender)
        await asyncio.sleep(begin + WARMING_SECONDS - time.monotonic())
        before, since = await self._spent(worker), time.monotonic()
        (said, _), (received, _) = await asyncio.gather(sender.communicate(), receiver.communicate())
        after, seconds = await self._spent(worker), time.monotonic() - since
        self.filled += load.count
        sent, came = json.loads(said), json.loads(received)
        if came["twice"]:
            raise RehearsalFailed(f"{came['twice']} payouts came twice")
        found = _measured(variant.name, share, load, before, after, came["seconds"], sent["late_p99_ms"])
        beside = sum(each["cpu_seconds"] for each in (sent, came))
        ours = beside + sum(getattr(after, name) - getattr(before, name) for name in ("worker", "broker", "store"))
        others = max(0.0, (after.machine - before.machine - ours) / seconds)
        found = replace(found, others=others, beside=beside / load.count * 1e6)
        sys.stderr.write(f"{variant.name}: {share:.0%} {found.rate:,.0f}/s p50 {found.ms(0.5):.1f} ms\n")
        return found

    @staticmethod
    def _begin(*processes: Process) -> float:
        """Tells them the moment, which is just ahead."""
        begin = time.monotonic() + 0.2
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{begin}\n".encode())
        return begin

    def next(self) -> int:
        """The number of the next settlement of everybody's year."""
        self._nth += 1
        return self._nth

    @property
    def _log(self) -> Any:
        return self.stack.folder / "contestant.log"

    async def _beside(self, script: str, *words: str) -> Process:
        """A process of the load, once it says that it is ready."""
        told = environment(self.settings, self.seed)
        command = (sys.executable, str(PEERS / script), *words)
        process = await asyncio.create_subprocess_exec(
            *command, env=told, cwd=ROOT, stdin=PIPE, stdout=PIPE, limit=1 << 26
        )
        assert process.stdout is not None
        if await process.stdout.readline() != b"ready\n":
            raise RehearsalFailed(f"{script} did not start")
        return process

    async def _spent(self, worker: Worker) -> Spent:
        counted = _counters(await worker.page("metrics"))
        pids = (worker.process.pid, self.stack.broker.pid, self.stack.store.pid)
        return Spent(*(cpu_seconds(pid) for pid in pids), _machine_seconds(), counted)


def _measured(
    variant: str, share: float, load: Load, before: Spent, after: Spent, came: Sequence[float | None], late_ms: float
) -> Measured:
    grown = {name: after.counted[name] - value for name, value in before.counted.items()}
    count = grown["batch_records_sum"]
    spent = (getattr(after, name) - getattr(before, name) for name in ("worker", "broker", "store"))
    worker, broker, store = (seconds / count * 1e6 for seconds in spent)
    turns = (grown[f"turn_seconds_sum {phase}"] / grown[f"turn_seconds_count {phase}"] * 1e3 for phase in PHASES)
    waits = sorted(each for each in came if each is not None)
    return Measured(
        variant,
        share,
        len(came),
        load.rate,
        worker,
        broker,
        store,
        batch=count / grown["batch_records_count"],
        turns=dict(zip(PHASES, turns, strict=True)),
        waits=tuple(waits),
        missing=len(came) - len(waits),
        sender_ms=late_ms,
    )


def _machine_seconds() -> float:
    """Processor time of everything on this machine, and what the machine's own host took from it."""
    user, nice, system, _idle, _waiting, irq, softirq, stolen = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + stolen) / TICKS


_COUNTER: Final = re.compile(
    r'^yidan_((?:batch_records|turn_seconds)_(?:sum|count))(?:\{phase="(\w+)"\})? (\S+)$', re.M
)


_OWNED: Final = re.compile(r'^yidan_partition_state\{.*state="owned".*\} 1\.0$', re.M)


def _counters(page: str) -> dict[str, float]:
    """Sums and counts of batches and of the phases of a turn."""
    return {f"{name} {phase}".strip(): float(value) for name, phase, value in _COUNTER.findall(page)}


def _page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=5) as answer:
        return str(answer.read().decode())
