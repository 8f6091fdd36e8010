"""Years in which only the amounts vary: the precondition under which order and splitting must not matter.

Every settlement of a `ConstantYear` is in one ledger, on days on which all of the pack's layers are in force, for one
insurance type, without exclusions, with the same identities valid on every day and the same word about the premium.
Layers that draw on each other's parts therefore cover the same settlements: those of their kinds of care. Reported
money comes before every computed layer and fits into its own bill's 自负, so it draws the same parts wherever the bill
stands or is cut. No layer is then left a base that depends on which bill came first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st

from contracts.pack import PackSet
from tests.adjudication.person_years import LIKELY, PERSON, Event, decided_layers, thresholds
from workers.rehearsal.auditor_bill import pack_for

Draw = Callable[..., Any]

YEARS = {"331002": 2021, "140105": 2020, "331127": 2022}
CARES = (("21",), ("21", "14"), ("11",), ("21", "11", "14", "41"))


class Bill(NamedTuple):
    """What reported money leaves of the four parts, and how much was reported, in fen."""

    med_type: str
    left: tuple[int, int, int, int]
    reported: int


@dataclass(frozen=True)
class ConstantYear:
    """One person's bills in one year; everything but the bills is the same for all of them."""

    region: str
    codes: tuple[str, ...]
    insutype: str
    premium_subsidised: bool | None
    bills: tuple[Bill, ...]

    def events(self, bills: Sequence[Bill]) -> list[Event]:
        """The bills as settled events, in this order of arrival."""
        return [self._event(number, bill) for number, bill in enumerate(bills, start=1)]

    def taken_back(self, order: Sequence[int]) -> list[Event]:
        """Reversals of the bills with these numbers, in this order."""
        kept = {"type": "reversed", "psn_no": PERSON, "setl_time": f"{YEARS[self.region]}-12-31T10:00:00+08:00"}
        return [kept | {"setl_id": f"S{number}", "msgid": f"R{number}"} for number in order]

    def _event(self, number: int, bill: Bill) -> Event:
        policy, catalogue, over_limit, outside = bill.left
        day = f"{YEARS[self.region]}-{number % 12 + 1:02d}-15"
        return {
            "type": "settled",
            "msgid": f"M{number}",
            "setl_id": f"S{number}",
            "mdtrt_id": f"V{number}",
            "psn_no": PERSON,
            "insutype": self.insutype,
            "med_type": bill.med_type,
            "insuplc_admdvs": self.region,
            "fixmedins_code": "H1",
            "begndate": day,
            "enddate": day,
            "setl_time": f"{day}T10:00:00+08:00",
            "psn_idet": [{"psn_idet_type": code, "begntime": "2015-01-01", "endtime": None} for code in self.codes],
            "premium_subsidised": self.premium_subsidised,
            "exclusions": [],
            "medfee_sumamt": yuan(sum(bill.left) + bill.reported),
            "inscp_scp_amt": yuan(policy + bill.reported),
            "preselfpay_amt": yuan(catalogue),
            "overlmt_selfpay": yuan(over_limit),
            "fulamt_ownpay_amt": yuan(outside),
            "hifp_pay": yuan(bill.reported),
        }


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


@st.composite
def constant_years(draw: Draw, packs: PackSet) -> ConstantYear:
    """A year whose bills are the pieces of some layer's threshold, give or take a fen, and a little beside."""
    region = draw(st.sampled_from(sorted(YEARS)))
    pack = pack_for(packs, region)
    assert pack is not None
    layer = draw(st.sampled_from(decided_layers(pack, f"{YEARS[region]}-12-15")))
    cares = draw(st.sampled_from(CARES))
    base = draw(st.sampled_from(layer.base))
    amount = max(1, draw(st.sampled_from(thresholds(layer))) + draw(st.sampled_from((-1, 0, 1, 50, 12_345, 2_000_000))))
    bills = []
    for piece in draw(pieces(amount, most=6)):
        left = [draw(st.sampled_from((0, 0, 0, 1, 99, 12_345, 1_000_000))) for _ in range(4)]
        left[base] += piece
        reported = draw(st.sampled_from((0, 0, 1, 77_777)))
        bills.append(Bill(draw(st.sampled_from(cares)), (left[0], left[1], left[2], left[3]), reported))
    likely = LIKELY[pack.region]
    return ConstantYear(
        region,
        tuple(draw(st.lists(st.sampled_from(likely), max_size=2, unique=True))),
        draw(st.sampled_from(("390", "390", "390", "310"))),
        draw(st.sampled_from((None, None, True, False))),
        tuple(bills),
    )


@st.composite
def pieces(draw: Draw, amount: int, most: int) -> list[int]:
    """`amount` cut into two to `most` pieces, some of them perhaps nothing."""
    cuts = sorted(draw(st.lists(st.integers(0, amount), min_size=1, max_size=most - 1)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, amount], strict=True)]


@st.composite
def split_stays(draw: Draw, bills: Sequence[Bill]) -> list[Bill]:
    """The same bills with one of them in two parts, one after the other."""
    at = draw(st.integers(0, len(bills) - 1))
    whole = bills[at]
    first = tuple(draw(st.integers(0, part)) for part in whole.left)
    reported = draw(st.integers(0, whole.reported))
    rest = tuple(part - taken for part, taken in zip(whole.left, first, strict=True))
    halves = [
        Bill(whole.med_type, (first[0], first[1], first[2], first[3]), reported),
        Bill(whole.med_type, (rest[0], rest[1], rest[2], rest[3]), whole.reported - reported),
    ]
    return [*bills[:at], *halves, *bills[at + 1 :]]
