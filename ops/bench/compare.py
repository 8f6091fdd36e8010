"""How fast, in one run: the worker between the limit of its clients and what else people write, on the same servers.

    make bench                      all contestants in turn, three rounds; a table, a picture, rows in `results.csv`
    make bench ARGS=--quick         the same in two minutes on an idle machine
    make bench ARGS=--no-row        nothing written
    make bench KAFKA=embedded       on the wheels that stand in for Apache Kafka and Redis, though these be here

Rates depend on the machine and on who else is on it; ratios between contestants that ran one after the other do so much
less. So ratios come first, each the median over rounds of one contestant's rate by another's in the same round. Where
the machine is shared, look at the second column: the same by processor time, which leaves out whoever waits.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from contest import CONTESTANTS, Contestant, Pace, run
from core import Compared, compared
from figures import Row, bars, commit, machine, table, write_rows
from servers import chosen
from stream import PARTITIONS, cold, warm

from workers.rehearsal.server import RehearsalFailed

PICTURE: Final = Path(__file__).with_name("compare.svg")
STRETCHES: Final = ("cold", "warm")

Rounds = dict[str, dict[str, list[Pace]]]
"""The paces of each contestant over each stretch, round by round."""


class Target(NamedTuple):
    """What we want of a ratio or of a distance, and what there is: the worse of both stretches."""

    what: str
    found: float | None
    wanted: float
    least: bool = True
    by_processor: float | None = None

    @property
    def met(self) -> bool | None:
        """None where it was not measured."""
        if self.found is None:
            return None
        return self.found >= self.wanted if self.least else self.found <= self.wanted

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of the table."""
        found = "not measured" if self.found is None else f"{self.found:.2f}"
        said = {None: "", True: "met", False: "NOT MET"}[self.met]
        processor = "" if self.by_processor is None else f"{self.by_processor:.2f}"
        return self.what, found, processor, f"{'>=' if self.least else '<='} {self.wanted:g}", said


async def rounds_of(settlements: int, rounds: int, seed: int, names: Sequence[str]) -> Rounds:
    """Everybody's paces."""
    found: Rounds = {name: {stretch: [] for stretch in STRETCHES} for name in names}
    first = cold(round(settlements * max(who.share for who in CONTESTANTS)), seed)
    for number in range(rounds):
        for who in CONTESTANTS:
            if who.name not in names:
                continue
            events = first[: round(settlements * who.share)]
            # The limit knows no persons: one stretch says all.
            stretches = [events] if who.name == "limit" else [events, warm(events)]
            paces = await run(replace(who, seed=seed), stretches)
            for stretch, pace in zip(STRETCHES, paces, strict=False):
                found[who.name][stretch].append(pace)
            said = ", ".join(f"{pace.per_second:,.0f}/s {pace.microseconds:.0f} us" for pace in paces)
            sys.stderr.write(f"round {number + 1}: {who.name} {said}\n")
    return found


def ratio(found: Rounds, one: str, other: str, *, by_processor: bool = False) -> float | None:
    """The worse stretch's median, over rounds, of one's rate by the other's, by the clock or by processor time."""
    if one not in found or other not in found:
        return None
    medians = []
    for stretch in STRETCHES:
        theirs = found[other][stretch] or found[other]["cold"]
        pairs = zip(found[one][stretch], theirs, strict=True)
        medians.append(
            median(
                its.microseconds / mine.microseconds if by_processor else mine.per_second / its.per_second
                for mine, its in pairs
            )
        )
    return min(medians)


def above(found: Rounds, one: str, other: str) -> float | None:
    """By how many microseconds of processor a settlement one is above the other, in the worse stretch."""
    if one not in found or other not in found:
        return None
    limit = found[other]["cold"]
    return max(
        median(mine.microseconds - its.microseconds for mine, its in zip(found[one][stretch], limit, strict=True))
        for stretch in STRETCHES
    )


def targets(found: Rounds, core: Compared) -> list[Target]:
    """What we want, and what there is."""
    engine = None if core.zen is None else core.zen / core.core
    peers = (
        ("limit", "worker : limit", 0.35),
        ("faust", "worker : Faust agent with a table", 8),
        ("one_by_one", "worker : one event at a time", 10),
    )
    return [
        *(
            Target(what, ratio(found, "yidan", name), wanted, True, ratio(found, "yidan", name, by_processor=True))
            for name, what, wanted in peers
        ),
        Target("worker above the limit, us of processor", above(found, "yidan", "limit"), 60, least=False),
        Target("core explained : zen-engine", engine, 10),
    ]


def rows_of(found: Rounds, core: Compared, seed: int, on: str) -> Iterator[Row]:
    """What the run adds to the results."""
    for name, stretches in found.items():
        for stretch, paces in stretches.items():
            if paces:
                rate, spent = (median(getattr(pace, each) for pace in paces) for each in ("per_second", "microseconds"))
                detail = f"servers={on} partitions={PARTITIONS} rounds={len(paces)} median"
                yield Row(f"{name}_{stretch}", seed, paces[-1].settlements, rate, spent, detail)
    engines = {
        "core_explained": core.core,
        "core_decided": core.core_decides,
        "zen_engine": core.zen,
        "zen_engine_traced": core.zen_traced,
        "whole_year_auditor": core.auditor,
    }
    for what, spent in engines.items():
        if spent is not None:
            yield Row(what, seed, core.bills, 1e6 / spent, spent, "processor only; best of rounds in turn")


def shown(rows: Sequence[Row]) -> str:
    """Rates and processor time, and how often each goes into the worker's."""
    rates = {row.what: row.per_second for row in rows}
    lines = []
    for row in rows:
        stretch = row.what.rpartition("_")[2]
        base = rates.get(f"yidan_{stretch}") if stretch in STRETCHES else rates.get("core_explained")
        times = "" if base is None else f"{base / row.per_second:.2f}"
        lines.append((row.what, f"{row.per_second:,.0f}", f"{row.microseconds:.1f}", times))
    return table(("", "a second", "us of processor", "worker or core : this"), lines)


def drawn(rows: Sequence[Row], on: str) -> str:
    """The contestants as bars."""
    labels: dict[str, Contestant] = {who.name: who for who in CONTESTANTS}
    lines = []
    for row in rows:
        name, _, stretch = row.what.rpartition("_")
        if name in labels:
            words = f"{row.per_second:,.0f} a second, {row.microseconds:.0f} us"
            lines.append((f"{name.replace('_', ' ')} ({stretch})", row.per_second, words))
    caption = (
        f"{machine()}, commit {commit()}, servers {on}, {PARTITIONS} partitions, one process each; us of processor"
    )
    return bars("Settlements a second, side by side in one run", caption, lines)


def main() -> int:
    """Measure, print, append, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer settlements")
    parser.add_argument("--settlements", type=int, help="of the worker, in each stretch of a round")
    parser.add_argument("--rounds", type=int, help="in turn; three, or two if quick")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(who.name for who in CONTESTANTS), help="contestants, by comma")
    parser.add_argument("--no-row", action="store_true")
    asked = parser.parse_args()
    settlements = asked.settlements or (8_000 if asked.quick else 30_000)
    rounds = asked.rounds or (2 if asked.quick else 3)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that has just started is asked again
    servers = chosen()
    print(servers.said(), flush=True)
    on = servers.short
    try:
        found = asyncio.run(rounds_of(settlements, rounds, asked.seed, asked.only.split(",")))
    except RehearsalFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 69
    core = compared(2_000 if asked.quick else 10_000, rounds, asked.seed)
    rows = list(rows_of(found, core, asked.seed, on))
    wanted = targets(found, core)
    sys.stdout.write(table(("", "found", "by processor", "wanted", ""), (target.cells for target in wanted)) + "\n\n")
    sys.stdout.write(shown(rows) + "\n")
    if not asked.no_row:
        write_rows(rows)
        PICTURE.write_text(drawn(rows, on), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
