"""A campaign: load, harm by the timetable, then calm; and what the workers wrote in their logs meanwhile."""

import asyncio
import json
import re
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from workers.rehearsal.proof.faults import Harm
from workers.rehearsal.proof.gateway import Eye, Gateway
from workers.rehearsal.proof.load import load
from workers.rehearsal.proof.plan import Fault, Plan, missing, timetable
from workers.rehearsal.proof.servers import Servers, Worker, settings_past_the_proxies
from workers.rehearsal.server import HOST

BREATH_SETTLEMENTS: Final = 30
BREATH_SECONDS_MAX: Final = 6.0
"""After each fault the workers may settle so many, or take so long, before the next one."""

SETTLED_SECONDS_MAX: Final = 240.0
OWNED_SECONDS_MAX: Final = 90.0
SAY_SECONDS: Final = 1.0

SAID: Final = {
    "partition taken over": "partitions taken over",
    "store repaired": "stores repaired by their owner",
    "partitions assigned": "assignments by the group",
    "partition let go of": "partitions let go of",
}
"""Log lines that are counted, and how the table calls them."""


@dataclass(slots=True)
class Outcome:
    """What a campaign has done, before anybody has looked at the money."""

    done: Counter[Fault]
    floors: dict[Fault, int]
    ways: Counter[str]
    heard: Counter[str]
    sent: int
    again: int
    settlements: int
    payouts: int
    seconds: float
    violations: list[str] = field(default_factory=list)


Tell = Callable[[str], None]
"""Says where the campaign is; called about once a second."""


async def campaign(plan: Plan, hurt: Servers, tell: Tell) -> Outcome:
    """Hurts the servers under load until every floor is met and the time is over; then lets everything settle."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    chance = Random(plan.seed)
    group = settings_past_the_proxies(hurt, plan.partitions).group
    eye = Eye(hurt.broker.address, plan.partitions)
    gateway = Gateway(hurt.broker.address, load(plan.seed), plan.partitions, plan.per_second)
    harm = Harm(hurt, plan, eye, chance)
    floors = plan.scaled()
    fed = asyncio.Event()

    def status(what: str) -> str:
        return (
            f"{clock.time() - began:4.0f} s  {what:<12.12}  sent {gateway.sent:,}  settled {eye.settlements:,}  "
            f"faults {sum(harm.done.values())} (floors {sum(floors.values())})"
        )

    await asyncio.gather(*(hurt.start(worker) for worker in hurt.workers))
    async with _beside(eye.run(), harm.watch_workers(), harm.watch_settlements()):
        feeding = asyncio.create_task(gateway.run(fed))
        try:
            await _hurt_by_the_timetable(plan, harm, eye, floors, chance, lambda: tell(status("hurting")))
            await harm.end()
            fed.set()
            await feeding
        finally:
            feeding.cancel()
        violations = await _until_settled(eye, group, lambda: tell(status("settling")))
    violations += await _calmly_once_more(hurt, plan.partitions, lambda: tell(status("calm")))
    heard, stopped = _heard(hurt.workers)
    return Outcome(
        harm.done,
        floors,
        harm.ways,
        heard,
        gateway.sent,
        gateway.again,
        eye.settlements,
        eye.payouts,
        clock.time() - began,
        [*violations, *harm.troubles, *stopped],
    )


async def _hurt_by_the_timetable(
    plan: Plan, harm: Harm, eye: Eye, floors: dict[Fault, int], chance: Random, say: Callable[[], None]
) -> None:
    clock = asyncio.get_running_loop()
    began = clock.time()
    order = timetable(floors, chance)
    planned = len(order)
    while clock.time() - began < BREATH_SECONDS_MAX * 3 and eye.settlements < BREATH_SETTLEMENTS:
        await asyncio.sleep(SAY_SECONDS)
        say()
    for turn in range(10 * planned):
        elapsed = clock.time() - began
        if not order:
            order = missing(floors, harm.done)
            if elapsed > plan.harm_seconds and not order:
                return
            if elapsed > 1.5 * plan.harm_seconds:
                return
            order = order or [chance.choice(list(Fault))]
        await harm.do(order.pop(0))
        say()
        await _breath(eye, plan.harm_seconds * (turn + 1) / planned - (clock.time() - began), say)


async def _breath(eye: Eye, ahead_seconds: float, say: Callable[[], None]) -> None:
    """Until something has been settled after a fault; and, if the timetable is ahead of the time, until it is due."""
    clock = asyncio.get_running_loop()
    began, before = clock.time(), eye.settlements
    while True:
        waited = clock.time() - began
        breathed = eye.settlements - before >= BREATH_SETTLEMENTS or waited > BREATH_SECONDS_MAX
        if breathed and waited >= ahead_seconds:
            return
        await asyncio.sleep(0.25)
        say()


async def _until_settled(eye: Eye, group: str, say: Callable[[], None]) -> list[str]:
    clock = asyncio.get_running_loop()
    deadline = clock.time() + SETTLED_SECONDS_MAX
    behind: int | None = None
    while clock.time() < deadline:
        behind = await eye.behind(group)
        if behind == 0:
            await asyncio.sleep(2.0)  # and the eye sees it
            return []
        say()
        await asyncio.sleep(SAY_SECONDS)
    return [f"{behind} events were not settled {SETTLED_SECONDS_MAX:.0f} s after the last fault"]


async def _calmly_once_more(hurt: Servers, partitions: int, say: Callable[[], None]) -> list[str]:
    """All workers leave and come again: what was done to Redis after the last batch is found by the take-over."""
    violations = await _all_leave(hurt)
    await asyncio.gather(*(hurt.start(worker) for worker in hurt.workers))
    clock = asyncio.get_running_loop()
    deadline = clock.time() + OWNED_SECONDS_MAX
    owned = 0
    while owned != partitions and clock.time() < deadline:
        await asyncio.sleep(SAY_SECONDS)
        owned = sum(await asyncio.gather(*(asyncio.to_thread(_owned, worker) for worker in hurt.workers)))
        say()
    if owned != partitions:
        violations.append(f"only {owned} of {partitions} partitions were taken over in the calm after the last fault")
    return violations + await _all_leave(hurt)


async def _all_leave(hurt: Servers) -> list[str]:
    codes = [await hurt.leave(worker) for worker in hurt.workers if not worker.away]
    return [f"a worker that was told to end ended with {code}, not with 0" for code in codes if code]


def _owned(worker: Worker) -> int:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{worker.server.port}/metrics", timeout=2) as answer:
            page = answer.read().decode()
    except OSError:
        return 0
    found = re.findall(r'^yidan_partition_state\{[^}]*state="owned"[^}]*\} ([0-9.]+)$', page, re.MULTILINE)
    return sum(round(float(value)) for value in found)


def _heard(workers: list[Worker]) -> tuple[Counter[str], list[str]]:
    """What the logs say was gone through; and partitions that stopped, which none may."""
    heard: Counter[str] = Counter()
    stopped = []
    for path in {worker.server.log for worker in workers}:
        for line in _lines(path):
            event = line.get("event")
            if event in SAID:
                heard[SAID[event]] += 1
            if line.get("rebuilt"):
                heard["stores rebuilt from the whole journal"] += 1
            if line.get("error") in ("Fenced", "ports.Fenced") or "Fenced" in str(line.get("error", "")):
                heard["writers fenced"] += 1
            if event == "partition stopped":
                stopped.append(f"partition {line.get('partition')} stopped: {line.get('reason')}: {line.get('detail')}")
            if event == "the core failed":
                stopped.append(f"the core failed in partition {line.get('partition')} at offset {line.get('offset')}")
    return heard, stopped


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text("utf-8", "replace").splitlines() if path.exists() else ():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # cut off by a kill
    return found


@asynccontextmanager
async def _beside(*running: Any) -> AsyncIterator[None]:
    """Lets these run while the block lasts; what one of them raises ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(task) for task in running]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
