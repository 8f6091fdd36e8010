"""The quarantine topic as an operator needs it: read through, and originals sent again with the record of it.

One transactional id for all replays, so that whoever starts last is the only one who can go on. What was replayed is
read once more after the id was taken: from then on nobody else can add to it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from contracts.topics import INPUTS, QUARANTINE
from workers.kafka.connection import connection
from workers.kafka.consumer import Consumer
from workers.kafka.log import FETCH_BYTES, WHOLE_JOURNAL_BYTES, KafkaLog, stopped
from workers.kafka.writer import cut, released
from workers.settings import Settings
from workers.settlement.ports import Fenced, OutcomeUnknown
from workers.settlement.records import Filed, Incoming, Placed

TRANSACTIONAL_ID: Final = "yidan-quarantine-replay"

WAIT_MS: Final = 200
"""How long the broker may wait for more before it answers that a log has not grown."""

GAP_MAX: Final = 1_000
"""So many records that nobody wants are read rather than jumped over."""

REQUEST_BYTES_MAX: Final = 2 << 20
"""A record that the worker could write to quarantine must not be too large to be sent again."""


class QuarantineLog:
    """A reader of the whole topic. Every wait is bounded. Raises `WrongPartitionCount` at the start."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._log = KafkaLog(settings)
        # It is asked for the ends of logs as they are written, not as they are committed.
        self._scout = Consumer(**connection(settings), enable_auto_commit=False, isolation_level="read_uncommitted")
        self._read_up_to = dict.fromkeys(range(settings.partitions), 0)
        self.unreached: dict[int, tuple[int, int]] = {}
        """Partitions that the last `read` could not read to their end: how far it came, and the end."""

    async def start(self) -> None:
        """Connects, and looks whether the topics are those of the settings."""
        await self._log.start()
        await self._log.check_partitions()
        await self._bounded(self._scout.start())

    async def stop(self) -> None:
        """Lets go, however the broker is."""
        await asyncio.gather(self._log.stop(), stopped(self._scout))

    async def passed(self) -> dict[tuple[str, int], int]:
        """The group's next offset, by input topic and partition."""
        numbers = range(self._settings.partitions)
        offsets = await asyncio.gather(*(self._log.committed(number) for number in numbers))
        return {
            (topic, number): offset
            for number, committed in zip(numbers, offsets, strict=True)
            for topic, offset in committed.items()
            if offset is not None
        }

    async def read(self) -> AsyncGenerator[Sequence[Filed], None]:
        """The committed records from where the last call ended up to the end as it is written now.

        Somebody's open transaction hides what lies behind it. It is waited for as long as a journal is; what then is
        still hidden stands in `unreached`.
        """
        self.unreached = {}
        firsts, ends = await self._bounds()
        places = [place for place, end in ends.items() if end > self._read_up_to[place.partition]]
        if not places:
            return
        consumer = self._consumer("read_committed")
        try:
            await self._bounded(consumer.start())
            consumer.assign(places)
            for place in places:
                # The embedded broker loses committed records for a reader that starts in mid-log.
                start = 0 if self._settings.journal_from_start else self._read_up_to[place.partition]
                consumer.seek(place, max(start, firsts[place]))
            async for records in self._until(consumer, ends):
                yield [
                    _filed(record)
                    for record in records
                    if self._read_up_to[record.partition] <= record.offset < ends[_place(record)]
                ]
            for place in places:
                self._read_up_to[place.partition] = min(await self._bounded(consumer.position(place)), ends[place])
        finally:
            await stopped(consumer)
        self.unreached = {
            place.partition: (reached, ends[place])
            for place in places
            if (reached := self._read_up_to[place.partition]) < ends[place]
        }

    async def _until(self, consumer: Consumer, ends: Mapping[TopicPartition, int]) -> AsyncGenerator[list[Any], None]:
        """Records as they come, until every log is at its end or none has moved for too long."""
        clock = asyncio.get_running_loop()
        unread, moved = dict.fromkeys(consumer.assignment(), -1), clock.time()
        while unread and clock.time() - moved <= self._settings.journal_stall_timeout_s:
            fetched = await self._bounded(consumer.getmany(timeout_ms=WAIT_MS))
            for records in fetched.values():
                yield records
            for place, before in list(unread.items()):
                position = await self._bounded(consumer.position(place))
                if position > before:
                    unread[place], moved = position, clock.time()
                if position >= ends[place]:
                    del unread[place]

    async def at(self, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Filed]:
        """The records at these partitions and offsets, which `read` has given before. Raises `TimeoutError`.

        They are known to be committed, so nothing of transactions needs to be known.
        """
        missing: dict[TopicPartition, set[int]] = {}
        for number, offset in places:
            missing.setdefault(TopicPartition(QUARANTINE, number), set()).add(offset)
        found: dict[tuple[int, int], Filed] = {}
        consumer = self._consumer("read_uncommitted")
        try:
            await self._bounded(consumer.start())
            consumer.assign(list(missing))
            for place, offsets in missing.items():
                consumer.seek(place, min(offsets))
            while missing:
                async with asyncio.timeout(self._settings.journal_stall_timeout_s):
                    while not (fetched := await consumer.getmany(timeout_ms=WAIT_MS)):
                        pass
                for place, records in fetched.items():
                    for record in records:
                        if record.offset in missing.get(place, ()):
                            missing[place].remove(record.offset)
                            found[place.partition, record.offset] = _filed(record)
                    await self._go_on(consumer, place, missing)
        finally:
            await stopped(consumer)
        return found

    async def _go_on(self, consumer: Consumer, place: TopicPartition, missing: dict[TopicPartition, set[int]]) -> None:
        """A log that has given everything is read no more; over a wide gap the reader jumps."""
        offsets = missing.get(place)
        if not offsets:
            consumer.pause(place)
            missing.pop(place, None)
        elif min(offsets) - await self._bounded(consumer.position(place)) > GAP_MAX:
            consumer.seek(place, min(offsets))

    def _consumer(self, isolation_level: str) -> Consumer:
        # The embedded broker has to give what is committed in one answer: see `KafkaLog`.
        in_one = self._settings.journal_from_start and isolation_level == "read_committed"
        most = WHOLE_JOURNAL_BYTES if in_one else self._settings.fetch_max_bytes
        return Consumer(
            **connection(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level=isolation_level,
            fetch_max_wait_ms=WAIT_MS,
            max_partition_fetch_bytes=most,
            fetch_max_bytes=max(most, FETCH_BYTES),
        )

    async def _bounds(self) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """The first offset that still exists and the one after the last, by partition."""
        places = [TopicPartition(QUARANTINE, number) for number in range(self._settings.partitions)]
        firsts = await self._bounded(self._scout.beginning_offsets(places))
        return firsts, await self._bounded(self._scout.end_offsets(places))

    async def _bounded(self, waiting: Any) -> Any:
        async with asyncio.timeout(2 * self._settings.kafka_request_timeout_s):
            return await waiting


@asynccontextmanager
async def quarantine_log(settings: Settings) -> AsyncIterator[QuarantineLog]:
    """A reader until the block ends."""
    log = QuarantineLog(settings)
    try:
        await log.start()
        yield log
    finally:
        await log.stop()


class ReplayWriter:
    """The epoch of the replays' transactional id. Its first error is its last word: drop it."""

    def __init__(self, producer: AIOKafkaProducer, seconds: float) -> None:
        self._producer = producer
        self._seconds = seconds

    @classmethod
    async def open(cls, settings: Settings) -> "ReplayWriter":
        """A new epoch. On return every other replay is fenced and its open transaction ended."""
        producer = AIOKafkaProducer(
            **connection(settings),
            transactional_id=TRANSACTIONAL_ID,
            transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
            acks="all",
            linger_ms=0,
            max_request_size=REQUEST_BYTES_MAX,
        )
        writer = cls(producer, settings.commit_timeout_s)
        try:
            async with asyncio.timeout(settings.transaction_timeout_s + settings.commit_timeout_s):
                await producer.start()
        except BaseException:
            await writer.drop()
            raise
        return writer

    async def commit(
        self, sending: Sequence[Placed], told: Callable[[Sequence[int]], Sequence[Placed]]
    ) -> Sequence[int]:
        """Sends records, and those that `told` makes of the offsets they got, in one transaction. Gives the offsets.

        Raises `Fenced` where another replay has been started, `OutcomeUnknown` for everything else.
        """
        try:
            async with asyncio.timeout(self._seconds):
                await self._producer.begin_transaction()
                offsets = await self._sent(sending)
                await self._sent(told(offsets))
                await self._producer.commit_transaction()
        except ProducerFenced as error:
            raise Fenced("another replay has been started") from error
        except Exception as error:
            raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error
        return offsets

    async def _sent(self, sending: Sequence[Placed]) -> list[int]:
        """The offsets of records that every in-sync replica has. All are awaited, also after a failure."""
        futures = [
            await self._producer.send(
                placed.topic,
                value=placed.record.value,
                key=placed.record.key,
                partition=placed.partition,
                headers=placed.record.headers,
            )
            for placed in sending
        ]
        outcomes: list[Any] = await asyncio.gather(*futures, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            raise next((failure for failure in failures if isinstance(failure, ProducerFenced)), failures[0])
        if any(outcome.offset < 0 for outcome in outcomes):
            raise OutcomeUnknown("the broker has seen these records before and forgotten where")
        return [outcome.offset for outcome in outcomes]

    async def release(self) -> None:
        """Lets go in good order. No transaction is open."""
        await released(self._producer)

    async def drop(self) -> None:
        """Cuts the connections: what is open is ended by the next replay, or by the broker when its time is over."""
        await cut(self._producer)


@asynccontextmanager
async def replay_writer(settings: Settings) -> AsyncIterator[ReplayWriter]:
    """A writer until the block ends, in good order or by an error."""
    writer = await ReplayWriter.open(settings)
    try:
        yield writer
    except BaseException:
        await writer.drop()
        raise
    await writer.release()


def _place(record: Any) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _filed(record: Any) -> Filed:
    incoming = Incoming(record.topic, record.partition, record.offset, record.key, record.value, record.headers)
    return Filed(incoming, record.timestamp)


assert QUARANTINE not in INPUTS
