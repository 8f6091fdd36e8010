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
