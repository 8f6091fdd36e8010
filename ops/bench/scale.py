"""Whether a settlement costs the same among many persons and late in a long year, and what a person-year weighs.

    .venv/bin/python ops/bench/scale.py                           to 3,000,000 persons and 300 settlements a year
    .venv/bin/python ops/bench/scale.py --no-row --persons 10000,30000
    .venv/bin/python ops/bench/scale.py --no-workers              without the broker and the two workers

Five minutes, some 8 GB of memory. Each size is a partition of its own in one store, filled beforehand, and all of them
are there at once; batches of 500 go through the worker's own pipeline and keeper, to each size in turn, so that a noisy
moment of the machine falls on all. Counted are the processor time of this process and of the store, commands and bytes
between the two, and the store's memory. A size costs so many times what the smallest does, the median over the turns:
our processor time, commands and bytes must stay within 15 %, or this ends with 1. The store's own processor time is
told beside them. Then one worker and two on the same processors (`two_workers.py`). `scale.md` plans a province and the
country from these rows.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from random import Random
from statistics import fmean, median
from typing import Final

from contest import cpu_seconds
from crowd import Crowd
from figures import Row, table, write_rows
from redis.asyncio import Redis
from servers import chosen
from stream import Keyed, settlements, templates
from two_workers import one_and_two

from contracts.pack_file import load_directory, load_pack
from contracts.topics import DISCHARGES
from workers.adjudication.books import Books
from workers.rehearsal.server import RehearsalFailed, Server
from workers.rehearsal.stack import start_store
from workers.settlement.keeper import RedisKeeper
from workers.settlement.pipeline import Batch
from workers.settlement.ports import Change
from workers.settlement.records import Incoming
from workers.worker import collect_seldom

BATCH: Final = 500
TURNS: Final = 24
"""In each of which every size settles four batches: the store's processor time is told in hundredths of a second."""

IN_TURN: Final = 4 * BATCH
FLAT: Final = 1.15
STRANGERS: Final = 1_000_000_000
"""Numbers from which persons are counted who have not settled before."""

YEARS_FROM: Final = 20
"""The first partition of those whose persons have long years."""

REBUILT: Final = 200_000
"""Fields by which the speed of a rebuild is found."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one settlement: processor microseconds, ours and the store's; commands and bytes; journal and payout bytes."""

    microseconds: float
    store: float
    commands: float
    bytes_in: float
    bytes_out: float
    journal: float
    payouts: float

    def detail(self) -> str:
        """As a row tells it."""
        return (
            f"store_us={self.store:.1f} store_commands={self.commands:.3f} store_bytes_written={self.bytes_in:.0f} "
            f"store_bytes_read={self.bytes_out:.0f} journal_bytes={self.journal:.0f} payout_bytes={self.payouts:.0f}"
        )


GROWTH: Final[dict[str, Callable[[Cost], float]]] = {
    "us": lambda cost: cost.microseconds,
    "commands": lambda cost: cost.commands,
    "bytes": lambda cost: cost.bytes_in + cost.bytes_out,
}
"""What must stay flat."""


class Office:
    """The pipeline, the keeper and the store behind it; a partition a size."""

    def __init__(self, server: Server) -> None:
        self.books = Books(load_directory(), load_pack)
        self.server = server
        self.keeper = RedisKeeper.connect(f"redis://{server.address}/0")
        self.redis = Redis.from_url(f"redis://{server.address}/0")
        self._numbers: dict[int, int] = {}

    async def settle(self, partition: int, events: Sequence[Keyed]) -> Cost:
        """Settle events in batches, and what each has cost."""
        before = await self._store()
        spent, journal, payouts = 0.0, 0, 0
        for start in range(0, len(events), BATCH):
            records = [Incoming(DISCHARGES, 0, 0, key, value) for key, value in events[start : start + BATCH]]
            begin = time.process_time()
            batch = Batch(self.books, 0, 1, records)
            while names := batch.wanted():
                snapshot = (await self.keeper.snapshots({partition: names}))[partition]
                batch.supply(dict(zip(names, snapshot.values, strict=True)))
            result = batch.settle()
            fields = [(name.encode(), value) for name, value in result.fields]
            number = self._numbers.get(partition, 0)
            expected = b"%d" % number if number else None
            (count,) = await self.keeper.apply([Change(partition, expected, b"%d" % (number + 1), fields)])
            spent += time.process_time() - begin
            self._numbers[partition] = number + 1
            if result.quarantine or count is None or len(result.payouts) != len(records):
                raise SystemExit("a settlement of the benchmark was refused, or the store had moved")
            journal += sum(len(name) + len(value) for name, value in fields)
            payouts += sum(len(record.value) for record in result.payouts)
        after = await self._store()
        count = len(events)
        store, commands, into, out_of = ((each - was) / count for each, was in zip(after, before, strict=True))
        return Cost(spent / count * 1e6, store * 1e6, commands, into, out_of, journal / count, payouts / count)

    async def _store(self) -> tuple[float, int, int, int]:
        """Its processor seconds, and its own counters."""
        found = await self.redis.info("stats")
        counted = (found["total_commands_processed"], found["total_net_input_bytes"], found["total_net_output_bytes"])
        return cpu_seconds(self.server.pid), *counted

    async def memory(self) -> int:
        """Bytes that the store uses, all of it."""
        return int((await self.redis.info("memory"))["used_memory"])

    async def rebuild(self, fields: int) -> float:
        """Fields a second that the keeper writes into a partition beside the old one."""
        page = [(b"e|P%014d|140100|2021|0" % number, b"x" * 600) for number in range(fields)]
        begin = time.perf_counter()
        filling = await self.keeper.rebuild(YEARS_FROM - 1)
        await filling.add(page)
        await filling.finish(None, b"0", fields)
        return fields / (time.perf_counter() - begin)


def middle(costs: Iterable[Cost]) -> Cost:
    """The median of each figure over the turns; the mean of the store's time, which the kernel tells in hundredths."""
    turns = list(costs)
    found = Cost(*(median(figures) for figures in zip(*map(astuple, turns), strict=True)))
    return replace(found, store=fmean(cost.store for cost in turns))


def ratios(costs: Sequence[Cost], least: Sequence[Cost]) -> dict[str, float]:
    """How many times the least one costs, turn by turn; the median over the turns."""
    return {
        name: median(of(mine) / of(its) for mine, its in zip(costs, least, strict=True)) for name, of in GROWTH.items()
    }


def drawn_among(chance: Random, many: int) -> list[int]:
    """Persons for every turn, nobody twice in one: all of a small crowd before anybody comes again."""
    if many < IN_TURN:
        raise SystemExit(f"at least {IN_TURN} persons are wanted")
    drawn: list[int] = []
    while len(drawn) < TURNS * IN_TURN:
        drawn += chance.sample(range(many), min(many // IN_TURN * IN_TURN, TURNS * IN_TURN - len(drawn)))
    return drawn


async def among(office: Office, persons: Sequence[int], seed: int) -> tuple[dict[int, list[Cost]], dict[int, float]]:
    """Costs by size and turn, and the store's bytes a person-year."""
    blank = templates(seed)
    crowd = Crowd(office.books, blank)
    weights: dict[int, float] = {}
    chance = Random(f"persons {seed}")
    drawn: dict[int, list[int]] = {}
    for partition, many in enumerate(persons):
        empty, begin = await office.memory(), time.perf_counter()
        fields = await asyncio.to_thread(crowd.fill, office.server.address, office.keeper.key(partition), many)
        assert await office.redis.hlen(office.keeper.key(partition)) == fields
        weights[many] = (await office.memory() - empty) / many
        sys.stderr.write(f"{many:,} persons, {fields:,} fields in {time.perf_counter() - begin:.0f} s\n")
        await office.settle(partition, settlements(blank, range(STRANGERS, STRANGERS + BATCH), 1))  # packs, scripts
        drawn[partition] = drawn_among(chance, many)
    costs: dict[int, list[Cost]] = {many: [] for many in persons}
    for turn in range(TURNS):
        for partition, many in enumerate(persons):
            who = drawn[partition][turn * IN_TURN : (turn + 1) * IN_TURN]
            costs[many].append(await office.settle(partition, settlements(blank, who, 2 + turn)))
    return costs, weights


async def late(office: Office, years: Sequence[int], seed: int) -> tuple[dict[int, list[Cost]], float]:
    """Costs by the length of the year and turn, and the store's bytes for one settlement more."""
    blank = templates(seed)
    cohort = range(STRANGERS, STRANGERS + BATCH)
    empty = await office.memory()
    for partition, length in enumerate(years, YEARS_FROM):
        await office.settle(partition, settlements(blank, range(2 * STRANGERS, 2 * STRANGERS + BATCH), 1))
        for nth in range(1, length):
            if length > 2:
                await office.settle(partition, settlements(blank, cohort, nth))
    weight = (await office.memory() - empty) / (sum(length - 1 for length in years if length > 2) * len(cohort))
    costs: dict[int, list[Cost]] = {length: [] for length in years}
    for turn in range(TURNS):
        # Those of short years are others every time, and their year grows before they are looked at.
        fresh = range(3 * STRANGERS + turn * len(cohort), 3 * STRANGERS + (turn + 1) * len(cohort))
        for partition, length in enumerate(years, YEARS_FROM):
            who, nth = (cohort, length + turn) if length > 2 else (fresh, length)
            for before in range(1, nth if length <= 2 else 1):
                await office.settle(partition, settlements(blank, who, before))
            costs[length].append(await office.settle(partition, settlements(blank, who, nth)))
    return costs, weight


async def measured(persons: Sequence[int], years: Sequence[int], seed: int) -> tuple[list[Row], list[str]]:
    """The rows, and what is not flat."""
    # The journal is the truth and the store a view: its own log on disk would only slow the filling down.
    async with await start_store(options={"appendonly": "no"}) as server:
        office = Office(server)
        by_persons, weights = await among(office, persons, seed)
        by_years, weight = await late(office, years, seed)
        rate = await office.rebuild(REBUILT)
        await office.keeper.close()
        await office.redis.aclose()
    rows, steep = [], []
    for what, costs, words in (
        ("scale_persons", by_persons, {many: f"store_memory_a_person={weights[many]:.0f}" for many in persons}),
        ("scale_year", by_years, dict.fromkeys(years, f"store_memory_of_one_more={weight:.0f}")),
    ):
        least = costs[min(costs)]
        for size, turns in costs.items():
            cost, times = middle(turns), ratios(turns, least)
            steep += [f"{what} {size:,}: {name} {factor:.2f}" for name, factor in times.items() if factor > FLAT]
            grown = " ".join(f"{name.replace(' ', '_')}_ratio={factor:.3f}" for name, factor in times.items())
            detail = f"{cost.detail()} {grown} {words[size]} turns={TURNS}"
            rows.append(Row(what, seed, size, 1e6 / cost.microseconds, cost.microseconds, detail))
    rows.append(Row("scale_rebuild", seed, REBUILT, rate, 1e6 / rate, "fields of 600 bytes into the store"))
    return rows, steep


def main() -> int:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--persons", default="10000,100000,1000000,3000000")
    parser.add_argument("--years", default="1,2,30,300")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-row", action="store_true")
    parser.add_argument("--no-workers", action="store_true")
    asked = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that has just started is asked again
    collect_seldom()
    persons, years = (list(map(int, each.split(","))) for each in (asked.persons, asked.years))
    servers = chosen()
    print(servers.said(), flush=True)
    rows, steep = asyncio.run(measured(persons, years, asked.seed))
    if not asked.no_workers:
        try:
            rows += asyncio.run(one_and_two(asked.seed, servers.short))
        except RehearsalFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 69
    cells = [(row.what, f"{row.events:,}", f"{row.microseconds:.1f}", row.detail) for row in rows]
    print(table(("", "of", "us", ""), cells))
    print("\n".join(("not flat:", *steep)) if steep else f"flat: nothing grows by more than {FLAT - 1:.0%}")
    if not asked.no_row:
        write_rows(rows)
    return 1 if steep else 0


if __name__ == "__main__":
    raise SystemExit(main())
