"""The two ends of a proof outside the workers: a gateway that gives no event up, and an eye on what is settled."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from contracts.topics import INPUTS, PAYOUTS
from workers.rehearsal.proof.load import MARK, Sent
from workers.settlement.validate import partition_of

ACKNOWLEDGED_SECONDS_MAX: Final = 20.0
AT_ONCE_MAX: Final = 400
"""How many events are sent together by a gateway that was held up."""

LOOK_SECONDS: Final = 0.25


class Gateway:
    """Sends at a steady pace, and again whatever was not acknowledged: at least once, as gateways do."""

    def __init__(self, bootstrap: str, events: Iterator[Sent], partitions: int, per_second: float) -> None:
        self._bootstrap = bootstrap
        self._events = events
        self._partitions = partitions
        self._per_second = per_second
        self.sent = 0
        self.again = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop, and everything is acknowledged."""
        clock = asyncio.get_running_loop()
        began = clock.time()
        unsent: list[Sent] = []
        while unsent or not stop.is_set():
            async with self._producer() as producer:
                while unsent or not stop.is_set():
                    due = 0 if stop.is_set() else int((clock.time() - began) * self._per_second) - self.sent
                    fresh = [next(self._events) for _ in range(max(0, min(due, AT_ONCE_MAX)))]
                    self.sent += len(fresh)
                    unsent = await self._acknowledged(producer, [*unsent, *fresh])
                    if unsent:
                        self.again += len(unsent)
                        break  # an idempotent producer that has failed once is of no use any more
                    await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def _producer(self) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=2,
            request_timeout_ms=15_000,
        )
        try:
            while True:
                try:
                    async with asyncio.timeout(10):
                        await producer.start()
                    break
                except (KafkaError, OSError, TimeoutError):
                    await asyncio.sleep(LOOK_SECONDS)
            yield producer
        finally:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await producer.stop()

    async def _acknowledged(self, producer: AIOKafkaProducer, events: list[Sent]) -> list[Sent]:
        """Sends them; those of which nobody knows whether they arrived."""
        if not events:
            return []
        answers: list[asyncio.Future[Any]] = []
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(ACKNOWLEDGED_SECONDS_MAX):
                for event in events:
                    answers.append(await self._send(producer, event))  # noqa: PERF401 - those before a failure count
                await asyncio.wait(answers)
        return [
            event
            for number, event in enumerate(events)
            if number >= len(answers) or not answers[number].done() or answers[number].exception() is not None
        ]

    async def _send(self, producer: AIOKafkaProducer, event: Sent) -> "asyncio.Future[Any]":
        own = 0 if event.key is None else partition_of(event.key, self._partitions)
        answer: asyncio.Future[Any] = await producer.send(
            event.topic,
            event.value,
            key=event.key,
            partition=(own + event.astray) % self._partitions,
            headers=[MARK] if event.broken else [],
        )
        return answer


class Eye:
    """Counts what a reader of committed payouts sees, and what the group has not consumed yet."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._bootstrap = bootstrap
        self._payouts = [TopicPartition(PAYOUTS, number) for number in range(partitions)]
        self._inputs = [TopicPartition(topic, number) for topic in INPUTS for number in range(partitions)]
        self._seen = dict.fromkeys(self._payouts, 0)
        self.settlements = 0
        self.payouts = 0

    async def run(self) -> None:
        """Until cancelled; goes on where it was when the broker comes back."""
        while True:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await self._watch()
            await asyncio.sleep(LOOK_SECONDS)

    async def _watch(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
        )
        try:
            await consumer.start()
            consumer.assign(self._payouts)
            for log, offset in self._seen.items():
                consumer.seek(log, offset)
            while True:
                for log, records in (await consumer.getmany(timeout_ms=int(LOOK_SECONDS * 1_000))).items():
                    self.payouts += len(records)
                    self.settlements += sum(b'"kind":"settlement"' in record.value for record in records)
                    self._seen[log] = records[-1].offset + 1
        finally:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await consumer.stop()

    async def behind(self, group: str) -> int | None:
        """How many input records the group has not consumed; None where the broker does not say."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, group_id=group, enable_auto_commit=False)
        try:
            async with asyncio.timeout(20):
                await consumer.start()
                ends = await consumer.end_offsets(self._inputs)
                consumed = await asyncio.gather(*(consumer.committed(log) for log in self._inputs))
        except (KafkaError, OSError, TimeoutError):
            return None
        finally:
            await consumer.stop()
        return int(sum(ends[log] - (offset or 0) for log, offset in zip(self._inputs, consumed, strict=True)))
