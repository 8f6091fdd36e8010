"""The benchmark of corrections runs, and what it promises about fields and bytes holds."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_settlement_of_a_long_year_moves_as_many_fields_as_one_of_a_short_year() -> None:
    command = [sys.executable, "ops/bench/refold.py", "--no-row", "--runs", "2"]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=here, capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    short, long, *_ = (line.split(", ", 1)[1].split() for line in ran.stdout.splitlines())
    for parts in (short, long):
        moved = [part for part in parts if part.startswith("fields_")]
        assert moved == ["fields_read=4", "fields_written=4"]
