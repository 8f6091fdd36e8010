"""`yidan run --once`: from nothing to totals, on real servers, and nothing left behind."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from contracts.money import Fen
from contracts.pack_file import load_directory
from workers.rehearsal.county import county
from workers.rehearsal.tally import Tally
from workers.settlement.offline import Settler

SETTLEMENTS, PERSONS, SEED = 900, 90, 5


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"}
    command = [sys.executable, "-m", "workers", "run", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


def totals_of_the_file_command() -> tuple[dict[str, Fen], int]:
    """What the same county comes to without a broker: fen through us by label, and refusals."""
    tally = Tally(load_directory())
    settler = Settler(load_directory())
    refusals = 0
    for event in county(settlements=SETTLEMENTS, persons=PERSONS, seed=SEED):
        outcome = settler.take(event)
        refusals += outcome.refusal is not None
        for payout in outcome.payouts:
            tally.take(payout)
    sums: dict[str, Fen] = defaultdict(int)
    for total in tally.totals.values():
        sums[total.label] += total.through_us
    return sums, refusals


@pytest.mark.integration
def test_once_settles_the_sample_prints_its_totals_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(
        "--once", "--settlements", str(SETTLEMENTS), "--persons", str(PERSONS), "--seed", str(SEED), folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"metrics +http://127\.0\.0\.1:\d+/metrics", done.stderr)
    sums, refusals = totals_of_the_file_command()
    for label in ("补充医疗保险", "医疗救助·住院", "医疗救助·门诊"):
        amount = sums[label]
        assert f"{amount // 100:,}.{amount % 100:02d}" in done.stdout, label
    # The broker adds refusals of its own: a card number or a broken psn_no cannot be the right key.
    assert int(re.search(r"refused: ([\d,]+)", done.stdout)[1].replace(",", "")) >= refusals  # type: ignore[index]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_a_demanded_port_that_is_busy_is_named(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--once", "--settlements", "10", "--persons", "5", "--redis-port", str(port), folder=tmp_path)
    assert done.returncode == 69
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
