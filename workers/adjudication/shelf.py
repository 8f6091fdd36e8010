"""Where the core finds and leaves the fields of the state. It knows no store: only names and values."""

from typing import Any, Protocol

from contracts.journal import FieldValue


class Shelf(Protocol):
    """The fields that an event may see, by name (`contracts.journal`)."""

    def get(self, name: str) -> Any:
        """The field's value, or None where it is absent. Raises `BrokenInvariantError` if it was never loaded."""

    def put(self, name: str, value: FieldValue) -> None:
        """Leave a new value of a field that was read before."""


class OpenShelf(dict[str, FieldValue]):
    """A shelf that holds everything: for a run without a store."""

    def put(self, name: str, value: FieldValue) -> None:
        """Leave a new value."""
        self[name] = value


class Draft:
    """What one event writes until it is accepted. A refusal in its middle leaves nothing of it on the shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._written: dict[str, FieldValue] = {}

    def get(self, name: str) -> Any:
        """The field's value as the event has left it so far."""
        try:
            return self._written[name]
        except KeyError:
            return self._shelf.get(name)

    def put(self, name: str, value: FieldValue) -> None:
        """Leave a new value in the draft."""
        self._written[name] = value

    def keep(self) -> None:
        """Leave every field on the shelf, with its last value."""
        for name, value in self._written.items():
            self._shelf.put(name, value)
