"""Worker processes on real servers, what goes in, and what a `read_committed` reader gets out."""

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.pack_file import load_directory
from contracts.topics import DISCHARGES, JOURNAL, PAYOUTS, QUARANTINE, SIGNALS
from workers.kafka.topics import apply_topics
from workers.rehearsal.county import county, partition_key
from workers.rehearsal.stack import LocalStack, local_stack
from workers.settings import PREFIX, Settings
from workers.settlement.offline import Settler
from workers.settlement.validate import partition_of

P = 4


@asynccontextmanager
async def rig(**changes: Any) -> AsyncIterator["Rig"]:
    """A fresh broker with topics, and a fresh store."""
    async with local_stack() as stack:
        embedded = stack.broker.program.name == "noida-db"
        given: dict[str, Any] = {
            "kafka_bootstrap": stack.kafka,
            "redis_url": stack.redis,
            "partitions": P,
            "replication_factor": 1,
            "min_insync": 1,
            "http_port": 0,
            "operate_http_port": 0,
            "operate_metrics_port": 0,
            "journal_from_start": embedded,
            "discharges_batch_max": 50,
            "session_timeout_s": 6.0,
            "backoff_max_s": 2.0,
            **changes,
        }
        rig = Rig(stack, given, embedded=embedded)
        await apply_topics(rig.settings())
        try:
            yield rig
        finally:
            for process in rig.processes:
                await process.kill()


class Rig:
    """One broker, one store and the workers on them."""

    def __init__(self, stack: LocalStack, given: dict[str, Any], *, embedded: bool) -> None:
        self.stack = stack
        self.embedded = embedded
        self.processes: list[Process] = []
        self._given = given

    def environment(self, **changes: Any) -> dict[str, Any]:
        """Settings by name, for a command in a process of its own."""
        return {**self._given, **changes}

    def settings(self, **changes: Any) -> Settings:
        return Settings(**self.environment(**changes))

    async def start(self, *command: str, **changes: Any) -> "Process":
        """A worker process, or that of another command."""
        process = Process({**self._given, **changes}, command or ("work",))
        self.processes.append(process)
        await process.start()
        return process

    async def yidan(self, *words: str, **changes: Any) -> "Ended":
        """A command of ours on these servers, in a process of its own."""
        return await run_yidan(words, process_environment(self.environment(**changes)))

    def share(self, *partitions: int) -> dict[str, Any]:
        """Settings of a worker that holds these partitions.

        The embedded broker never notices that the leader of a group was killed, so there the shares are dealt by hand;
        on Apache Kafka the group does it.
        """
        return {"partitions_fixed": ",".join(map(str, partitions))} if self.embedded else {}

    async def send(self, events: Iterable[bytes], *, topic: str = DISCHARGES, per_second: float | None = None) -> None:
        """Sends events as a gateway does, each to its person's partition."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.stack.kafka, enable_idempotence=True, linger_ms=0 if per_second else 5
        )
        await producer.start()
        for number, event in enumerate(events):
            key = partition_key(event) or b""
            await producer.send(topic, event, key=key, partition=partition_of(key, P))
            if per_second and number % 10 == 9:
                await asyncio.sleep(10 / per_second)
        await producer.flush()
        await producer.stop()

    async def harvest(self, wanted: "Books", *, seconds: float = 60.0) -> "Books":
        """What a `read_committed` reader sees, once it is as much as was wanted and a moment has passed."""
        clock = asyncio.get_running_loop()
        deadline, books = clock.time() + seconds, Books()
        while clock.time() < deadline:
            books = await self.outputs()
            if books.size() >= wanted.size():
                await asyncio.sleep(1.0)  # whatever is said twice is said by then
                return await self.outputs()
            await asyncio.sleep(0.5)
        return books

    async def outputs(self) -> "Books":
        """Everything committed so far, read from the beginning in one answer a partition.

        One answer, because the embedded broker tells a fetch in mid-log of aborted transactions that ended before it,
        and the client then drops what the same producer has committed since.
        """
        books = Books()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.stack.kafka,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=1 << 29,
            fetch_max_bytes=1 << 29,
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        try:
            logs = [TopicPartition(topic, p) for topic in (PAYOUTS, SIGNALS, QUARANTINE) for p in range(P)]
            ends = await consumer.end_offsets(logs)
            unread = {log for log in logs if ends[log]}
            consumer.assign(logs)
            await consumer.seek_to_beginning()
            async with asyncio.timeout(30):
                while unread:
                    for log, records in (await consumer.getmany(timeout_ms=200)).items():
                        for record in records if log in unread or not self.embedded else ():
                            books.take(log.topic, json.loads(record.value))
                    unread -= {log for log in logs if await consumer.position(log) >= ends[log]}
        finally:
            await consumer.stop()
        return books


@dataclass
class Books:
    """Everything that came out: each payout and signal by its id, and how often; refusals and replays by reason."""

    payouts: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    replayed: Counter[str] = field(default_factory=Counter)

    def take(self, topic: str, message: dict[str, Any]) -> None:
        if topic == PAYOUTS:
            self.payouts[message["payout_id"]] = message
            self.times[message["payout_id"]] += 1
        elif topic == SIGNALS:
            self.times[message["signal_id"]] += 1
        elif message["type"] == "refused":
            self.refused[message["reason"]] += 1
        else:
            self.replayed[message["reason"]] += 1

    def size(self) -> int:
        return self.times.total() + self.refused.total()

    def paid_fen(self) -> int:
        """All that moved, corrections included."""
        return sum(
            round(float(line["delta"]) * 100)
            for payout in self.payouts.values()
            for line in payout["lines"]
            if line["payable"]
        )


def settled_at_once(events: Sequence[bytes]) -> Books:
    """What an uninterrupted run makes of the events, partition by partition."""
    settler, books = Settler(load_directory()), Books()
    for partition in range(P):
        for event in events:
            if partition_of(partition_key(event) or b"", P) != partition:
                continue
            outcome = settler.take(event)
            for payout in outcome.payouts:
                books.take(PAYOUTS, json.loads(json.dumps(payout)))
            for signal_ in outcome.signals:
                books.take(SIGNALS, dict(signal_))
            if outcome.refusal is not None:
                books.refused[outcome.refusal.reason] += 1
    return books


def same(found: Books, wanted: Books) -> None:
    """Raises AssertionError unless both books say the same."""
    twice = {name: times for name, times in found.times.items() if times > 1}
    assert not twice, f"{len(twice)} were said more than once: {list(twice.items())[:3]}"
    missing = wanted.times.keys() - found.times.keys()
    assert not missing, f"{len(missing)} of {len(wanted.times)} are missing: {sorted(missing)[:3]}"
    invented = found.times.keys() - wanted.times.keys()
    assert not invented, f"{len(invented)} were invented: {sorted(invented)[:3]}"
    assert found.payouts == wanted.payouts
    assert found.refused == wanted.refused
    assert found.paid_fen() == wanted.paid_fen()


def some_county(settlements: int, *, persons: int = 40, seed: int = 1) -> list[bytes]:
    """Few persons with many settlements each, so that caps are reached and partitions have work."""
    return list(county(settlements=settlements, persons=persons, seed=seed))


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int | None
    out: str
    err: str


def process_environment(given: dict[str, Any]) -> dict[str, str]:
    """The environment of a process of ours with these settings and no others."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
        **{f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()},
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


async def run_yidan(words: Sequence[str], environment: dict[str, str]) -> Ended:
    """A command of ours in a process of its own, to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers", *words),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
    )
    try:
        async with asyncio.timeout(90):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return Ended(process.returncode, out.decode(), err.decode())


class Process:
    """A worker in a process of its own, as a supervisor runs it."""

    def __init__(self, given: dict[str, Any], command: Sequence[str] = ("work",)) -> None:
        self.command = command
        self._environment = process_environment(given)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.lines: list[str] = []
        self.address = ""
        """Where health and metrics are."""
        self.pages = ""
        """Where `yidan operate` shows what names persons."""

    async def start(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "workers", *self.command),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode())
            if found := re.search(r'"address":"(http[^"]*)","event":"(listening|pages listen)"', self.lines[-1]):
                if found[2] == "listening":
                    self.address = found[1]
                else:
                    self.pages = found[1]

    def said(self, words: str) -> list[dict[str, Any]]:
        """Log lines whose event is these words."""
        found = [json.loads(line) for line in self.lines if f'"event":"{words}"' in line]
        return [line for line in found if line["event"] == words]

    async def until(self, true: Callable[[], Any], what: str, seconds: float = 40.0) -> None:
        clock = asyncio.get_running_loop()
        deadline = clock.time() + seconds
        while not true():
            assert clock.time() < deadline, f"{what} did not come about; {''.join(self.lines[-12:])}"
            assert self._process is not None
            assert self._process.returncode is None, f"the worker ended before {what}; {''.join(self.lines[-12:])}"
            await asyncio.sleep(0.05)

    async def owns(self, count: int) -> None:
        """Waits until it has taken so many partitions over."""
        await self.until(lambda: len(self.said("partition taken over")) >= count, f"taking {count} partitions over")

    async def settles(self, events: int, seconds: float = 40.0) -> None:
        """Waits until it has settled so many events in its life."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + seconds
        while await self.metric("yidan_events_total") < events:
            assert clock.time() < deadline, f"{events} events were not settled; {''.join(self.lines[-12:])}"
            await asyncio.sleep(0.05)

    async def get(self, path: str) -> tuple[int, str]:
        """What is answered: on the port of health and metrics where that is its path, else on that of the pages."""
        own = path in ("/healthz", "/readyz", "/metrics")
        await self.until(lambda: self.address if own else self.pages, "an address")
        async with ClientSession() as session, session.get((self.address if own else self.pages) + path) as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series with these labels."""
        _, page = await self.get("/metrics")
        total = 0.0
        for line in page.splitlines():
            series, _, value = line.rpartition(" ")
            if re.match(rf"{name}(\{{|$)", series) and all(f'{key}="{text}"' in series for key, text in labels.items()):
                total += float(value)
        return total

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        await self.wait()

    async def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return await self.wait()

    async def wait(self, seconds: float = 60.0) -> int:
        """The exit code."""
        assert self._process is not None
        assert self._reading is not None
        async with asyncio.timeout(seconds):
            code = await self._process.wait()
            await self._reading
        return code


__all__ = ["JOURNAL", "Books", "P", "Process", "Rig", "rig", "same", "settled_at_once", "some_county"]
