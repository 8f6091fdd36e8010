"""The benchmarks run, what they promise about fields and bytes holds, and who is compared says the same."""

import asyncio
import importlib
import os
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from contracts.journal import read_field
from contracts.pack_file import load_directory, load_pack
from workers.adjudication.books import Books
from workers.rehearsal.stack import start_store

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "ops" / "bench"
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


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch):
    """Gives a module of the benchmarks, which find each other beside them."""
    monkeypatch.syspath_prepend(str(BENCH))

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    return module


def test_a_load_is_planned_before_it_is_sent_and_the_same_in_every_process(room):
    load = room("open_loop").Load(rate=500.0, seconds=20.0, nth=3, seed=1)
    due = load.due()
    assert due == room("open_loop").Load.read(load.written()).due()
    assert due == sorted(due)
    assert 0.95 < due[-1] / load.seconds < 1.05
    # Arrivals at random come in crowds: some two within a fifth of the mean distance, as no metronome would have them.
    close = sum(later - earlier < 0.2 / load.rate for earlier, later in pairwise(due))
    assert 0.15 < close / load.count < 0.21


def test_every_settlement_of_a_load_is_another_persons_and_says_whose(room):
    load = room("open_loop").Load(rate=300.0, seconds=10.0, nth=3, seed=1)
    events = load.events()
    assert [room("open_loop").number_of(key) for key, _ in events] == list(range(3_000))
    assert all(key in event for key, event in events)
    assert len({event for _, event in events}) == 3_000


def test_a_quantile_is_a_value_that_was_measured(room):
    quantile = room("open_loop").quantile
    waits = [float(number) for number in range(1, 1_001)]
    assert [quantile(waits, share) for share in (0.5, 0.99, 0.999, 1.0)] == [500.0, 990.0, 999.0, 1_000.0]
    assert quantile([7.0], 0.5) == 7.0


def test_servers_that_are_not_here_are_replaced_and_the_first_line_says_why(room, monkeypatch: pytest.MonkeyPatch):
    for name in ("YIDAN_TEST_BROKER", "YIDAN_TEST_STORE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    found = room("servers").chosen()
    assert found.short == "embedded+embedded"
    assert found.said().startswith("servers: the embedded broker and the embedded store (")
    assert "java" in found.said()
    assert (os.environ["YIDAN_TEST_BROKER"], os.environ["YIDAN_TEST_STORE"]) == ("embedded", "embedded")


def test_servers_that_the_environment_names_are_taken(room, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("YIDAN_TEST_BROKER", "apache")
    monkeypatch.setenv("YIDAN_TEST_STORE", "embedded")
    assert room("servers").chosen().said() == "servers: Apache Kafka and the embedded store"


@pytest.mark.integration
async def test_a_crowd_in_the_store_is_what_the_worker_would_have_written(room):
    books = Books(load_directory(), load_pack)
    blank = room("stream").templates(1)[:50]
    crowd = room("crowd").Crowd(books, blank)
    async with await start_store() as server:
        office = room("scale").Office(server)
        filled = await asyncio.to_thread(crowd.fill, server.address, office.keeper.key(0), 120)
        await office.settle(1, room("stream").settlements(blank, range(120), 0))
        by_crowd, by_worker = [await office.redis.hgetall(office.keeper.key(partition)) for partition in (0, 1)]
        await office.keeper.close()
        await office.redis.aclose()
    persons = {name: value for name, value in by_worker.items() if name[:1] in b"pyesm"}
    assert by_crowd == persons
    assert len(persons) == filled
    assert all(read_field(name.decode(), value) is not None for name, value in by_crowd.items())


def test_curves_stand_where_their_figures_are(room):
    curve = room("curves").Curve
    drawn = room("curves").curves(
        "a & b", "<caption>", "load", [10, 50], [curve("p50", [10.0, 100.0], "red"), curve("batch", [1.0, 1.0], "blue")]
    )
    picture = ElementTree.fromstring(drawn)
    places = [
        (float(each.get("cx", "0")), float(each.get("cy", "0"))) for each in picture if each.tag.endswith("circle")
    ]
    (x10, y10), (x50, y100), (_, y1), _ = places
    assert x10 < x50
    assert abs((y1 - y10) - (y10 - y100)) < 0.2  # a factor of ten is as high wherever it is


def test_the_picture_is_well_formed_and_as_long_as_the_figures() -> None:
    bars = runpy.run_path(str(ROOT / "ops" / "bench" / "figures.py"))["bars"]
    drawn = bars("a & b", "<caption>", [("yidan (warm)", 200.0, "200"), ("faust", 50.0, "50")])
    picture = ElementTree.fromstring(drawn)
    lengths = [int(bar.get("width", "0")) for bar in picture if bar.tag.endswith("rect") and bar.get("x")]
    assert abs(lengths[0] - 4 * lengths[1]) <= 4
