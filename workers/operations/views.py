"""The views of all partitions, as one process knows them: its own partitions' first-hand, the others' from the log.

The value of a part is a function of the payouts of one partition up to an offset, and it carries that offset. So
whoever has got further is right, whatever came in which order and however often: replays, two owners at once, and
records that arrive late change nothing. That is all the exactness that derived numbers need.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from workers.operations.parts import CLEARING, ROWS, YEARS, Key, Value, add, contributions

POSITION: Final[Key] = ("position",)
"""The key of a partition's position: the offset that is next to be taken in. Written after the parts it speaks for."""


Stored = bytes
"""A key or a value as it stands in the log. They are kept so: as objects the parts would take several times as much."""


@dataclass(slots=True)
class Part:
    """A part's value, and the offset of the last payout that changed it."""

    offset: int
    stored: Stored

    @property
    def value(self) -> Value:
        """The value, made anew each time."""
        value: Value = orjson.loads(self.stored)
        return value


@dataclass(slots=True)
class PartitionView:
    """Everything derived from one partition of the payouts."""

    epoch: int = 0
    """How often the views were thrown away and derived again. Parts of an earlier epoch no longer count."""
    position: int = 0
    parts: dict[str, dict[Stored, Part]] = field(default_factory=dict)
    changed: set[Stored] = field(default_factory=set)
    """Keys of parts that the log does not have as they are here."""
    _row_of: dict[Stored, Stored] = field(default_factory=dict)
    _rows_on: dict[Stored, list[Stored]] = field(default_factory=dict)

    def take(self, offset: int, payout: Mapping[str, Any], time: str) -> list[Key]:
        """Takes in the payout at an offset; the parts that it changed. One that is known already changes nothing."""
        if offset < self.position:
            return []
        keys = []
        for key, more in contributions(payout, time, self._settled).items():
            stored = write_key(key)
            part = self.part(key[0], stored)
            if part is None:
                self._put(key, stored, Part(offset, _kept(more)))
            elif part.offset < offset:
                value = part.value
                add(value, more)
                part.offset, part.stored = offset, _kept(value)
            else:
                continue
            keys.append(key)
            self.changed.add(stored)
        self.position = offset + 1
        return keys

    def merge(self, stored: Stored, epoch: int, offset: int, value: Value | None) -> Key | None:
        """Takes in a record of the log; the part that it changed. `value` is None for a position."""
        if epoch < self.epoch:
            return None
        if epoch > self.epoch:
            self.forget(epoch)
        key = read_key(stored)
        if key == POSITION:
            self.position = max(self.position, offset)
            return None
        held = self.part(key[0], stored)
        if held is not None and held.offset >= offset:
            if held.offset > offset:
                self.changed.add(stored)  # somebody who is behind wrote last: the log must end with what is right
            return None
        self._put(key, stored, Part(offset, _kept(value or {})))
        self.changed.discard(stored)
        return key

    def forget(self, epoch: int) -> None:
        """Begins a new epoch with nothing."""
        self.epoch, self.position = epoch, 0
        for emptied in (self.parts, self.changed, self._row_of, self._rows_on):
            emptied.clear()

    def to_write(self) -> list[tuple[bytes, bytes]]:
        """The changed parts as records, and the position after them. They count as written from now on."""
        parts = {stored: part for of_kind in self.parts.values() for stored, part in self._changed_in(of_kind)}
        records = [(stored, self._record(part.offset, part.value)) for stored, part in sorted(parts.items())]
        self.changed.clear()
        return [*records, (write_key(POSITION), self._record(self.position, None))]

    def part(self, kind: str, stored: Stored) -> Part | None:
        """The part with this key."""
        return self.parts.get(kind, {}).get(stored)

    def rows_on(self, fixmedins_code: str, days: Iterable[str]) -> Iterator[tuple[Key, Value]]:
        """The rows of an institution on some days."""
        rows = self.parts.get(ROWS, {})
        for day in days:
            for stored in self._rows_on.get(write_key((fixmedins_code, day)), ()):
                yield read_key(stored), rows[stored].value

    def row(self, psn_no: str, setl_id: str, flag: str) -> Value | None:
        """A person's settlement, or its refund, on whatever day it was."""
        stored = self._row_of.get(write_key((psn_no, setl_id, flag)))
        return None if stored is None else self.parts[ROWS][stored].value

    def hospital_of(self, psn_no: str, setl_id: str, flag: str) -> str | None:
        """The institution whose row that is."""
        stored = self._row_of.get(write_key((psn_no, setl_id, flag)))
        return None if stored is None else read_key(stored)[1]

    def _settled(self, psn_no: str, setl_id: str) -> Value | None:
        return self.row(psn_no, setl_id, "0")

    def _changed_in(self, of_kind: dict[Stored, Part]) -> Iterator[tuple[Stored, Part]]:
        return ((stored, of_kind[stored]) for stored in self.changed if stored in of_kind)

    def _put(self, key: Key, stored: Stored, part: Part) -> None:
        of_kind = self.parts.setdefault(key[0], {})
        if key[0] == ROWS and stored not in of_kind:
            _, hospital, day, psn_no, setl_id, flag = key
            self._row_of[write_key((psn_no, setl_id, flag))] = stored
            self._rows_on.setdefault(write_key((hospital, day)), []).append(stored)
        of_kind[stored] = part

    def _record(self, offset: int, value: Value | None) -> bytes:
        return orjson.dumps({"epoch": self.epoch, "offset": offset, "value": value})


class Views:
    """The views of all partitions. Totals are added where they are read."""

    def __init__(self, partitions: int) -> None:
        self.partitions = [PartitionView() for _ in range(partitions)]
        self.touched: set[Key] = set()
        """Parts of statements that have changed since somebody last looked."""

    def take(self, partition: int, offset: int, payout: Mapping[str, Any], time: str) -> None:
        """Takes in the payout at an offset of a partition."""
        self._touch(self.partitions[partition].take(offset, payout, time))

    def merge(self, partition: int, key: bytes, value: bytes) -> None:
        """Takes in a record of the views' log."""
        record = orjson.loads(value)
        changed = self.partitions[partition].merge(key, record["epoch"], record["offset"], record["value"])
        if changed is not None:
            self._touch([changed])

    def each(self, kind: str) -> Iterator[tuple[Key, Value]]:
        """Every part of a kind; one key may come once a partition."""
        for view in self.partitions:
            for stored, part in view.parts.get(kind, {}).items():
                yield read_key(stored), part.value

    def keys(self, *kinds: str) -> set[Key]:
        """The keys of every part of some kinds."""
        return {read_key(stored) for view in self.partitions for kind in kinds for stored in view.parts.get(kind, ())}

    def of(self, key: Key) -> Value:
        """The part of a name, added up over all partitions."""
        total, stored = Value(), write_key(key)
        for view in self.partitions:
            part = view.part(key[0], stored)
            if part is not None:
                add(total, part.value)
        return total

    def positions(self) -> list[int]:
        """What is next to be taken in, by partition."""
        return [view.position for view in self.partitions]

    def _touch(self, keys: Iterable[Key]) -> None:
        self.touched.update(key for key in keys if key[0] in (CLEARING, YEARS))


def write_key(key: Key) -> Stored:
    """A key as it stands in the log."""
    return _kept(key)


def _kept(value: Value | Key) -> Stored:
    """What orjson writes, copied: its own answer keeps the whole buffer that it was written in."""
    return bytes(memoryview(orjson.dumps(value)))


def read_key(key: Stored) -> Key:
    """A key as it is in memory."""
    return tuple(orjson.loads(key))
