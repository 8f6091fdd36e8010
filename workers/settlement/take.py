"""One accepted event into the books: which act of the ledger each type of event is."""

from contracts.discharge import Reversed, Settled
from contracts.events import Event
from contracts.vocabulary import Refusal
from workers.adjudication.ledger import Books, Outcome, reverse, settle
from workers.adjudication.refuse import RefusedError
from workers.adjudication.shelf import Shelf


def take(books: Books, shelf: Shelf, event: Event) -> Outcome:
    """Take one event. Refuses by raising `RefusedError`; then the shelf is as it was."""
    if isinstance(event, Settled):
        return settle(books, shelf, event)
    if isinstance(event, Reversed):
        return reverse(books, shelf, event)
    raise RefusedError(
        Refusal.EVENT_TYPE_IS_NOT_SETTLED_YET,
        "type",
        f"this version keeps {event.type} in quarantine: replay it after the next upgrade",
    )


def time_of(event: Event) -> str:
    """The event's own time: `setl_time`, `known_at` or the day of the application."""
    fields = event.__dict__
    time: str = fields.get("setl_time") or fields.get("known_at") or ""
    return time
