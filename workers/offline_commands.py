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
from contracts.pack_problem import PackError
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
        try:
            refused_to = open_files.enter_context(quarantine.open("wb")) if quarantine else sys.stderr.buffer
            signals_to = open_files.enter_context(signals.open("wb")) if signals else None
        except OSError as error:
            complain(f"{error.filename}: cannot be written: {error.strerror}")
            return Exit.USAGE
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


def explain_file(file: BinaryIO, packs: Path | None) -> Exit:
    """Print each payout of a file as a bill; say on standard error which lines are none."""
    from workers.adjudication.explain import Problem, explain_lines

    in_use = packs_in_use(packs)
    if in_use is None:
        return Exit.CONFIGURATION
    ended = Exit.OK
    for told in explain_lines(file, in_use):
        if isinstance(told, Problem):
            complain(str(told))
            ended = Exit.BAD_DATA
        else:
            typer.echo(told)
    return ended


def check_packs(directory: Path | None) -> Exit:
    """Say what is wrong with the packs of a directory, then run their golden cases; say what was proved."""
    from contracts.pack_check import check
    from workers.rehearsal.cases import rehearse

    problems = check(directory)
    for problem in problems:
        complain(str(problem))
    if problems:
        complain(f"{len(problems)} problems")
        return Exit.CHECK_FAILED
    try:
        cases, differences = rehearse(directory)
    except PackError as error:
        for problem in error.problems:
            complain(str(problem))
        return Exit.CHECK_FAILED
    for difference in differences:
        complain(str(difference))
    if differences:
        complain(f"{len(differences)} differences in {cases} golden cases")
        return Exit.CHECK_FAILED
    packs = load_directory(directory).packs
    typer.echo(f"{len(packs)} packs are sound; {cases} golden cases pay what they say")
    return Exit.OK


def list_packs(directory: Path | None) -> Exit:
    """List the packs: region, name, layers with their first days, digest."""
    from workers.adjudication.card import overview

    in_use = packs_in_use(directory)
    if in_use is None:
        return Exit.CONFIGURATION
    for line in overview(in_use):
        typer.echo(line)
    return Exit.OK


def print_card(region: str, directory: Path | None) -> Exit:
    """Print the pack of a region as a page that an officer can sign."""
    from workers.adjudication.card import card

    in_use = packs_in_use(directory)
    if in_use is None:
        return Exit.CONFIGURATION
    pack = in_use.for_region(region)
    if pack is None:
        known = ", ".join(sorted(pack.county or pack.region for pack in in_use.packs))
        complain(f"REGION: no pack covers {region}; there are packs for {known}")
        return Exit.USAGE
    typer.echo(card(pack))
    return Exit.OK


def build_contracts() -> Exit:
    """Write the schemas and say which files changed."""
    from workers.contracts_book import build

    changed = build(SCHEMAS)
    typer.echo("\n".join(changed) if changed else "nothing changed")
    return Exit.OK


def check_contracts() -> Exit:
    """Say where the schemas differ from the models."""
    from workers.contracts_book import check

    faults = check(SCHEMAS)
    for fault in faults:
        complain(fault)
    if faults:
        return Exit.CHECK_FAILED
    typer.echo("contracts/schemas/ is what the models say")
    return Exit.OK


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


def progress_bar() -> Progress:
    """A bar with count, time spent and time left, on standard error if that is a terminal; it goes when it is done."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def with_progress(events: Iterable[bytes], settlements: int) -> Iterator[bytes]:
    """The same events; a bar with count, rate and time left moves on standard error if that is a terminal."""
    with progress_bar() as progress:
        task = progress.add_task("events", total=settlements)
        count = 0
        for event in events:
            yield event
            count += 1
            if count % 1000 == 0:
                progress.update(task, completed=count, total=max(settlements, count))
        progress.update(task, completed=count, total=count)
