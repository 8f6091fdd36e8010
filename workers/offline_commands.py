"""The commands that need no broker: settle, explain, generate, packs, contracts."""

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from contracts.pack import PackSet
from contracts.pack_file import load_directory
from contracts.pack_rules import PackError
from workers.exits import Exit
from workers.settlement.offline import Settler

SCHEMAS = Path(__file__).resolve().parent.parent / "contracts" / "schemas"


def complain(text: str) -> None:
    """A line for people, on standard error."""
    typer.echo(text, err=True)


def packs_in_use(directory: Path | None) -> PackSet | None:
    """The packs of a directory, or None after saying everything that is wrong with them."""
    try:
        return load_directory(directory)
    except PackError as error:
        for problem in error.problems:
            complain(str(problem))
        return None


@contextmanager
def without_cycles() -> Iterator[None]:
    """Leave cyclic garbage alone for the length of a batch job.

    A run keeps everybody's year and makes next to no cycles; the collector would walk all of it again and again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def settle_file(file: BinaryIO, packs: Path | None, quarantine: Path | None, signals: Path | None) -> Exit:
    """Settle JSON lines to standard output; refusals to standard error or a file, signals to a file."""
    in_use = packs_in_use(packs)
    if in_use is None:
        return Exit.CONFIGURATION
    refusals = 0
    settler = Settler(in_use)
    out = sys.stdout.buffer
    with ExitStack() as open_files:
        open_files.enter_context(without_cycles())
        refused_to = open_files.enter_context(quarantine.open("wb")) if quarantine else sys.stderr.buffer
        signals_to = open_files.enter_context(signals.open("wb")) if signals else None
        for taken, refused in settler.settle_lines(file):
            for payout in taken.payouts:
                out.write(orjson.dumps(payout, option=orjson.OPT_APPEND_NEWLINE))
            if signals_to is not None:
                for signal in taken.signals:
                    signals_to.write(orjson.dumps(signal, option=orjson.OPT_APPEND_NEWLINE))
            if refused is not None:
                refusals += 1
                refused_to.write(orjson.dumps(refused, option=orjson.OPT_APPEND_NEWLINE))
                if quarantine is None:
                    refused_to.flush()
    out.flush()
    return Exit.BAD_DATA if refusals else Exit.OK


def generate_county(settlements: int, persons: int, seed: int, *, to_kafka: bool, broken: bool) -> Exit:
    """A synthetic county to standard output, or to Kafka; a progress bar where standard error is a terminal."""
    from workers.rehearsal.county import county

    events = with_progress(county(settlements=settlements, persons=persons, seed=seed, broken=broken), settlements)
    if to_kafka:
        from workers.online_commands import feed

        return feed(events)
    out = sys.stdout.buffer
    for event in events:
        out.write(event)
        out.write(b"\n")
    out.flush()
    return Exit.OK


def with_progress(events: Iterable[bytes], settlements: int) -> Iterator[bytes]:
    """The same events; a bar with count, rate and time left moves on standard error if that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("events", total=settlements)
        count = 0
        for event in events:
            yield event
            count += 1
            if count % 1000 == 0:
                progress.update(task, completed=count, total=max(settlements, count))
        progress.update(task, completed=count, total=count)
