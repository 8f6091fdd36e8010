"""A ledger folded again is the ledger; and a single fen that is not is named."""

import json
from dataclasses import replace
from itertools import islice

import pytest

from contracts.journal import Entry, Year, read_field, write_field
from contracts.pack_file import load_directory
from workers.rehearsal.county import county
from workers.rehearsal.proof.load import load
from workers.settlement.drift import Moved, about, add_payout, by_person, drifts, ledgers_of, unpaid
from workers.settlement.offline import Settler


class Kept:
    """A journal's fields after some events, and what was paid."""

    def __init__(self, events: list[bytes]) -> None:
        settler = Settler(load_directory())
        payouts = [payout for event in events for payout in settler.take(event).payouts]
        self.books = settler.books
        self.fields = {name.encode(): write_field(name, value) for name, value in settler.shelf.items()}
        entries = [read_field(name.decode(), value) for name, value in self.fields.items() if name[:1] == b"e"]
        self.revisions = {about(entry): entry.revision for entry in entries}
        self.moved: dict[str, Moved] = {}
        for payout in payouts:
            add_payout(self.moved, json.loads(json.dumps(payout)), self.revisions)

    def found(self) -> list[tuple[str, str]]:
        """Kind and text of every difference."""
        persons, packs = by_person(self.fields)
        return [
            (drift.kind, drift.what)
            for fields in persons.values()
            for drift in (*drifts(self.books, fields, packs), *unpaid(fields, self.moved))
        ]

    def first(self, letter: str, where: str = "") -> tuple[str, bytes]:
        name = min(
            name for name, value in self.fields.items() if name[:1] == letter.encode() and where.encode() in value
        )
        return name.decode(), self.fields[name]


@pytest.fixture(scope="module")
def events() -> list[bytes]:
    corrected = [sent.value for sent in islice(load(7), 1_500) if not sent.broken]
    return [*county(settlements=500, persons=60, seed=3), *corrected]


@pytest.fixture
def kept(events: list[bytes]) -> Kept:
    return Kept(events)


def test_every_ledger_is_what_its_entries_make_of_it_after_corrections_of_every_kind(kept: Kept):
    assert kept.found() == []
    persons, _ = by_person(kept.fields)
    assert sum(len(ledgers_of(list(fields))) for fields in persons.values()) > 100
    assert any(moved.revisions > 1 for moved in kept.moved.values())


def test_a_fen_in_an_entry_is_named_by_its_layer(kept: Kept):
    name, value = next(
        (name.decode(), value) for name, value in kept.fields.items() if name[:1] == b"e" and _pays(name, value)
    )
    entry: Entry = read_field(name, value)
    at = next(index for index, share in enumerate(entry.shares) if share.paid)
    shares = list(entry.shares)
    shares[at] = shares[at]._replace(paid=shares[at].paid + 1)
    kept.fields[name.encode()] = write_field(name, replace(entry, shares=tuple(shares)))
    assert any(kind == "entry" and what.startswith(f"{shares[at].layer}: ") for kind, what in kept.found())


def test_a_fen_in_a_year_is_named(kept: Kept):
    name, value = kept.first("y", '"accounts":{"')
    year: Year = read_field(name, value)
    layer, account = next(iter(year.accounts.items()))
    kept.fields[name.encode()] = write_field(
        name, replace(year, accounts={**year.accounts, layer: account._replace(paid=account.paid + 1)})
    )
    assert [(kind, what.split(":")[0]) for kind, what in kept.found()] == [("year", layer)]


def test_an_entry_that_is_gone_breaks_its_ledger(kept: Kept):
    name, _ = kept.first("e")
    del kept.fields[name.encode()]
    assert ("year", "a ledger lacks one of its entries") in kept.found()


def test_a_payout_that_was_never_said_or_said_of_another_amount_is_named(kept: Kept):
    said = next(iter(kept.moved))
    kept.moved[said] = Moved(kept.moved[said].revisions - 1, kept.moved[said].fen)
    assert any("payouts were said" in what for _, what in kept.found())
    kept.moved[said] = Moved(kept.moved[said].revisions + 1, {("supplementary", "person"): 123_456_789})
    other = next(name for name, moved in kept.moved.items() if any(moved.fen.values()) and name != said)
    place = next(iter(kept.moved[other].fen))
    kept.moved[other].fen[place] += 1  # type: ignore[index]
    assert any("payouts add up to" in what for _, what in kept.found())


def test_a_payout_of_a_later_revision_than_the_journal_was_read_with_is_not_added(kept: Kept):
    said = next(iter(kept.moved))
    before = kept.moved[said]
    add_payout(kept.moved, {"payout_id": f"{said}:{before.revisions + 1}", "lines": []}, kept.revisions)
    assert kept.moved[said] == before


def _pays(name: bytes, value: bytes) -> bool:
    entry: Entry = read_field(name.decode(), value)
    return entry.live and any(share.paid for share in entry.shares)
