"""The commands around corrections: reverse with a preview, audit the order of arrival, list who has not applied."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson
import typer
from pydantic_core import PydanticCustomError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.fields import parse_day
from workers.desk.order import two_orders
from workers.desk.order_page import order_page, order_written
from workers.desk.order_why import why
from workers.desk.pending import Progress as Told
from workers.desk.pending import pending_of, regions_paid_on_application
from workers.desk.pending_page import pending_table
from workers.desk.person_year import person_years
from workers.desk.preview_page import reversal_page
from workers.desk.reversal import TriedReversal, refusal_text, reversed_event, try_reversal
from workers.desk.source import Source
from workers.desk_commands import Answered, asking
from workers.exits import Exit
from workers.offline_commands import complain

BEIJING: Final = timezone(timedelta(hours=8))
"""The offset in which the desk's own times and days are: deadlines are days of China's calendar."""


@dataclass(frozen=True, slots=True)
class ReverseOrder:
    """What `yidan reverse` was asked to do. `msgid` and `setl_time` are made where they were not given."""

    setl_id: str
    psn_no: str
    preview: bool
    unseen: bool
    as_json: bool
    events: Path | None
    packs: Path | None
    msgid: str | None
    setl_time: str | None


def reverse_settlement(order: ReverseOrder) -> Exit:
    """Show what a reversal would change; then send it, unless only a preview was asked for or it would be refused.

    A settlement that has not come is mistyped more often than it is late: its reversal is sent only if that was said.
    With a file of events nothing is sent: the event is standard output's only line, to be appended to such a file, and
    the page goes to standard error without the person's number.
    """
    event = reversed_event(
        order.psn_no,
        order.setl_id,
        msgid=order.msgid or f"desk-{uuid4().hex}",
        setl_time=order.setl_time or datetime.now(BEIJING).isoformat(timespec="seconds"),
    )
    tried: list[TriedReversal] = []

    async def job(source: Source) -> Exit:
        tried.append(await try_reversal(source, event, order.psn_no))
        return Exit.OK

    ended = asking(job, events=order.events, packs=order.packs)
    if ended is not Exit.OK:
        return ended
    (reversal,) = tried
    if reversal.refused is not None:
        if order.as_json:
            _print_json(reversal.written(sent=False))
        complain(refusal_text(reversal.refused))
        return Exit.BAD_DATA
    if reversal.trial.effect == "remembered" and not (order.preview or order.unseen):
        complain("SETL_ID: no such settlement of this person has come: mend it, or say --unseen to have it remembered")
        return Exit.BAD_DATA
    if order.events is not None and not order.preview:
        if not order.as_json:
            complain(_page(order, reversal, named=False))
        typer.echo(event.decode())
        return Exit.OK
    if not order.as_json:
        typer.echo(_page(order, reversal, named=True), nl=False)
    if not order.preview:
        from workers.online_commands import feed

        ended = feed([event])
    if order.as_json:
        _print_json(reversal.written(sent=ended is Exit.OK and not order.preview))
    return ended


AUDIT_USAGE: Final = "usage: yidan audit --order PSN_NO YEAR [--region R] [--json] [--events FILE] [--packs DIR]"


def audit_order(
    psn_no: str, number: int, *, region: str | None, as_json: bool, events: Path | None, packs: Path | None
) -> Exit:
    """State what arrival in order of discharge would have paid, one page or JSON line for each ledger of the year."""

    async def job(source: Source) -> Exit:
        meant = None if region is None else _ledger_region(source, region)
        found = [
            ledger for ledger in await person_years(source, psn_no, number) if meant is None or ledger.region == meant
        ]
        for ledger in found:
            orders = two_orders(source.books, ledger)
            layers = why(orders)
            if as_json:
                _print_json(order_written(orders, layers))
            else:
                typer.echo(order_page(orders, layers), nl=False)
        if not found:
            complain(f"nothing is kept about this person for {number}")
            return Exit.BAD_DATA
        return Exit.OK

    return asking(job, events=events, packs=packs)


def list_pending(
    number: int | None, *, region: str | None, by: str | None, as_json: bool, events: Path | None, packs: Path | None
) -> Exit:
    """List who could be paid on application for a year and has not applied; last year, where none is named."""
    today = datetime.now(BEIJING).date()
    year = today.year - 1 if number is None else number
    try:
        day = parse_day(f"{year + 1}-05-01" if by is None else by)
    except PydanticCustomError as error:
        complain(f"--by: {error.message()}")
        return Exit.USAGE

    async def job(source: Source) -> Exit:
        meant = None if region is None else _ledger_region(source, region)
        there = regions_paid_on_application(source, year)
        if meant is not None and meant not in there:
            raise Answered(Exit.USAGE, f"--region: nothing is paid on application there for {year}")
        with _bars() as (scanned, judged):
            found = await pending_of(source, year, region=meant, by=day, scanned=scanned, judged=judged)
        if as_json:
            for each in found:
                _print_json(each.written(today.isoformat()))
        else:
            typer.echo(pending_table(found, today.isoformat()), nl=False)
        return Exit.OK

    return asking(job, events=events, packs=packs)


@contextmanager
def _bars() -> Iterator[tuple[Told, Told]]:
    """Two bars on standard error, if that is a terminal: partitions looked through, persons read."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def bar(words: str) -> Told:
            task = progress.add_task(words, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield bar("partitions"), bar("persons")


def _ledger_region(source: Source, region: str) -> str:
    """The region whose ledgers a division's settlements are kept in."""
    pack = source.books.packs.for_region(region)
    if pack is None:
        known = ", ".join(sorted({pack.region for pack in source.books.packs.packs}))
        raise Answered(Exit.USAGE, f"--region: no pack covers {region}; there are packs for {known}")
    return pack.region


def _page(order: ReverseOrder, reversal: TriedReversal, *, named: bool) -> str:
    psn_no = order.psn_no if named else None
    return reversal_page(order.setl_id, psn_no, reversal.trial.effect, reversal.moved, reversal.trial.signals)


def _print_json(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
