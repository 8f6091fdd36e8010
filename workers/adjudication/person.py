"""What becomes known about a person beside their discharges: identities, and a year begun elsewhere."""

from dataclasses import replace

from contracts.discharge import Settled
from contracts.fields import moment
from contracts.identity import CarriedIn, IdentityChanged
from contracts.journal import Account, Opening, Person, Year, entry_field, person_field, year_field
from contracts.payout import Cause
from contracts.vocabulary import Refusal
from workers.adjudication.books import Books, Outcome
from workers.adjudication.ledger import codes_that_count, fold_again
from workers.adjudication.marks import Ledger, open_ledger, read_entries
from workers.adjudication.refuse import RefusedError
from workers.adjudication.shelf import Shelf


def change_identities(books: Books, shelf: Shelf, event: IdentityChanged) -> Outcome:
    """Hold a newer identity list, and fold again every ledger in which it changes who somebody was on a discharge.

    An older list than the one held is `stale`. Refuses `identity_list_contradicts_itself`.
    """
    psn_no = event.psn_no
    person: Person = shelf.get(person_field(psn_no)) or Person()
    if person.known_at is not None:
        if moment(event.known_at) < moment(person.known_at):
            return Outcome("stale")
        if moment(event.known_at) == moment(person.known_at):
            if set(event.psn_idet) == set(person.identities or ()):
                return Outcome("repeated")
            raise RefusedError(
                Refusal.IDENTITY_LIST_CONTRADICTS_ITSELF,
                "known_at",
                "another list was known at this moment: send the true one with a later known_at",
            )
    person = replace(person, identities=event.psn_idet, known_at=event.known_at)
    shelf.put(person_field(psn_no), person)
    outcome = Outcome("changed")
    cause: Cause = {"type": "identity_changed", "known_at": event.known_at}
    for region, year in person.ledgers:
        ledger: Ledger = (psn_no, region, year)
        entries = read_entries(shelf, ledger)
        changed = False
        for index, entry in enumerate(entries):
            if not isinstance(entry.fact, Settled):
                continue
            codes = codes_that_count(person, entry.fact)
            if set(codes) != set(entry.codes):
                entries[index] = replace(entry, codes=codes)
                shelf.put(entry_field(*ledger, index), entries[index])
                changed = changed or entry.live
        if changed:
            payouts, signals = fold_again(books, shelf, ledger, entries, cause)
            outcome.payouts += payouts
            outcome.signals += signals
    return outcome


def carry_in(books: Books, shelf: Shelf, event: CarriedIn) -> Outcome:
    """Begin a year with the balances that another keeper of it had reached, and fold it again if it has begun here.

    An older statement than the one held is `stale`. Refuses `no_pack_for_region`, `layer_is_not_computed_here` and
    `opening_balance_contradicts_itself`.
    """
    pack = books.pack_for(event.insuplc_admdvs)
    ledger: Ledger = (event.psn_no, pack.region, event.year)
    balances = {layer.value: Account(balance.base, balance.paid) for layer, balance in event.layers.items()}
    opening = Opening(event.known_at, balances)
    year: Year = shelf.get(year_field(*ledger)) or Year()
    if year.opening is not None:
        if moment(event.known_at) < moment(year.opening.known_at):
            return Outcome("stale")
        if moment(event.known_at) == moment(year.opening.known_at):
            if dict(year.opening.layers) == balances:
                return Outcome("repeated")
            raise RefusedError(
                Refusal.OPENING_BALANCE_CONTRADICTS_ITSELF,
                "known_at",
                "another balance was known at this moment: send the true one with a later known_at",
            )
    computed = {layer.id for layer in pack.layers if layer.mode != "reported"}
    strange = sorted(set(event.layers) - computed)
    if strange:
        raise RefusedError(
            Refusal.LAYER_IS_NOT_COMPUTED_HERE,
            f"layers.{strange[0]}",
            "carry in only layers that the region's pack computes: " + ", ".join(sorted(computed)),
        )
    open_ledger(shelf, shelf.get(person_field(event.psn_no)) or Person(), ledger)
    shelf.put(year_field(*ledger), replace(year, opening=opening))
    cause: Cause = {"type": "carried_in", "known_at": event.known_at}
    payouts, signals = fold_again(books, shelf, ledger, read_entries(shelf, ledger), cause)
    return Outcome("changed", payouts, signals)
