"""Which fields of the state a batch's events may see, found in three rounds of reading.

More than an event needs is read where several events of one person share a batch: whatever they touch together is
there for each of them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from contracts.adoption import PackAdopted
from contracts.application import ApplicationDecided
from contracts.discharge import Reversed, Settled, Voided
from contracts.events import Event
from contracts.identity import CarriedIn, IdentityChanged
from contracts.journal import (
    MessageMark,
    Person,
    SettlementMark,
    Year,
    application_field,
    entry_field,
    message_field,
    pack_field,
    person_field,
    settlement_field,
    year_field,
)
from workers.adjudication.books import Books
from workers.adjudication.marks import Ledger, placed
from workers.settlement.loaded import LoadedShelf

Booked = Settled | CarriedIn | PackAdopted | ApplicationDecided
"""Events that name the ledger they belong to."""


class Reach:
    """What the events of a batch may see."""

    def __init__(self, books: Books, shelf: LoadedShelf, events: Sequence[Event]) -> None:
        self._books = books
        self._shelf = shelf
        self._events = events
        self._booked = [self._ledger(event) if isinstance(event, Booked) else None for event in events]
        """The ledger that each event is booked in and the digest of the pack that decides it, where it names one."""
        self._corrected = frozenset(event.psn_no for event in events if not isinstance(event, Settled))
        """Persons of whom a year may have to be folded again."""

    def named(self) -> list[str]:
        """Round one: the fields that the events name by themselves."""
        names: list[str] = []
        for event, booked in zip(self._events, self._booked, strict=True):
            psn_no = event.psn_no
            names.append(person_field(psn_no))
            if booked is not None:
                names.append(year_field(*booked[0]))
            if isinstance(event, Settled | Reversed):
                names += (settlement_field(psn_no, event.setl_id), message_field(psn_no, event.msgid))
            elif isinstance(event, Voided):
                names += (message_field(psn_no, event.omsgid), message_field(psn_no, event.msgid))
            elif isinstance(event, ApplicationDecided):
                names.append(application_field(psn_no, event.application_id))
        return names

    def led_to(self) -> list[str]:
        """Round two: the ledgers that marks and persons lead to, and the entries that repeats are compared with.

        A pack's own text is long, so it is looked for only where a year has not been decided by that pack yet.
        """
        names = [year_field(*ledger) for ledger in (*self._to_correct(), *self._beside())]
        for event, booked in zip(self._events, self._booked, strict=True):
            if booked is not None:
                ledger, digest = booked
                year: Year = self._shelf.get(year_field(*ledger)) or Year()
                if digest not in year.packs:
                    names.append(pack_field(digest))
            if isinstance(event, Voided):
                mark: MessageMark = self._shelf.get(message_field(event.psn_no, event.omsgid)) or MessageMark()
                names += (settlement_field(event.psn_no, deed.setl_id) for deed in mark.deeds if deed.setl_id)
            elif isinstance(event, Settled):
                place: SettlementMark | None = self._shelf.get(settlement_field(event.psn_no, event.setl_id))
                if place is not None and place.entry is not None:
                    names.append(entry_field(event.psn_no, *placed(place)))
        return names

    def to_fold(self) -> list[str]:
        """Round three: every entry of the ledgers to correct, and the packs that they were decided under."""
        names: list[str] = []
        for ledger in self._to_correct():
            year: Year = self._shelf.get(year_field(*ledger)) or Year()
            names += (entry_field(*ledger, index) for index in range(year.entries))
            names += (pack_field(digest) for digest in year.packs)
        return names

    def _ledger(self, event: Booked) -> tuple[Ledger, str] | None:
        """The ledger that an event is booked in, and the digest of the pack that decides it now."""
        pack = self._books.packs.for_region(event.insuplc_admdvs)
        return None if pack is None else ((event.psn_no, pack.region, event.year), pack.digest)

    def _beside(self) -> Iterator[Ledger]:
        """The ledgers of persons with two or more of one year, which together tell whether they are insured twice."""
        held: dict[str, set[tuple[str, int]]] = {}
        for event, booked in zip(self._events, self._booked, strict=True):
            ledgers = held.get(event.psn_no)
            if ledgers is None:
                person: Person = self._shelf.get(person_field(event.psn_no)) or Person()
                ledgers = held[event.psn_no] = set(person.ledgers)
            if booked is not None:
                ledgers.add(booked[0][1:])
        for psn_no, ledgers in held.items():
            if len(ledgers) > 1:
                years = Counter(year for _, year in ledgers)
                yield from ((psn_no, region, year) for region, year in sorted(ledgers) if years[year] > 1)

    def _to_correct(self) -> dict[Ledger, None]:
        """The ledgers that the corrections of this batch may fold again, in the order in which they were met."""
        return dict.fromkeys(ledger for event in self._events for ledger in self._met(event))

    def _met(self, event: Event) -> Iterator[Ledger]:
        if event.psn_no not in self._corrected:
            return
        if isinstance(event, Booked):
            if (booked := self._ledger(event)) is not None:
                yield booked[0]
            if isinstance(event, ApplicationDecided):
                # A later decision may name another year than the one that the application is booked in.
                yield from self._marked(event.psn_no, application_field(event.psn_no, event.application_id))
        elif isinstance(event, Reversed):
            yield from self._marked(event.psn_no, settlement_field(event.psn_no, event.setl_id))
        elif isinstance(event, Voided):
            said: MessageMark = self._shelf.get(message_field(event.psn_no, event.omsgid)) or MessageMark()
            for deed in said.deeds:
                if deed.region is not None and deed.year is not None:
                    yield event.psn_no, deed.region, deed.year
        elif isinstance(event, IdentityChanged):
            person: Person = self._shelf.get(person_field(event.psn_no)) or Person()
            for region, year in person.ledgers:
                yield event.psn_no, region, year

    def _marked(self, psn_no: str, mark_name: str) -> Iterator[Ledger]:
        """The ledger of what a mark names, if it was ever booked."""
        mark: SettlementMark | None = self._shelf.get(mark_name)
        if mark is not None and mark.entry is not None:
            region, year, _ = placed(mark)
            yield psn_no, region, year
