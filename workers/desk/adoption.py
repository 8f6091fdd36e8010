"""Who would be priced again if a pack were adopted for the past, and the event that does it for each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson

from contracts.adoption import PackAdopted
from contracts.journal import Year, read_field
from contracts.pack import Pack, PackSet
from workers.adjudication.adopted import to_move
from workers.desk.person_year import person_years
from workers.desk.source import Source
from workers.desk.trial import Trial, try_event


@dataclass(frozen=True, slots=True)
class Adoption:
    """One person-year that a pack would price again: the event, and what it would bring about now."""

    event: PackAdopted
    trial: Trial

    @property
    def value(self) -> bytes:
        """The event as it is sent."""
        return orjson.dumps(self.event.model_dump())


def packs_to_adopt(packs: PackSet, region: str) -> list[Pack]:
    """The packs in use that a region's name means: a county's own, or a city's with those of its counties."""
    meant = packs.for_region(region)
    if meant is None:
        return []
    return [pack for pack in packs.packs if pack is meant or (meant.county is None and pack.region == meant.region)]


async def adoptions(
    source: Source, packs: list[Pack], *, first_day: str, known_at: str, partition: int
) -> AsyncIterator[Adoption]:
    """Every person-year of a partition that the packs would price again from a first day of discharge on.

    Each is tried against the state as it is; nothing is sent. Raises `SourceUnfit`.
    """
    region, digests = packs[0].region, {pack.digest for pack in packs}
    met: set[str] = set()
    async for name, text in source.scan(partition, "y"):
        _, psn_no, its_region, number = name.split("|")
        year: Year = read_field(name, text)
        if its_region != region or number < first_day[:4] or name in met or digests.issuperset(year.packs):
            continue
        met.add(name)
        for ledger in await person_years(source, psn_no, int(number)):
            if ledger.region != region:
                continue
            for pack in packs:
                moved = to_move(source.books, ledger.entries, pack, first_day)
                if not moved:
                    continue
                event = PackAdopted(
                    type="pack_adopted",
                    psn_no=psn_no,
                    insuplc_admdvs=ledger.entries[moved[0]].fact.insuplc_admdvs,
                    year=ledger.number,
                    first_day=first_day,
                    digest=pack.digest,
                    known_at=known_at,
                )
                value = orjson.dumps(event.model_dump())
                yield Adoption(event, await try_event(source, value, psn_no=psn_no, type_=event.type))
