"""The commands that look after the truth: audit every ledger against it, and write Redis anew from it."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from contracts.journal import HEADER_KEY, read_field
from contracts.pack_file import load_directory, load_pack
from contracts.topics import PAYOUTS
from workers.adjudication.books import Books
from workers.exits import Exit
from workers.kafka.connection import UNREACHABLE
from workers.kafka.log import KafkaLog
from workers.metrics.textfile import write_audit
from workers.settings import Settings, settings_or_exit
from workers.settlement.drift import KINDS, Drift, Moved, about, add_payout, by_person, drifts, ledgers_of, unpaid
from workers.settlement.keeper import RedisKeeper, StoreUnavailable
from workers.settlement.ports import (
    JournalEndNotReached,
    JournalRecord,
    PartitionMustStop,
    Watermark,
    WrongPartitionCount,
)
from workers.settlement.takeover import Restored, StoreKeepsMoving, Terms, rebuild
from workers.store import keeper_of

LOOKS_MAX: Final = 5
LOOK_SECONDS: Final = 0.3
"""How often, and how far apart, a field that differs is looked at again while its owner goes on settling."""

OWNER_SECONDS_MAX: Final = 60.0
"""How long the owner of a partition may take to rebuild it himself."""

YIELD_EVERY: Final = 200
"""Persons whose ledgers are folded between two looks at the clock."""


# ── audit ─────────────────────────────────────────────────────────────────────────────────────────────────────


def audit_here(partitions: Sequence[int], textfile: Path | None = None) -> Exit:
    """`audit_all` by the settings of the environment."""
    settings = settings_or_exit()
    if textfile is not None and partitions:
        typer.echo("--textfile: of all partitions together; leave --partition out", err=True)
        return Exit.USAGE
    return _unknown(settings, partitions) or audit_all(settings, partitions, textfile)


def audit_all(settings: Settings, partitions: Sequence[int] = (), textfile: Path | None = None) -> Exit:
    """Folds every ledger of the journal again and compares journal, Redis and payouts; names what differs.

    Exit 0 where nothing does, 1 where something does, 69 where broker or store are out of reach. Workers may go on.
    """
    chosen = tuple(partitions) or tuple(range(settings.partitions))
    return with_both(settings, lambda log, keeper: _audit_all(settings, chosen, log, keeper, textfile))


async def _audit_all(
    settings: Settings, partitions: Sequence[int], log: KafkaLog, keeper: RedisKeeper, textfile: Path | None
) -> Exit:
    try:
        books = Books(load_directory(settings.packs_dir), load_pack)
    except (ValueError, OSError) as fault:
        typer.echo(f"packs cannot be loaded: {fault}", err=True)
        return Exit.CONFIGURATION
    found = 0
    totals = Totals()
    began = time.monotonic()
    with bar() as shown:
        for partition in partitions:
            task = shown.add_task(f"partition {partition}", total=None)
            differences = await _audit(partition, log, keeper, books, totals, partial(_move, shown, task))
            for drift in differences:
                typer.echo(f"partition {partition}: {drift.kind}: {drift.name}: {drift.what}")
            found += len(differences)
    speed = totals.ledgers / max(time.monotonic() - began, 0.001)
    typer.echo(
        f"{totals.ledgers:,} ledgers of {totals.persons:,} persons folded again ({speed:,.0f} a second), "
        f"{totals.fields:,} fields compared with Redis, {totals.payouts:,} payouts added up: {found:,} differences",
        err=True,
    )
    if textfile is not None:
        write_audit(textfile, found)
    return Exit.CHECK_FAILED if found else Exit.OK


@dataclass(slots=True)
class Totals:
    """What has been looked at."""

    persons: int = 0
    ledgers: int = 0
    fields: int = 0
    payouts: int = 0


@dataclass(slots=True)
class _View:
    """The journal as it is read on: the last value of every field, up to a header."""

    position: int
    fields: dict[bytes, bytes] = field(default_factory=dict)
    header: Watermark | None = None

    def take(self, record: JournalRecord) -> None:
        """The next record."""
        if record.key == HEADER_KEY:
            self.header = Watermark(record.offset + 1, record.value or b"")
        else:
            self.fields[record.key or b""] = record.value or b""


Moves = Callable[[int, int], None]


async def _audit(
    partition: int, log: KafkaLog, keeper: RedisKeeper, books: Books, totals: Totals, move: Moves
) -> list[Drift]:
    """One partition. The journal comes first, so that payouts and Redis are never older than what is asked of them."""
    bounds = await log.journal_bounds(partition)
    view = _View(bounds.first)
    await _read_on(partition, log, view, bounds.end)
    persons, packs = by_person(view.fields)
    move(0, len(persons))
    asked = dict(view.fields)
    found: list[Drift] = []
    moved = await _payouts(partition, log, _revisions(persons), totals)
    for number, fields in enumerate(persons.values()):
        if number % YIELD_EVERY == 0:
            move(number, len(persons))
            await asyncio.sleep(0)
        found += [*drifts(books, fields, packs), *unpaid(fields, moved)]
        totals.ledgers += len(ledgers_of(list(fields)))
    found += await _compare_store(partition, log, keeper, view, asked)
    totals.persons += len(persons)
    totals.fields += len(asked)
    move(len(persons), len(persons))
    return found


async def _read_on(partition: int, log: KafkaLog, view: _View, end: int) -> None:
    async with aclosing(log.read_journal(partition, view.position, end)) as journal:
        async for records in journal:
            for record in records:
                view.take(record)
    view.position = max(view.position, end)


def _revisions(persons: Mapping[str, Mapping[str, bytes]]) -> dict[str, int]:
    """How many payouts the journal knows of each settlement and application."""
    entries = (
        read_field(name, value) for fields in persons.values() for name, value in fields.items() if name[0] == "e"
    )
    return {about(entry): entry.revision for entry in entries}


async def _payouts(partition: int, log: KafkaLog, revisions: Mapping[str, int], totals: Totals) -> dict[str, Moved]:
    bounds = await log.bounds(PAYOUTS, partition)
    moved: dict[str, Moved] = {}
    async with aclosing(log.read_committed(PAYOUTS, partition, bounds.first, bounds.end)) as payouts:
        async for records in payouts:
            for record in records:
                add_payout(moved, orjson.loads(record.value or b"{}"), revisions)
                totals.payouts += 1
    return moved


async def _compare_store(
    partition: int, log: KafkaLog, keeper: RedisKeeper, view: _View, asked: Mapping[bytes, bytes]
) -> list[Drift]:
    """Redis against the journal. What differs is looked at again together with the watermark of the same moment."""
    held: dict[bytes, bytes] = {}
    async for name, value in keeper.scan(partition, "*"):
        held[name.encode()] = value
    held.pop(HEADER_KEY, None)
    suspects = [name for name in {*held, *asked} if held.get(name) != asked.get(name)]
    verdict: list[Drift] = []
    for _ in range(LOOKS_MAX):
        snapshot = (await keeper.snapshots({partition: [name.decode() for name in suspects]}))[partition]
        mark = Watermark.read(snapshot.watermark)
        if mark is None and view.header is None and not snapshot.n:
            return []
        if mark is None:
            verdict = [Drift("watermark", "-", "Redis holds none: it is empty, or not ours")]
        else:
            await _read_on(partition, log, view, mark.offset)
            if view.header != mark:
                verdict = [
                    Drift("watermark", "-", f"Redis is at batch {mark.header.seq}, which is not the journal's last")
                ]
            else:
                return _differences(suspects, snapshot.values, view, snapshot.n)
        await asyncio.sleep(LOOK_SECONDS)
    return verdict


def _differences(suspects: Sequence[bytes], values: Sequence[bytes | None], view: _View, counted: int) -> list[Drift]:
    found = [
        Drift(KINDS.get(name[:1].decode(), "unknown"), name.decode(), _side(value, view.fields.get(name)))
        for name, value in sorted(zip(suspects, values, strict=True))
        if value != view.fields.get(name)
    ]
    if not found and counted != len(view.fields):
        found.append(Drift("count", "-", f"Redis holds {counted} fields, the journal {len(view.fields)}"))
    return found


def _side(held: bytes | None, journalled: bytes | None) -> str:
    if held is None:
        return "is missing in Redis"
    return "is in Redis alone" if journalled is None else "differs between Redis and the journal"


# ── rebuild ───────────────────────────────────────────────────────────────────────────────────────────────────


def rebuild_here(partitions: Sequence[int]) -> Exit:
    """`rebuild_store` by the settings of the environment."""
    settings = settings_or_exit()
    return _unknown(settings, partitions) or rebuild_store(settings, partitions)


def rebuild_store(settings: Settings, partitions: Sequence[int] = ()) -> Exit:
    """Writes Redis anew from the journal, partition by partition, while workers go on; says how fast.

    Exit 1 where a journal is not fit to rebuild from; the others are rebuilt all the same.
    """
    chosen = tuple(partitions) or tuple(range(settings.partitions))
    return with_both(settings, lambda log, keeper: _rebuild_all(settings, chosen, log, keeper))


async def _rebuild_all(settings: Settings, partitions: Sequence[int], log: KafkaLog, keeper: RedisKeeper) -> Exit:
    terms = Terms(settings.group, settings.partitions, settings.transaction_timeout_s)
    failed = 0
    with bar() as shown:
        task = shown.add_task("rebuilding", total=len(partitions))
        for partition in partitions:
            counting = _Counting(log)
            began = time.monotonic()
            try:
                fields, by = await _rebuild(partition, counting, keeper, terms)
            except (PartitionMustStop, StoreKeepsMoving, JournalEndNotReached) as fault:
                failed += 1
                typer.echo(f"partition {partition}: not rebuilt: {fault}", err=True)
            else:
                seconds = max(time.monotonic() - began, 0.001)
                ledgers = len(counting.ledgers)
                typer.echo(
                    f"partition {partition}: {ledgers:,} ledgers, {fields:,} fields, {seconds:.1f} s, "
                    f"{ledgers / seconds:,.0f} ledgers/s, {by}"
                )
            shown.advance(task)
    return Exit.CHECK_FAILED if failed else Exit.OK


async def _rebuild(partition: int, log: "_Counting", keeper: RedisKeeper, terms: Terms) -> tuple[int, str]:
    """The number of fields, and who wrote them."""
    try:
        restored: Restored = await rebuild(partition, log, keeper, terms)
    except StoreKeepsMoving:
        # Its owner commits faster than anybody can read beside him. Without a watermark he rebuilds it himself, before
        # his next batch: losing all of Redis is the one thing that is always safe.
        await keeper.unlink(keeper.key(partition))
        return await _rebuilt_by_owner(partition, keeper), "by its owner"
    return restored.header.n, "from here"


async def _rebuilt_by_owner(partition: int, keeper: RedisKeeper) -> int:
    clock = asyncio.get_running_loop()
    deadline = clock.time() + OWNER_SECONDS_MAX
    while clock.time() < deadline:
        snapshot = (await keeper.snapshots({partition: ()}))[partition]
        mark = Watermark.read(snapshot.watermark)
        if mark is not None and mark.header.n == snapshot.n:
            return snapshot.n
        await asyncio.sleep(LOOK_SECONDS)
    raise StoreKeepsMoving(f"it was emptied for its owner, who has not rebuilt it in {OWNER_SECONDS_MAX:.0f} s")


class _Counting:
    """The log, with an eye on the ledgers that are read from it."""

    def __init__(self, log: KafkaLog) -> None:
        self._log = log
        self.open_writer = log.open_writer
        self.journal_bounds = log.journal_bounds
        self.input_bounds = log.input_bounds
        self.committed = log.committed
        self.ledgers: set[bytes] = set()

    async def read_journal(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[JournalRecord], None]:
        """What the log reads."""
        async with aclosing(self._log.read_journal(partition, start, end)) as journal:
            async for records in journal:
                self.ledgers.update(record.key for record in records if record.key and record.key.startswith(b"y|"))
                yield records


# ── both ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _unknown(settings: Settings, partitions: Sequence[int]) -> Exit:
    unknown = [partition for partition in partitions if not 0 <= partition < settings.partitions]
    if unknown:
        typer.echo(f"--partition {unknown[0]}: there are 0 to {settings.partitions - 1}", err=True)
        return Exit.USAGE
    return Exit.OK


def with_both(settings: Settings, job: Callable[[KafkaLog, RedisKeeper], Awaitable[Exit]]) -> Exit:
    """Does a job with broker and store; one that cannot be reached is said in a line."""

    async def done() -> Exit:
        async with _both(settings) as (log, keeper):
            return await job(log, keeper)

    try:
        return asyncio.run(done())
    except WrongPartitionCount as fault:
        typer.echo(f"YIDAN_PARTITIONS: {fault}", err=True)
        return Exit.CONFIGURATION
    except UNREACHABLE as fault:
        typer.echo(f"YIDAN_KAFKA_BOOTSTRAP: {settings.kafka_bootstrap} cannot be used: {fault}", err=True)
    except StoreUnavailable as fault:
        typer.echo(f"YIDAN_REDIS_URL cannot be used: {fault}", err=True)
    except JournalEndNotReached as hidden:
        typer.echo(f"{hidden}: a transaction is open; look again later", err=True)
    return Exit.UNAVAILABLE


@asynccontextmanager
async def _both(settings: Settings) -> AsyncIterator[tuple[KafkaLog, RedisKeeper]]:
    log, keeper = KafkaLog(settings), keeper_of(settings)
    try:
        await log.start()
        await log.check_partitions()
        await keeper.ping()
        yield log, keeper
    finally:
        await log.stop()
        await keeper.close()


def bar() -> Progress:
    """A progress bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _move(shown: Progress, task: TaskID, done: int, of: int) -> None:
    shown.update(task, completed=done, total=of)
