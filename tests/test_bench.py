"""The benchmarks run, what they promise about fields and bytes holds, and who is compared says the same."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_settlement_of_a_long_year_moves_as_many_fields_as_one_of_a_short_year() -> None:
    command = [sys.executable, "ops/bench/refold.py", "--no-row", "--runs", "2"]
    ran = subprocess.run(command, cwd=ROOT, env=HERE, capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    short, long, *_ = (line.split(", ", 1)[1].split() for line in ran.stdout.splitlines())
    for parts in (short, long):
        moved = [part for part in parts if part.startswith("fields_")]
        assert moved == ["fields_read=4", "fields_written=4"]


def test_the_core_and_a_rules_engine_pay_the_same_bills_to_the_fen() -> None:
    pytest.importorskip("zen")
    command = [sys.executable, "ops/bench/core.py", "--bills", "400", "--rounds", "1"]
    ran = subprocess.run(command, cwd=ROOT, env=HERE, capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Compared(bills=400,")


def test_the_picture_is_well_formed_and_as_long_as_the_figures() -> None:
    bars = runpy.run_path(str(ROOT / "ops" / "bench" / "figures.py"))["bars"]
    drawn = bars("a & b", "<caption>", [("yidan (warm)", 200.0, "200"), ("faust", 50.0, "50")])
    picture = ElementTree.fromstring(drawn)
    lengths = [int(bar.get("width", "0")) for bar in picture if bar.tag.endswith("rect") and bar.get("x")]
    assert abs(lengths[0] - 4 * lengths[1]) <= 4
