"""`yidan run`: the whole thing on this machine, from an empty folder to combined payouts on the terminal.

A broker and a store that need only pip, the seven topics, real workers in processes of their own, a synthetic county
fed as a gateway would, and a reader of committed payouts, as a payer would have. Everything ends with it.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import chain

import orjson
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live

from contracts.pack_file import load_directory
from contracts.topics import DISCHARGES, PAYOUTS, QUARANTINE, SIGNALS
from workers.exits import Exit
from workers.kafka.outside import committed_records, everything_committed, paced, progress_of_group, send
from workers.kafka.topics import apply_topics
from workers.rehearsal.county import county, partition_key
from workers.rehearsal.server import Program, RehearsalFailed, Server
from workers.rehearsal.stack import EMBEDDED_BROKER, LocalStack, local_stack
from workers.rehearsal.tally import Tally
from workers.rehearsal.worker_process import worker_program
from workers.settings import Settings
from workers.settlement.validate import partition_of

PARTITIONS = 4
EVENTS_PER_SECOND = 400.0
"""How fast the county is fed while somebody watches; `--once` feeds as fast as it can."""

HISTORY_ENDS = b'"enddate":"2021-12'
"""While somebody watches, what was before is fed as fast as it can be: from here on every region pays every layer."""

METRICS_PORT = 19464
LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Show:
    """What was asked for on the command line."""

    once: bool
    settlements: int
    persons: int
    seed: int
    workers: int
    kafka_port: int | None
    redis_port: int | None
    metrics_port: int | None
    real: bool = False
    """Apache Kafka and this machine's Redis, where the embedded ones would do."""


def show(plan: Show) -> Exit:
    """Run until the sample is settled (`once`) or somebody ends it."""
    try:
        return asyncio.run(_show(plan))
    except RehearsalFailed as failure:
        Console(stderr=True).print(f"yidan run: {failure}", style="red", markup=False)
        return Exit.UNAVAILABLE


async def _show(plan: Show) -> Exit:
    said = Console(stderr=True)
    with _told_to_end() as told:
        async with AsyncExitStack() as until_the_end:
            said.print("starting a broker and a store …", style="dim")
            stack = await until_the_end.enter_async_context(
                local_stack(
                    kafka_port=plan.kafka_port,
                    redis_port=plan.redis_port,
                    broker="apache" if plan.real else None,
                    store="redis" if plan.real else None,
                )
            )
            settings = _settings(stack)
            await apply_topics(settings)
            workers = [
                await until_the_end.enter_async_context(_worker(stack, settings, number, plan.metrics_port))
                for number in range(plan.workers)
            ]
            said.print(f"broker   {stack.kafka}\nstore    {stack.redis}", style="dim", highlight=False)
            for worker in workers:
                said.print(f"metrics  http://{worker.address}/metrics", highlight=False)
            return await _watch(plan, settings, workers, told, until_the_end)


async def _watch(
    plan: Show, settings: Settings, workers: Sequence[Server], told: asyncio.Event, until_the_end: AsyncExitStack
) -> Exit:
    """Feed the county and show what comes out, until it is done or somebody ends it."""
    tally = Tally(load_directory())
    events = county(settlements=plan.settlements, persons=plan.persons, seed=plan.seed)
    read = await until_the_end.enter_async_context(committed_records(settings, (PAYOUTS, SIGNALS, QUARANTINE)))
    behind = await until_the_end.enter_async_context(progress_of_group(settings))
    feeding = asyncio.ensure_future(send(settings, DISCHARGES, _keyed(events, plan.once), partition_of))
    until_the_end.callback(feeding.cancel)
    console = Console()
    screen = until_the_end.enter_context(_screen(console))
    quiet = 0
    while not told.is_set():
        records = await read(LOOK_SECONDS)
        for record in records:
            _count(tally, record.topic, record.value or b"")
        sent = feeding.result() if feeding.done() else None
        if screen is not None:
            screen.update(tally.live(_live_status(tally, sent, told), console.width, console.height))
        for worker in workers:
            if not await worker.is_running():
                raise RehearsalFailed(f"a worker ended by itself; its last words:\n{_last_words(worker)}")
        quiet = 0 if records or sent is None else quiet + 1
        if plan.once and quiet >= 2 and await behind() == 0:
            break
    if screen is not None:
        screen.stop()
    # The group's offsets and the outputs are of one transaction: what is settled is there to be read, now and whole.
    total = Tally(tally.packs)
    for record in await everything_committed(settings, (PAYOUTS, SIGNALS, QUARANTINE)):
        _count(total, record.topic, record.value or b"")
    console.print(total.totals_table())
    console.print(_status(total, feeding.result() if feeding.done() and not feeding.cancelled() else None))
    return Exit.OK


async def _keyed(events: Iterator[bytes], once: bool) -> AsyncIterator[tuple[bytes | None, bytes]]:
    """Events with their keys: all at once, or the past at once and the present at a pace that an eye can follow."""
    present: list[bytes] = []

    def past() -> Iterator[bytes]:
        for event in events:
            if not once and HISTORY_ENDS in event:
                present.append(event)
                return
            yield event

    async for keyed in paced(past(), partition_key, None):
        yield keyed
    async for keyed in paced(chain(present, events), partition_key, EVENTS_PER_SECOND):
        yield keyed


def _count(tally: Tally, topic: str, value: bytes) -> None:
    message = orjson.loads(value)
    if topic == PAYOUTS:
        tally.take(message)
    elif topic == SIGNALS:
        tally.signals[f"{message['kind']} {message['state']}"] += 1
    elif message["type"] == "refused":
        tally.refusals[message["reason"]] += 1


def _live_status(tally: Tally, sent: int | None, told: asyncio.Event) -> str:
    """The status while the screen is live, and what the person before it can do."""
    if told.is_set():
        return _status(tally, sent) + "\nending: the worker drains …"
    more = "the whole sample is settled; " if sent is not None else ""
    return f"{_status(tally, sent)}\n{more}Ctrl-C ends"


def _status(tally: Tally, sent: int | None) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(tally.kinds.items()))
    signals = ", ".join(f"{count:,} {name}" for name, count in sorted(tally.signals.items()))
    lines = [
        f"payouts: {kinds or 'none yet'}",
        f"refused: {tally.refusals.total():,} ({len(tally.refusals)} reason{'' if len(tally.refusals) == 1 else 's'})",
        f"signals: {signals or 'none yet'}",
    ]
    if sent is not None:
        lines.insert(0, f"events sent: {sent:,}")
    return "\n".join(lines)


@contextmanager
def _screen(console: Console) -> Iterator[Live | None]:
    """A live screen on a terminal; nothing where the output goes to a file."""
    if not console.is_terminal:
        yield None
        return
    with Live(console=console, refresh_per_second=4, transient=True, vertical_overflow="crop") as live:
        yield live


@contextmanager
def _told_to_end() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that everything ends in order."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _settings(stack: LocalStack) -> Settings:
    return Settings(
        _env_file=None,
        kafka_bootstrap=stack.kafka,
        redis_url=SecretStr(stack.redis),
        partitions=PARTITIONS,
        replication_factor=1,
        min_insync=1,
        journal_from_start=stack.broker.program.name == EMBEDDED_BROKER,
    )


@asynccontextmanager
async def _worker(stack: LocalStack, settings: Settings, number: int, port: int | None) -> AsyncIterator[Server]:
    """A settlement worker in a process of its own, ready and ended in order."""
    program = _worker_program(stack, settings)
    demanded = None if port is None else port + number
    folder = stack.folder / f"worker-{number + 1}"
    server = Server(program, folder, port=demanded, preferred_port=METRICS_PORT + number, kept=False)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


def _worker_program(stack: LocalStack, settings: Settings) -> Program:
    return worker_program(
        {
            "YIDAN_KAFKA_BOOTSTRAP": stack.kafka,
            "YIDAN_REDIS_URL": stack.redis,
            "YIDAN_PARTITIONS": str(settings.partitions),
            "YIDAN_REPLICATION_FACTOR": "1",
            "YIDAN_MIN_INSYNC": "1",
            "YIDAN_JOURNAL_FROM_START": str(settings.journal_from_start).lower(),
        }
    )


def _last_words(worker: Server) -> str:
    try:
        return "\n".join(worker.log.read_text("utf-8", "replace").splitlines()[-5:])
    except OSError:
        return "(it left no log)"
