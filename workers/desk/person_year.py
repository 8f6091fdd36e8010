"""One person's year as the ledger holds it, read whole and of one moment."""

from dataclasses import dataclass
from typing import Any

from contracts.journal import Entry, Person, Year, entry_field, pack_field, person_field, read_field, year_field
from contracts.pack import Pack
from workers.adjudication.shelf import OpenShelf
from workers.desk.source import Source, SourceUnfit, home_of
from workers.desk.trial import ATTEMPTS_MAX


@dataclass(frozen=True, slots=True)
class PersonYear:
    """A ledger with the person it belongs to. `packs` are those that its entries were decided under, by digest."""

    psn_no: str
    region: str
    number: int
    person: Person
    year: Year
    entries: tuple[Entry, ...]
    packs: dict[str, Pack]
    in_use: Pack
    """The pack that decides for the ledger's region now."""


async def person_years(source: Source, psn_no: str, number: int) -> list[PersonYear]:
    """A person's ledgers of a year, one a region; empty where there is none. Raises `SourceUnfit`."""
    partition = home_of(source, psn_no)
    for _ in range(ATTEMPTS_MAX):
        read: dict[str, bytes | None] = {}

        async def values(names: list[str], read: dict[str, bytes | None] = read) -> list[Any]:
            found = await source.read(partition, names)
            read |= found
            return [None if (text := found[name]) is None else read_field(name, text) for name in names]

        (person,) = await values([person_field(psn_no)])
        regions = [] if person is None else [region for region, year in person.ledgers if year == number]
        years = await values([year_field(psn_no, region, number) for region in regions])
        ledgers: list[tuple[str, Year, tuple[Entry, ...]]] = []
        shelf = OpenShelf()
        for region, year in zip(regions, years, strict=True):
            entries = await values([entry_field(psn_no, region, number, index) for index in range(year.entries)])
            texts = [pack_field(digest) for digest in year.packs]
            shelf.update(zip(texts, await values(texts), strict=True))
            ledgers.append((region, year, tuple(entries)))
        if await source.still(partition, read):
            return [_assembled(source, shelf, (psn_no, number), person, ledger) for ledger in ledgers]
    raise SourceUnfit("the person's year moved while it was being read: try again")


def _assembled(
    source: Source,
    shelf: OpenShelf,
    whose: tuple[str, int],
    person: Person,
    ledger: tuple[str, Year, tuple[Entry, ...]],
) -> PersonYear:
    region, year, entries = ledger
    packs = {digest: source.books.pack_of(digest, shelf) for digest in year.packs}
    in_use = source.books.pack_for(region)
    return PersonYear(whose[0], region, whose[1], person, year, entries, packs, in_use)
