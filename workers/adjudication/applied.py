"""A decision about an application, taken into the year that it is about."""

from dataclasses import replace

from contracts.application import ApplicationDecided
from contracts.fields import moment
from contracts.journal import (
    Entry,
    Person,
    Revision,
    SettlementMark,
    Year,
    application_field,
    entry_field,
    person_field,
    year_field,
)
from contracts.pack import Pack
from contracts.payout import Cause
from contracts.vocabulary import Refusal
from workers.adjudication.application import check, layer_applied_for
from workers.adjudication.books import Books, Outcome, keep_pack
from workers.adjudication.ledger import fold_again
from workers.adjudication.marks import Ledger, open_ledger, placed, read_entries, refuse_too_long
from workers.adjudication.refuse import BrokenInvariantError, RefusedError
from workers.adjudication.shelf import Shelf


def decide_application(books: Books, shelf: Shelf, event: ApplicationDecided) -> Outcome:
    """Pay an approved application, or what a later decision about it changes; `approved: false` takes all back.

    An older decision than the one held is `stale`. Refuses what `workers.adjudication.application.check` refuses,
    `no_pack_for_region`, `nothing_is_paid_on_application_here` and `decision_contradicts_itself`.
    """
    pack = books.pack_for(event.insuplc_admdvs)
    ledger: Ledger = (event.psn_no, pack.region, event.year)
    mark_name = application_field(event.psn_no, event.application_id)
    mark: SettlementMark | None = shelf.get(mark_name)
    if mark is not None:
        return _decide_again(books, shelf, event, ledger, mark, pack)
    layer = layer_applied_for(pack, event.year)
    if layer is None:
        raise _nothing_here()
    check(layer, event)
    year: Year = shelf.get(year_field(*ledger)) or Year()
    packs = keep_pack(shelf, pack, year)
    open_ledger(shelf, shelf.get(person_field(event.psn_no)) or Person(), ledger)
    # Revision 0: nothing was said about it yet. The fold says it, like any other change.
    entry = Entry(event, pack.digest, (), (), revision=0)
    shelf.put(year_field(*ledger), replace(year, entries=year.entries + 1, packs=packs))
    shelf.put(entry_field(*ledger, year.entries), entry)
    shelf.put(mark_name, SettlementMark(pack.region, event.year, year.entries))
    payouts, signals = fold_again(books, shelf, ledger, read_entries(shelf, ledger), _cause(event))
    return Outcome("settled", payouts, signals)


def _decide_again(
    books: Books, shelf: Shelf, event: ApplicationDecided, ledger: Ledger, mark: SettlementMark, pack: Pack
) -> Outcome:
    """A later decision about the same application takes the place of the earlier one, under the pack in use.

    Taking money back needs no conditions: where that pack pays nothing on application any more, the decision is booked
    under the one that decided before.
    """
    region, year, index = placed(mark)
    entries = read_entries(shelf, (event.psn_no, region, year))
    held = entries[index].fact
    if not isinstance(held, ApplicationDecided):
        raise BrokenInvariantError("the mark of an application names an entry that is none")
    if moment(event.known_at) < moment(held.known_at):
        return Outcome("stale")
    if held == event:
        return Outcome("repeated")
    if moment(event.known_at) == moment(held.known_at) or (region, year) != ledger[1:]:
        raise RefusedError(
            Refusal.DECISION_CONTRADICTS_ITSELF,
            "known_at",
            "this application was decided otherwise at this moment or for another year: send a later known_at",
        )
    layer = layer_applied_for(pack, event.year)
    if layer is None and event.approved:
        raise _nothing_here()
    if layer is not None:
        check(layer, event)
        state: Year = shelf.get(year_field(*ledger))
        shelf.put(year_field(*ledger), replace(state, packs=keep_pack(shelf, pack, state)))
        entries[index] = replace(entries[index], digest=pack.digest)
    cause = _cause(event)
    # Noted also where it changes no money: whoever decided has looked at what was paid.
    refuse_too_long(entries[index].revisions, "application_id")
    noted = Revision(entries[index].revision, cause, {}, {})
    entries[index] = replace(entries[index], fact=event, revisions=(*(entries[index].revisions or ()), noted))
    shelf.put(entry_field(*ledger, index), entries[index])
    payouts, signals = fold_again(books, shelf, ledger, entries, cause)
    return Outcome("changed", payouts, signals)


def _nothing_here() -> RefusedError:
    return RefusedError(
        Refusal.NOTHING_IS_PAID_ON_APPLICATION_HERE, "insuplc_admdvs", "this region pays no layer on application"
    )


def _cause(event: ApplicationDecided) -> Cause:
    return {"type": "application_decided", "application_id": event.application_id, "known_at": event.known_at}
