"""One person's benefit year: an ordered list of accepted facts, what each was paid, how corrections move the rest.

Order is the order of arrival: caps go to who settles first. A settlement takes one step along the accounts. A
correction changes the list and folds it again, so that the accounts equal those of a year in which it had been known
from the start.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.fields import moment
from contracts.journal import (
    Account,
    Deed,
    Entry,
    Person,
    Revision,
    SettlementMark,
    Share,
    Year,
    entry_field,
    person_field,
    settlement_field,
    year_field,
)
from contracts.money import Fen
from contracts.pack import Layer, Pack
from contracts.payout import Cause, CombinedPayout
from contracts.signals import Signal
from contracts.vocabulary import FUND_FIELDS, Day, Kind, LayerId, Reason, Refusal, Status
from workers.adjudication.adjudicate import Adjudication, adjudicate
from workers.adjudication.application import Grant, granted
from workers.adjudication.books import Books, Outcome, keep_pack
from workers.adjudication.layer import Decision
from workers.adjudication.marks import Ledger, note_message, open_ledger, placed, refuse_too_long, refuse_voided
from workers.adjudication.payout import application_payout, settlement_payout
from workers.adjudication.refuse import BrokenInvariantError, RefusedError
from workers.adjudication.shelf import Shelf
from workers.adjudication.signals import changes, insured_twice, of_corrections, watch

_PAYMENTS: Final = (*FUND_FIELDS, "acct_pay")
_CONTENT: Final = tuple(
    name
    for name in Settled.model_fields
    if name not in ("type", "msgid", "setl_time", "psn_idet", "exclusions", *_PAYMENTS)
)


def same_content(bill: Settled, other: Settled) -> bool:
    """Whether two messages are the same settlement: every known field but `msgid` and `setl_time`.

    Lists are sets, and amounts are values: a payment of nothing is the same whether it is written or left out.
    """
    fields, others = bill.__dict__, other.__dict__
    return (
        all(fields[name] == others[name] for name in _CONTENT)
        and all((fields[name] or 0) == (others[name] or 0) for name in _PAYMENTS)
        and (bill.psn_idet is None) == (other.psn_idet is None)
        and set(bill.psn_idet or ()) == set(other.psn_idet or ())
        and set(bill.exclusions or ()) == set(other.exclusions or ())
    )


def codes_that_count(person: Person, bill: Settled, day: Day | None = None) -> tuple[str, ...]:
    """The identities valid on the day of discharge, by the fresher of the held list and the event's own snapshot.

    Or those of that list on another day.
    """
    periods = bill.psn_idet
    if person.known_at is not None and (periods is None or moment(person.known_at) >= moment(bill.setl_time)):
        periods = person.identities
    if day is None:
        day = bill.enddate
    return tuple([period.psn_idet_type for period in periods or () if period.covers(day)])


def settle(books: Books, shelf: Shelf, bill: Settled) -> Outcome:
    """Take a discharge into its person's year and pay it. A refusal (`RefusedError`) leaves the shelf as it was."""
    pack = books.pack_for(bill.insuplc_admdvs)
    psn_no, region, year_number = bill.psn_no, pack.region, bill.year
    mark_name = settlement_field(psn_no, bill.setl_id)
    mark: SettlementMark | None = shelf.get(mark_name)
    if mark is not None:
        return _again(shelf, bill, mark)
    refuse_voided(shelf, psn_no, bill.msgid)

    person: Person = shelf.get(person_field(psn_no)) or Person()
    year_name = year_field(psn_no, region, year_number)
    year: Year = shelf.get(year_name) or Year()
    codes = codes_that_count(person, bill)
    adjudication = adjudicate(bill, codes, books.planner(pack).plan(bill), year.accounts)

    watched = watch(pack, bill, adjudication, codes, year.watched)
    ledger: Ledger = (psn_no, region, year_number)
    states, signals = changes(pack, ledger, bill.setl_id, year, adjudication.accounts, watched)
    shares = tuple(
        [
            Share(d.layer.id, d.base, d.paid, 0 if d.status is Status.REPORTED else d.paid)
            for d in adjudication.decisions
            if d.paid or d.base
        ]
    )
    index = year.entries
    packs = keep_pack(shelf, pack, year)
    open_ledger(shelf, person, ledger)
    shelf.put(entry_field(psn_no, region, year_number, index), Entry(bill, pack.digest, codes, shares))
    insured = {**year.insured, bill.insutype: year.insured.get(bill.insutype, 0) + 1}
    after = Year(index + 1, packs, adjudication.accounts, watched, states, year.opening, insured)
    after, twice = insured_twice(pack, shelf, person, ledger, after, bill.setl_id)
    signals += twice
    shelf.put(year_name, after)
    shelf.put(mark_name, SettlementMark(region, year_number, index))
    note_message(shelf, psn_no, bill.msgid, Deed("settled", bill.setl_id, region, year_number))
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
    if bill.msgid != entry.fact.msgid:
        note_message(shelf, bill.psn_no, bill.msgid, Deed("repeated", bill.setl_id, region, year_number))
    return Outcome("repeated")


def fold_again(
    books: Books, shelf: Shelf, ledger: Ledger, entries: Sequence[Entry], cause: Cause, setl_id: str | None = None
) -> tuple[list[CombinedPayout], list[Signal]]:
    """Fold a ledger from its beginning; returns a payout for each entry of which a payment has changed.

    The entries before the changed one come out as they were: the fold is deterministic, and a year is short. What a
    changed payment adds or takes goes to the person, since the hospital has billed the patient long since.
    """
    year: Year = shelf.get(year_field(*ledger))
    fold = _Fold(books, shelf, year, cause)
    entries = list(entries)
    for index, entry in enumerate(entries):
        if not entry.live:
            continue
        folded = fold.take(entry)
        if folded != entry:
            entries[index] = folded
            shelf.put(entry_field(*ledger, index), folded)
    states, signals = changes(
        fold.pack, ledger, setl_id, year, fold.accounts, fold.watched, list(of_corrections(entries))
    )
    after = replace(year, accounts=fold.accounts, watched=fold.watched, signals=states, insured=dict(fold.insured))
    person: Person = shelf.get(person_field(ledger[0])) or Person()
    after, twice = insured_twice(fold.pack, shelf, person, ledger, after, setl_id)
    shelf.put(year_field(*ledger), after)
    return fold.payouts, signals + twice


class _Fold:
    """A year that is folded again, one live entry after another, and what has to be said about it."""

    def __init__(self, books: Books, shelf: Shelf, year: Year, cause: Cause) -> None:
        self._books = books
        self._shelf = shelf
        self._year = year
        self._cause = cause
        self.accounts: Mapping[str, Account] = {} if year.opening is None else year.opening.layers
        self.watched: Mapping[str, int] = {}
        self.insured: Counter[str] = Counter()
        self.payouts: list[CombinedPayout] = []
        self.pack: Pack | None = None
        """The pack of the last live settlement, whose watches are the year's."""

    def take(self, entry: Entry) -> Entry:
        """The entry as it is after the fold."""
        pack = self._books.pack_of(entry.digest, self._shelf)
        return self._bill(entry, entry.fact, pack) if isinstance(entry.fact, Settled) else self._grant(entry, pack)

    def _bill(self, entry: Entry, bill: Settled, pack: Pack) -> Entry:
        adjudication = _adjudicated_again(self._books, pack, bill, entry.codes, self.accounts)
        self.accounts = adjudication.accounts
        self.watched = watch(pack, bill, adjudication, entry.codes, self.watched)
        self.insured[bill.insutype] += 1
        self.pack = pack
        adjudication = self._with_former_layers(entry, adjudication)
        after = _revised(entry, _moved(entry.shares, adjudication), self._cause)
        if after.revision != entry.revision:
            said = {share.layer: share.paid for share in entry.shares}
            self.payouts.append(
                settlement_payout(
                    bill,
                    pack,
                    adjudication,
                    kind=Kind.READJUDICATION,
                    revision=after.revision,
                    cause=self._cause,
                    said=said,
                )
            )
        return after

    def _grant(self, entry: Entry, pack: Pack) -> Entry:
        decision = entry.fact
        if not isinstance(decision, ApplicationDecided):
            raise BrokenInvariantError("an entry is neither a settlement nor an application")
        grant = granted(pack, decision, self.accounts)
        self.accounts = grant.accounts
        after = _revised(entry, (grant.share,), self._cause)
        if after.revision != entry.revision:
            said = sum(share.paid for share in entry.shares)
            self.payouts.append(
                application_payout(decision, pack, grant, said, revision=after.revision, cause=self._cause)
            )
        return replace(after, other_assistance_least=_least(after, decision, grant))

    def _with_former_layers(self, entry: Entry, adjudication: Adjudication) -> Adjudication:
        """With the layers that paid under an earlier pack and are not in this one: they pay nothing any more."""
        present = {decision.layer.id for decision in adjudication.decisions}
        former = former_layers(self._books, self._shelf, self._year, entry, present)
        gone = tuple(Decision(layer, Status.NOTHING, Reason.NOT_IN_FORCE) for layer in former)
        return adjudication._replace(decisions=adjudication.decisions + gone) if gone else adjudication


def former_layers(books: Books, shelf: Shelf, year: Year, entry: Entry, present: Collection[str]) -> list[Layer]:
    """The layers beside those present that an entry's money has gone through, each by the latest pack that had it."""
    former = [share.layer for share in entry.shares if share.layer not in present and any(share[2:])]
    if not former:
        return []
    known = {layer.id: layer for digest in year.packs for layer in books.pack_of(digest, shelf).layers}
    return [known[LayerId(name)] for name in former]


def _least(entry: Entry, decision: ApplicationDecided, grant: Grant) -> Fen | None:
    """The lowest other assistance that the application was paid with; one that is withdrawn begins anew."""
    if not decision.approved:
        return None
    if grant.share.paid <= 0:
        return entry.other_assistance_least
    held = entry.other_assistance_least
    return decision.other_assistance if held is None else min(held, decision.other_assistance)


def _revised(entry: Entry, shares: tuple[Share, ...], cause: Cause) -> Entry:
    """The entry with what its layers pay now; a new revision if a payment has changed, or nothing was said yet."""
    before = {share.layer: share for share in entry.shares}
    after = {share.layer: share for share in shares}
    changes: dict[str, Fen] = {}
    to_person: dict[str, Fen] = {}
    for layer in {**before, **after}:
        old, new = before.get(layer, Share(layer, 0, 0)), after.get(layer, Share(layer, 0, 0))
        if new.paid != old.paid:
            changes[layer] = new.paid - old.paid
        if new.to_person != old.to_person:
            to_person[layer] = new.to_person - old.to_person
    if entry.revision == 0:
        return replace(entry, shares=shares, revision=1)
    if not changes:
        return entry if shares == entry.shares else replace(entry, shares=shares)
    # A decision that was noted before its year was folded becomes the revision that it has made.
    noted = [held for held in entry.revisions or () if held.changes or held.cause != cause]
    refuse_too_long(noted, None)
    revision = Revision(entry.revision + 1, cause, changes, to_person)
    return replace(entry, shares=shares, revision=revision.revision, revisions=(*noted, revision))


def _adjudicated_again(
    books: Books, pack: Pack, bill: Settled, codes: Sequence[str], accounts: Mapping[str, Account]
) -> Adjudication:
    try:
        return adjudicate(bill, codes, books.planner(pack).plan(bill), accounts, again=True)
    except RefusedError as refusal:
        raise BrokenInvariantError(f"an accepted entry is refused when folded again: {refusal.reason}") from refusal


def _moved(shares: Sequence[Share], adjudication: Adjudication) -> tuple[Share, ...]:
    """The shares of an entry after it was folded again: what changed of our own payments has gone to the person."""
    held = {share.layer: share for share in shares}
    moved: list[Share] = []
    for decision in adjudication.decisions:
        before = held.get(decision.layer.id) or Share(decision.layer.id, 0, 0)
        to_person: Fen = decision.paid - decision.reported - before.to_institution
        share = before._replace(base=decision.base, paid=decision.paid, to_person=to_person)
        if any(share[1:]):
            moved.append(share)
    return tuple(moved)
