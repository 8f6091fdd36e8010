"""A record of a topic as it comes in and as it goes out. Neither knows the library that carries it."""

from typing import NamedTuple


class Incoming(NamedTuple):
    """One consumed record: where it stood, and its bytes as received."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Outgoing(NamedTuple):
    """One record to be produced to the partition of its input."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Filed(NamedTuple):
    """A record of the quarantine topic as it lies there, and when it was written: milliseconds since 1970."""

    record: Incoming
    at_ms: int


class Placed(NamedTuple):
    """A record with the place that it goes to."""

    topic: str
    partition: int
    record: Outgoing
