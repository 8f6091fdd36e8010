"""How long from a hospital's settlement to a fund's receipt, by load, and what batches that follow the load are worth.

    .venv/bin/python ops/bench/latency.py               three minutes; a table, a picture, rows in `results.csv`
    .venv/bin/python ops/bench/latency.py --no-row      nothing written
    .venv/bin/python ops/bench/latency.py --rate 2000   loads in parts of this rate, in place of a maximum found first

On Apache Kafka and Redis where they are here. First the maximum is found: what comes out of the worker while an open
loop (`open_loop.py`) sends more than it can take and a third process reads the payouts as a fund would, only committed
ones. Then it is given parts of that. Time is from the moment when a settlement was meant to be sent to the moment when
its payout was in the reader's hands, so sender, broker, worker and reader are all in it, and share one machine's
processors. Then the same with batches of one, and with large batches that wait to fill. Ends with 1 where the target is
missed.
"""

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from curves import Curve, curves
from figures import Row, commit, machine, table, write_rows
from loaded import HALF, LOADS, LOW, Bench, Measured, Variant
from servers import Servers, chosen

from workers.rehearsal.server import RehearsalFailed

PICTURE: Final = Path(__file__).with_name("latency.svg")
P50_MS: Final = 30.0
P99_MS: Final = 120.0
"""Wanted at half the maximum."""

COMFORT: Final = 0.7
"""What a variant is given of its own maximum at most: sender and reader take their share of the machine too."""

MOST: Final = 20_000
"""Settlements by which the maximum is found."""

SHIPPED: Final = Variant("shipped", "what has come, at most 500; a short linger where little has", {}, MOST)
OTHERS: Final = (
    Variant("one", "batches of one", {"YIDAN_DISCHARGES_BATCH_MAX": "1", "YIDAN_LINGER_MS": "0"}, MOST // 20),
    Variant("no_linger", "what has come, at once", {"YIDAN_LINGER_MS": "0"}, MOST // 2),
    Variant("large", "batches that wait 200 ms to fill", {"YIDAN_LINGER_MS": "200"}, MOST // 2),
)


async def measured(rate: float | None, seconds: float, seed: int, alone: bool) -> list[Measured]:
    """Every load of every variant; the first row of each is its maximum."""
    found: list[Measured] = []
    async with Bench.on_new_servers(seed) as bench:
        await bench.warm_up()
        found.append(top := await bench.maximum(SHIPPED))
        async with bench.working(SHIPPED) as worker:
            found.append(most := await bench.sustained(worker, SHIPPED, top.rate))
            full = rate or most.rate
            for share in LOADS:
                # The load of the target is given twice the time: its 99.9th percentile wants settlements.
                time_given = seconds * (2 if share == HALF else 1)
                found.append(await bench.loaded(worker, SHIPPED, full, share, time_given))
        for variant in () if alone else OTHERS:
            found.append(most := await bench.maximum(variant))
            # What cannot keep up with a load at all is given half of what it can.
            within = [share for share in (HALF, LOW) if share * full < COMFORT * most.rate] or [most.rate / full / 2]
            async with bench.working(variant) as worker:
                found += [await bench.loaded(worker, variant, full, share, seconds * 0.75) for share in within]
    return found


def rows_of(found: Sequence[Measured], servers: Servers, seed: int, busy: float) -> list[Row]:
    """What the run adds to the results."""
    about = f"servers={servers.short} machine_load_before={busy:.1f}"
    return [
        Row(
            f"latency_{each.variant}_{each.at}",
            seed,
            each.settlements,
            each.rate,
            each.worker,
            f"{each.detail()} {about}",
        )
        for each in found
    ]


def shown(found: Sequence[Measured]) -> str:
    """The table."""
    head = ("", "load", "a second", "p50 ms", "p99", "p99.9", "batch", "us worker", "broker", "store", "turn ms")
    return table(head, (each.cells() for each in found))


def drawn(found: Sequence[Measured], on: str) -> str:
    """Latency and batch size of the shipped worker against load."""
    points = sorted(
        (each for each in found if each.variant == SHIPPED.name and each.waits), key=lambda each: each.share
    )
    across = [each.share * 100 for each in points]
    return curves(
        "From a settlement's sending to a fund's receipt, and the size of a batch, by load",
        f"{machine()}, commit {commit()}, servers {on}; open loop, read_committed",
        "load, % of the most that goes through",
        across,
        [
            Curve("p50, ms", [each.ms(0.5) for each in points], "#1f6f8b"),
            Curve("p99, ms", [each.ms(0.99) for each in points], "#b3541e"),
            Curve("settlements in a batch", [each.batch for each in points], "#7a7a7a"),
        ],
    )


def verdict(found: Sequence[Measured]) -> tuple[str, bool]:
    """Whether the target is met, in words."""
    half = next(each for each in found if each.variant == SHIPPED.name and each.share == HALF and each.waits)
    p50, p99 = half.ms(0.5), half.ms(0.99)
    met = p50 <= P50_MS and p99 <= P99_MS and not half.missing
    words = f"at half the maximum, {half.rate:,.0f}/s: p50 {p50:.1f} ms (wanted {P50_MS:g})"
    return f"{words}, p99 {p99:.1f} ms (wanted {P99_MS:g}): {'met' if met else 'NOT MET'}", met


def main() -> int:
    """Measure, print, append, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each load")
    parser.add_argument("--rate", type=float, help="settlements a second that count as the maximum")
    parser.add_argument("--alone", action="store_true", help="the worker as it ships, no variants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-row", action="store_true")
    asked = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that has just started is asked again
    servers, busy = chosen(), os.getloadavg()[0]
    print(servers.said(), flush=True)
    if busy > 1.5:
        sys.stderr.write(f"others use this machine (load {busy:.1f}): times say little\n")
    began = time.monotonic()
    try:
        found = asyncio.run(measured(asked.rate, asked.seconds, asked.seed, asked.alone))
    except RehearsalFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 69
    words, met = verdict(found)
    print(f"{shown(found)}\n{words}; {time.monotonic() - began:.0f} s, load before {busy:.1f}")
    if not asked.no_row:
        write_rows(rows_of(found, servers, asked.seed, busy))
        PICTURE.write_text(drawn(found, servers.short), encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
