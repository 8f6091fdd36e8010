"""A person's fields as the peers hold them, for the same core that the worker runs."""

from collections.abc import Mapping
from typing import Any

from contracts.discharge import Settled
from contracts.journal import (
    FieldValue,
    PackText,
    message_field,
    pack_field,
    person_field,
    read_field,
    settlement_field,
    write_field,
    year_field,
)
from contracts.pack_file import load_directory, load_pack
from workers.adjudication.books import Books
from workers.settlement.decode import decode
from workers.settlement.emit import payout_record
from workers.settlement.records import Outgoing
from workers.settlement.take import take, time_of
from workers.settlement.validate import refuse_card_numbers

BOOKS = Books(load_directory(), load_pack)
_TEXTS: dict[str, FieldValue] = {
    pack_field(pack.digest): PackText(pack.region, pack.texts) for pack in BOOKS.packs.packs
}
"""Packs are files to a peer: it keeps no copy of them with its state."""


class Shelf:
    """Fields that were read, and those that were written since."""

    def __init__(self, found: Mapping[str, bytes | None]) -> None:
        self._found = found
        self.written: dict[str, FieldValue] = {}

    def get(self, name: str) -> Any:
        """The value of a field."""
        if name in self.written:
            return self.written[name]
        if name in _TEXTS:
            return _TEXTS[name]
        text = self._found.get(name)
        return None if text is None else read_field(name, text)

    def put(self, name: str, value: FieldValue) -> None:
        """Leave a value."""
        self.written[name] = value

    def changed(self) -> dict[str, bytes]:
        """What to keep."""
        return {name: write_field(name, value) for name, value in self.written.items()}


def read(value: bytes) -> Settled:
    """The settlement in a message."""
    event = decode(value)
    refuse_card_numbers(event)
    assert isinstance(event, Settled)
    return event


def names(bill: Settled) -> list[str]:
    """The fields that a settlement sees."""
    region = BOOKS.pack_for(bill.insuplc_admdvs).region
    return [
        person_field(bill.psn_no),
        year_field(bill.psn_no, region, bill.year),
        settlement_field(bill.psn_no, bill.setl_id),
        message_field(bill.psn_no, bill.msgid),
    ]


def settled(shelf: Shelf, bill: Settled) -> list[Outgoing]:
    """The payouts of a settlement."""
    time = time_of(bill)
    return [payout_record(payout, time) for payout in take(BOOKS, shelf, bill).payouts]
