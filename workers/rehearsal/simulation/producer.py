"""A transactional producer that behaves as aiokafka's does, request by request.

`begin_transaction` asks nobody. The first `send_batch` adds the partitions, each batch is produced by itself and its
future alone hears of it: a transaction in which a produce failed can be committed all the same. Offsets are added, then
committed; then one EndTxn. An answer that is lost ends the producer, as `workers.kafka.strict` has it, except for a
produce, which is sent again under the same sequence number.

What is on its way when the connections are cut may arrive all the same, and late.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, ProducerFenced

from contracts.topics import JOURNAL
from workers.rehearsal.simulation.broker import Broker, NotYet
from workers.rehearsal.simulation.faults import Faults
from workers.settlement.ports import Fenced
from workers.settlement.records import Outgoing

T = TypeVar("T")

ASK_AGAIN_SECONDS: Final = 0.02
RECORDS_MAX: Final = 6
"""Of one record batch, so that some transactions need several for one log."""

PRODUCES_MAX: Final = 2
"""How often a produce without an answer is sent before its future fails."""


class Written(NamedTuple):
    """What a produce answers."""

    offset: int


class RecordBatch:
    """Records for one partition, as aiokafka's builder."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    def append(
        self, *, key: bytes | None, value: bytes, timestamp: None, headers: Sequence[tuple[str, bytes]]
    ) -> object | None:
        """None where it is full."""
        if len(self.records) >= RECORDS_MAX:
            return None
        self.records.append(Outgoing(key, value, list(headers)))
        return self

    def record_count(self) -> int:
        """How many there are."""
        return len(self.records)


class MemoryProducer:
    """One client with a transactional id."""

    def __init__(self, broker: Broker, faults: Faults, *, transactional_id: str, **_: Any) -> None:
        self._broker = broker
        self._faults = faults
        self._name = transactional_id
        self._epoch = -1
        self._closed = False
        self._adding: asyncio.Task[None] | None = None
        self._last: dict[tuple[str, int], asyncio.Task[Any]] = {}
        """By log: what was produced last."""
        self._asking: set[asyncio.Task[Any]] = set()
        self._numbers: dict[tuple[str, int], int] = {}
        self.client = self
        self._sender = SimpleNamespace(sender_task=None)
        self._txn_manager = SimpleNamespace(_transaction_waiter=None)

    async def start(self) -> None:
        """InitProducerId."""
        self._epoch = await self._ask("init", lambda: self._broker.new_epoch(self._name))

    async def partitions_for(self, topic: str) -> set[int]:
        """From the metadata, which are here already."""
        return set(range(self._broker.partitions))

    # ── a transaction ─────────────────────────────────────────────────────────────────────────────────────────

    async def begin_transaction(self) -> None:
        """Nothing is sent yet."""
        self._adding = None
        self._last.clear()

    def create_batch(self) -> RecordBatch:
        """An empty one."""
        return RecordBatch()

    async def send_batch(self, batch: RecordBatch, topic: str, *, partition: int) -> "asyncio.Task[Written]":
        """Produces; the future knows how it went, and nobody else."""
        if self._adding is None:
            self._adding = self._started(self._ask("add partitions", self._add))
        where = topic, partition
        number = self._numbers[where] = self._numbers.get(where, -1) + 1
        before = self._last.get(where, self._adding)
        produced = self._last[where] = self._started(self._produce(before, batch, topic, partition, number))
        return produced

    async def send_offsets_to_transaction(self, positions: Mapping[TopicPartition, int], group: str) -> None:
        """AddOffsetsToTxn and TxnOffsetCommit."""
        if self._adding is not None:
            await asyncio.shield(self._adding)
        await self._ask("add offsets", self._add)
        offsets = {topic: offset for (topic, _), offset in positions.items()}
        partition = next(iter(positions)).partition
        await self._ask("offsets", lambda: self._broker.add_offsets(self._name, self._epoch, group, partition, offsets))

    async def commit_transaction(self) -> None:
        """EndTxn, sent once."""
        await self._ask("end", lambda: self._broker.end(self._name, self._epoch))

    def _add(self) -> None:
        self._broker.add_partitions(self._name, self._epoch)

    async def _produce(
        self, before: "asyncio.Task[Any]", batch: RecordBatch, topic: str, partition: int, number: int
    ) -> Written:
        # One batch of a log is under way at a time, so that they are written in their order.
        await asyncio.shield(before)
        where = "produce journal" if topic == JOURNAL else "produce"
        for _ in range(PRODUCES_MAX):
            try:
                offset = await self._ask(
                    where,
                    lambda: self._broker.write_once(self._name, self._epoch, topic, partition, batch.records, number),
                )
            except KafkaConnectionError:
                continue
            return Written(offset)
        raise KafkaTimeoutError

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(self, where: str, effect: Callable[[], T]) -> T:
        """Asks until the broker no longer says that it is too early. Whatever else goes wrong is raised."""
        while not self._closed:
            try:
                return await self._faults.request(where, effect, self._name)
            except NotYet:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            except Fenced as fenced:
                raise ProducerFenced from fenced
        raise KafkaConnectionError("closed")

    def _started(self, coroutine: Any) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(coroutine)
        self._asking.add(task)
        task.add_done_callback(self._asked)
        return task

    def _asked(self, task: "asyncio.Task[Any]") -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # whoever awaits it hears of it; nobody else needs to

    async def close(self) -> None:
        """Cuts the connections. What is on its way may arrive."""
        self._closed = True
        for task in list(self._asking):
            task.cancel()

    async def stop(self) -> None:
        """In good order: nothing is on its way."""
        await self.close()
