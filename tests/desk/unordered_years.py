"""Person-years that arrive out of order, drawn to where the order matters.

Rows change in mid-year, caps are near, bills are paid in full by others, identities and balances become known late,
applications are decided before the last bill.
"""

import json
from typing import Any

from hypothesis import strategies as st

from contracts.pack import PackSet
from tests.adjudication.person_years import PERSON, Draw, Event
from workers.settlement.offline import Settler

PLACES = {"331000": ("331002", 2021), "140100": ("140105", 2019), "331127": ("331127", 2022)}
CODES = {
    "331000": ("2304", "2303", "2303", "236074", "2306", "2360", "2360"),
    "140100": ("2302", "2307", "2303", "9999"),
    "331127": ("2304", "2303", "9999"),
}
LAYERS = {
    "331000": ("supplementary", "assistance_inpatient"),
    "140100": ("serious_illness",),
    "331127": ("high_expense_subsidy",),
}
DAYS = ("01-03", "02-14", "03-31", "05-05", "06-30", "07-01", "08-08", "10-01", "11-30", "12-31")
AMOUNTS = st.one_of(
    st.sampled_from((0, 1, 333, 5_000_00, 10_000_00, 15_000_00, 49_999_99, 50_000_00, 90_000_01, 150_000_00)),
    st.integers(0, 200_000_00),
    st.sampled_from((160_000_00, 300_000_01, 900_000_00)),
)


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


class Story:
    """A person-year as it is drawn, settled along the way to know what a bill leaves."""

    def __init__(self, draw: Draw, packs: PackSet) -> None:
        self.draw = draw
        self.settler = Settler(packs)
        self.events: list[Event] = []
        self.region = draw(st.sampled_from(sorted(PLACES)))
        self.place, self.year = PLACES[self.region]
        self.codes = draw(st.lists(st.sampled_from(CODES[self.region]), min_size=1, max_size=3))

    def one_in(self, chances: int) -> bool:
        return bool(self.draw(st.integers(1, chances)) == 1)

    def tell(self, event: Event) -> Any:
        self.events.append(event)
        return self.settler.take(json.dumps(event).encode())

    def identities(self, code: str) -> list[Event]:
        return [{"psn_idet_type": code, "begntime": "2015-01-01", "endtime": None}]

    def bill(self) -> None:
        number = len(self.events) + 1
        day = f"{self.year}-{self.draw(st.sampled_from(DAYS))}"
        parts = [self.draw(AMOUNTS), self.draw(AMOUNTS), 0, self.draw(st.sampled_from((0, 0, 1_000_00)))]
        hifp = self.draw(st.integers(0, parts[0])) if self.one_in(2) else 0
        event: Event = {
            "type": "settled",
            "msgid": f"M{number}",
            "setl_id": f"S{number}",
            "mdtrt_id": f"V{number}",
            "psn_no": PERSON,
            "insutype": self.draw(st.sampled_from(("390", "390", "390", "310"))),
            "med_type": self.draw(st.sampled_from(("21", "21", "21", "14", "11"))),
            "insuplc_admdvs": self.place,
            "fixmedins_code": self.draw(st.sampled_from(("H1", "H2"))),
            "begndate": day,
            "enddate": day,
            "setl_time": f"{day}T{number:02d}:00:00+08:00",
            "psn_idet": self.identities(self.draw(st.sampled_from(self.codes))),
            "medfee_sumamt": yuan(sum(parts)),
            "inscp_scp_amt": yuan(parts[0]),
            "preselfpay_amt": yuan(parts[1]),
            "overlmt_selfpay": yuan(parts[2]),
            "fulamt_ownpay_amt": yuan(parts[3]),
            "hifp_pay": yuan(hifp),
        }
        if self.one_in(3):
            event |= {"maf_pay": yuan(self.reported(event))}
        self.tell(event)

    def reported(self, event: Event) -> int:
        """Assistance of another system: all that is left of the bill as it stands, or some of it."""
        trial = Settler(self.settler.books.packs)
        for earlier in self.events:
            trial.take(json.dumps(earlier).encode())
        paid = trial.take(json.dumps(event).encode()).payouts
        left = int(paid[0]["psn_part_amt"].replace(".", "")) if paid else 0
        return left if self.one_in(2) else int(self.draw(st.integers(0, left)))

    def identity_list(self) -> None:
        """A list that is newer than every bill: each half of the year, or all of it, under its own identity."""
        first, second = (self.draw(st.sampled_from(CODES[self.region])) for _ in range(2))
        halves = [(first, "2015-01-01", f"{self.year}-06-30"), (second, f"{self.year}-07-01", None)]
        self.tell(
            {
                "type": "identity_changed",
                "psn_no": PERSON,
                "psn_idet": [{"psn_idet_type": code, "begntime": begin, "endtime": end} for code, begin, end in halves],
                "known_at": f"{self.year + 1}-01-0{self.draw(st.integers(1, 9))}T00:00:00+08:00",
            }
        )

    def balance(self) -> None:
        balances = {
            layer: {"base": yuan(self.draw(AMOUNTS)), "paid": yuan(self.draw(st.integers(0, 60_000_00)))}
            for layer in LAYERS[self.region]
        }
        self.tell(
            {
                "type": "carried_in",
                "psn_no": PERSON,
                "insuplc_admdvs": self.place,
                "year": self.year,
                "known_at": f"{self.year}-01-01T00:00:00+08:00",
                "layers": balances,
            }
        )

    def application(self) -> None:
        day = self.draw(st.sampled_from(DAYS))
        self.tell(
            {
                "type": "application_decided",
                "application_id": self.draw(st.sampled_from(("A1", "A2"))),
                "psn_no": PERSON,
                "insuplc_admdvs": self.place,
                "year": self.year,
                "applicant": self.draw(st.sampled_from(("困难人员", "其他因病困难人员"))),
                "hardship_application": "refused",
                "resident": True,
                "other_assistance": self.draw(st.sampled_from(("0.00", "0.00", "5000.01"))),
                "applied_on": f"{self.year}-{day}",
                "objections": False,
                "approved": not self.one_in(5),
                "known_at": f"{self.year}-{day}T00:00:00+08:00",
            }
        )

    def reverse(self) -> None:
        number = self.draw(st.integers(1, max(1, len(self.events))))
        event = {"type": "reversed", "msgid": f"R{len(self.events)}", "setl_id": f"S{number}", "psn_no": PERSON}
        self.tell(event | {"setl_time": f"{self.year}-12-31T23:59:00+08:00"})


STEPS = (*("bill",) * 8, "identity_list", "reverse", "balance")


@st.composite
def unordered_years(draw: Draw, packs: PackSet) -> list[Event]:
    """A person's year of two to nine steps, in the order of their arrival."""
    story = Story(draw, packs)
    steps = STEPS + (("application",) * 4 if story.region == "331127" else ())
    for step in draw(st.lists(st.sampled_from(steps), min_size=2, max_size=9)):
        getattr(story, step)()
    return story.events
