"""Where a settlement went, what a message did: how corrections find what they speak of."""

from collections.abc import Sequence

from contracts.journal import (
    HISTORY_MAX,
    Deed,
    Entry,
    MessageMark,
    Person,
    Revision,
    SettlementMark,
    Year,
    entry_field,
    message_field,
    person_field,
    year_field,
)
from contracts.vocabulary import Refusal
from workers.adjudication.refuse import BrokenInvariantError, RefusedError
from workers.adjudication.shelf import Shelf

Ledger = tuple[str, str, int]
"""psn_no, region, year: one person's benefit year under one region's pack."""


def placed(mark: SettlementMark) -> tuple[str, int, int]:
    """The region, year and entry of a settlement that was accepted."""
    if mark.region is None or mark.year is None or mark.entry is None:
        raise BrokenInvariantError("the mark of an accepted settlement names no entry")
    return mark.region, mark.year, mark.entry


def open_ledger(shelf: Shelf, person: Person, ledger: Ledger) -> None:
    """Note a person's ledger the first time that something is booked in it."""
    psn_no, region, year = ledger
    if (region, year) not in person.ledgers:
        identities, known_at = person.identities, person.known_at
        shelf.put(person_field(psn_no), Person((*person.ledgers, (region, year)), identities, known_at))


def read_entries(shelf: Shelf, ledger: Ledger) -> list[Entry]:
    """Every entry of a ledger, in order."""
    year: Year | None = shelf.get(year_field(*ledger))
    if year is None:
        raise BrokenInvariantError("a mark names a ledger that does not exist")
    entries: list[Entry] = []
    for index in range(year.entries):
        entry: Entry | None = shelf.get(entry_field(*ledger, index))
        if entry is None:
            raise BrokenInvariantError("a ledger lacks one of its entries")
        entries.append(entry)
    return entries


def note_message(shelf: Shelf, psn_no: str, msgid: str, deed: Deed) -> None:
    """Remember what a message did, so that it can be undone by its id."""
    name = message_field(psn_no, msgid)
    mark: MessageMark | None = shelf.get(name)
    if mark is None:
        shelf.put(name, MessageMark((deed,)))
    elif deed not in mark.deeds:
        refuse_too_long(mark.deeds, "msgid")
        shelf.put(name, MessageMark((*mark.deeds, deed)))


def refuse_too_long(history: Sequence[Deed] | Sequence[Revision] | None, field: str | None) -> None:
    """Refuse one more where so many are kept that the record that holds them would soon be too large for the broker."""
    if history is not None and len(history) >= HISTORY_MAX:
        raise RefusedError(
            Refusal.HISTORY_IS_TOO_LONG, field, f"more than {HISTORY_MAX} are not kept: find out why they are sent"
        )


def refuse_voided(shelf: Shelf, psn_no: str, msgid: str) -> None:
    """Refuse a message that was voided before it came."""
    mark: MessageMark | None = shelf.get(message_field(psn_no, msgid))
    if mark is not None and any(deed.what == "voided" for deed in mark.deeds):
        raise RefusedError(
            Refusal.MESSAGE_WAS_VOIDED, "msgid", "this message was voided before it arrived: send it under a new msgid"
        )
