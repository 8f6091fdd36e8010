"""`yidan rehearse`: one seed after another, and what they came to."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from workers.exits import Exit
from workers.rehearsal.simulation import points
from workers.rehearsal.simulation.reckoning import BooksAreWrong
from workers.rehearsal.simulation.simulation import Simulation, Wrong

FAILURES_MAX = 5
"""After so many seeds that fail there is nothing to be learned from more."""

PROGRESS_EVERY = 100

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Which seeds, and how much is told."""

    seed: int
    count: int
    trace: bool = False
    floor: int = 0
    """How often each crash point must have been hit; 0 for a run that need not count."""


@dataclass
class Report:
    """What the seeds came to."""

    seeds: int = 0
    failed: list[int] = field(default_factory=list)
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    steps: int = 0
    messages: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    died_at: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)

    def add(self, seen: Simulation) -> None:
        """One more."""
        self.seeds += 1
        self.virtual_seconds += seen.loop.now
        self.steps += seen.loop.steps
        self.messages += len(seen.sent)
        self.tally.update(seen.tally)
        self.died_at.update(seen.died_at)
        self.passed.update(seen.passed)

    def text(self) -> str:
        """For people."""
        a_minute = self.seeds / self.cpu_seconds * 60 if self.cpu_seconds else 0
        harms = ", ".join(f"{count:,} {what}" for what, count in sorted(self.tally.items()))
        return (
            f"{self.seeds:,} seeds, {len(self.failed)} failed: {self.cpu_seconds:.1f} s of one core,"
            f" {a_minute:,.0f} seeds a minute\n"
            f"{self.messages:,} messages in {self.virtual_seconds / 3600:,.1f} virtual hours,"
            f" {self.steps:,} steps\n"
            f"{self.died_at.total():,} kills at {len(+self.died_at)} of {len(points.POINTS)} points, {harms}"
        )


def rehearse(plan: Plan, out: Say, err: Say) -> Exit:
    """Runs the seeds. The summary goes to `out`, and so does what a failing seed has to say; progress to `err`."""
    report = Report()
    began = time.process_time()
    for seed in range(plan.seed, plan.seed + plan.count):
        _one(seed, plan, report, out)
        if len(report.failed) >= FAILURES_MAX:
            break
        if report.seeds % PROGRESS_EVERY == 0 and report.seeds < plan.count:
            err(f"{report.seeds:,} of {plan.count:,} seeds")
    report.cpu_seconds = time.process_time() - began
    out(report.text())
    if not plan.floor:
        return Exit.CHECK_FAILED if report.failed else Exit.OK
    out(points.table(report.passed, report.died_at))
    seldom = points.below(report.died_at, plan.floor)
    for point in seldom:
        out(f"hit {report.died_at[point]} times, not {plan.floor}: {point}")
    return Exit.CHECK_FAILED if report.failed or seldom else Exit.OK


def _one(seed: int, plan: Plan, report: Report, out: Say) -> None:
    world = Simulation(seed, whole_trace=plan.trace)
    wrong: Exception | None = None
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - whatever a worker raises, its seed is worth telling
        wrong = error
    report.add(world)
    if wrong is None:
        if plan.trace:
            out("\n".join(world.trace.lines()))
        return
    report.failed.append(seed)
    told = str(wrong) if isinstance(wrong, Wrong | BooksAreWrong) else repr(wrong)
    out("\n".join(["", f"seed {seed}: {told}", *world.trace.lines(), "", "again, with all of its trace:"]))
    out(f"make rehearse SEED={seed} COUNT=1 ARGS=--trace")
