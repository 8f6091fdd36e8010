"""Nobody is paid twice, nobody over a cap, nobody not at all: seeds of the rehearsal, and what it prints.

`make rehearse COUNT=20000` looks longer; a failing seed says how to run it again.
"""

import os
import subprocess
import sys

import pytest

from workers.exits import Exit
from workers.rehearsal.simulation import points, reckoning, rehearse
from workers.rehearsal.simulation.rehearse import Plan
from workers.rehearsal.simulation.simulation import Simulation
from workers.rehearsal.simulation.wire import Rates

SEEDS = int(os.environ.get("YIDAN_TEST_SEEDS", "100"))
QUIET = Rates(
    die=0,
    strike_steps=0,
    sleep=0,
    lose_request=0,
    lose_answer=0,
    lose_last=0,
    move_seconds=1e9,
    hurt_seconds=1e9,
    leave_seconds=1e9,
)


def told(plan: Plan) -> tuple[Exit, str]:
    lines: list[str] = []
    code = rehearse.rehearse(plan, lines.append, lambda _: None)
    return code, "\n".join(lines)


def test_nothing_is_lost_or_paid_twice_whatever_goes_wrong():
    code, text = told(Plan(1, SEEDS))
    assert code is Exit.OK, text


def test_a_quiet_world_settles_everything_and_nobody_dies():
    for seed in range(3):
        world = Simulation(seed, QUIET).run()
        assert not world.died_at
        assert set(world.tally) == {"moves"}


def test_the_same_seed_tells_the_same_story_in_every_process():
    command = [sys.executable, "-m", "workers", "rehearse", "--seed", "7", "--count", "1", "--trace"]
    stories = {
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": hashes}).stdout
        for hashes in ("1", "2")
    }
    assert len({story.partition(b"1 seeds")[0] for story in stories}) == 1


def test_every_point_is_one_that_workers_come_by():
    passed = set[str]()
    for seed in range(40):
        passed |= Simulation(seed).run().passed.keys()
    assert passed == points.POINTS.keys() - {points.ANYWHERE}


def test_a_seed_that_fails_prints_its_last_steps_and_one_line_to_paste(monkeypatch: pytest.MonkeyPatch):
    def wrong(*_: object) -> None:
        raise reckoning.BooksAreWrong("a fen is missing")

    monkeypatch.setattr(reckoning, "check", wrong)
    code, text = told(Plan(3, 1))
    assert code is Exit.CHECK_FAILED
    assert "seed 3: a fen is missing" in text
    assert "turn: apply" in text
    assert "\nmake rehearse SEED=3 COUNT=1 ARGS=--trace\n" in text


def test_a_run_that_hits_a_point_too_seldom_does_not_count():
    code, text = told(Plan(1, 2, floor=1_000))
    assert code is Exit.CHECK_FAILED
    assert "not 1000: turn: apply, done" in text
