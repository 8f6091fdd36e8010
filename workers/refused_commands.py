"""What the quarantine's commands have in common, and the two that only look: list and show."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.pack_file import load_directory
from contracts.pack_problem import PackError
from contracts.quarantine import RecordId
from workers.desk.live import live_source
from workers.desk.quarantine import Book, Depth, Kept, Wanted, sent_again
from workers.desk.quarantine_page import Fate, listed, page, summed, told_page, told_row
from workers.desk.source import SourceUnfit
from workers.desk.trial import Trial, TriedSource
from workers.exits import Exit
from workers.kafka.connection import UNREACHABLE
from workers.kafka.quarantine import QuarantineLog, quarantine_log
from workers.metrics.textfile import write_quarantine
from workers.offline_commands import complain
from workers.settings import Settings, settings_or_exit
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.ports import Fenced, OutcomeUnknown, WrongPartitionCount
from workers.settlement.records import Filed, Incoming, Placed

SURROUNDINGS: Final = (
    *(PackError, WrongPartitionCount, SourceUnfit, StoreUnavailable, Fenced, OutcomeUnknown),
    *UNREACHABLE,
)
"""What cannot be reached or read; nothing of ours is broken."""


# ── list and show ─────────────────────────────────────────────────────────────────────────────────────────────


def list_refused(
    wanted: Wanted, *, only_open: bool, as_json: bool, limit: int | None, textfile: Path | None = None
) -> Exit:
    """List refused records to standard output; depth, age and where they come from to standard error.

    `textfile` also gets the depth as metrics: that of everything, so it goes with no filter.
    """
    if textfile is not None and not wanted.anything:
        complain("--textfile: of everything that is open; leave the filters out")
        return Exit.USAGE
    return reaching(
        lambda settings: _list(settings, wanted, only_open=only_open, as_json=as_json, limit=limit, textfile=textfile)
    )


def show_refused(record: RecordId, *, as_json: bool) -> Exit:
    """Print everything about one refused record."""
    return reaching(lambda settings: _show(settings, record, as_json=as_json))


async def _list(
    settings: Settings,
    wanted: Wanted,
    *,
    only_open: bool,
    as_json: bool,
    limit: int | None,
    textfile: Path | None,
) -> Exit:
    book = Book(wanted, closed=not only_open)
    async with quarantine_log(settings) as log:
        # Asked before the topic is read: a refusal is of one transaction with the offset that passes what was refused.
        passed = {} if only_open else await log.passed()
        await read_through(log, book)
        fate = _fate(log, book, passed)
    rows = book.rows()
    if as_json:
        for row in rows[:limit]:
            typer.echo(orjson.dumps(told_row(row, fate)).decode())
    elif rows:
        for line in listed(rows[:limit], fate):
            typer.echo(line)
    depth = Depth.of(rows)
    for line in summed(depth, now_ms()):
        complain(line)
    if textfile is not None:
        write_quarantine(textfile, depth.by_reason, depth.oldest_ms)
    return Exit.OK


async def _show(settings: Settings, record: RecordId, *, as_json: bool) -> Exit:
    book = Book(Wanted(frozenset((record,))), closed=True)
    async with quarantine_log(settings) as log:
        passed = await log.passed()
        await read_through(log, book)
        fate = _fate(log, book, passed)
        row = book.find(record)
        if row is None:
            complain(f"{record}: no such record lies in quarantine")
            return Exit.BAD_DATA
        (filed,) = (await log.at([(row.partition, row.offset)])).values()
    trial, ended = await _trial_of(settings, row, filed)
    if as_json:
        typer.echo(orjson.dumps(told_page(row, filed, fate, trial)).decode())
    else:
        typer.echo(page(row, filed, fate, trial))
    return ended


async def _trial_of(settings: Settings, row: Kept, filed: Filed) -> tuple[Trial | None, Exit]:
    """What one record would come to now; None, and a line for people, where the state cannot be read."""
    if not row.whole:
        return None, Exit.OK
    try:
        placed = sent_again(row, filed, settings.partitions)
    except ValueError as fault:
        complain(f"{row.id}: {fault}")
        return None, Exit.BAD_DATA
    try:
        async with trying(settings) as tried:
            return await tried(row, placed), Exit.OK
    except SURROUNDINGS as error:
        text, ended = _said(error, settings)
        complain(text)
        return None, ended


def _fate(log: QuarantineLog, book: Book, passed: Mapping[tuple[str, int], int]) -> Fate:
    unreached = frozenset(log.unreached)
    return lambda replay: (book.came_of(replay, passed, unreached), book.refused_again_for(replay))


async def read_through(log: QuarantineLog, book: Book) -> None:
    """Everything that has been written since the last time."""
    strange = book.strange
    async for records in log.read():
        for filed in records:
            book.take(filed)
    for partition, (reached, end) in log.unreached.items():
        complain(f"partition {partition}: read up to {reached} of {end}: a transaction is open; look again later")
    if book.strange > strange:
        complain(f"{book.strange - strange:,} records of the topic are no messages that this version knows")


# ── the broker, the state, the terminal ───────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def trying(settings: Settings) -> AsyncIterator[Callable[[Kept, Placed], Awaitable[Trial]]]:
    """Tries records one after the other against the state of the running system."""
    async with live_source(settings, load_directory(settings.packs_dir)) as source:
        state = TriedSource(source)

        async def tried(row: Kept, placed: Placed) -> Trial:
            record = placed.record
            incoming = Incoming(placed.topic, placed.partition, row.id.offset, record.key, record.value)
            return await state.try_record(incoming)

        yield tried


def reaching(job: Callable[[Settings], Coroutine[Any, Any, Exit]]) -> Exit:
    """Do a job with the broker. What cannot be reached or read is said in a line, not in a traceback."""
    settings = settings_or_exit()
    try:
        return asyncio.run(job(settings))
    except BrokenPipeError:
        raise  # whoever reads our output has seen enough
    except SURROUNDINGS as error:
        text, ended = _said(error, settings)
        complain(text)
        return ended


def _said(error: Exception, settings: Settings) -> tuple[str, Exit]:
    """What an error of the surroundings is called, and how it ends a command."""
    match error:
        case PackError():
            return "\n".join(map(str, error.problems)), Exit.CONFIGURATION
        case WrongPartitionCount():
            return f"YIDAN_PARTITIONS: {error}", Exit.CONFIGURATION
        case SourceUnfit():
            return str(error), Exit.UNAVAILABLE
        case StoreUnavailable():
            return f"YIDAN_REDIS_URL: the store does not answer: {error}", Exit.UNAVAILABLE
        case Fenced():
            return f"{error}; what it sends is recorded, so this one may be run again after it", Exit.UNAVAILABLE
        case OutcomeUnknown():
            return f"{error}: run it again; what was sent is recorded and is not sent twice", Exit.UNAVAILABLE
    return (
        f"YIDAN_KAFKA_BOOTSTRAP: {settings.kafka_bootstrap} cannot be used: {str(error) or type(error).__name__}",
        Exit.UNAVAILABLE,
    )


def now_ms() -> int:
    """Milliseconds since 1970."""
    return (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error with count and time left, if that is a terminal; gives what moves it on.

    Lines for standard output go above the bar where that is the same terminal, and are left alone where it is not.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda steps: progress.advance(task, steps)
