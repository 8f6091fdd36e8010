"""Sending refused records again, or saying what would come of it."""

import sys
from collections.abc import Sequence
from typing import Final

import typer

from contracts.quarantine import RecordId
from contracts.topics import QUARANTINE
from workers.desk.quarantine import Book, Kept, Wanted, chunks, refused_of, replayed, sent_again
from workers.desk.quarantine_page import shown_time, trial_in_words
from workers.exits import Exit
from workers.kafka.quarantine import QuarantineLog, ReplayWriter, quarantine_log, replay_writer
from workers.offline_commands import complain
from workers.refused_commands import bar, now_ms, reaching, read_through, trying
from workers.settings import Settings
from workers.settlement.emit import replayed_record
from workers.settlement.records import Filed, Placed

NAMED_MAX: Final = 20
"""Of records that cannot be sent again so many are named; of the others it is said how many there are."""

Sending = tuple[Kept, Filed, Placed]
"""A row, its record in quarantine, and that record as it is sent again."""


# ── replay ────────────────────────────────────────────────────────────────────────────────────────────────────


def replay_refused(wanted: Wanted, limit: int | None, *, by: str, asks: bool) -> Exit:
    """Send open records again and record it."""
    return reaching(lambda settings: _replay(settings, wanted, limit, by=by, asks=asks))


def try_refused(wanted: Wanted, limit: int | None) -> Exit:
    """Say what sending open records again would come to now."""
    return reaching(lambda settings: _try(settings, wanted, limit))


async def _replay(settings: Settings, wanted: Wanted, limit: int | None, *, by: str, asks: bool) -> Exit:
    """Read, ask, take the id of all replays, read what was written meanwhile, and send chunk by chunk."""
    book = Book(wanted, closed=bool(wanted.ids))
    async with quarantine_log(settings) as log:
        await read_through(log, book)
        chosen, ended = _chosen(book, wanted, limit)
        if not chosen:
            return ended
        if asks and not _confirmed(f"send {len(chosen):,} records again?"):
            complain("nothing was sent")
            return Exit.CHECK_FAILED
        async with replay_writer(settings) as writer:
            await read_through(log, book)
            still_open = {row.id for row in book.open()}
            chosen = [row for row in chosen if row.id in still_open]
            kept_back = sorted({row.partition for row in chosen} & log.unreached.keys())
            sendable = [row for row in chosen if row.partition not in kept_back]
            sent, spoilt = await _sent(settings, sendable, log, writer, by)
    complain(f"{sent:,} records sent again and recorded; `yidan quarantine list --all` tells what comes of them")
    if kept_back:
        complain(f"nothing was sent of partitions {kept_back}: a replay of theirs may be hidden by an open transaction")
        return Exit.UNAVAILABLE
    return Exit.BAD_DATA if spoilt else ended


def _confirmed(question: str) -> bool:
    """Whether the person at the terminal says yes. Nothing of it goes to standard output, which is for the records."""
    typer.echo(f"{question} [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def _sent(
    settings: Settings, rows: Sequence[Kept], log: QuarantineLog, writer: ReplayWriter, by: str
) -> tuple[int, int]:
    """Send the originals of these rows: how many were sent, and how many could not be."""
    count = 0
    with bar("sending", len(rows)) as advance:
        for chunk in chunks(rows):
            sending = await _originals(settings, chunk, log)
            at = shown_time(now_ms())

            def told(offsets: Sequence[int], sending: Sequence[Sending] = sending, at: str = at) -> list[Placed]:
                return [_told(each, offset, at, by) for each, offset in zip(sending, offsets, strict=True)]

            if sending:
                try:
                    offsets = await writer.commit([placed for *_, placed in sending], told)
                except BaseException:
                    complain(f"{count:,} records sent again and recorded; of the next {len(sending)} it is not known")
                    raise
                for (row, _, placed), offset in zip(sending, offsets, strict=True):
                    typer.echo(f"{row.id} {placed.topic}/{placed.partition}/{offset}")
                count += len(sending)
            advance(len(chunk))
    return count, len(rows) - count


def _told(sending: Sending, offset: int, at: str, by: str) -> Placed:
    """The record that this one was sent again, for the partition of the refused one."""
    row, filed, placed = sending
    sent = RecordId(placed.topic, placed.partition, offset)
    message = replayed(row, sent, refused_of(filed)["sha256"], at, by)
    return Placed(QUARANTINE, row.partition, replayed_record(message, placed.record.key))


async def _originals(settings: Settings, rows: Sequence[Kept], log: QuarantineLog) -> list[Sending]:
    """The rows with their records as they are sent again; one that cannot be is named and left."""
    filed = await log.at((row.partition, row.offset) for row in rows)
    found = []
    for row in rows:
        record = filed[row.partition, row.offset]
        try:
            found.append((row, record, sent_again(row, record, settings.partitions)))
        except ValueError as fault:
            complain(f"{row.id}: cannot be sent again: {fault}")
    return found


async def _try(settings: Settings, wanted: Wanted, limit: int | None) -> Exit:
    """Say what a replay would come to now, one record after the other; send nothing."""
    book = Book(wanted, closed=bool(wanted.ids))
    refused = count = 0
    async with quarantine_log(settings) as log:
        await read_through(log, book)
        chosen, ended = _chosen(book, wanted, limit)
        if not chosen:
            return ended
        async with trying(settings) as tried:
            with bar("trying", len(chosen)) as advance:
                for chunk in chunks(chosen):
                    for row, _, placed in await _originals(settings, chunk, log):
                        trial = await tried(row, placed)
                        refused += bool(trial.refused)
                        count += 1
                        typer.echo(f"{row.id} " + "\n".join(trial_in_words(trial)))
                    advance(len(chunk))
    complain(f"{count:,} records tried one after the other, {refused:,} would be refused again; nothing was sent")
    return ended if count == len(chosen) else Exit.BAD_DATA


def _chosen(book: Book, wanted: Wanted, limit: int | None) -> tuple[list[Kept], Exit]:
    """The open records that can be sent again, and how the command ends because of the others, which are named."""
    faults = [
        f"{record}: no such record lies in quarantine" for record in sorted(wanted.ids) if book.find(record) is None
    ]
    for row in book.rows():
        if row.replays:
            complain(f"{row.id}: was sent again at {row.replays[-1].at} as {row.replays[-1].sent}; it is not open")
    rows = book.open()
    faults += [f"{row.id}: cannot be sent again: {row.why_not_whole}" for row in rows if not row.whole]
    for fault in faults[:NAMED_MAX]:
        complain(fault)
    if len(faults) > NAMED_MAX:
        complain(f"… and {len(faults) - NAMED_MAX:,} others that cannot be sent again")
    chosen = [row for row in rows if row.whole][:limit]
    if not chosen:
        complain("nothing that is open and can be sent again matches")
    return chosen, Exit.BAD_DATA if faults else Exit.OK
