"""Person-years during which the packs in use change and packs are adopted for what was decided before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from contracts.pack import PackSet
from tests.adjudication.constant_years import Bill, constant_years
from tests.adjudication.corrected_years import MOMENTS, applied_years, corrected_years
from tests.adjudication.pack_variants import filled, version, versions, without_computed_layers
from tests.adjudication.person_years import DAYS, PERSON, Draw, Event
from tests.adjudication.telling import tell
from workers.rehearsal.auditor import Answer, Auditor
from workers.rehearsal.auditor_bill import pack_for


@dataclass(frozen=True)
class ChangingYear:
    """A person's events, and the packs that were in use at each."""

    events: list[Event]
    in_use: list[PackSet]

    def answers(self) -> list[Answer]:
        """What the auditor says of each event."""
        auditor = Auditor(self.in_use[0])
        answers = []
        for event, packs in zip(self.events, self.in_use, strict=True):
            auditor.packs = packs
            answers.append(auditor.take(event))
        return answers

    def __repr__(self) -> str:
        return "\n" + "\n".join(tell(number, event) for number, event in enumerate(self.events, start=1))


class Versions:
    """Every text that each region's pack may have."""

    def __init__(self, packs: PackSet) -> None:
        self.of_region: Final = {pack.region: versions(pack) for pack in packs.packs}
        self.stripped: Final = {pack.region: [pack, without_computed_layers(pack)] for pack in packs.packs}
        city = next(pack for pack in packs.packs if pack.region == "331000")
        layers = tuple(map(filled, city.layers))
        self.county: Final = version(city, "a county's own", county="331002", layers=layers)

    def changed(self, draw: Draw, packs: PackSet, events: Sequence[Event]) -> PackSet:
        """A region, mostly one of the person's, gets another text; at times a county begins or ends one of its own."""
        cities = {pack.region: pack for pack in packs.packs if pack.county is None}
        counties = [pack for pack in packs.packs if pack.county is not None]
        place = {event.get("insuplc_admdvs") for event in events}
        if draw(st.integers(0, 2 if "331002" in place else 7)) == 0:
            counties = [] if counties else [self.county]
        found = [pack_for(packs, event.get("insuplc_admdvs", "")) for event in events]
        own = [pack.region for pack in found if pack is not None]
        region = draw(st.sampled_from([*own, *own, *own, *sorted(cities)]))
        cities[region] = draw(st.sampled_from(draw(st.sampled_from((self.of_region, self.stripped)))[region]))
        return PackSet([*cities.values(), *counties])


@st.composite
def adoptions(draw: Draw, events: Sequence[Event], packs: PackSet) -> Event:
    """Mostly of the pack in use, for a year and a place that the person has been settled in."""
    booked = [event for event in events if event["type"] in ("settled", "application_decided")]
    years = [(e["insuplc_admdvs"], int(e["enddate"][:4]) if "enddate" in e else e["year"]) for e in booked]
    place, year = draw(st.sampled_from(years or [("331002", 2021)]))
    pack = pack_for(packs, place)
    digest = f"sha256:{'0' * 64}" if pack is None or draw(st.integers(0, 11)) == 11 else pack.digest
    day = draw(st.sampled_from((*(f"{year}-01-01",) * 7, *(f"{year}-{day}" for day in DAYS))))
    return {
        "type": "pack_adopted",
        "psn_no": PERSON,
        "insuplc_admdvs": place,
        "year": year,
        "first_day": day,
        "digest": digest,
        "known_at": draw(st.sampled_from(MOMENTS)),
    }


def with_changing_packs(draw: Draw, events: Sequence[Event], packs: PackSet, of: Versions) -> ChangingYear:
    """The events with changes of the packs in use among them, each often followed by an adoption."""
    told: list[Event] = []
    in_use: list[PackSet] = []
    current = packs
    for event in events:
        told.append(event)
        in_use.append(current)
        changes = len(told) > 2 and draw(st.integers(0, 3)) == 3
        if changes:
            current = of.changed(draw, current, told)
        for _ in range(draw(st.sampled_from((0, 1, 2, 2) if changes else (0, 0, 0, 0, 1)))):
            told.append(draw(adoptions(told, current)))
            in_use.append(current)
    return ChangingYear(told, in_use)


@st.composite
def adopted_years(draw: Draw, packs: PackSet, of: Versions) -> ChangingYear:
    """Years with everything in them."""
    return with_changing_packs(draw, draw(corrected_years(packs)), packs, of)


@st.composite
def adopted_applied_years(draw: Draw, packs: PackSet, of: Versions) -> ChangingYear:
    """Years with applications, priced by one pack after another."""
    return with_changing_packs(draw, draw(applied_years(packs)), packs, of)


@st.composite
def adopted_paying_years(draw: Draw, packs: PackSet, of: Versions) -> ChangingYear:
    """Years of one person that pay something, of which some is taken back, while one pack follows another."""
    year = draw(constant_years(packs))
    large = [Bill("21", (draw(st.integers(2_000_000, 9_000_000)), 0, 0, 0), 0) for _ in range(2)]
    events = year.events(draw(st.permutations([*year.bills, *large])))
    for reversal in year.taken_back(draw(st.lists(st.integers(1, len(events)), max_size=3, unique=True))):
        events.insert(draw(st.integers(2, len(events))), reversal)
    return with_changing_packs(draw, events, packs, of)
