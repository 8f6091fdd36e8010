"""One contestant's run: fresh servers, the events already in the topic, a process of its own, a stop-watch outside it.

The clock begins when the first settlements are done, so that starting, joining and taking over are not in it, and ends
when the last are. Processor time is the contestant's process alone, as the kernel counts it; broker and store work
beside it on the same machine, for everybody alike.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr
from stream import PARTITIONS, Keyed

from contracts.topics import DISCHARGES, PAYOUTS
from workers.kafka.connection import connection
from workers.kafka.topics import apply_topics
from workers.rehearsal.server import RehearsalFailed
from workers.rehearsal.stack import LocalStack, local_stack
from workers.settings import Settings
from workers.settlement.validate import partition_of

ROOT: Final = Path(__file__).parents[2]
PEERS: Final = Path(__file__).with_name("peers")
GROUP: Final = "yidan-settlement"
LOOK_SECONDS: Final = 0.02
PATIENCE_SECONDS: Final = 120.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
BATCH_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who runs. `counts` says where its progress shows: in the group's offsets, or in the payouts it has written."""

    name: str
    what: str
    command: tuple[str, ...]
    counts: str
    share: float
    """How many of the round's settlements it is given: the slow ones show their pace with fewer."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Pace:
    """What a stretch of settlements took: of the clock, and of the process's own processor time."""

    settlements: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Settlements a second."""
        return self.settlements / self.seconds

    @property
    def microseconds(self) -> float:
        """Of processor, a settlement."""
        return self.cpu_seconds / self.settlements * 1e6


CONTESTANTS: Final = (
    Contestant("limit", "the same bytes in and out, transactions, nothing else", ("limit.py",), "offsets", 3.0),
    Contestant("yidan", "the settlement worker as it ships", (), "offsets", 1.0),
    Contestant("faust", "the same rules in a Faust agent with a table", ("faust_agent.py",), "payouts", 0.15),
    Contestant("one_by_one", "the same rules, one event at a time", ("one_by_one.py",), "offsets", 0.1),
    Contestant("at_least_once", "the worker's batches without transactions", ("at_least_once.py",), "offsets", 1.0),
)


async def run(who: Contestant, stretches: Sequence[list[Keyed]]) -> list[Pace]:
    """The contestant's pace over each stretch of events, one after the other, on servers of its own."""
    async with local_stack() as stack:
        settings = settings_of(stack)
        await apply_topics(settings)
        paces: list[Pace] = []
        before = 0
        process: asyncio.subprocess.Process | None = None
        try:
            async with progress_of(who, settings) as progress:
                for events in stretches:
                    await fill(settings, events)
                    if process is None:
                        process = await start(who, settings, stack.folder / "contestant.log")
                    paces.append(await watched(who, process, progress, before, before + len(events)))
                    before += len(events)
        except RehearsalFailed as failure:
            words = (stack.folder / "contestant.log").read_text("utf-8", "replace").splitlines()[-8:]
            raise RehearsalFailed("\n".join([str(failure), *words])) from failure
        finally:
            if process is not None:
                await end(process)
            await stack.broker.kill()  # its folder goes with it, and a good end takes Apache Kafka seconds
        return paces


def settings_of(stack: LocalStack) -> Settings:
    """Of one broker and one store on this machine."""
    return Settings(
        _env_file=None,
        kafka_bootstrap=stack.kafka,
        redis_url=SecretStr(stack.redis),
        group=GROUP,
        partitions=PARTITIONS,
        replication_factor=1,
        min_insync=1,
        http_port=0,
        log_level="warning",
        journal_from_start=True,
    )


def environment(settings: Settings, seed: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process of the contest is told, and nothing of ours that it was not meant to hear."""
    told = {
        "YIDAN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "YIDAN_REDIS_URL": settings.redis_url.get_secret_value(),
        "YIDAN_PARTITIONS": str(settings.partitions),
        "YIDAN_REPLICATION_FACTOR": "1",
        "YIDAN_MIN_INSYNC": "1",
        "YIDAN_HTTP_PORT": "0",
        "YIDAN_LOG_LEVEL": "warning",
        "YIDAN_JOURNAL_FROM_START": "true",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{PEERS.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "YIDAN_BENCH_SEED": str(seed),
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("YIDAN_")}
    return {**others, **told, **(more or {})}


async def start(
    who: Contestant, settings: Settings, log: Path, more: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """The contestant's process, with further settings. It ends with ours at the latest when its servers do."""
    command = [str(PEERS / who.command[0]), *who.command[1:]] if who.command else ["-m", "workers", "work"]
    with log.open("wb") as said:
        return await asyncio.create_subprocess_exec(
            sys.executable, *command, env=environment(settings, who.seed, more), cwd=ROOT, stdout=said, stderr=said
        )


async def end(process: asyncio.subprocess.Process) -> None:
    """In order, or without."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def watched(
    who: Contestant,
    process: asyncio.subprocess.Process,
    progress: Callable[[], Awaitable[int]],
    before: int,
    after: int,
) -> Pace:
    """The pace from the first progress that shows to the last."""
    began: tuple[int, float, float] | None = None
    patience = time.perf_counter() + PATIENCE_SECONDS
    while True:
        done = await progress()
        now = time.perf_counter()
        if began is None and done > before:
            began = done, now, cpu_seconds(process.pid)
        if done >= after:
            break
        if process.returncode is not None:
            raise RehearsalFailed(f"{who.name} ended by itself")
        if now > patience:
            raise RehearsalFailed(
                f"{who.name} has done {done - before} of {after - before} in {PATIENCE_SECONDS:.0f} s"
            )
        await asyncio.sleep(LOOK_SECONDS)
    assert began is not None
    if began[0] >= after:
        raise RehearsalFailed(f"{who.name} was done before anybody had looked: give it more settlements")
    return Pace(after - began[0], now - began[1], cpu_seconds(process.pid) - began[2])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def progress_of(who: Contestant, settings: Settings) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Gives a function that tells how many settlements the contestant has done."""
    by_offsets = who.counts == "offsets"
    consumer = AIOKafkaConsumer(
        **connection(settings), group_id=settings.group if by_offsets else None, enable_auto_commit=False
    )
    places = [TopicPartition(DISCHARGES if by_offsets else PAYOUTS, p) for p in range(settings.partitions)]

    async def committed() -> int:
        found = await asyncio.gather(*(consumer.committed(place) for place in places))
        return sum(offset or 0 for offset in found)

    async def written() -> int:
        return sum((await consumer.end_offsets(places)).values())

    try:
        await consumer.start()
        consumer.assign(places)
        yield committed if by_offsets else written
    finally:
        await consumer.stop()


async def fill(settings: Settings, events: list[Keyed]) -> None:
    """Puts the events into the topic, each in its person's partition."""
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True, acks="all", max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        sent = []
        for partition in range(settings.partitions):
            batch = producer.create_batch()
            for key, value in events:
                if partition_of(key, settings.partitions) != partition:
                    continue
                if batch.append(key=key, value=value, timestamp=None) is None:
                    sent.append(await producer.send_batch(batch, DISCHARGES, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            if batch.record_count():
                sent.append(await producer.send_batch(batch, DISCHARGES, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
