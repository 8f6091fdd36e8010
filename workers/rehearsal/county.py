"""A synthetic county: years of realistic discharge events, the same bytes for the same seed.

Days pass in order; on each, some of those who are ill settle. Messages come again, settlements are
reversed (now and then before they arrive), and a few events are broken. The broken ones come from a
source of chance of their own, so leaving them out changes no other byte.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random

from workers.rehearsal.bills import MED_TYPES, Office
from workers.rehearsal.broken import BROKEN, NEEDS_AN_EARLIER_ONE, decoded, whole
from workers.rehearsal.residents import ISO, REGIONS, Region, Resident, Residents

DIALYSIS_PERCENT = 30
"""Of all settlements."""
BROKEN_PER_THOUSAND = 3
EVERY_KIND_FROM = 2_000
"""From so many settlements on, every kind of broken event appears."""


def county(
    *,
    settlements: int,
    persons: int,
    seed: int,
    regions: Sequence[str] = ("331000", "140100", "331127"),
    broken: bool = True,
) -> Iterator[bytes]:
    """Exactly `settlements` good settlements of at most `persons` residents, and what comes on top of them.

    On top come about 2 % repeats, 2 % reversals and, if wanted, 0.3 % broken events. One event is one
    compact JSON document in UTF-8 without a newline. Raises ValueError, at once, for a region without
    a profile in `REGIONS`, no region, no person, or a negative number of settlements.
    """
    unknown = [code for code in regions if code not in REGIONS]
    if unknown or not regions:
        raise ValueError(f"regions must be some of {', '.join(REGIONS)}, not {', '.join(unknown) or 'none'}")
    if settlements < 0 or persons < 1:
        raise ValueError(f"cannot make {settlements} settlements of {persons} persons")
    profiles = [REGIONS[code] for code in dict.fromkeys(regions)][:persons]
    return _events(settlements, persons, seed, profiles, broken)


def partition_key(event: bytes) -> bytes | None:
    """The `psn_no` as it stands in the event, the key it must be sent with; None where there is none to find.

    Looks no further than the bytes, because broken events need a partition too.
    """
    _, found, rest = event.partition(b'"psn_no":"')
    key, closed, _ = rest.partition(b'"')
    return key if found and closed else None


def _events(settlements: int, persons: int, seed: int, profiles: list[Region], broken: bool) -> Iterator[bytes]:
    rng = Random(seed)
    aftermath = _Aftermath(rng)
    breakage = _Breakage(settlements if broken else 0, seed)
    parts = _parts(settlements, persons, profiles, rng)
    made = 0
    for today in range(min(p.first_day for p in profiles), max(p.last_day for p in profiles) + 1):
        fresh: list[str] = []
        for part in parts:
            made += part.settle(today, made, fresh, aftermath)
        for event in aftermath.due(today):
            fresh.insert(rng.getrandbits(30) * (len(fresh) + 1) >> 30, event)
        yield from breakage.mixed_into([event.encode() for event in fresh], made)
    yield from breakage.mixed_into([event.encode() for event in aftermath.rest()], made)


def _parts(settlements: int, persons: int, profiles: list[Region], rng: Random) -> list["_Part"]:
    """The regions with their share of the settlements and of the persons, at least one person each."""
    shares = [profile.share for profile in profiles]
    quotas = _divided(settlements, shares)
    dwellers = [1 + more for more in _divided(persons - len(profiles), shares)]
    parts, numbers_from = [], 1
    for region, quota, count in zip(profiles, quotas, dwellers, strict=True):
        residents = Residents(region, settlements=quota, persons=count, numbers_from=numbers_from, rng=rng)
        parts.append(_Part(region, residents, quota, rng))
        numbers_from += count
    return parts


def _divided(whole_number: int, shares: list[int]) -> list[int]:
    """The number divided by the shares without a remainder: differences of the rounded running totals."""
    bounds = [whole_number * sum(shares[:count]) // sum(shares) for count in range(len(shares) + 1)]
    return [after - before for before, after in pairwise(bounds)]


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


class _Part:
    """One region's part of each day."""

    def __init__(self, region: Region, residents: Residents, quota: int, rng: Random) -> None:
        self._region = region
        self._residents = residents
        self._quota = quota
        self._office = Office(region, rng)
        self._bits = rng.getrandbits

    def settle(self, today: int, made: int, fresh: list[str], aftermath: "_Aftermath") -> int:
        """Adds the day's settlements to `fresh`, numbered after the `made` before them, and says how many they are."""
        days = self._region.last_day - self._region.first_day + 1
        nth = today - self._region.first_day
        if not 0 <= nth < days:
            return 0
        count = self._quota * (nth + 1) // days - self._quota * nth // days
        residents, bits, settled = self._residents, self._bits, self._office.settled
        residents.advance(today)
        for turn in range(count):
            resident = residents.on_dialysis(today) if bits(10) * 100 >> 10 < DIALYSIS_PERCENT else None
            med_type = "14" if resident else MED_TYPES[bits(7)]
            resident = resident or residents.patient(today)
            clock = _clock(28_800 + 36_000 * turn // count + bits(6))  # the counters are open from eight to six
            event, msgid, setl_id = settled(resident, med_type, made + turn + 1, today, clock)
            fate = bits(10)
            if fate >= UNEVENTFUL_FROM or aftermath.goes_out(fate, event, msgid, setl_id, resident, today, clock):
                fresh.append(event)
        return count


REVERSED_ONCE_FROM, OVERTAKEN_FROM, REPEATED_FROM, SENT_ANEW_FROM, UNEVENTFUL_FROM = 2, 18, 20, 30, 40
"""A settlement's fate is one of 1,024 draws. The lowest are reversed twice; then come those reversed once, those whose
reversal overtakes them, those that come again as they are, and those that come again as a new message."""


class _Aftermath:
    """What becomes of settlements on later days: repeats, reversals, and those that are themselves held up."""

    def __init__(self, rng: Random) -> None:
        self._bits = rng.getrandbits
        self._later: dict[int, list[str]] = {}

    def due(self, today: int) -> list[str]:
        """What arrives today, in the order in which it was sent off."""
        return self._later.pop(today, [])

    def rest(self) -> list[str]:
        """What is still to arrive after the last day."""
        return [event for day in sorted(self._later) for event in self._later[day]]

    def goes_out(
        self, fate: int, event: str, msgid: str, setl_id: str, resident: Resident, today: int, clock: str
    ) -> bool:
        """Plans what follows a settlement, within six weeks; False if it is itself held up."""
        bits = self._bits
        soon = today + 1 + bits(5)
        stamp = f"{ISO[soon]}T{_clock(28_800 + bits(15))}+08:00"
        if fate >= SENT_ANEW_FROM:
            again = event.replace(f'"msgid":"{msgid}"', f'"msgid":"{msgid}B"', 1)
            self._plan(soon, again.replace(f"{ISO[today]}T{clock}+08:00", stamp, 1))
            return True
        if fate >= REPEATED_FROM:
            self._plan(soon, event)
            return True
        reversal = (
            f'{{"type":"reversed","msgid":"{msgid}R","setl_id":"{setl_id}","mdtrt_id":"M{setl_id[1:]}",'
            f'"psn_no":"{resident.psn_no}","insuplc_admdvs":"{resident.county}","setl_time":"{stamp}"}}'
        )
        self._plan(soon, reversal)
        if fate < REVERSED_ONCE_FROM:
            self._plan(soon + 1 + bits(3), reversal.replace(f'"{msgid}R"', f'"{msgid}RR"', 1))
        if fate < OVERTAKEN_FROM:
            return True
        self._plan(soon + 1 + bits(2), event)
        return False

    def _plan(self, day: int, event: str) -> None:
        self._later.setdefault(day, []).append(event)


class _Breakage:
    """The broken events, spread evenly over the settlements; each kind once before any comes again."""

    def __init__(self, settlements: int, seed: int) -> None:
        self._settlements = settlements
        self._rng = Random(f"broken {seed}")
        self._wanted = settlements * BROKEN_PER_THOUSAND // 1_000
        if settlements >= EVERY_KIND_FROM:
            self._wanted = max(self._wanted, len(BROKEN))
        self._kinds = list(BROKEN)
        self._rng.shuffle(self._kinds)
        self._sent = 0
        self._earlier: bytes | None = None

    def mixed_into(self, events: list[bytes], made: int) -> list[bytes]:
        """The day's events with as many broken ones between them as are due after `made` settlements.

        What spoils an earlier settlement takes one of a day before, so that it comes after it.
        """
        earlier = self._earlier
        self._earlier = next((event for event in events if event.startswith(b'{"type":"settled"')), earlier)
        if earlier is None or not self._wanted:
            return events
        while self._sent < self._wanted * made // self._settlements:
            kind = self._kinds[self._sent % len(self._kinds)]
            self._sent += 1
            event = decoded(earlier) if kind in NEEDS_AN_EARLIER_ONE else whole(self._sent)
            place = self._rng.getrandbits(30) * (len(events) + 1) >> 30
            events.insert(place, BROKEN[kind](event, self._rng))
        return events
