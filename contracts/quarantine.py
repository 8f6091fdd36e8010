"""Refused records: what was refused, why, and how to mend it. Nothing is lost, and nothing personal is repeated.

Two messages lie on the quarantine topic, told apart by `type`: `refused`, and `replayed` for each time that a refused
record was sent again. What is refused and not replayed is open.
"""

from typing import Final, Literal, NamedTuple, NotRequired, Self

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from contracts.fields import Identifier, TimeField
from contracts.topics import INPUTS
from contracts.vocabulary import Refusal

REPLAYED_FROM: Final = "yidan-replayed-from"
"""The header of a record that was sent again: the id of the refused record that it was."""

_STRICT: Final = ConfigDict(extra="forbid", strict=True)

ORIGINAL_BYTES_MAX: Final = 256 * 1024
"""How much of a refused record is kept. Beyond that only its length and SHA-256 are."""

QUOTED_BYTES_MAX: Final = 384 * 1024
"""How long an original may be as a JSON string. Control characters make six bytes of one: beyond this it is Base64."""

KEY_BYTES_MAX: Final = 4 * 1024
HEADERS_BYTES_MAX: Final = 64 * 1024
"""How long a key, and all headers together, may be to be kept. Together with the original they fit in any broker's
1 MiB, whatever was sent."""


@with_config(_STRICT)
class Source(TypedDict):
    """Where the record was read: a topic's partition and offset, or a line of a file."""

    topic: NotRequired[str]
    partition: NotRequired[int]
    offset: NotRequired[int]
    line: NotRequired[int]


@with_config(_STRICT)
class Refused(TypedDict):
    """`refused`: a record in quarantine. `detail` names the field and the mend, never the value.

    `original` holds the record as text, or `original_base64` its bytes where they are not UTF-8 or mostly control
    characters. Both are left out for
    a record that is too large or that holds an identity-card number; `length` and `sha256` still identify it.
    """

    type: Literal["refused"]
    reason: Refusal
    field: str | None
    detail: str
    source: Source
    length: int
    sha256: str
    original: NotRequired[str]
    original_base64: NotRequired[str]


@with_config(_STRICT)
class Sent(TypedDict):
    """Where a replayed record stands now."""

    topic: str
    partition: int
    offset: int


@with_config(_STRICT)
class Replayed(TypedDict):
    """`replayed`: a refused record was sent again, byte for byte, in the transaction that wrote this.

    It lies in the partition of the `refused` that it closes. If the record at `sent` is refused again, that is a
    `refused` of its own with `sent` as its source; if the group has passed `sent` and there is none, it was accepted.
    """

    type: Literal["replayed"]
    source: Source
    reason: Refusal
    sent: Sent
    sha256: str
    at: TimeField
    by: Identifier


READ_REFUSED: Final = TypeAdapter(Refused)
READ_REPLAYED: Final = TypeAdapter(Replayed)


class RecordId(NamedTuple):
    """The name of a record of an input topic, refused or sent again: `TOPIC/PARTITION/OFFSET`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def of(cls, place: Source | Sent) -> Self:
        """Of a place on a topic. A line of a file has none."""
        return cls(place["topic"], place["partition"], place["offset"])

    @classmethod
    def read(cls, text: str) -> Self:
        """Of its text, also in the short form `discharges/3/117`. Raises `ValueError`."""
        name, *numbers = text.split("/")
        topic = topic_named(name)
        if topic is None or len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
            raise ValueError(f"{text!r} names no record: say TOPIC/PARTITION/OFFSET, such as discharges/3/117")
        return cls(topic, int(numbers[0]), int(numbers[1]))


def topic_named(name: str) -> str | None:
    """The input topic of a name, whole or short: `discharges` is `onestop.discharges.v1`."""
    return next((topic for topic in INPUTS if name in (topic, topic.split(".")[1])), None)
