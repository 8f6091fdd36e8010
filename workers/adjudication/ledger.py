"""One person's benefit year: an ordered list of accepted facts, what each was paid, how corrections move the rest.

Order is the order of arrival: caps go to who settles first. A settlement takes one step along the accounts. A
correction changes the list and folds it again, so that the accounts equal those of a year in which it had been known
from the start.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contracts.discharge import Reversed, Settled
from contracts.journal import (
    Account,
    Entry,
    MessageMark,
    PackText,
    Person,
    SettlementMark,
    Share,
    Year,
    entry_field,
    message_field,
    pack_field,
    person_field,
    settlement_field,
    year_field,
)
from contracts.money import Fen
from contracts.pack import Pack, PackSet
from contracts.payout import Cause, CombinedPayout
from contracts.signals import Signal
from contracts.vocabulary import Kind, Refusal, Status
from workers.adjudication.adjudicate import Adjudication, adjudicate
from workers.adjudication.payout import reversal_payout, settlement_payout
from workers.adjudication.plan import Planner, codes_on
from workers.adjudication.refuse import BrokenInvariantError, RefusedError
from workers.adjudication.shelf import Shelf
from workers.adjudication.signals import changes, watch

LoadPack = Callable[[Sequence[str]], Pack]
"""Compiles a pack from the texts that the journal kept."""


@dataclass(slots=True)
class Outcome:
    """What an event did: `effect` is `settled`, `reversed`, `remembered`, `repeated` or `refused`."""

    effect: str
    payouts: list[CombinedPayout] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    refusal: RefusedError | None = None


@dataclass(slots=True)
class Books:
    """The packs in use and the plans made for them. Holds no person."""

    packs: PackSet
    load_pack: LoadPack
    _planners: dict[str, Planner] = field(default_factory=dict)

    def planner(self, pack: Pack) -> Planner:
        """The plans of a pack."""
        planner = self._planners.get(pack.digest)
        if planner is None:
            planner = self._planners[pack.digest] = Planner(pack)
        return planner

    def pack_for(self, insuplc_admdvs: str) -> Pack:
        """The pack in use for a region. Refuses `no_pack_for_region`."""
        pack = self.packs.for_region(insuplc_admdvs)
        if pack is None:
            raise RefusedError(
                Refusal.NO_PACK_FOR_REGION,
                "insuplc_admdvs",
                "no policy pack covers this region: correct the code or add the region's pack",
            )
        return pack

    def pack_of(self, digest: str, shelf: Shelf) -> Pack:
        """The pack that an entry was decided under, from memory or from the journal's own copy."""
        pack = self.packs.by_digest(digest)
        if pack is None:
            kept: PackText | None = shelf.get(pack_field(digest))
            if kept is None:
                raise BrokenInvariantError("an entry names a pack that the journal does not hold")
            pack = self.load_pack(kept.texts)
            self.packs.remember(pack)
        return pack


_CONTENT: Final = tuple(
    name for name in Settled.model_fields if name not in ("type", "msgid", "setl_time", "psn_idet", "exclusions")
)


def same_content(bill: Settled, other: Settled) -> bool:
    """Whether two messages are the same settlement: every known field but `msgid` and `setl_time`, lists as sets."""
    fields, others = bill.__dict__, other.__dict__
    return (
        all(fields[name] == others[name] for name in _CONTENT)
        and (bill.psn_idet is None) == (other.psn_idet is None)
        and set(bill.psn_idet or ()) == set(other.psn_idet or ())
        and set(bill.exclusions or ()) == set(other.exclusions or ())
    )


def settle(books: Books, shelf: Shelf, bill: Settled) -> Outcome:
    """Take a discharge into its person's year and pay it. A refusal (`RefusedError`) leaves the shelf as it was."""
    pack = books.pack_for(bill.insuplc_admdvs)
    psn_no, region, year_number = bill.psn_no, pack.region, bill.year
    mark_name = settlement_field(psn_no, bill.setl_id)
    mark: SettlementMark | None = shelf.get(mark_name)
    if mark is not None:
        return _again(shelf, bill, mark)

    person_name = person_field(psn_no)
    person: Person = shelf.get(person_name) or Person()
    year_name = year_field(psn_no, region, year_number)
    year: Year = shelf.get(year_name) or Year()
    codes = codes_on(bill, bill.enddate)
    adjudication = adjudicate(bill, codes, books.planner(pack).plan(bill), year.accounts)

    watched = watch(pack, bill, adjudication, codes, year.watched)
    states, signals = changes(pack, psn_no, year_number, bill.setl_id, year, adjudication.accounts, watched)
    index = year.entries
    shares = tuple(
        [
            Share(d.layer.id, d.base, d.paid, 0 if d.status is Status.REPORTED else d.paid)
            for d in adjudication.decisions
            if d.paid or d.base
        ]
    )
    ledger = (region, year_number)
    if ledger not in person.ledgers:
        shelf.put(person_name, replace(person, ledgers=(*person.ledgers, ledger)))
    packs = year.packs
    if pack.digest not in packs:
        keep_pack(shelf, pack)
        packs = (*packs, pack.digest)
    shelf.put(entry_field(psn_no, region, year_number, index), Entry(bill, pack.digest, codes, shares))
    shelf.put(year_name, Year(index + 1, packs, adjudication.accounts, watched, states, year.opening))
    shelf.put(mark_name, SettlementMark(region, year_number, index))
    _note_message(shelf, psn_no, bill.msgid, "settled", bill.setl_id)
    payout = settlement_payout(
        bill,
        pack,
        adjudication,
        kind=Kind.SETTLEMENT,
        revision=1,
        cause={"type": "settled", "msgid": bill.msgid},
    )
    return Outcome("settled", [payout], signals)


def _again(shelf: Shelf, bill: Settled, mark: SettlementMark) -> Outcome:
    """A `setl_id` that is known: a repeat, or a refusal."""
    if mark.entry is None:
        raise RefusedError(
            Refusal.WAS_REVERSED_BEFORE, "setl_id", "this settlement was reversed before it arrived: send a new setl_id"
        )
    if mark.reversed_by is not None:
        raise RefusedError(
            Refusal.SETL_ID_WAS_REVERSED, "setl_id", "this settlement was reversed: settle again under a new setl_id"
        )
    region, year_number, index = placed(mark)
    entry: Entry = shelf.get(entry_field(bill.psn_no, region, year_number, index))
    if not isinstance(entry.fact, Settled) or not same_content(bill, entry.fact):
        raise RefusedError(
            Refusal.SETL_ID_REUSED_WITH_OTHER_CONTENT,
            "setl_id",
            "this setl_id was settled with other content: reverse it and settle again under a new setl_id",
        )
    _note_message(shelf, bill.psn_no, bill.msgid, "repeated", bill.setl_id)
    return Outcome("repeated")


def placed(mark: SettlementMark) -> tuple[str, int, int]:
    """The region, year and entry of a settlement that was accepted."""
    if mark.region is None or mark.year is None or mark.entry is None:
        raise BrokenInvariantError("the mark of an accepted settlement names no entry")
    return mark.region, mark.year, mark.entry


def reverse(books: Books, shelf: Shelf, event: Reversed) -> Outcome:
    """Take a settlement out of its year and fold the later ones again. Refuses by raising `RefusedError`."""
    psn_no = event.psn_no
    mark_name = settlement_field(psn_no, event.setl_id)
    mark: SettlementMark | None = shelf.get(mark_name)
    if mark is None:
        shelf.put(mark_name, SettlementMark(reversed_by=event.msgid))
        _note_message(shelf, psn_no, event.msgid, "reversed", event.setl_id)
        return Outcome("remembered")
    if mark.reversed_by is not None:
        _note_message(shelf, psn_no, event.msgid, "repeated", event.setl_id)
        return Outcome("repeated")
    region, year_number, index = placed(mark)
    entries = read_entries(shelf, psn_no, region, year_number)
    entry = entries[index]
    bill = entry.fact
    if not isinstance(bill, Settled):
        raise BrokenInvariantError("a settled mark names an entry that is no settlement")
    pack = books.pack_of(entry.digest, shelf)
    if pack.last_first and any(later.live for later in entries[index + 1 :]):
        raise RefusedError(
            Refusal.LATER_SETTLEMENTS_EXIST,
            "setl_id",
            "this region reverses the last settlement first: reverse the later ones of the year before this one",
        )
    cause: Cause = {"type": "reversed", "msgid": event.msgid}
    entries[index] = replace(entry, live=False, revision=entry.revision + 1)
    shelf.put(entry_field(psn_no, region, year_number, index), entries[index])
    shelf.put(mark_name, replace(mark, reversed_by=event.msgid))
    _note_message(shelf, psn_no, event.msgid, "reversed", event.setl_id)
    taken_back = reversal_payout(entry, bill, pack, revision=entry.revision + 1, cause=cause)
    payouts, signals = fold_again(books, shelf, psn_no, region, year_number, entries, cause, event.setl_id)
    return Outcome("reversed", [taken_back, *payouts], signals)


def fold_again(
    books: Books,
    shelf: Shelf,
    psn_no: str,
    region: str,
    year_number: int,
    entries: list[Entry],
    cause: Cause,
    setl_id: str | None,
) -> tuple[list[CombinedPayout], list[Signal]]:
    """Fold a ledger from its beginning; returns a readjudication for each entry of which a payment has changed.

    The entries before the changed one come out as they were: the fold is deterministic, and a year is short. What a
    changed payment adds or takes goes to the person, since the hospital has billed the patient long since.
    """
    year_name = year_field(psn_no, region, year_number)
    year: Year = shelf.get(year_name)
    accounts: Mapping[str, Account] = {} if year.opening is None else year.opening.layers
    watched: Mapping[str, int] = {}
    payouts: list[CombinedPayout] = []
    pack = None
    for index, entry in enumerate(entries):
        bill = entry.fact
        if not isinstance(bill, Settled):
            raise BrokenInvariantError("an application stands in a ledger that knows none")
        pack = books.pack_of(entry.digest, shelf)
        if not entry.live:
            continue
        try:
            adjudication = adjudicate(bill, entry.codes, books.planner(pack).plan(bill), accounts, again=True)
        except RefusedError as refusal:
            raise BrokenInvariantError(f"an accepted entry is refused when folded again: {refusal.reason}") from refusal
        accounts = adjudication.accounts
        watched = watch(pack, bill, adjudication, entry.codes, watched)
        shares = _moved(entry.shares, adjudication)
        if shares == entry.shares:
            continue
        said = {share.layer: share.paid for share in entry.shares}
        changed = any(share.paid != said.get(share.layer, 0) for share in shares)
        revision = entry.revision + int(changed)
        shelf.put(entry_field(psn_no, region, year_number, index), replace(entry, shares=shares, revision=revision))
        if changed:
            payouts.append(
                settlement_payout(
                    bill,
                    pack,
                    adjudication,
                    kind=Kind.READJUDICATION,
                    revision=revision,
                    cause=cause,
                    said=said,
                )
            )
    if pack is None:
        raise BrokenInvariantError("a ledger without entries was folded")
    states, signals = changes(pack, psn_no, year_number, setl_id, year, accounts, watched)
    shelf.put(year_name, replace(year, accounts=accounts, watched=watched, signals=states))
    return payouts, signals


def _moved(shares: Sequence[Share], adjudication: Adjudication) -> tuple[Share, ...]:
    """The shares of an entry after it was folded again: what changed has gone to the person."""
    held = {share.layer: share for share in shares}
    moved: list[Share] = []
    for decision in adjudication.decisions:
        before = held.get(decision.layer.id) or Share(decision.layer.id, 0, 0)
        if decision.status is Status.REPORTED:
            share = before._replace(base=decision.base, paid=decision.paid)
        else:
            more: Fen = decision.paid - before.paid
            share = before._replace(base=decision.base, paid=decision.paid, to_person=before.to_person + more)
        if any(share[1:]):
            moved.append(share)
    return tuple(moved)


def read_entries(shelf: Shelf, psn_no: str, region: str, year_number: int) -> list[Entry]:
    """Every entry of a ledger, in order."""
    year: Year | None = shelf.get(year_field(psn_no, region, year_number))
    if year is None:
        raise BrokenInvariantError("a mark names a ledger that does not exist")
    entries: list[Entry] = []
    for index in range(year.entries):
        entry: Entry | None = shelf.get(entry_field(psn_no, region, year_number, index))
        if entry is None:
            raise BrokenInvariantError("a ledger lacks one of its entries")
        entries.append(entry)
    return entries


def keep_pack(shelf: Shelf, pack: Pack) -> None:
    """Keep the text of a pack the first time it decides anything, so that history never depends on files."""
    name = pack_field(pack.digest)
    if shelf.get(name) is None:
        shelf.put(name, PackText(pack.region, pack.texts))


def _note_message(shelf: Shelf, psn_no: str, msgid: str, did: str, setl_id: str) -> None:
    """Remember what a message did, so that it can be undone by its id."""
    name = message_field(psn_no, msgid)
    mark: MessageMark | None = shelf.get(name)
    deed = (did, setl_id)
    if mark is None:
        shelf.put(name, MessageMark((deed,)))
    elif deed not in mark.did:
        shelf.put(name, MessageMark((*mark.did, deed)))
