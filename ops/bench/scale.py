"""Whether a settlement costs the same among many persons and late in a long year, and what a person-year weighs.

    .venv/bin/python ops/bench/scale.py    to 300,000 persons and 300 settlements a year, rows in `results.csv`
    .venv/bin/python ops/bench/scale.py --no-row --persons 10000,30000

Against the store of `yidan run` (Redis where YIDAN_TEST_STORE=redis), without a broker: batches of 500 go through
the worker's own pipeline and keeper. Counted are the processor time of this process, commands and bytes between it and
the store, and the store's own memory. `scale.md` plans a province and the country from these rows.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from figures import Row, table, write_rows
from redis.asyncio import Redis
from stream import Keyed, cold

from contracts.pack_file import load_directory, load_pack
from contracts.topics import DISCHARGES
from workers.adjudication.books import Books
from workers.rehearsal.stack import start_store
from workers.settlement.keeper import RedisKeeper
from workers.settlement.pipeline import Batch
from workers.settlement.ports import Change
from workers.settlement.records import Incoming
from workers.worker import collect_seldom

BATCH: Final = 500
MEASURED: Final = 4_000
"""Settlements of each figure."""

TEMPLATES: Final = 2_000

WARMING: Final = 1_000_000_000
CROWD: Final = 2_000_000_000
"""Numbers from which persons are counted who are beside those that are measured, and who settle all year long."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one settlement: processor microseconds of ours, commands and bytes of the store; journal and payout bytes."""

    microseconds: float
    commands: float
    bytes_in: float
    bytes_out: float
    journal: float
    payouts: float

    def detail(self) -> str:
        """As a row tells it."""
        return (
            f"store_commands={self.commands:.3f} store_bytes_written={self.bytes_in:.0f} "
            f"store_bytes_read={self.bytes_out:.0f} journal_bytes={self.journal:.0f} payout_bytes={self.payouts:.0f}"
        )


class Office:
    """One partition: the pipeline, the keeper and the store behind it."""

    def __init__(self, address: str) -> None:
        self.books = Books(load_directory(), load_pack)
        self.keeper = RedisKeeper.connect(f"redis://{address}/0")
        self.redis = Redis.from_url(f"redis://{address}/0")
        self.number = 0

    async def settle(self, events: Sequence[Keyed]) -> Cost:
        """Settle events in batches, and what each has cost."""
        before = await self._store()
        spent, journal, payouts = 0.0, 0, 0
        for start in range(0, len(events), BATCH):
            records = [Incoming(DISCHARGES, 0, 0, key, value) for key, value in events[start : start + BATCH]]
            begin = time.process_time()
            batch = Batch(self.books, 0, 1, records)
            while names := batch.wanted():
                snapshot = (await self.keeper.snapshots({0: names}))[0]
                batch.supply(dict(zip(names, snapshot.values, strict=True)))
            result = batch.settle()
            fields = [(name.encode(), value) for name, value in result.fields]
            mark = b"%d" % (self.number + 1)
            expected = b"%d" % self.number if self.number else None
            await self.keeper.apply([Change(0, expected, mark, fields)])
            spent += time.process_time() - begin
            self.number += 1
            if result.quarantine:
                raise SystemExit(f"refused: {result.quarantine[0].value.decode()}")
            journal += sum(len(name) + len(value) for name, value in fields)
            payouts += sum(len(record.value) for record in result.payouts)
        after = await self._store()
        commands, bytes_in, bytes_out = (each - was for each, was in zip(after, before, strict=True))
        count = len(events)
        return Cost(
            spent / count * 1e6, commands / count, bytes_in / count, bytes_out / count, journal / count, payouts / count
        )

    async def _store(self) -> tuple[int, int, int]:
        found = await self.redis.info("stats")
        return found["total_commands_processed"], found["total_net_input_bytes"], found["total_net_output_bytes"]

    async def memory(self) -> int:
        """Bytes that the partition's hash takes in the store, all of it."""
        return int((await self.redis.info("memory"))["used_memory"])

    async def rebuild(self, fields: int) -> float:
        """Fields a second that the keeper writes into a partition beside the old one."""
        page = [(b"e|P%014d|140100|2021|0" % number, b"x" * 600) for number in range(fields)]
        begin = time.perf_counter()
        filling = await self.keeper.rebuild(1)
        await filling.add(page)
        await filling.finish(None, b"0", fields)
        return fields / (time.perf_counter() - begin)


def settlements(templates: list[Keyed], persons: range, nth: int) -> list[Keyed]:
    """A settlement of each of some persons, the `nth` of each."""
    made = []
    for number in persons:
        held, event = templates[number % len(templates)]
        key = b"Q%014d" % number
        event = event.replace(held, key)
        for name in (b'"msgid":"', b'"setl_id":"', b'"mdtrt_id":"'):
            event = event.replace(name, name + b"%d-%d-" % (number, nth), 1)
        made.append((key, event))
    return made


async def measured(persons: Sequence[int], years: Sequence[int], seed: int) -> list[Row]:
    """The figures, among ever more persons and in ever longer years."""
    templates = cold(TEMPLATES, seed)
    rows = []
    async with await start_store() as server:
        office = Office(server.address)
        known = 0
        await office.settle(settlements(templates, range(WARMING, WARMING + BATCH), 0))
        for many in persons:
            empty = await office.memory()
            for start in range(known, many, MEASURED):
                await office.settle(settlements(templates, range(start, min(many, start + MEASURED)), 0))
            weight = (await office.memory() - empty) / (many - known)
            known = many
            step = max(1, many // MEASURED)
            cost = await office.settle(settlements(templates, range(0, step * min(many, MEASURED), step), many))
            detail = f"{cost.detail()} store_memory_of_a_first_settlement={weight:.0f}"
            rows.append(_row("scale_persons", seed, many, cost, detail))
        last = 0
        for length in years:
            empty = await office.memory()
            for nth in range(last, length):
                cost = await office.settle(settlements(templates, range(CROWD, CROWD + BATCH), nth))
            weight = (await office.memory() - empty) / ((length - last) * BATCH)
            last = length
            detail = f"{cost.detail()} store_memory_of_a_settlement={weight:.0f}"
            rows.append(_row("scale_year", seed, length, cost, detail))
        rate = await office.rebuild(100_000)
        rows.append(Row("scale_rebuild", seed, 100_000, rate, 1e6 / rate, "fields of 600 bytes into the store"))
        await office.keeper.close()
        await office.redis.aclose()
    return rows


def _row(what: str, seed: int, many: int, cost: Cost, detail: str) -> Row:
    return Row(what, seed, many, 1e6 / cost.microseconds, cost.microseconds, detail)


def main() -> int:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--persons", default="10000,30000,100000,300000")
    parser.add_argument("--years", default="1,2,30,300")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-row", action="store_true")
    asked = parser.parse_args()
    collect_seldom()
    persons, years = (list(map(int, each.split(","))) for each in (asked.persons, asked.years))
    rows = asyncio.run(measured(persons, years, asked.seed))
    cells = [(row.what, f"{row.events:,}", f"{row.microseconds:.1f}", row.detail) for row in rows]
    sys.stdout.write(table(("", "of", "us", ""), cells) + "\n")
    if not asked.no_row:
        write_rows(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
