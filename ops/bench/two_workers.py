"""One worker, then two of the same group, on the same servers and processors; then a store filled from the journal.

Broker and store work on the same processors, so two workers on two of them cannot be twice as fast: the rate says what
this machine has left, and processor time a settlement whether sharing the partitions costs anything.
"""

import asyncio
import re
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from contest import LOOK_SECONDS, PATIENCE_SECONDS, cpu_seconds, fill, progress_of
from figures import Row
from loaded import Bench, Variant, Worker
from redis.asyncio import Redis
from stream import PARTITIONS, settlements, templates

from workers.rehearsal.server import RehearsalFailed

SETTLEMENTS: Final = 24_000
ROUNDS: Final = 3
CALM_SECONDS: Final = 1.5
"""How long every worker must hold its partitions before anything is sent: a second one makes the first let go."""

SHIPPED: Final = Variant("workers", "as it ships", {}, SETTLEMENTS)


@dataclass(frozen=True, slots=True)
class Pace:
    """Settlements a second, and microseconds of processor of workers, broker and store for each."""

    per_second: float
    worker: float
    broker: float
    store: float


async def one_and_two(seed: int, on: str) -> list[Row]:
    """Rows of one worker and of two, in turn."""
    found: Mapping[int, list[Pace]] = {1: [], 2: []}
    async with Bench.on_new_servers(seed) as bench:
        await bench.warm_up()
        for _ in range(ROUNDS):
            for many, paces in found.items():
                paces.append(await _together(bench, many))
                sys.stderr.write(f"{many} workers: {paces[-1].per_second:,.0f}/s, {paces[-1].worker:.0f} us each\n")
        restored = await _restored(bench, seed, on)
    faster = median(two.per_second / one.per_second for one, two in zip(found[1], found[2], strict=True))
    dearer = median(two.worker / one.worker for one, two in zip(found[1], found[2], strict=True))
    rows = []
    for many, paces in found.items():
        rate, worker, broker, store = (
            median(getattr(pace, each) for pace in paces) for each in ("per_second", "worker", "broker", "store")
        )
        detail = (
            f"workers={many} broker_us={broker:.0f} store_us={store:.0f} rate_ratio={faster:.2f} us_ratio={dearer:.2f} "
            f"partitions={PARTITIONS} rounds={ROUNDS} servers={on}, on the same processors"
        )
        rows.append(Row("scale_workers", seed, many, rate, worker, detail))
    return [*rows, restored]


async def _restored(bench: Bench, seed: int, on: str) -> Row:
    """A store that has lost everything, and a worker that fills it from the journal, all partitions at once."""
    async with Redis.from_url(bench.stack.redis) as store:
        held = sum([await store.hlen(f"yidan:{{{partition}}}") for partition in range(PARTITIONS)])
        await store.flushall()
    begin = time.perf_counter()
    async with bench.working(SHIPPED) as worker:
        seconds = time.perf_counter() - begin
        spent = cpu_seconds(worker.process.pid)
        found = re.search(r"^yidan_replayed_fields_total (\S+)$", await worker.page("metrics"), re.M)
    fields = round(float(found[1])) if found else 0
    if fields < held - PARTITIONS:
        raise RehearsalFailed(f"{fields} of {held} fields came back")
    detail = f"fields from the journal into an empty store, start-up included, partitions={PARTITIONS} servers={on}"
    return Row("scale_restore", seed, fields, fields / seconds, spent / fields * 1e6, detail)


async def _together(bench: Bench, many: int) -> Pace:
    """So many workers through a topic that fills when all of them hold their partitions."""
    events = settlements(templates(bench.seed), range(SETTLEMENTS), bench.next())
    async with AsyncExitStack() as ends:
        workers = [await ends.enter_async_context(bench.working(SHIPPED)) for _ in range(many)]
        await _calm(workers)
        async with progress_of(bench.yidan, bench.settings) as progress:
            await fill(bench.settings, events)
            begun: tuple[int, float, tuple[float, ...]] | None = None
            until = time.monotonic() + PATIENCE_SECONDS
            goal = bench.filled + len(events)
            while (done := await progress()) < goal:
                if begun is None and done > bench.filled:
                    begun = done, time.perf_counter(), _spent(bench, [worker.process for worker in workers])
                if time.monotonic() > until:
                    raise RehearsalFailed(f"{many} workers have done {done - bench.filled} of {len(events)}")
                await asyncio.sleep(LOOK_SECONDS)
            assert begun is not None
            bench.filled = goal
            seconds, count = time.perf_counter() - begun[1], goal - begun[0]
            after = _spent(bench, [worker.process for worker in workers])
    spent = ((now - was) / count * 1e6 for now, was in zip(after, begun[2], strict=True))
    return Pace(count / seconds, *spent)


def _spent(bench: Bench, workers: list[Process]) -> tuple[float, float, float]:
    """Processor seconds of the workers, the broker and the store."""
    return (
        sum(cpu_seconds(worker.pid) for worker in workers),
        cpu_seconds(bench.stack.broker.pid),
        cpu_seconds(bench.stack.store.pid),
    )


async def _calm(workers: list[Worker]) -> None:
    """Waits until all of them have been ready for a while, and each holds its share."""
    until = time.monotonic() + PATIENCE_SECONDS
    since = time.monotonic()
    while time.monotonic() - since < CALM_SECONDS:
        if time.monotonic() > until:
            raise RehearsalFailed("the workers do not agree on their partitions")
        if not all([await worker.is_ready(PARTITIONS // len(workers)) for worker in workers]):
            since = time.monotonic()
        await asyncio.sleep(0.1)
