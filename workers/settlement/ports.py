"""What the protocol asks of a log and of a store, and the words for when they do not keep up with each other.

Take-over, commit and turn are written against these shapes alone: aiokafka and Redis stand behind them in a running
worker, a log and a store in memory in the tests that lose requests, answers and memory on purpose.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from contracts.journal import Header, read_header
from workers.settlement.records import Outgoing


class StopReason(StrEnum):
    """Why a partition stops until somebody has looked: full statements, a closed list, and the metric's label."""

    GROUP_IS_AHEAD_OF_JOURNAL = "group_is_ahead_of_journal"
    STORE_IS_AHEAD_OF_JOURNAL = "store_is_ahead_of_journal"
    INPUT_IS_LOST = "input_is_lost"
    JOURNAL_IS_EMPTY_BUT_NOT_NEW = "journal_is_empty_but_not_new"
    JOURNAL_IS_OF_ANOTHER_GROUP = "journal_is_of_another_group"
    JOURNAL_HAS_OTHER_PARTITIONS = "journal_has_other_partitions"
    JOURNAL_FORMAT_IS_UNKNOWN = "journal_format_is_unknown"
    JOURNAL_IS_BROKEN = "journal_is_broken"
    JOURNAL_COUNT_IS_WRONG = "journal_count_is_wrong"
    CORE_FAILED_TWICE = "core_failed_twice"
    RECORD_CANNOT_BE_DECODED = "record_cannot_be_decoded"


class PartitionMustStop(Exception):
    """Going on could pay twice or skip somebody. Never retried: a person looks first."""

    def __init__(self, reason: StopReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class NotOurs(Exception):
    """Somebody with a later epoch has written: let the partition go."""


class OutcomeUnknown(Exception):
    """A request went out and its answer did not come, or came as an error: drop the producer and read the journal."""


class Fenced(NotOurs):
    """A request was refused because another worker has started the partition's producer."""


class WrongPartitionCount(Exception):
    """A topic has another number of partitions than the journal was born with. The whole worker stops.

    Another number would give one person two ledgers and two caps.
    """

    def __init__(self, topic: str, found: int, wanted: int) -> None:
        hint = "" if found else " (it is missing, or we may not see it)"
        super().__init__(f"{topic} has {found} partitions{hint}, the worker was started with {wanted}")


class JournalEndNotReached(Exception):
    """The journal could not be read up to its end in time. What is missing may be a payment."""


class JournalRecord(NamedTuple):
    """One record of a partition's journal."""

    offset: int
    key: bytes | None
    value: bytes | None


class Bounds(NamedTuple):
    """The first offset that still exists and the one after the last."""

    first: int
    end: int


class Writer(Protocol):
    """A partition's transactional producer. Its first error is its last word: drop it."""

    async def commit(self, records: Mapping[str, Sequence[Outgoing]], offsets: Mapping[str, int]) -> int:
        """Writes records and consumed offsets in one transaction.

        Returns the journal offset after the last journal record, -1 if there was none. Whatever it raises, the outcome
        is unknown.
        """

    def follow(self, end: int) -> None:
        """The journal has been read up to `end`: its next record, which nobody else can write, must stand there.

        One that is written anywhere else shows a journal that is not the one that was read: read from a broker that no
        longer leads it, shortened since, or made anew. It is not committed. After its own commits a writer knows by
        itself where the next one begins.
        """

    async def release(self) -> None:
        """Lets go in good order. No transaction is open."""

    async def drop(self) -> None:
        """Lets go at once and sends nothing more."""


class Log(Protocol):
    """The broker as the protocol sees it. Every call is bounded in time and raises when its time is over."""

    async def open_writer(self, partition: int) -> Writer:
        """A new epoch of the partition's transactional id: its former owner is fenced, its transaction ended."""

    async def journal_bounds(self, partition: int) -> Bounds:
        """Of everything in the journal, committed or not."""

    def read_journal(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[JournalRecord], None]:
        """The committed records from `start` up to `end`. Not reaching `end` is an error, not an end."""

    async def input_bounds(self, partition: int) -> Mapping[str, Bounds]:
        """Of each input topic."""

    async def committed(self, partition: int) -> Mapping[str, int | None]:
        """The group's offset of each input topic; None where it has none."""


class Snapshot(NamedTuple):
    """A partition's watermark, its number of fields and the fields asked for, all of one moment."""

    watermark: bytes | None
    n: int
    values: Sequence[bytes | None]


class Change(NamedTuple):
    """Fields that replace those of a partition whose watermark is `expected`, and the watermark they make."""

    partition: int
    expected: bytes | None
    watermark: bytes
    fields: Sequence[tuple[bytes, bytes]]


class Filling(Protocol):
    """A partition that is rebuilt beside the old one and takes its place in one step."""

    async def add(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """Later values replace earlier ones."""

    async def finish(self, expected: bytes | None, watermark: bytes, n: int) -> int | None:
        """Takes the old one's place if its watermark is still `expected` and the new one holds `n` fields.

        Returns the number of fields, `n` on success; None if the watermark had moved.
        """

    async def discard(self) -> None:
        """Gives up."""


class Keeper(Protocol):
    """The store as the protocol sees it: a view of the journal that may lag, lie or be empty."""

    async def snapshots(self, wanted: Mapping[int, Sequence[str]]) -> Mapping[int, Snapshot]:
        """One snapshot a partition, all in one round trip."""

    async def apply(self, changes: Sequence[Change]) -> Sequence[int | None]:
        """Compare-and-set in order: the number of fields after each, None where the watermark was not `expected`."""

    async def rebuild(self, partition: int) -> Filling:
        """Starts an empty partition beside the present one."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a view has come: the journal offset after the last header applied, and that header as it stands there."""

    offset: int
    sealed: bytes

    @property
    def header(self) -> Header:
        """The header itself."""
        return read_header(self.sealed)

    def encode(self) -> bytes:
        """The form kept in the store."""
        return b"%d %s" % (self.offset, self.sealed)

    @classmethod
    def read(cls, text: bytes | None) -> "Watermark | None":
        """A watermark from the store, or None for anything that `encode` cannot have written."""
        offset, separator, sealed = (text or b"").partition(b" ")
        if not separator or not offset.isdigit():
            return None
        try:
            read_header(sealed)
        except ValidationError:
            return None
        return cls(int(offset), sealed)


@dataclass(slots=True)
class Held:
    """What the owner of a partition holds between two batches. Only whoever holds the writer may write."""

    partition: int
    writer: Writer
    header: Header
    watermark: bytes

    @property
    def sealed(self) -> bytes:
        """The header as it stands in the journal."""
        return self.watermark.partition(b" ")[2]


def digest(sealed: bytes) -> str:
    """What the next header's `prev_hash` says about this one."""
    return sha256(sealed).hexdigest()
