"""One event into the books: which act each type of event is, and what moment it speaks of."""

from collections.abc import Callable
from typing import Any, Final

from contracts.adoption import PackAdopted
from contracts.application import ApplicationDecided
from contracts.discharge import Reversed, Settled, Voided
from contracts.events import Event
from contracts.identity import CarriedIn, IdentityChanged
from workers.adjudication.adopted import adopt
from workers.adjudication.applied import decide_application
from workers.adjudication.books import Books, Outcome
from workers.adjudication.corrections import reverse, void
from workers.adjudication.ledger import settle
from workers.adjudication.person import carry_in, change_identities
from workers.adjudication.shelf import Draft, Shelf

_ACTS: Final[dict[type[Any], Callable[[Books, Shelf, Any], Outcome]]] = {
    Settled: settle,
    Reversed: reverse,
    Voided: void,
    IdentityChanged: change_identities,
    CarriedIn: carry_in,
    PackAdopted: adopt,
    ApplicationDecided: decide_application,
}


def take(books: Books, shelf: Shelf, event: Event) -> Outcome:
    """Take one event. Refuses by raising `RefusedError`; then the shelf is as it was."""
    draft = Draft(shelf)
    outcome = _ACTS[type(event)](books, draft, event)
    draft.keep()
    return outcome


def time_of(event: Event) -> str:
    """The event's own time, with its offset: `setl_time`, `known_at`, or the beginning of `applied_on`."""
    if isinstance(event, ApplicationDecided):
        return f"{event.applied_on}T00:00:00+08:00"
    if isinstance(event, IdentityChanged | CarriedIn | PackAdopted):
        return event.known_at
    return event.setl_time
