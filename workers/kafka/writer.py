"""One partition's transactional producer: whoever starts it last is the only one who can write.

aiokafka commits a transaction although a produce inside it has failed, so every produce is awaited before the commit is
asked for. Nothing is ever aborted and gone on from: the first error is the writer's last word.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from contracts.topics import INPUTS, JOURNAL, PAYOUTS, QUARANTINE, SIGNALS
from workers.kafka.clients import AIOKAFKA, Clients
from workers.kafka.connection import connection
from workers.kafka.strict import forbid_resending
from workers.settings import Settings
from workers.settlement.ports import Fenced, OutcomeUnknown, WrongPartitionCount
from workers.settlement.records import Outgoing

OUTPUTS: Final = (JOURNAL, PAYOUTS, SIGNALS, QUARANTINE)

PRODUCED_BYTES_MAX: Final = 512 * 1024
"""Of one record batch, before compression: half of what a broker takes by default. A larger record goes alone."""

MARKER: Final = 1
"""How many offsets of a log the end of a transaction takes. Until it is written the next one cannot begin."""

LETTING_GO_SECONDS: Final = 2.0
"""What a good-bye to the broker may take before it is cut short."""

forbid_resending()


def transactional_id(partition: int) -> str:
    """One for each partition of the journal, whatever the group: the lock that makes its holder the only writer."""
    return f"yidan-{JOURNAL}-{partition}"


class PartitionWriter:
    """The epoch of one partition's transactional id."""

    def __init__(self, producer: Any, partition: int, group: str, seconds: float) -> None:
        self._producer = producer
        self._partition = partition
        self._group = group
        self._seconds = seconds
        self._usable = True
        self._journal_end: int | None = None
        """Where the next journal record must stand; None until somebody has read the journal."""

    @classmethod
    async def open(cls, settings: Settings, partition: int, clients: Clients = AIOKAFKA) -> "PartitionWriter":
        """A new epoch. On return the former owner is fenced and its open transaction ended."""
        producer = clients.producer(
            **connection(settings),
            transactional_id=transactional_id(partition),
            transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
            acks="all",
            linger_ms=0,
            max_batch_size=PRODUCED_BYTES_MAX,
        )
        writer = cls(producer, partition, settings.group, settings.commit_timeout_s)
        try:
            # A predecessor's open transaction is ended first, which takes as long as the broker needs.
            async with asyncio.timeout(settings.transaction_timeout_s + settings.commit_timeout_s):
                await producer.start()
                for topic in OUTPUTS:
                    found = len(await producer.partitions_for(topic))
                    if found != settings.partitions:
                        raise WrongPartitionCount(topic, found, settings.partitions)
        except BaseException:
            await writer.drop()
            raise
        return writer

    async def commit(self, records: Mapping[str, Sequence[Outgoing]], offsets: Mapping[str, int]) -> int:
        """Writes records and consumed offsets in one transaction; the journal offset after its last journal record.

        Raises `Fenced` where somebody else has taken over, `OutcomeUnknown` for everything else.
        """
        if not self._usable:
            raise OutcomeUnknown(f"partition {self._partition}: this writer has failed before")
        self._usable = False
        try:
            async with asyncio.timeout(self._seconds):
                after = await self._transaction(records, offsets)
        except ProducerFenced as error:
            raise Fenced(f"partition {self._partition}: another worker has taken it over") from error
        except Exception as error:
            # What has ended aiokafka's own task stands behind an error that says no more than that it was unexpected.
            cause = (error.__cause__ if type(error) is KafkaError else None) or error
            raise OutcomeUnknown(f"partition {self._partition}: {type(cause).__name__}: {cause}") from error
        self._usable = True
        return after

    async def _transaction(self, records: Mapping[str, Sequence[Outgoing]], offsets: Mapping[str, int]) -> int:
        producer = self._producer
        await producer.begin_transaction()
        sent: list[tuple[str, int, asyncio.Future[Any]]] = []
        for topic, outgoing in records.items():
            for batch in self._batches(outgoing):
                future = await producer.send_batch(batch, topic, partition=self._partition)
                sent.append((topic, batch.record_count(), future))
        # All outcomes are awaited, also after a failure: nothing of this transaction may be under way when we let go.
        outcomes: list[Any] = await asyncio.gather(*(future for _, _, future in sent), return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            raise next((failure for failure in failures if isinstance(failure, ProducerFenced)), failures[0])
        after = -1
        for (topic, count, _), written in zip(sent, outcomes, strict=True):
            if written.offset < 0:
                raise OutcomeUnknown(f"the broker has seen this batch of {topic} before and forgotten where")
            if topic == JOURNAL:
                self._must_follow(written.offset)
                after = self._journal_end = written.offset + count
        # Only now the offsets. While the group enters the transaction, the broker cannot say whether a produce beside
        # it belongs there, answers "not yet", and the client backs off for longer than all of this takes.
        positions = {TopicPartition(topic, self._partition): offset for topic, offset in offsets.items()}
        await producer.send_offsets_to_transaction(positions, self._group)
        await producer.commit_transaction()
        if after >= 0:
            self._journal_end = after + MARKER
        return after

    def follow(self, end: int) -> None:
        """The journal has been read up to `end`. What this writer has written since, it knows better."""
        if self._journal_end is None:
            self._journal_end = end

    def _must_follow(self, offset: int) -> None:
        if self._journal_end is not None and offset != self._journal_end:
            raise OutcomeUnknown(f"the journal goes on at {offset}, it was read up to {self._journal_end}")

    def _batches(self, outgoing: Sequence[Outgoing]) -> Iterator[Any]:
        """Record batches for `send_batch`, which costs half of sending record by record."""
        batch = None
        for record in outgoing:
            if batch is None:
                batch = self._producer.create_batch()
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
                yield batch
                batch = self._producer.create_batch()
                batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
        if batch is not None:
            yield batch

    async def release(self) -> None:
        """Lets go in good order. No transaction is open."""
        self._usable = False
        await released(self._producer)

    async def drop(self) -> None:
        """Cuts the connections, so that nothing more is sent, and ends aiokafka's own tasks."""
        self._usable = False
        await cut(self._producer)


async def released(producer: Any) -> None:
    """Stops a producer that has no transaction open, or cuts it where it does not stop."""
    try:
        async with asyncio.timeout(LETTING_GO_SECONDS):
            await producer.stop()
    except Exception:  # noqa: BLE001 - whatever it was, the connection is cut next
        await cut(producer)


async def cut(producer: Any) -> None:
    """Cuts a producer's connections, so that nothing more is sent, and ends aiokafka's own tasks.

    Its `stop` would first send what is buffered, and wait for ever where the broker is gone.
    """
    sender = producer._sender.sender_task
    producer._closed = True
    for _ in range(3):
        # Cut, then cancel: a task that was waiting for an answer wakes up and might connect again.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(LETTING_GO_SECONDS):
                await producer.client.close()
        if sender is None or sender.done():
            break
        sender.cancel()
        await asyncio.wait([sender], timeout=LETTING_GO_SECONDS / 4)
    for ended in (sender, producer._txn_manager._transaction_waiter):
        if ended is not None and ended.done() and not ended.cancelled():
            ended.exception()  # looked at, so that asyncio does not complain of an error that we have acted on


assert set(OUTPUTS).isdisjoint(INPUTS)
