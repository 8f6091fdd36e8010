"""Who lives in the synthetic county: their insurance, their identities, how often they fall ill.

A resident is made when first seen and forgotten after the last settlement, so a county of a million
needs no more memory than those who are ill in the same year.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

EPOCH = date(2018, 1, 1)
DATES = [EPOCH + timedelta(n) for n in range(2_400)]
ISO = [day.isoformat() for day in DATES]
"""Days are small integers inside (0 is the epoch); this is how they are written."""


def day(text: str) -> int:
    """The number of the day written as `YYYY-MM-DD`."""
    return (date.fromisoformat(text) - EPOCH).days


@dataclass(frozen=True, slots=True)
class Region:
    """A region's part of the county: where people are insured, and the days on which claims arrive.

    The days lie around the first days of the region's layers, so that every edition gets work.
    `share` is the region's weight among the settlements and the persons.
    """

    code: str
    counties: tuple[str, ...]
    capital: str
    first_day: int
    last_day: int
    share: int
    identities: dict[str, int]  # how often, of those who have any


# fmt: off
REGIONS = {
    region.code: region
    for region in (
        Region(
            code="331000",
            counties=("331002", "331081", "331082", "331003", "331004", "331022", "331023", "331024", "331083"),
            capital="330100",
            first_day=day("2019-04-01"),  # the supplementary layer begins on 2019-07-01, assistance a year later
            last_day=day("2022-03-31"),
            share=60,
            identities={
                "2303": 30, "236074": 20, "2304": 9, "2307": 6, "2301": 3,
                "2306": 12, "230801": 12, "2160": 4, "2360": 4,
            },
        ),
        Region(
            code="140100",
            counties=("140105", "140106", "140107", "140121", "140122", "140123", "140181"),
            capital="140100",
            first_day=day("2019-01-01"),  # serious illness begins; what arrives late is of 2018
            last_day=day("2021-12-31"),
            share=25,
            identities={
                "2302": 30, "2307": 14, "2303": 20, "2304": 6, "2301": 5,
                "230801": 9, "2160": 5, "2360": 4, "2306": 4, "236074": 3,
            },
        ),
        Region(
            code="331127",
            counties=("331127",),
            capital="330100",
            first_day=day("2021-07-01"),  # the subsidy begins on 2021-12-01
            last_day=day("2022-12-31"),
            share=15,
            identities={"2303": 30, "236074": 25, "2304": 14, "2307": 8, "2301": 4, "2306": 10, "230801": 7, "2160": 2},
        ),
    )
}
# fmt: on

SETTLEMENTS_A_YEAR = 8
"""Of the average resident: some three stays, two or three visits, and one in 64 on dialysis with 150."""

DIALYSIS_EVERY = 64
"""Every how manyth resident is on dialysis; as many others are ruinously ill, and eight times as many gravely."""

PLAIN = [f".{fen:02d}" for fen in range(100)]
SHORT = ["", *(f".{fen:02d}".rstrip("0") for fen in range(1, 100))]
"""Two ways hospitals write the fen: `12.50` and `12.5`; `12.00` and `12`."""


@dataclass(slots=True)
class Resident:
    """One insured person, and what the platform has added up for the year so far.

    The identity list is what the platform knows on the day of settlement: `identities` before
    `identities_day`, `identities_later` from then on.
    """

    psn_no: str
    insutype: str
    county: str
    hospital: str
    hospital_level: int  # 0 township, 1 county, 2 city
    severity: int  # 0 ordinary, 1 grave, 2 ruinous: the row of the stays' bills
    identities: str
    identities_later: str
    identities_day: int
    zero: str  # how the hospital writes a fund that paid nothing
    fen: list[str]
    seen_day: int = -1
    discharged_day: int = -1
    year: int = 0
    fund_paid: int = 0  # fen, basic fund, of `year`
    self_borne: int = 0  # fen, in-scope money left after the basic fund, of `year`


def _new_resident(index: int, number: int, region: Region, rng: Random) -> Resident:
    """The region's resident `index`, the county's `number`; too few digits to be taken for an identity card's."""
    county = region.counties[rng.getrandbits(8) % len(region.counties)]
    level = (0, 0, 0, 1, 1, 1, 1, 2)[rng.getrandbits(3)]
    severity = 2 if index % DIALYSIS_EVERY == 5 else 1 if index % 8 == 3 else 0
    before, later, since = _identities(region, severity, rng)
    return Resident(
        psn_no=f"P{region.code[:2]}{number:010d}",
        insutype="310" if rng.getrandbits(3) == 0 else "390",
        county=county,
        hospital=f"H{county}{level}{rng.getrandbits(4):04d}",
        hospital_level=level,
        severity=severity,
        identities=before,
        identities_later=later,
        identities_day=since,
        zero=("null", "null", '"0.00"', "0")[rng.getrandbits(2)],
        fen=SHORT if rng.getrandbits(4) == 0 else PLAIN,
    )


def _identities(region: Region, severity: int, rng: Random) -> tuple[str, str, int]:
    """The list before a day, the list from that day on, and the day: nothing, held, granted or ended.

    Illness makes poor: of the gravely ill only one in eight has no identity, of the others four in ten.
    """
    story = rng.getrandbits(5)
    if story < (4 if severity else 13):
        return "[]", "[]", 0
    codes, weights = list(region.identities), list(region.identities.values())
    first, second = rng.choices(codes, weights, k=2)
    begins = ISO[rng.getrandbits(8)]
    held = _identity(first, begins, None)
    if story >= 29 and second != first:
        held += "," + _identity(second, ISO[rng.getrandbits(8)], None)
    turn = region.first_day + rng.getrandbits(16) % (region.last_day - region.first_day)
    if story < 16:
        return "[]", f"[{_identity(first, ISO[turn], None)}]", turn
    if story < 19:
        return f"[{held}]", f"[{_identity(first, begins, ISO[turn])}]", turn
    return f"[{held}]", f"[{held}]", 0


def _identity(code: str, begins: str, ends: str | None) -> str:
    until = f'"{ends}"' if ends else "null"
    return f'{{"psn_idet_type":"{code}","begntime":"{begins}","endtime":{until}}}'


class Residents:
    """The residents of one region, of whom a window slides over the years: those who are ill in these months.

    The window is as wide as gives each resident a plausible number of settlements a year, and slides
    so that all of `persons` are seen, but nobody for less than a year: with few settlements for many
    persons, the rest of the county stays healthy. With many settlements for few persons all are ill
    all the time, and more often.
    """

    def __init__(self, region: Region, *, settlements: int, persons: int, numbers_from: int, rng: Random) -> None:
        self._region = region
        self._numbers_from = numbers_from
        self._rng = rng
        self._bits = rng.getrandbits
        self._known: dict[int, Resident] = {}
        days = region.last_day - region.first_day + 1
        self._width = min(persons, max(1, settlements * 365 // (days * SETTLEMENTS_A_YEAR)))
        self._slide = min(persons - self._width, self._width * days // 365)
        self._days = days
        self._start = 0

    def advance(self, today: int) -> None:
        """Slides the window to `today` and forgets who has left it."""
        start = self._slide * (today - self._region.first_day) // self._days
        for index in range(self._start, start):
            self._known.pop(index, None)
        self._start = start

    def patient(self, today: int) -> Resident:
        """Somebody ill; one in six of the residents six times as often as another. Twice a day is rare."""
        bits = self._bits
        tries_left = 8
        while True:
            index = self._start + (self._width * bits(30) >> 30)
            resident = self._known.get(index) or self._make(index)
            tries_left -= 1
            if not tries_left or (index % 6 >= bits(8) % 6 and resident.seen_day != today):
                resident.seen_day = today
                return resident

    def on_dialysis(self, today: int) -> Resident | None:
        """Somebody on dialysis who has not been there today, if there is one."""
        first = -(-self._start // DIALYSIS_EVERY)
        count = (self._start + self._width - 1) // DIALYSIS_EVERY - first + 1
        if count <= 0:
            return None
        for _ in range(3):
            index = (first + (count * self._bits(30) >> 30)) * DIALYSIS_EVERY
            resident = self._known.get(index) or self._make(index)
            if resident.seen_day != today:
                resident.seen_day = today
                return resident
        return None

    def _make(self, index: int) -> Resident:
        resident = self._known[index] = _new_resident(index, self._numbers_from + index, self._region, self._rng)
        return resident
