"""What a correction of a long year costs, and that a settlement costs the same in a long year as in a short one.

    make bench                                        this after compare.py, rows in `results.csv`
    .venv/bin/python ops/bench/refold.py --no-row     this alone, nothing written

A person on dialysis settles 300 times in a year. Every event is a batch of its own through the worker's own pipeline:
fields are read from their bytes, adjudicated, and written to bytes again. CPU time, the best of several runs; the
store and the broker are not in it. A benchmark that misses its limits ends with 1.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from figures import of_seconds, write_rows

from contracts.events import TOPIC_OF_TYPE
from contracts.pack_file import load_directory, load_pack
from workers.adjudication.books import Books
from workers.settlement.pipeline import Batch, BatchResult
from workers.settlement.records import Incoming

PERSON: Final = "P330000000001"
YEAR_LONG: Final = 300
LIMIT_MS: Final = 50.0
SAME_BYTES: Final = 32
"""By how many bytes a settlement's fields may differ between a short and a long year: digits of sums and counts."""


@dataclass(frozen=True)
class Spent:
    """What one event cost, and what it moved to and from the store."""

    seconds: float
    fields_read: int
    bytes_read: int
    fields_written: int
    bytes_written: int
    payouts: int

    def detail(self) -> str:
        """As a row of the results tells it."""
        return (
            f"fields_read={self.fields_read} bytes_read={self.bytes_read} "
            f"fields_written={self.fields_written} bytes_written={self.bytes_written} payouts={self.payouts}"
        )


class Person:
    """One person's fields, as the store holds them."""

    def __init__(self) -> None:
        self.books = Books(load_directory(), load_pack)
        self.fields: dict[str, bytes] = {}

    def take(self, event: dict[str, Any]) -> Spent:
        """Settle an event and keep what it wrote."""
        spent, result = self.cost(event)
        self.fields.update(result.fields)
        return spent

    def cost(self, event: dict[str, Any]) -> tuple[Spent, BatchResult]:
        """What an event costs; nothing is kept."""
        value = json.dumps(event).encode()
        record = Incoming(TOPIC_OF_TYPE[event["type"]], 0, 0, PERSON.encode(), value)
        read: dict[str, bytes | None] = {}
        begin = time.process_time()
        batch = Batch(self.books, 0, 1, [record])
        while names := batch.wanted():
            found = {name: self.fields.get(name) for name in names}
            batch.supply(found)
            read |= found
        result = batch.settle()
        seconds = time.process_time() - begin
        if result.quarantine:
            raise SystemExit(f"refused: {result.quarantine[0].value.decode()}")
        return (
            Spent(
                seconds,
                len(read),
                sum(len(name) + len(text or b"") for name, text in read.items()),
                len(result.fields),
                sum(len(name) + len(text) for name, text in result.fields),
                len(result.payouts),
            ),
            result,
        )


def dialysis(number: int) -> dict[str, Any]:
    """One session: 600 yuan, of which basic insurance has paid 360."""
    day = f"2021-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    return {
        "type": "settled",
        "msgid": f"H33010000001-2021-{number:06d}",
        "setl_id": f"S2021-{number:06d}",
        "mdtrt_id": f"M2021-{number:06d}",
        "psn_no": PERSON,
        "insutype": "390",
        "med_type": "14",
        "insuplc_admdvs": "331002",
        "mdtrtarea_admvs": "331002",
        "fixmedins_code": "H33010000001",
        "begndate": day,
        "enddate": day,
        "setl_time": f"{day}T10:15:00+08:00",
        "psn_idet": [{"psn_idet_type": "2303", "begntime": "2020-01-01", "endtime": None}],
        "medfee_sumamt": "600.00",
        "fulamt_ownpay_amt": "20.00",
        "overlmt_selfpay": "10.00",
        "preselfpay_amt": "50.00",
        "inscp_scp_amt": "520.00",
        "hifp_pay": "360.00",
    }


REVERSAL: Final = {
    "type": "reversed",
    "msgid": "R1",
    "setl_id": f"S2021-{1:06d}",
    "psn_no": PERSON,
    "setl_time": "2022-01-10T09:00:00+08:00",
}
NEW_LIST: Final = {
    "type": "identity_changed",
    "psn_no": PERSON,
    "psn_idet": [{"psn_idet_type": "2304", "begntime": "2020-01-01", "endtime": None}],
    "known_at": "2022-01-10T09:00:00+08:00",
}


def best(cost: Callable[[], Spent], runs: int) -> Spent:
    """The cheapest of several runs: the rest is other people's."""
    return min((cost() for _ in range(runs)), key=lambda spent: spent.seconds)


def measured(runs: int) -> Iterator[tuple[str, int, Spent]]:
    """What is measured, in a year of how many settlements, and what it cost."""
    person = Person()
    for number in range(1, YEAR_LONG + 1):
        if number in (2, YEAR_LONG):
            event = dialysis(number)
            yield "settlement", number - 1, best(lambda event=event: person.cost(event)[0], runs * 20)
        person.take(dialysis(number))
    yield "reversal_of_the_first", YEAR_LONG, best(lambda: person.cost(REVERSAL)[0], runs)
    yield "newer_identity_list", YEAR_LONG, best(lambda: person.cost(NEW_LIST)[0], runs)


def faults(found: dict[tuple[str, int], Spent]) -> Iterator[str]:
    """Every limit that was missed."""
    short, long = found["settlement", 1], found["settlement", YEAR_LONG - 1]
    if (short.fields_read, short.fields_written) != (long.fields_read, long.fields_written):
        yield "a settlement of a long year reads or writes more fields than one of a short year"
    if long.bytes_read - short.bytes_read > SAME_BYTES or long.bytes_written - short.bytes_written > SAME_BYTES:
        yield "a settlement of a long year reads or writes more bytes than one of a short year"
    if (spent := found["reversal_of_the_first", YEAR_LONG].seconds * 1e3) >= LIMIT_MS:
        yield f"the reversal of the first of {YEAR_LONG} settlements takes {spent:.1f} ms of {LIMIT_MS:.0f}"


def main() -> int:
    """Measure, print, append rows, and say what missed its limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--no-row", action="store_true")
    asked = parser.parse_args()
    found = {(what, settlements): spent for what, settlements, spent in measured(asked.runs)}
    for (what, settlements), spent in found.items():
        sys.stdout.write(f"{what} in a year of {settlements}: {spent.seconds * 1e3:.2f} ms, {spent.detail()}\n")
    if not asked.no_row:
        write_rows(
            of_seconds(what, 0, settlements, spent.seconds, spent.detail())
            for (what, settlements), spent in found.items()
        )
    missed = list(faults(found))
    for fault in missed:
        sys.stderr.write(f"{fault}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
