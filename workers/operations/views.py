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


@dataclass(slots=True)
class Part:
    """A part and the offset of the last payout that changed it."""

    offset: int
    value: Value


@dataclass(slots=True)
class PartitionView:
    """Everything derived from one partition of the payouts."""

    epoch: int = 0
    """How often the views were thrown away and derived again. Parts of an earlier epoch no longer count."""
    position: int = 0
    parts: dict[str, dict[Key, Part]] = field(default_factory=dict)
    changed: set[Key] = field(default_factory=set)
    """Parts that the log does not have as they are here."""
    _row_of: dict[tuple[str, str], Key] = field(default_factory=dict)
    _rows_on: dict[tuple[str, str], list[Key]] = field(default_factory=dict)

    def take(self, offset: int, payout: Mapping[str, Any], time: str) -> list[Key]:
        """Takes in the payout at an offset; the parts that it changed. One that is known already changes nothing."""
        if offset < self.position:
            return []
        keys = []
        for key, more in contributions(payout, time, self._row).items():
            part = self._part(key)
            if part is None:
                self._put(key, Part(offset, more))
            elif part.offset < offset:
                add(part.value, more)
                part.offset = offset
            else:
                continue
            keys.append(key)
        self.changed.update(keys)
        self.position = offset + 1
        return keys

    def merge(self, key: Key, epoch: int, offset: int, value: Value | None) -> bool:
        """Takes in a record of the log; whether it was news. `value` is None for a position."""
        if epoch < self.epoch:
            return False
        if epoch > self.epoch:
            self.forget(epoch)
        if key == POSITION:
            self.position = max(self.position, offset)
            return False
        held = self._part(key)
        if held is not None and held.offset >= offset:
            if held.offset > offset:
                self.changed.add(key)  # somebody who is behind wrote last: the log must end with what is right
            return False
        assert value is not None
        self._put(key, Part(offset, value))
        self.changed.discard(key)
        return True

    def forget(self, epoch: int) -> None:
        """Begins a new epoch with nothing."""
        self.epoch, self.position = epoch, 0
        for emptied in (self.parts, self.changed, self._row_of, self._rows_on):
            emptied.clear()

    def to_write(self) -> list[tuple[bytes, bytes]]:
        """The changed parts as records, and the position after them. They count as written from now on."""
        records = [
            (write_key(key), self._record(part.offset, part.value))
            for key in sorted(self.changed)
            if (part := self._part(key)) is not None
        ]
        self.changed.clear()
        return [*records, (write_key(POSITION), self._record(self.position, None))]

    def rows_on(self, fixmedins_code: str, days: Iterable[str]) -> Iterator[tuple[Key, Value]]:
        """The rows of an institution on some days."""
        rows = self.parts.get(ROWS, {})
        for day in days:
            for key in self._rows_on.get((fixmedins_code, day), ()):
                yield key, rows[key].value

    def row(self, psn_no: str, setl_id: str, flag: str) -> tuple[Key, Value] | None:
        """A person's settlement, or its refund, on whatever day it was."""
        key = self._row_of.get((f"{psn_no}|{flag}", setl_id))
        return None if key is None else (key, self.parts[ROWS][key].value)

    def _row(self, psn_no: str, setl_id: str) -> Value | None:
        found = self.row(psn_no, setl_id, "0")
        return None if found is None else found[1]

    def _part(self, key: Key) -> Part | None:
        return self.parts.get(key[0], {}).get(key)

    def _put(self, key: Key, part: Part) -> None:
        of_kind = self.parts.setdefault(key[0], {})
        if key[0] == ROWS and key not in of_kind:
            _, hospital, day, psn_no, setl_id, flag = key
            self._row_of[f"{psn_no}|{flag}", setl_id] = key
            self._rows_on.setdefault((hospital, day), []).append(key)
        of_kind[key] = part

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
        named, record = read_key(key), orjson.loads(value)
        if self.partitions[partition].merge(named, record["epoch"], record["offset"], record["value"]):
            self._touch([named])

    def each(self, kind: str) -> Iterator[tuple[Key, Value]]:
        """Every part of a kind; one key may come once a partition."""
        for view in self.partitions:
            for key, part in view.parts.get(kind, {}).items():
                yield key, part.value

    def of(self, key: Key) -> Value:
        """The part of a name, added up over all partitions."""
        total: Value = {}
        for view in self.partitions:
            part = view.parts.get(key[0], {}).get(key)
            if part is not None:
                add(total, part.value)
        return total

    def positions(self) -> list[int]:
        """What is next to be taken in, by partition."""
        return [view.position for view in self.partitions]

    def _touch(self, keys: Iterable[Key]) -> None:
        self.touched.update(key for key in keys if key[0] in (CLEARING, YEARS))


def write_key(key: Key) -> bytes:
    """A key as it stands in the log."""
    return orjson.dumps(key)


def read_key(key: bytes) -> Key:
    """A key as it is in memory."""
    return tuple(orjson.loads(key))
