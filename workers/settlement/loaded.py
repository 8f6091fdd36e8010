"""The fields that one batch has read: decoded when they are looked at, encoded when they are written.

Encoding waits for nothing: the value has just been made and is still in the processor's cache, which it no longer is
when five hundred others have been made after it. Only a field that is written twice in a batch is encoded twice.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.journal import FieldValue, read_field, write_field
from workers.adjudication.refuse import BrokenInvariantError


class LoadedShelf:
    """A shelf over what was read. A field may be written only if it was read, or is a ledger's next entry."""

    def __init__(self) -> None:
        self._read: dict[str, bytes | None] = {}
        self._values: dict[str, Any] = {}
        self._changed: dict[str, bytes] = {}

    def supply(self, values: Mapping[str, bytes | None]) -> None:
        """Take in what the store answered."""
        self._read.update(values)

    def unread(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that have not been read yet, each once."""
        return [name for name in dict.fromkeys(names) if name not in self._read]

    def get(self, name: str) -> Any:
        """The field's value, or None where it is absent."""
        try:
            return self._values[name]
        except KeyError:
            pass
        try:
            text = self._read[name]
        except KeyError:
            raise BrokenInvariantError(f"a field of kind {name[0]!r} is used that was not read") from None
        value = None if text is None else read_field(name, text)
        self._values[name] = value
        return value

    def put(self, name: str, value: FieldValue) -> None:
        """Leave a new value."""
        if name not in self._read and name[0] != "e":
            raise BrokenInvariantError(f"a field of kind {name[0]!r} is written that was not read")
        self._values[name] = value
        self._changed[name] = write_field(name, value)

    def changed(self) -> list[tuple[str, bytes]]:
        """Every field that was written, once, with its last value."""
        return list(self._changed.items())

    def fresh(self) -> int:
        """How many of the written fields were absent before."""
        return sum(self._read.get(name) is None for name in self._changed)
