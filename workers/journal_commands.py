"""`yidan journal`: the truth as a file, and back onto a journal that is empty."""

import time
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import Final

import typer

from contracts.journal import HEADER_KEY
from contracts.topics import INPUTS, JOURNAL
from workers.audit_commands import bar, with_both
from workers.exits import Exit
from workers.journal_file import BackupUnfit, KeptPartition, read_backup, writing
from workers.kafka.connection import UNREACHABLE
from workers.kafka.log import KafkaLog
from workers.settings import Settings, settings_or_exit
from workers.settlement.keeper import RedisKeeper, StoreUnavailable
from workers.settlement.ports import Fenced, OutcomeUnknown, Watermark
from workers.settlement.records import Outgoing

FIELDS_AT_ONCE: Final = 2_000
"""Fields of one transaction of a restore."""


class CannotRestore(Exception):
    """What stands in the way; nothing has been written."""


def backup_here(path: Path) -> Exit:
    """Writes the whole journal to a file, while workers go on. The file appears only when it is whole."""
    settings = settings_or_exit()
    return with_both(settings, lambda log, _: _backup(settings, path, log))


async def _backup(settings: Settings, path: Path, log: KafkaLog) -> Exit:
    began, fields = time.monotonic(), 0
    try:
        with writing(path, settings.group, settings.partitions) as file, bar() as shown:
            task = shown.add_task("reading", total=settings.partitions)
            for partition in range(settings.partitions):
                kept = await _read(partition, log)
                if kept.sealed:
                    if kept.header.n != len(kept.fields):
                        raise BackupUnfit(
                            f"partition {partition} holds {len(kept.fields)} fields, its header says {kept.header.n}"
                        )
                    file.add(partition, kept)
                    fields += len(kept.fields)
                shown.advance(task)
    except BackupUnfit as unfit:
        typer.echo(f"not written: {unfit}", err=True)
        return Exit.CHECK_FAILED
    typer.echo(f"{path}: {fields:,} fields in {time.monotonic() - began:.1f} s", err=True)
    return Exit.OK


async def _read(partition: int, log: KafkaLog) -> KeptPartition:
    """What stood in the journal when its last header was written."""
    bounds = await log.journal_bounds(partition)
    kept = KeptPartition()
    async with aclosing(log.read_journal(partition, bounds.first, bounds.end)) as journal:
        async for records in journal:
            for record in records:
                if record.key == HEADER_KEY:
                    kept.sealed = record.value or b""
                else:
                    kept.fields[record.key or b""] = record.value or b""
    return kept


def restore_here(path: Path) -> Exit:
    """Writes a backup to a journal that is empty. Nothing is written unless every partition can take it."""
    settings = settings_or_exit()
    try:
        group, kept = read_backup(path)
    except (BackupUnfit, OSError) as unfit:
        typer.echo(str(unfit), err=True)
        return Exit.BAD_DATA
    return with_both(settings, lambda log, keeper: _restore(settings, group, kept, log, keeper))


async def _restore(
    settings: Settings, group: str, kept: dict[int, KeptPartition], log: KafkaLog, keeper: RedisKeeper
) -> Exit:
    try:
        if group != settings.group:
            raise CannotRestore(f"YIDAN_GROUP: the backup is of group {group}, not of {settings.group}")
        for one in kept.values():
            if one.header.group != settings.group:
                raise CannotRestore(f"YIDAN_GROUP: the journal is of group {one.header.group}, not of {settings.group}")
            if one.header.partitions != settings.partitions:
                raise CannotRestore(f"YIDAN_PARTITIONS: the backup has {one.header.partitions}")
        for partition in range(settings.partitions):
            await _check(partition, kept.get(partition), log, keeper)
    except CannotRestore as trouble:
        typer.echo(f"nothing was written: {trouble}", err=True)
        return Exit.CHECK_FAILED
    try:
        with bar() as shown:
            task = shown.add_task("writing", total=len(kept))
            for partition, one in kept.items():
                await _write(partition, one, log, keeper)
                shown.advance(task)
    except (CannotRestore, Fenced, OutcomeUnknown, StoreUnavailable, *UNREACHABLE) as fault:
        typer.echo(f"restored in part: {fault}; stop the workers, make {JOURNAL} anew and restore again", err=True)
        return Exit.CHECK_FAILED
    typer.echo(f"{sum(len(one.fields) for one in kept.values()):,} fields of {len(kept)} partitions restored", err=True)
    return Exit.OK


async def _check(partition: int, kept: KeptPartition | None, log: KafkaLog, keeper: RedisKeeper) -> None:
    """An empty journal; group and Redis not beyond the backup; inputs that still hold what comes next."""
    bounds = await log.journal_bounds(partition)
    if bounds.first != bounds.end:
        raise CannotRestore(f"partition {partition} of {JOURNAL} is not empty")
    mark = Watermark.read((await keeper.snapshots({partition: ()}))[partition].watermark)
    if mark is not None and (kept is None or mark.header.seq > kept.header.seq):
        raise CannotRestore(
            f"partition {partition}: Redis remembers batch {mark.header.seq}, which the backup does not have; "
            "it may be the only copy: save it before it is deleted"
        )
    committed, inputs = await log.committed(partition), await log.input_bounds(partition)
    for topic in INPUTS:
        next_in = kept.header.next_in[topic] if kept is not None else 0
        offset = committed[topic]
        if offset is not None and offset > next_in:
            raise CannotRestore(
                f"partition {partition}: {topic} was consumed up to {offset}, the backup knows it up to {next_in}; "
                "what lies between was paid and would be paid again"
            )
        if kept is not None and not inputs[topic].first <= next_in <= inputs[topic].end:
            raise CannotRestore(
                f"partition {partition}: {next_in} of {topic} comes next, "
                f"there is {inputs[topic].first} to {inputs[topic].end}"
            )


async def _write(partition: int, kept: KeptPartition, log: KafkaLog, keeper: RedisKeeper) -> None:
    """Fields first, in transactions; the header in the last one. Without it no worker believes what is there.

    Whoever was born in the empty journal since it was looked at is fenced first, and has then left a trace.
    """
    writer = await log.open_writer(partition)
    try:
        bounds = await log.journal_bounds(partition)
        if bounds.first != bounds.end:
            raise CannotRestore(f"partition {partition} of {JOURNAL} is not empty any more: a worker has begun it")
        writer.follow(bounds.end)
        # A view of another journal may name the same batches at other offsets. None is right, and safe. It goes first:
        # without the store nothing is written.
        await keeper.unlink(keeper.key(partition))
        fields = iter(kept.fields.items())
        while chunk := [Outgoing(name, value, []) for name, value in islice(fields, FIELDS_AT_ONCE)]:
            await writer.commit({JOURNAL: chunk}, kept.header.next_in)
        await writer.commit({JOURNAL: [Outgoing(HEADER_KEY, kept.sealed, [])]}, kept.header.next_in)
    except BaseException:
        await writer.drop()
        raise
    await writer.release()
