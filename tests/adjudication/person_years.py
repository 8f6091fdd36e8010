"""Random person-years: one person's discharges, repeats and reversals, drawn to where the money is decided.

Most amounts lie on a deductible, a tier's start or a cap of the region's own pack, or a fen beside it, counted from
where the year stands: the strategy asks the auditor how much of a threshold is still missing. The rest of a bill (funds
that reported, parts that no layer takes) is laid around that, so the parts add up by construction.
"""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any, Final

from hypothesis import strategies as st

from contracts.pack import Layer, Pack, PackSet, Row
from tests.adjudication.telling import tell
from workers.rehearsal.auditor import Answer, Auditor
from workers.rehearsal.auditor_bill import Account, layers_for, pack_for, rates, written
from workers.rehearsal.auditor_facts import accepted, ledger_of, ledgers

PERSON_YEARS: Final = int(os.environ.get("YIDAN_PERSON_YEARS", "300"))
"""How many years each property draws, or a part of it: enough for every run of the tests, and as many as one likes."""

Event = dict[str, Any]
Draw = Callable[..., Any]

PERSON = "P330000000001"
YUAN = 100

REGIONS = {
    "331000": ("331002", "331081", "331000"),
    "140100": ("140105", "140123", "140100"),
    "331127": ("331127",),
}
"""Insured places by the pack that covers them; `331100`, Jingning's city, has none."""
NOWHERE = ("331100", "110101", "331126")

YEARS = {
    "331000": (2021, 2021, 2021, 2020, 2020, 2019),
    "140100": (2019, 2019, 2020, 2018),
    "331127": (2022, 2022, 2021),
}
"""Benefit years in which all layers are in force, more often than those in which one begins."""

DAYS = ("01-01", "03-02", "06-30", "07-01", "11-30", "12-01", "12-31")
LIKELY = {
    "331000": ("2304", "2303", "2303", "236074", "2306", "230801", "2360"),
    "140100": ("2302", "2307", "2303", "236074", "2306"),
    "331127": ("2303", "2304", "230801"),
}
"""Identities that open a row of the region's pack, and one that does not."""
CODES = ("2301", "2302", "2303", "2304", "2306", "2307", "236074", "230801", "2160", "2360", "9999")
EXCLUSIONS = ("work_injury", "third_party", "public_health", "cosmetic", "overseas", "non_designated", "unlawful")
HABITS = (("21", "2101", "24"), ("21", "14"), ("11", "13", "1102"), ("21", "14", "11"))
"""Most years see one kind of care, so that its layers fill up."""
ANY_CARE = ("21", "14", "11", "41", "52")
FUNDS = (
    *("hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "hifdm_pay", "maf_pay", "oth_pay"),
    "hosp_part_amt",
)
SETTLEMENTS = tuple(f"S{number}" for number in range(1, 17))


def thresholds(layer: Layer) -> list[int]:
    """The points of a layer's yearly base, in fen, at which something changes: deductibles, tiers, caps."""
    points = set()
    for row in layer.rows:
        if row.curve is None:
            continue
        points |= {int(start * YUAN) for start, _ in rates(row)}
        if row.cap is not None:
            points.add(base_at_cap(row))
    return sorted(points - {0}) or [1]


def base_at_cap(row: Row) -> int:
    """The first fen of base at which the row's cap is owed in full."""
    assert row.cap is not None
    missing, stretches = Fraction(row.cap, YUAN), rates(row)
    for (start, ratio), (end, _) in pairwise([*stretches, (Fraction(10**9), Fraction(0))]):
        if missing <= (end - start) * ratio:
            return ceil((start + missing / ratio) * YUAN)
        missing -= (end - start) * ratio
    raise ValueError(f"the row for {row.who} never reaches its cap")


FEN_BESIDE = st.sampled_from((0, 0, 0, -1, 1, -2, 2, -50, 33, 99, 1_000_000, 3_000_001))
"""Beside a threshold, or so far beyond it that something is paid."""
SMALL = st.one_of(st.just(0), st.integers(0, 300), st.sampled_from((1, 49, 50, 10_000, 50_000, 123_456)))
LARGE = st.one_of(
    st.integers(0, 20_000_000), st.sampled_from((1_000_000, 3_000_001, 15_000_000, 29_999_999, 99_999_999_999_999))
)


@st.composite
def identity_lists(draw: Draw, day: str) -> list[dict[str, Any]]:
    """Some identities; a few of them begin or end beside `day`."""
    codes = draw(st.lists(st.sampled_from(CODES), max_size=3))
    listed = []
    for code in codes:
        begin, end = draw(st.sampled_from((("2015-01-01", None), ("2015-01-01", "2099-12-31"), (day, day), *STRAY)))
        listed.append({"psn_idet_type": code, "begntime": begin, "endtime": end})
    return listed


STRAY = (("2015-01-01", "2017-12-31"), ("2099-01-01", None), ("2020-07-01", None), ("2015-01-01", "2020-06-30"))


@st.composite
def amounts_written(draw: Draw, fen: int) -> str | int:
    """One of the ways to write an amount."""
    yuan, rest = divmod(fen, YUAN)
    forms: list[str | int] = [f"{yuan}.{rest:02d}"]
    if rest % 10 == 0:
        forms.append(f"{yuan}.{rest // 10}")
    if rest == 0:
        forms += [yuan, str(yuan)]
    form: str | int = draw(st.sampled_from(forms))
    return form


class PersonYear:
    """One person's events in arrival order, as the wire's JSON has them, and what the auditor makes of each."""

    def __init__(self, events: list[Event], answers: list[Answer]) -> None:
        self.events = events
        self.answers = answers

    def __repr__(self) -> str:
        return "\n" + "\n".join(tell(number, event) for number, event in enumerate(self.events, start=1))


class Story:
    """One person's events as they are drawn, with the auditor at hand to say where the year stands."""

    def __init__(self, draw: Draw, packs: PackSet, regions: Sequence[str]) -> None:
        self.draw = draw
        self.packs = packs
        self.auditor = Auditor(packs)
        self.events: list[Event] = []
        self.answers: list[Answer] = []
        self.region = draw(st.sampled_from(regions))
        self.regions = draw(st.sampled_from(((self.region,), (self.region,), (self.region,), tuple(sorted(REGIONS)))))
        self.insutypes = draw(st.sampled_from((("390",), ("390",), ("390",), ("390", "390", "310"))))
        self.year = draw(st.sampled_from(YEARS[self.region]))
        self.habit = draw(st.sampled_from(HABITS))
        likely = draw(st.lists(st.sampled_from(LIKELY[self.region]), min_size=1, max_size=2))
        self.identities: list[dict[str, Any]] = [
            {"psn_idet_type": code, "begntime": "2015-01-01", "endtime": None} for code in likely
        ]

    def tell(self, event: Event) -> None:
        self.answers.append(self.auditor.take(event))
        self.events.append(event)

    def rarely(self) -> bool:
        return bool(self.draw(st.integers(0, 11)) == 11)

    def message(self, kind: str) -> Event:
        number = len(self.events) + 1
        minute = f"{number // 60:02d}:{number % 60:02d}"
        return {
            "type": kind,
            "msgid": f"M{number}",
            "psn_no": PERSON,
            "setl_time": f"{self.year}-12-31T{minute}:00+08:00",
        }

    # The kinds of event ─────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        setl_id = self.draw(st.sampled_from(SETTLEMENTS))
        known = {event["setl_id"] for event in self.events if "setl_id" in event}
        if setl_id in known and not self.rarely():
            setl_id = next((other for other in SETTLEMENTS if other not in known), setl_id)
        self.tell(self.discharge(setl_id))

    def repeat(self) -> None:
        """The same settlement again, written otherwise: another message, other forms of the same amounts."""
        first = self.one_settled()
        if first is None:
            self.settle()
            return
        again = first | {key: self.message("settled")[key] for key in ("msgid", "setl_time")}
        for name in ("medfee_sumamt", "inscp_scp_amt"):
            again[name] = self.draw(amounts_written(int(Fraction(again[name]) * YUAN)))
        if again.get("psn_idet") is not None:
            again["psn_idet"] = list(reversed(again["psn_idet"]))
        again["exclusions"] = (again.get("exclusions") or []) * 2 or None
        if self.draw(st.booleans()):
            again = {name: value for name, value in again.items() if value is not None}
        again["unknown_field"] = "is ignored"
        self.tell(again)

    def reuse(self) -> None:
        """The same `setl_id` for something else."""
        first = self.one_settled()
        if first is None:
            self.settle()
            return
        other = first | {key: self.message("settled")[key] for key in ("msgid", "setl_time")}
        name = self.draw(
            st.sampled_from(("mdtrt_id", "fixmedins_code", "insutype", "acct_pay", "begndate", "psn_idet"))
        )
        changed = {
            "acct_pay": "1.00",
            "begndate": "2011-11-11",
            "insutype": {"310": "390"}.get(first["insutype"], "310"),
            "psn_idet": [{"psn_idet_type": "2305", "begntime": "2015-01-01", "endtime": None}],
        }
        name = self.draw(st.sampled_from(sorted(changed)))
        self.tell(other | {name: changed[name]})

    def reverse(self) -> None:
        """Usually of something settled, at times of something that will be, or that was taken back before."""
        first = self.one_settled()
        setl_id = self.draw(st.sampled_from(SETTLEMENTS)) if first is None or self.rarely() else first["setl_id"]
        self.tell(self.message("reversed") | {"setl_id": setl_id, "mdtrt_id": None})

    def one_settled(self) -> Event | None:
        settled = [event for event in self.events if event["type"] == "settled"]
        return self.draw(st.sampled_from(settled)) if settled else None

    # One bill ───────────────────────────────────────────────────────────────────────────────────

    def discharge(self, setl_id: str) -> Event:
        year = self.draw(st.sampled_from(YEARS[self.region])) if self.rarely() else self.year
        day = f"{year}-{self.draw(st.sampled_from(DAYS))}"
        event = self.message("settled") | {
            "setl_id": setl_id,
            "mdtrt_id": f"V{setl_id}",
            "insutype": "310" if self.rarely() else self.draw(st.sampled_from(self.insutypes)),
            "med_type": self.draw(st.sampled_from(ANY_CARE if self.rarely() else self.habit)),
            "insuplc_admdvs": self.place(),
            "fixmedins_code": self.draw(st.sampled_from(("H1", "H2"))),
            "begndate": day,
            "enddate": day,
            "psn_idet": self.draw(identity_lists(day)) if self.rarely() else self.identities,
            "premium_subsidised": self.draw(st.sampled_from((True, False))) if self.rarely() else None,
            "exclusions": [self.draw(st.sampled_from(EXCLUSIONS))] if self.rarely() else [],
        }
        if self.rarely():
            event["psn_idet"] = None
        event |= self.bill(event)
        return self.paid_in_full(event) if self.rarely() else event

    def paid_in_full(self, event: Event) -> Event:
        """Assistance that reports all that the other layers leave, where it comes after them."""
        if pack_for(self.packs, event["insuplc_admdvs"]) is None or "maf_pay" in event:
            return event
        trial = accepted(event | {"setl_id": "a trial"}, self.packs)
        left = ledgers([*self.auditor.facts, trial])[ledger_of(trial)].bills[-1].self_pay
        return event | {"maf_pay": written(left)} if left else event

    def place(self) -> str:
        if self.rarely():
            return str(self.draw(st.sampled_from((*NOWHERE, *(code for codes in REGIONS.values() for code in codes)))))
        return str(self.draw(st.sampled_from(REGIONS[self.draw(st.sampled_from(self.regions))])))

    def bill(self, event: Event) -> Event:
        """Parts that leave the drawn amounts once the reported funds have drawn on 自负; at times these take more."""
        left = self.left_for_layers(event)
        funds = dict.fromkeys(FUNDS, 0)
        for name, chance in (("hifp_pay", 2), ("hifmi_pay", 4), ("maf_pay", 9), ("oth_pay", 12), ("hosp_part_amt", 12)):
            if self.draw(st.integers(0, chance)) == chance:
                funds[name] = self.draw(st.one_of(SMALL, LARGE))
        if self.rarely():
            funds[self.draw(st.sampled_from(FUNDS))] = self.draw(SMALL)
        room = 0 if self.rarely() else sum(funds.values())
        parts = [left[0] + room, left[1], left[2], left[3]]
        if self.rarely() and sum(parts) >= sum(funds.values()):
            funds["hifp_pay"] += sum(parts) - sum(funds.values()) + self.draw(st.sampled_from((0, 0, -1, 1)))
            funds["hifp_pay"] = max(0, funds["hifp_pay"])
        bill: Event = {"medfee_sumamt": self.draw(amounts_written(sum(parts)))}
        for name, fen in zip(
            ("inscp_scp_amt", "preselfpay_amt", "overlmt_selfpay", "fulamt_ownpay_amt"), parts, strict=True
        ):
            bill[name] = f"{fen // YUAN}.{fen % YUAN:02d}"
        for name, fen in funds.items():
            if fen:
                bill[name] = self.draw(amounts_written(fen))
        return bill

    def left_for_layers(self, event: Event) -> list[int]:
        """What the reported funds are to leave of each part, often around a threshold of one of the layers."""
        left = [0, 0, 0, 0]
        pack = pack_for(self.packs, event["insuplc_admdvs"])
        layers = [] if pack is None else decided_layers(pack, event["enddate"])
        manner = self.draw(st.sampled_from(("reach", "reach", "reach", "small", "large")))
        if layers and manner == "reach":
            layer = self.draw(st.sampled_from(layers))
            point = self.draw(st.sampled_from(thresholds(layer)))
            year = self.auditor.years.get(ledger_of(accepted(event, self.packs)))
            base = Fraction(0) if year is None else year.accounts.get(layer.id, Account()).base
            missing = point - int(base * YUAN)
            wanted = missing if missing > 0 else point
            left[self.draw(st.sampled_from(layer.base))] = max(0, wanted + self.draw(FEN_BESIDE))
        parts: Sequence[int] = self.draw(st.sampled_from(((), (0,), (1,), (0, 1), (0, 1, 2, 3))))
        for part in parts if manner == "reach" else (0, 1):
            left[part] += self.draw(LARGE if manner == "large" else SMALL)
        return left


def decided_layers(pack: Pack, day: str) -> list[Layer]:
    return [layer for layer in layers_for(pack, day) if layer.mode != "reported"]


STEPS = (*("settle",) * 8, *("reverse",) * 3, "repeat", "reuse")


@st.composite
def person_years(
    draw: Draw, packs: PackSet, steps: Sequence[str] = STEPS, regions: Sequence[str] = tuple(sorted(REGIONS))
) -> PersonYear:
    """A person's story of three to fourteen steps, at times in several regions or under two insurances."""
    story = Story(draw, packs, regions)
    for step in draw(st.lists(st.sampled_from(steps), min_size=3, max_size=14)):
        getattr(story, step)()
    return PersonYear(story.events, story.answers)
