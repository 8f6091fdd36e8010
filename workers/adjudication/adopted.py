"""A pack adopted for the past: a person-year that was decided under an earlier text is priced again under this one."""

from collections.abc import Sequence
from dataclasses import replace

from contracts.adoption import PackAdopted
from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.journal import Entry, Year, entry_field, year_field
from contracts.money import Fen
from contracts.pack import Pack
from contracts.payout import Cause
from contracts.vocabulary import Day, LayerId, Refusal
from workers.adjudication.application import layer_applied_for
from workers.adjudication.books import Books, Outcome, keep_pack
from workers.adjudication.ledger import fold_again
from workers.adjudication.marks import Ledger, read_entries
from workers.adjudication.refuse import RefusedError
from workers.adjudication.shelf import Shelf


def adopt(books: Books, shelf: Shelf, event: PackAdopted) -> Outcome:
    """Price a person-year again by the pack in use; what changes is said with the cause `pack_changed`.

    Nothing to move is `repeated`. Refuses `no_pack_for_region`, `pack_is_not_in_use`, `pack_moves_reported_money`,
    `nothing_is_paid_on_application_here` and `applicant_is_unknown`.
    """
    pack = books.pack_for(event.insuplc_admdvs)
    if pack.digest != event.digest:
        raise RefusedError(
            Refusal.PACK_IS_NOT_IN_USE, "digest", "this worker decides by another text: load the pack, then adopt again"
        )
    ledger: Ledger = (event.psn_no, pack.region, event.year)
    year: Year | None = shelf.get(year_field(*ledger))
    if year is None:
        return Outcome("repeated")
    entries = read_entries(shelf, ledger)
    moved = to_move(books, entries, pack, event.first_day)
    if not moved:
        return Outcome("repeated")
    for index in moved:
        _refuse_unfit(books, shelf, entries[index], pack)
    for index in moved:
        entries[index] = replace(entries[index], digest=pack.digest)
        shelf.put(entry_field(*ledger, index), entries[index])
    shelf.put(year_field(*ledger), replace(year, packs=keep_pack(shelf, pack, year)))
    cause: Cause = {"type": "pack_changed", "known_at": event.known_at}
    payouts, signals = fold_again(books, shelf, ledger, entries, cause)
    return Outcome("changed", payouts, signals)


def to_move(books: Books, entries: Sequence[Entry], pack: Pack, first_day: Day) -> list[int]:
    """The live entries that the pack decides now, were decided under another text, and lie in the days meant.

    A withdrawn application stays where it is if the pack pays nothing on application: it has nothing to be priced.
    """
    moved = []
    for index, entry in enumerate(entries):
        fact = entry.fact
        day = fact.enddate if isinstance(fact, Settled) else f"{fact.year}-12-31"
        if (
            entry.live
            and entry.digest != pack.digest
            and day >= first_day
            and books.packs.for_region(fact.insuplc_admdvs) is pack
            and (isinstance(fact, Settled) or fact.approved or layer_applied_for(pack, fact.year) is not None)
        ):
            moved.append(index)
    return moved


def _refuse_unfit(books: Books, shelf: Shelf, entry: Entry, pack: Pack) -> None:
    """Refuse a pack under which an accepted entry would no longer say the same about what others have paid."""
    fact = entry.fact
    if isinstance(fact, ApplicationDecided):
        layer = layer_applied_for(pack, fact.year)
        if layer is None or layer.application is None:
            raise RefusedError(
                Refusal.NOTHING_IS_PAID_ON_APPLICATION_HERE,
                "digest",
                "the pack pays no layer on application, yet an application was decided: withdraw it first",
            )
        if fact.approved and fact.applicant not in layer.application.rows:
            raise RefusedError(
                Refusal.APPLICANT_IS_UNKNOWN, "digest", "the pack does not know the applicant of a decided application"
            )
    elif _reported(books, books.pack_of(entry.digest, shelf), fact) != _reported(books, pack, fact):
        raise RefusedError(
            Refusal.PACK_MOVES_REPORTED_MONEY,
            "digest",
            "money that the platform reported would stand on another layer: keep each fund field with its layer",
        )


def _reported(books: Books, pack: Pack, bill: Settled) -> dict[LayerId, Fen]:
    """What the platform has reported with a bill, by the layer on whose line it stands."""
    steps = books.planner(pack).plan(bill).steps
    sums = {step.layer.id: sum(getattr(bill, name) or 0 for name in step.reports) for step in steps}
    return {layer: amount for layer, amount in sums.items() if amount}
