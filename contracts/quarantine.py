"""Refused records: what was refused, why, and how to mend it. Nothing is lost, and nothing personal is repeated."""

from typing import Final, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from contracts.vocabulary import Refusal

_STRICT: Final = ConfigDict(extra="forbid", strict=True)

ORIGINAL_BYTES_MAX: Final = 256 * 1024
"""How much of a refused record is kept. Beyond that only its length and SHA-256 are."""


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

    `original` holds the record as text, or `original_base64` its bytes where they are not UTF-8. Both are left out for
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


READ_REFUSED: Final = TypeAdapter(Refused)
