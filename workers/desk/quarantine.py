"""What lies in quarantine: which refused records are open, since when, and what came of those that were sent again.

Pure, and small: of each record that somebody asks for a row is kept, never its original. A refused record and what was
written of its replays lie in one partition, in this order, so one pass over the topic is enough.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import merge
from typing import Final, cast

import orjson

from contracts.quarantine import ORIGINAL_BYTES_MAX, REPLAYED_FROM, RecordId, Refused, Replayed
from contracts.vocabulary import Refusal
from workers.settlement.quarantine import original_of
from workers.settlement.records import Filed, Outgoing, Placed
from workers.settlement.validate import partition_of

CHUNK_RECORDS_MAX: Final = 200
CHUNK_BYTES_MAX: Final = 4 << 20
"""What is sent again in one transaction. While it is open, workers wait for it in the partitions that it touches."""


@dataclass(frozen=True, slots=True)
class Replay:
    """One time that a refused record was sent again."""

    at: str
    by: str
    sent: RecordId


class Came(StrEnum):
    """What came of a replay: full words, a closed list."""

    WAITING = "waiting"
    """No worker has reached it."""
    ACCEPTED = "accepted"
    """A worker has passed it and has not refused it."""
    REFUSED_AGAIN = "refused_again"
    UNKNOWN = "unknown"
    """The part of the quarantine in which a refusal would stand could not be read."""


@dataclass(slots=True)
class Kept:
    """A refused record without its bytes."""

    id: RecordId
    refused_ms: int
    reason: str
    field: str | None
    length: int
    whole: bool
    """Whether the original is kept, so that it can be sent again."""
    partition: int
    offset: int
    """Where it lies in the quarantine topic."""
    replays: tuple[Replay, ...] = ()

    @property
    def why_not_whole(self) -> str | None:
        """Why there is no original, or None where there is one."""
        if self.whole:
            return None
        if self.length > ORIGINAL_BYTES_MAX:
            return f"it has {self.length:,} bytes; of more than {ORIGINAL_BYTES_MAX:,} the original is not kept"
        return "it holds an identity-card number, so its original is not kept"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which refused records are meant. Empty sets and None mean: any."""

    ids: frozenset[RecordId] = frozenset()
    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    """The first moment that is not meant any more."""

    @property
    def anything(self) -> bool:
        """Whether nothing was said."""
        return self == Wanted()

    def __call__(self, row: Kept) -> bool:
        """Whether this one is meant."""
        return (
            (not self.ids or row.id in self.ids)
            and (not self.reasons or row.reason in self.reasons)
            and (not self.topics or row.id.topic in self.topics)
            and (self.since_ms is None or row.refused_ms >= self.since_ms)
            and (self.until_ms is None or row.refused_ms < self.until_ms)
        )


class Book:
    """The rows of the refused records that are meant, as the topic's records go by.

    Without `closed`, a row goes as soon as its replay is seen, so that memory is bounded by what is open.
    """

    def __init__(self, wanted: Callable[[Kept], bool], *, closed: bool) -> None:
        self._wanted = wanted
        self._keeps_closed = closed
        self._rows: dict[RecordId, Kept] = {}
        self._again: dict[RecordId, str] = {}  # a replay that was refused -> the reason
        self.strange = 0
        """Records of the topic that are no message of ours, or of a later version."""

    def take(self, filed: Filed) -> None:
        """One more record of the topic, in the order of its partition."""
        message = _message(filed.record.value)
        try:
            match message.get("type"):
                case "refused":
                    self._refused(cast("Refused", message), filed)
                case "replayed":
                    self._replayed(cast("Replayed", message))
                case _:
                    self.strange += 1
        except (KeyError, TypeError):
            self.strange += 1

    def _refused(self, message: Refused, filed: Filed) -> None:
        row = row_of(message, filed)
        if any(name == REPLAYED_FROM for name, _ in filed.record.headers):
            self._again[row.id] = row.reason
        if self._wanted(row):
            self._rows[row.id] = row

    def _replayed(self, message: Replayed) -> None:
        row = self._rows.get(RecordId.of(message["source"]))
        if row is None:
            return
        row.replays = (*row.replays, Replay(message["at"], message["by"], RecordId.of(message["sent"])))
        if not self._keeps_closed:
            del self._rows[row.id]

    def rows(self) -> list[Kept]:
        """Everything that is kept, as `in_order` puts it."""
        return in_order(self._rows.values())

    def open(self) -> list[Kept]:
        """What is refused and not replayed."""
        return in_order(row for row in self._rows.values() if not row.replays)

    def find(self, record: RecordId) -> Kept | None:
        """The row of this record, if it is meant and was refused."""
        return self._rows.get(record)

    def came_of(self, replay: Replay, passed: Mapping[tuple[str, int], int], unreached: Iterable[int]) -> Came:
        """What came of a replay.

        `passed` is the group's next offset by topic and partition, looked up before the quarantine was read to its end:
        a refusal is of one transaction with the offset that passes the refused record. `unreached` are partitions of
        the quarantine that were not read to their end.
        """
        if replay.sent in self._again:
            return Came.REFUSED_AGAIN
        if passed.get((replay.sent.topic, replay.sent.partition), 0) <= replay.sent.offset:
            return Came.WAITING
        return Came.UNKNOWN if replay.sent.partition in unreached else Came.ACCEPTED

    def refused_again_for(self, replay: Replay) -> str | None:
        """The reason for which a replayed record was refused again."""
        return self._again.get(replay.sent)


def row_of(message: Refused, filed: Filed) -> Kept:
    """The row of a `refused`."""
    return Kept(
        id=RecordId.of(message["source"]),
        refused_ms=filed.at_ms,
        reason=message["reason"],
        field=message["field"],
        length=message["length"],
        whole="original" in message or "original_base64" in message,
        partition=filed.record.partition,
        offset=filed.record.offset,
    )


def sent_again(row: Kept, filed: Filed, partitions: int) -> Placed:
    """The record as it came, for its topic again, to its key's own partition as any gateway sends it.

    So one that was refused for its partition can come right. Without a key, or with one that is not kept, it goes where
    it had come from. Raises `ValueError` where its original is not kept or not whole.
    """
    record = filed.record
    value = original_of(refused_of(filed))
    if value is None:
        raise ValueError(row.why_not_whole or "its original is not kept")
    partition = row.id.partition if record.key is None else partition_of(record.key, partitions)
    headers = [(name, text) for name, text in record.headers if name != REPLAYED_FROM]
    return Placed(
        row.id.topic, partition, Outgoing(record.key, value, [*headers, (REPLAYED_FROM, str(row.id).encode())])
    )


def replayed(row: Kept, sent: RecordId, sha256: str, at: str, by: str) -> Replayed:
    """The message that a refused record was sent again, which closes it."""
    return {
        "type": "replayed",
        "source": {"topic": row.id.topic, "partition": row.id.partition, "offset": row.id.offset},
        "reason": cast("Refusal", row.reason),
        "sent": {"topic": sent.topic, "partition": sent.partition, "offset": sent.offset},
        "sha256": sha256,
        "at": at,
        "by": by,
    }


def in_order(rows: Iterable[Kept]) -> list[Kept]:
    """The oldest refusal first; those of one partition in the order in which they were refused, whatever clocks say."""
    partitions: dict[int, list[Kept]] = {}
    for row in sorted(rows, key=lambda row: (row.partition, row.offset)):
        partitions.setdefault(row.partition, []).append(row)
    # A merge never overtakes within one of its lists, also where that list's times go back.
    return list(merge(*partitions.values(), key=lambda row: row.refused_ms))


def chunks(
    rows: Iterable[Kept], *, records_max: int = CHUNK_RECORDS_MAX, bytes_max: int = CHUNK_BYTES_MAX
) -> Iterator[list[Kept]]:
    """Rows in their order, so many at once. One that is larger than the limit goes alone."""
    chunk: list[Kept] = []
    size = 0
    for row in rows:
        if chunk and (len(chunk) >= records_max or size + row.length > bytes_max):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += row.length
    if chunk:
        yield chunk


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is open, and since when."""

    open: int
    oldest_ms: int | None
    by_reason: Counter[tuple[str, str]] = field(default_factory=Counter)  # (reason, topic)

    @classmethod
    def of(cls, rows: Iterable[Kept]) -> "Depth":
        """Of the rows that are open among these."""
        lying = [row for row in rows if not row.replays]
        return cls(
            len(lying),
            min((row.refused_ms for row in lying), default=None),
            Counter((row.reason, row.id.topic) for row in lying),
        )


def refused_of(filed: Filed) -> Refused:
    """The message of a record that a row was made of."""
    return cast("Refused", _message(filed.record.value))


def _message(value: bytes | None) -> dict[str, object]:
    try:
        message = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}
