"""The state of a partition as named fields, and the header that seals a batch of them.

The journal is the truth, Redis a view of it: both hold these fields under these names. A normal settlement touches one
field of each kind, whether the person has three settlements or three hundred.

    p|psn                    Person      identities held, ledgers opened
    y|psn|region|year        Year        accumulators, signals
    e|psn|region|year|i      Entry       one accepted fact and what it was paid
    s|psn|setl_id            SettlementMark   which entry it became, or that it was reversed before it came
    s|psn|:application_id    SettlementMark   the same for a decided application; `:` stands in no identifier
    m|psn|msgid              MessageMark      what the message did, or that it was voided before it came
    k|digest                 PackText    a pack's own text
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, TypeAdapter

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.identity import IdentityPeriod
from contracts.money import Fen
from contracts.payout import Cause

FORMAT: Final = 1
"""The version of these shapes, written in every header."""

HISTORY_MAX: Final = 4_000
"""How many corrections of one entry, or deeds of one message id, are kept. All of them stand in one record, which the
broker must take: whoever sends more is refused by name. An hourly correction for five months does not come so far."""


@dataclass(frozen=True, slots=True)
class Person:
    """What is held about a person: the identity list with the time it was known, and the ledgers opened."""

    ledgers: tuple[tuple[str, int], ...] = ()
    identities: tuple[IdentityPeriod, ...] | None = None
    known_at: str | None = None


class Account(NamedTuple):
    """One layer's accumulators for the year, in fen. The deductible used is the part of `base` below it.

    `cap` is that of the row that counted last; None before the first and for an uncapped row.
    """

    base: Fen = 0
    paid: Fen = 0
    cap: Fen | None = None


class SignalState(NamedTuple):
    """Whether a signal stands, and how often it has changed."""

    raised: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Opening:
    """Balances carried in for the year, and when they were known."""

    known_at: str
    layers: Mapping[str, Account]


@dataclass(frozen=True, slots=True)
class Year:
    """One person-year under one region's pack: how many entries, every layer's account, watched sums, signals.

    `watched` sums what each watch measures over the live settlements; `signals` is keyed `kind:layer`; `packs` are the
    digests of the packs that entries were decided under. `insured` counts the live settlements of each insurance type.
    """

    entries: int = 0
    packs: tuple[str, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    watched: Mapping[str, int] = field(default_factory=dict)
    signals: Mapping[str, SignalState] = field(default_factory=dict)
    opening: Opening | None = None
    insured: Mapping[str, int] = field(default_factory=dict)


class Share(NamedTuple):
    """What one layer counted and paid for an entry, in fen; the last two are who has received how much so far."""

    layer: str
    base: Fen
    paid: Fen
    to_institution: Fen = 0
    to_person: Fen = 0


class Revision(NamedTuple):
    """A later revision of an entry's payout: what made it, and by how much each layer changed, in fen.

    `to_person` is the part of the change that went to the person (or came back from them), by layer.
    """

    revision: int
    cause: Cause
    changes: Mapping[str, Fen]
    to_person: Mapping[str, Fen]


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted fact of a ledger and what it was paid.

    `codes` are the identities that counted, as decided on arrival; `digest` the pack it was decided under. `live` is
    false once it was reversed: entries are never deleted. `revisions` are those after the first, so that only an entry
    that was corrected is longer. `other_assistance_least` is the lowest that a paid application was decided with.
    """

    fact: Annotated[Settled | ApplicationDecided, Field(discriminator="type")]
    digest: str
    codes: tuple[str, ...]
    shares: tuple[Share, ...]
    revision: int = 1
    live: bool = True
    revisions: tuple[Revision, ...] | None = None
    other_assistance_least: Fen | None = None


@dataclass(frozen=True, slots=True)
class SettlementMark:
    """Where a `setl_id` went: the ledger and the entry.

    `entry` is null while only a reversal of it has come; `reversed_by` is the message that took it back.
    """

    region: str | None = None
    year: int | None = None
    entry: int | None = None
    reversed_by: str | None = None


class Deed(NamedTuple):
    """What a message did, and to which settlement of which ledger. A voided message did nothing yet."""

    what: Literal["settled", "repeated", "reversed", "voided"]
    setl_id: str | None = None
    region: str | None = None
    year: int | None = None


@dataclass(frozen=True, slots=True)
class MessageMark:
    """What the messages with this id did. Senders promise that there is one; where there are more, all are kept."""

    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True, slots=True)
class PackText:
    """A pack as it stood when it was first used: the ledger's region, and the texts of its files (city, county)."""

    region: str
    texts: tuple[str, ...]


FieldValue = Person | Year | Entry | SettlementMark | MessageMark | PackText
"""The value of a field of the state."""

_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {
    "p": TypeAdapter(Person),
    "y": TypeAdapter(Year),
    "e": TypeAdapter(Entry),
    "s": TypeAdapter(SettlementMark),
    "m": TypeAdapter(MessageMark),
    "k": TypeAdapter(PackText),
}


def read_field(name: str, text: bytes) -> Any:
    """The value of the field `name` from its journal or Redis form. Raises `pydantic.ValidationError`."""
    return _ADAPTERS[name[0]].validate_json(text)


def write_field(name: str, value: FieldValue) -> bytes:
    """The journal and Redis form of a field's value."""
    return _ADAPTERS[name[0]].dump_json(value, exclude_none=True)


def person_field(psn_no: str) -> str:
    """`p|psn`."""
    return f"p|{psn_no}"


def year_field(psn_no: str, region: str, year: int) -> str:
    """`y|psn|region|year`."""
    return f"y|{psn_no}|{region}|{year}"


def entry_field(psn_no: str, region: str, year: int, index: int) -> str:
    """`e|psn|region|year|i`."""
    return f"e|{psn_no}|{region}|{year}|{index}"


def settlement_field(psn_no: str, setl_id: str) -> str:
    """`s|psn|setl_id`."""
    return f"s|{psn_no}|{setl_id}"


def application_field(psn_no: str, application_id: str) -> str:
    """`s|psn|:application_id`."""
    return f"s|{psn_no}|:{application_id}"


def message_field(psn_no: str, msgid: str) -> str:
    """`m|psn|msgid`."""
    return f"m|{psn_no}|{msgid}"


def pack_field(digest: str) -> str:
    """`k|digest`."""
    return f"k|{digest}"


@dataclass(frozen=True, slots=True)
class Header:
    """Seals a batch of one partition. `seq` has no gaps; `next_in` is the next offset of each input topic.

    `n` is the number of fields of the partition after this batch, `prev_hash` the SHA-256 of the header before it.
    """

    lineage: str
    group: str
    partitions: int
    seq: int
    next_in: dict[str, int]
    n: int
    prev_hash: str
    format: int = FORMAT


_HEADER: Final = TypeAdapter(Header)

HEADER_KEY: Final = b"\x00header"
"""The journal key and Redis field of the last header; no name of a field begins with NUL."""


def read_header(text: bytes) -> Header:
    """A header from its journal form. Raises `pydantic.ValidationError`."""
    return _HEADER.validate_json(text)


def write_header(header: Header) -> bytes:
    """The journal form of a header; also what `prev_hash` is taken over."""
    return _HEADER.dump_json(header)
