"""One person's benefit year: an ordered list of accepted facts, what each was paid, how corrections move the rest.

Order is the order of arrival: caps go to who settles first. A settlement takes one step along the accounts. A
correction changes the list and folds it again, so that the accounts equal those of a year in which it had been known
from the start.
"""

from collections.abc import Mapping, Sequence
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
    SettlementMark,
    Share,
    Year,
    entry_field,
    person_field,
    settlement_field,
    year_field,
)
from contracts.money import Fen
from contracts.pack import Pack
from contracts.payout import Cause, CombinedPayout
from contracts.signals import Signal
from contracts.vocabulary import FUND_FIELDS, Kind, Refusal, Status
from workers.adjudication.adjudicate import Adjudication, adjudicate
from workers.adjudication.application import Grant, granted
from workers.adjudication.books import Books, Outcome, keep_pack
from workers.adjudication.marks import Ledger, note_message, open_ledger, placed, refuse_voided
from workers.adjudication.payout import application_payout, settlement_payout
from workers.adjudication.refuse import BrokenInvariantError, RefusedError
from workers.adjudication.shelf import Shelf
from workers.adjudication.signals import changes, watch

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


def codes_that_count(person: Person, bill: Settled) -> tuple[str, ...]:
    """The identities valid on the day of discharge, by the fresher of the held list and the event's own snapshot."""
    periods = bill.psn_idet
    if person.known_at is not None and (periods is None or moment(person.known_at) >= moment(bill.setl_time)):
        periods = person.identities
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
    states, signals = changes(pack, psn_no, year_number, bill.setl_id, year, adjudication.accounts, watched)
    shares = tuple(
        [
            Share(d.layer.id, d.base, d.paid, 0 if d.status is Status.REPORTED else d.paid)
            for d in adjudication.decisions
            if d.paid or d.base
        ]
    )
    index = year.entries
    packs = keep_pack(shelf, pack, year)
    open_ledger(shelf, person, (psn_no, region, year_number))
    shelf.put(entry_field(psn_no, region, year_number, index), Entry(bill, pack.digest, codes, shares))
    shelf.put(year_name, Year(index + 1, packs, adjudication.accounts, watched, states, year.opening))
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
    psn_no, region, year_number = ledger
    year: Year = shelf.get(year_field(*ledger))
    accounts: Mapping[str, Account] = {} if year.opening is None else year.opening.layers
    watched: Mapping[str, int] = {}
    payouts: list[CombinedPayout] = []
    for index, entry in enumerate(entries):
        if not entry.live:
            continue
        fact = entry.fact
        pack = books.pack_of(entry.digest, shelf)
        adjudication = grant = None
        if isinstance(fact, Settled):
            adjudication = _adjudicated_again(books, pack, fact, entry.codes, accounts)
            accounts = adjudication.accounts
            watched = watch(pack, fact, adjudication, entry.codes, watched)
            shares = _moved(entry.shares, adjudication)
        else:
            grant = granted(pack, fact, accounts)
            shares, accounts = (grant.share,), grant.accounts
        said = {share.layer: share.paid for share in entry.shares if share.paid}
        changed = not entry.revision or said != {share.layer: share.paid for share in shares if share.paid}
        if not changed and shares == entry.shares:
            continue
        revision = entry.revision + int(changed)
        shelf.put(entry_field(*ledger, index), replace(entry, shares=shares, revision=revision))
        if changed:
            payouts.append(_said_again(fact, pack, adjudication or grant, said, revision, cause))
    pack = books.pack_of(entries[-1].digest, shelf) if entries else books.pack_for(region)
    states, signals = changes(pack, psn_no, year_number, setl_id, year, accounts, watched)
    shelf.put(year_field(*ledger), replace(year, accounts=accounts, watched=watched, signals=states))
    return payouts, signals


def _said_again(
    fact: Settled | ApplicationDecided,
    pack: Pack,
    decided: Adjudication | Grant | None,
    said: Mapping[str, Fen],
    revision: int,
    cause: Cause,
) -> CombinedPayout:
    """The payout of an entry of which a payment has changed."""
    if isinstance(fact, ApplicationDecided) and isinstance(decided, Grant):
        before = said.get(decided.layer.id, 0)
        return application_payout(fact, pack, decided, before, revision=revision, cause=cause)
    if isinstance(fact, Settled) and isinstance(decided, Adjudication):
        return settlement_payout(
            fact, pack, decided, kind=Kind.READJUDICATION, revision=revision, cause=cause, said=said
        )
    raise BrokenInvariantError("an entry was decided as something that it is not")


def _adjudicated_again(
    books: Books, pack: Pack, bill: Settled, codes: Sequence[str], accounts: Mapping[str, Account]
) -> Adjudication:
    try:
        return adjudicate(bill, codes, books.planner(pack).plan(bill), accounts, again=True)
    except RefusedError as refusal:
        raise BrokenInvariantError(f"an accepted entry is refused when folded again: {refusal.reason}") from refusal


def _moved(shares: Sequence[Share], adjudication: Adjudication) -> tuple[Share, ...]:
    """The shares of an entry after it was folded again: what changed has gone to the person."""
    held = {share.layer: share for share in shares}
    moved: list[Share] = []
    for decision in adjudication.decisions:
        before = held.get(decision.layer.id) or Share(decision.layer.id, 0, 0)
        more: Fen = decision.paid - before.paid
        share = before._replace(base=decision.base, paid=decision.paid, to_person=before.to_person + more)
        if any(share[1:]):
            moved.append(share)
    return tuple(moved)
