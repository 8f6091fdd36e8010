"""The statement of a person's year that another region can carry in, signed by the office that issued it.

It is a file, not a message: the person carries it, or one office sends it to the other.
"""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, with_config
from pydantic.config import ConfigDict
from typing_extensions import TypedDict

from contracts.fields import Identifier, RegionCode, TimeField
from contracts.money import Yuan
from contracts.vocabulary import LayerId

FORMAT: Final = 1
"""The version of this form."""

_STRICT: Final = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

Whole = Annotated[Yuan, Field(pattern=r"^[0-9]{1,15}\.[0-9]{2}$")]
"""An amount that is not negative."""


@with_config(_STRICT)
class StatedLayer(TypedDict):
    """One layer's accumulators. `who`, deductible and cap are those of the row that counted last; null before."""

    layer: LayerId
    label: str
    who: str | None
    base: Whole
    paid: Whole
    deductible: Whole | None
    deductible_used: Whole | None
    cap: Whole | None
    clauses: list[str]
    readings: list[str]


@with_config(_STRICT)
class AsOf(TypedDict):
    """The last batch of the issuer's journal that is counted: partition, `seq` of its header, the offset after it."""

    partition: int
    seq: int
    offset: int


@with_config(_STRICT)
class Statement(TypedDict):
    """`year_statement`: what every computed layer of one region has counted and paid for a person's year.

    The file is this object as canonical JSON: keys sorted by code point, no blanks, no line breaks, UTF-8, nothing
    escaped but what JSON demands; one line feed may follow. `signature` is the Ed25519 signature, in base64, over the
    canonical JSON of everything else. A file that is written in any other way is refused like one that was altered.
    `key_id` is `ed25519:` and the SHA-256 of the 32 bytes of the issuer's public key, in hex. `packs` are the digests
    of the policy texts that decided. `as_of` is null where the year was settled from a file of events.
    """

    type: Literal["year_statement"]
    format: Literal[1]
    psn_no: Identifier
    region: RegionCode
    year: Annotated[int, Field(ge=2000, le=2199)]
    layers: Annotated[list[StatedLayer], Field(max_length=len(LayerId))]
    packs: list[str]
    as_of: AsOf | None
    issued_at: TimeField
    key_id: str
    signature: str


READ_STATEMENT: Final = TypeAdapter(Statement)


def canonical(value: Any) -> bytes:
    """The one JSON form that is signed: keys sorted, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
