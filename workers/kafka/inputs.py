"""The consumer: membership of the group, and records as they come.

aiokafka runs a rebalance in a task of its own, beside the loop that reads. So the listener does little: it notes that
what was fetched may no longer be ours, and waits, for a bounded time, until the turn in hand has ended. Positions are
never the group's: a partition stays paused at a placeholder until a take-over has said where it goes on.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CorruptRecordException,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)

from contracts.topics import INPUTS
from workers.kafka.clients import AIOKAFKA, Clients
from workers.kafka.connection import connection
from workers.kafka.consumer import Consumer
from workers.kafka.log import stopped
from workers.settings import Settings
from workers.settlement.inbox import Waiting
from workers.settlement.records import Incoming

PLACEHOLDER: Final = 0
"""Where a partition stands, paused, until it is taken over. Nothing is fetched there."""

FETCH_WAIT_MS: Final = 50
POLL_INTERVAL_MS: Final = 300_000

UNDECODABLE: Final = (UnicodeDecodeError, UnsupportedCodecError, CorruptRecordException)
"""What the client raises for a batch that it cannot take apart: a header name that is not UTF-8, a foreign codec, a
wrong checksum. It raises again for ever, loses what it had taken of other logs, and does not say which log it was."""

ROUNDS_APART: Final = 20
"""How often each log is then fetched by itself, after a rewind, to find the one that cannot be decoded."""


class Inputs(ConsumerRebalanceListener):  # type: ignore[misc]
    """The three input topics. All its partitions are read or paused: one unread partition holds back its whole node."""

    def __init__(self, settings: Settings, clients: Clients = AIOKAFKA) -> None:
        self._settings = settings
        self._consumer = clients.consumer(
            **connection(settings),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=int(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(settings.session_timeout_s * 100),
            rebalance_timeout_ms=int(settings.rebalance_timeout_s * 1000),
            max_poll_interval_ms=POLL_INTERVAL_MS,
            max_partition_fetch_bytes=settings.fetch_max_bytes,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            # Range over all three topics: the same partitions of each go to the same member.
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        self._idle = asyncio.Event()
        self._idle.set()
        self.rebalancing = not settings.fixed_partitions
        """Between revocation and assignment nothing is read and nothing is begun."""
        self.assignments = 0
        """How often partitions were assigned. What was fetched before the last time may not be ours."""
        self._rounds_apart = 0
        self._asked_since: dict[TopicPartition, float] = {}
        """Since when there was nothing that kept a partition from being fetched."""
        self.lost: set[int] = set()
        """Partitions whose position the broker no longer has."""
        self.undecodable: dict[int, str] = {}
        """Partitions with a batch that the client cannot decode, and where it stands."""

    async def start(self) -> None:
        """Joins the group, or takes the partitions that were given by hand."""
        async with asyncio.timeout(2 * self._settings.kafka_request_timeout_s):
            await self._consumer.start()
        fixed = self._settings.fixed_partitions
        if fixed:
            self._consumer.assign([TopicPartition(topic, partition) for partition in fixed for topic in INPUTS])
            self._hold_all()
            self.assignments += 1
        else:
            self._consumer.subscribe(INPUTS, listener=self)

    async def stop(self) -> None:
        """Leaves the group, so that others take over at once and not after the session time-out."""
        await stopped(self._consumer)

    # ── the group ─────────────────────────────────────────────────────────────────────────────────────────────

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Waits for the turn in hand. Safety does not hang on it: whoever is next fences us."""
        self.rebalancing = True
        try:
            async with asyncio.timeout(self._settings.transaction_timeout_s):
                await self._idle.wait()
        except TimeoutError:
            pass

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Holds everything where it is. Taking over is the loop's work: it takes time and may fail."""
        self._hold_all()
        self.assignments += 1
        self.rebalancing = False

    def check_group(self) -> None:
        """Raises what keeps us out of the group, and says that we are still here.

        aiokafka tells it to whoever asks for records, and tries again only then; between revocation and assignment we
        ask for none. Nor does it join again for somebody who has asked for none in `POLL_INTERVAL_MS`: without a word a
        rebalance that an outage makes longer than that would never end.
        """
        if isinstance(self._consumer, Consumer):
            self._consumer.check_group()

    def busy(self) -> None:
        """A turn begins."""
        self._idle.clear()

    def idle(self) -> None:
        """A turn has ended."""
        self._idle.set()

    def partitions(self) -> set[int]:
        """The partitions of which all three topics are assigned to us."""
        assigned: set[TopicPartition] = self._consumer.assignment()
        numbers = {log.partition for log in assigned}
        return {number for number in numbers if all(TopicPartition(topic, number) in assigned for topic in INPUTS)}

    # ── records ───────────────────────────────────────────────────────────────────────────────────────────────

    async def fetch(self, wait_seconds: float) -> dict[int, dict[str, list[Waiting]]]:
        """What has arrived, by partition and topic; waits up to `wait_seconds` if nothing has.

        Records that a rebalance overtook are thrown away: their partitions are read again from `next_in`.
        """
        before = self.assignments
        fetched = await (self._each_by_itself() if self._rounds_apart else self._all(wait_seconds))
        if self.rebalancing or self.assignments != before:
            return {}
        arrived: dict[int, dict[str, list[Waiting]]] = {}
        for log, records in fetched.items():
            arrived.setdefault(log.partition, {})[log.topic] = [_waiting(record) for record in records]
        return arrived

    async def _all(self, wait_seconds: float) -> dict[TopicPartition, list[Any]]:
        try:
            # A rebalance makes getmany wait for its end, however short the time it was given.
            async with asyncio.timeout(wait_seconds + 1.0):
                fetched: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
                    timeout_ms=int(wait_seconds * 1000)
                )
        except TimeoutError:
            return {}
        except OffsetOutOfRangeError as error:
            self.lost |= {log.partition for log in error.args[0]}
            return {}
        except NoOffsetForPartitionError:
            return {}  # aiokafka looked at the group's offset before we could give it ours
        except UNDECODABLE:
            self._rounds_apart = ROUNDS_APART
            raise
        return fetched

    async def _each_by_itself(self) -> dict[TopicPartition, list[Any]]:
        """What can be decoded, log by log, until the one that cannot has shown itself."""
        self._rounds_apart -= 1
        fetched: dict[TopicPartition, list[Any]] = {}
        for log in sorted(self._consumer.assignment() - self._consumer.paused()):
            try:
                fetched.update(await self._consumer.getmany(log, timeout_ms=FETCH_WAIT_MS))
            except UNDECODABLE as error:
                self._consumer.pause(log)
                position = await self._consumer.position(log)
                self.undecodable[log.partition] = f"{log.topic} at or after {position}: {type(error).__name__}"
                self._rounds_apart = 0
        return fetched

    def seek(self, partition: int, next_in: Mapping[str, int]) -> None:
        """Step 6 of a take-over: go on from the journal's position."""
        for topic, offset in next_in.items():
            log = TopicPartition(topic, partition)
            self._consumer.seek(log, offset)
            self._consumer.resume(log)
            self._asked_since[log] = time.time()

    def pause(self, partition: int, topics: Iterable[str] = INPUTS) -> None:
        """Stops fetching."""
        self._consumer.pause(*self._ours(partition, topics))

    def resume(self, partition: int, topics: Iterable[str]) -> None:
        """Fetches again."""
        self._consumer.resume(*self._ours(partition, topics))

    def paused(self, partition: int) -> set[str]:
        """Topics of the partition that are not fetched."""
        return {log.topic for log in self._consumer.paused() if log.partition == partition}

    def unread(self, partition: int) -> dict[str, int]:
        """How far the end lies, by topic, as the last fetch saw it, behind what has been handed out.

        Counted from where the consumer stands and not from the last record: it passes the marker of a transaction,
        which is nobody's to settle and would count as a record until another one comes.
        """
        behind = {}
        for log in self._ours(partition, INPUTS):
            end, position = self._consumer.highwater(log), self._consumer.stands_at(log)
            behind[log.topic] = max(0, end - position) if end is not None and position is not None else 0
        return behind

    def unheard(self, partition: int) -> float:
        """For how many seconds the broker has answered no fetch of one of the topics that are fetched.

        aiokafka asks again for ever, and tells nobody, where a broker answers with an error that it does not know.
        """
        now, longest = time.time(), 0.0
        for log in self._ours(partition, INPUTS):
            if log in self._consumer.paused():
                self._asked_since[log] = now
            since = max(self._consumer.heard_at(log), self._asked_since.get(log, now))
            longest = max(longest, now - since)
        return longest

    def _ours(self, partition: int, topics: Iterable[str]) -> list[TopicPartition]:
        assigned = self._consumer.assignment()
        return [log for topic in topics if (log := TopicPartition(topic, partition)) in assigned]

    def _hold_all(self) -> None:
        for log in self._consumer.assignment():
            self._consumer.pause(log)
            self._consumer.seek(log, PLACEHOLDER)


def _waiting(record: Any) -> Waiting:
    return Waiting(
        Incoming(record.topic, record.partition, record.offset, record.key, record.value, record.headers),
        record.timestamp,
    )
