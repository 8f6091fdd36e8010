"""How fast one process settles, and where the microseconds go. Appends a row to `results.csv`.

    .venv/bin/python ops/bench/settle.py             60,000 settlements of 6,000 persons, best of three
    .venv/bin/python ops/bench/settle.py --no-row    the same, nothing written

CPU time, not wall time: the figure is per process and machines are shared. The stages are timed apart over the same
events, on warm caches; the whole also keeps everybody's year, so it is more than their sum.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import orjson
from figures import of_seconds, write_rows

from contracts.discharge import Settled
from contracts.journal import Person
from contracts.pack_file import load_directory, load_pack
from contracts.payout import CombinedPayout
from contracts.vocabulary import Kind
from workers.adjudication.adjudicate import Adjudication, adjudicate
from workers.adjudication.books import Books
from workers.adjudication.ledger import codes_that_count
from workers.adjudication.payout import settlement_payout
from workers.adjudication.refuse import RefusedError
from workers.rehearsal.county import county
from workers.settlement.decode import decode
from workers.settlement.offline import Settler
from workers.settlement.validate import refuse_card_numbers

NOBODY_HELD = Person()
T = TypeVar("T")


def seconds(job: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of a job, and what it made."""
    gc.collect()
    begin = time.process_time()
    made = job()
    return time.process_time() - begin, made


def settle_all(events: list[bytes]) -> int:
    """What `yidan settle` does with every event; the number of payouts."""
    settler = Settler(load_directory())
    payouts = 0
    for event in events:
        for payout in settler.take(event).payouts:
            orjson.dumps(payout)
            payouts += 1
    return payouts


def stages(events: list[bytes]) -> dict[str, float]:
    """Microseconds a settlement for each stage, one stage after another over all settlements."""
    books = Books(load_directory(), load_pack)
    bills: list[Settled] = []
    for event in events:
        try:
            bill = decode(event)
            refuse_card_numbers(bill)
        except RefusedError:
            continue
        if isinstance(bill, Settled) and books.packs.for_region(bill.insuplc_admdvs) is not None:
            bills.append(bill)

    def adjudicated() -> list[tuple[Settled, Adjudication]]:
        done = []
        for bill in bills:
            plan = books.planner(books.pack_for(bill.insuplc_admdvs)).plan(bill)
            try:
                done.append((bill, adjudicate(bill, codes_that_count(NOBODY_HELD, bill), plan, {})))
            except RefusedError:
                continue
        return done

    def written(done: list[tuple[Settled, Adjudication]]) -> list[CombinedPayout]:
        return [
            settlement_payout(
                bill,
                books.pack_for(bill.insuplc_admdvs),
                adjudication,
                kind=Kind.SETTLEMENT,
                revision=1,
                cause={"type": "settled", "msgid": bill.msgid},
            )
            for bill, adjudication in done
        ]

    messages = [event for event in events if b'"type":"settled"' in event]
    read, _ = seconds(lambda: [_quietly(message) for message in messages])
    decided, done = seconds(adjudicated)
    wrote, payouts = seconds(lambda: written(done))
    encoded, _ = seconds(lambda: [len(orjson.dumps(payout)) for payout in payouts])
    return {
        "decode": read / len(messages) * 1e6,
        "adjudicate": decided / len(done) * 1e6,
        "write": wrote / len(payouts) * 1e6,
        "encode": encoded / len(payouts) * 1e6,
    }


def _quietly(message: bytes) -> bool:
    try:
        refuse_card_numbers(decode(message))
    except RefusedError:
        return False
    return True


def main() -> int:
    """Measure, print, and append a row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--settlements", type=int, default=60_000)
    parser.add_argument("--persons", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-row", action="store_true")
    asked = parser.parse_args()
    events = list(county(settlements=asked.settlements, persons=asked.persons, seed=asked.seed))
    gc.disable()
    spent = min(seconds(lambda: settle_all(events))[0] for _ in range(asked.runs))
    parts = stages(events)
    whole = spent / len(events) * 1e6
    kept = whole - sum(parts.values())
    detail = " ".join(f"{name}={part:.1f}us" for name, part in [*parts.items(), ("books", kept)])
    sys.stdout.write(f"{len(events)} events, {len(events) / spent:,.0f} a second, {whole:.1f} us each: {detail}\n")
    if not asked.no_row:
        write_rows([of_seconds("settle", asked.seed, len(events), spent / len(events), detail)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
