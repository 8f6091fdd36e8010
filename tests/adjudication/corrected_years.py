"""Person-years into which everything is mixed that can become known later."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from contracts.pack import PackSet
from tests.adjudication.person_years import CODES, PERSON, Draw, Event, identity_lists, person_years

MOMENTS = (
    "2018-12-31T23:59:59+08:00",
    "2019-06-30T00:00:00+08:00",
    "2020-12-31T16:00:00+00:00",
    "2021-06-01T00:00:00+08:00",
    "2021-07-01T00:00:00+08:00",
    "2022-03-01T00:00:00+08:00",
    "2023-05-01T00:00:00+08:00",
    "2024-01-01T00:00:00+08:00",
)
OPENINGS = ("0", "0.01", "4999.99", "20000", "50000.00", "400000", "100000")
CARRIED = {
    "331002": ("supplementary", "assistance_inpatient", "assistance_outpatient"),
    "140100": ("serious_illness",),
    "331127": ("high_expense_subsidy",),
}
KINDS = ("identity_changed", "carried_in", "application_decided", "voided", "voided")
APPLICANTS = ("困难人员", "困难人员", "其他因病困难人员", "谁也不是")


@st.composite
def corrections(draw: Draw, events: list[Event], kinds: Sequence[str] = KINDS) -> Event:
    """Something that becomes known about the person of `events`."""
    kind = draw(st.sampled_from(kinds))
    known_at = draw(st.sampled_from(MOMENTS))
    common: dict[str, Any] = {"type": kind, "psn_no": PERSON}
    if kind == "identity_changed":
        day = draw(st.sampled_from([event["enddate"] for event in events if "enddate" in event] or ["2021-01-01"]))
        listed = draw(identity_lists(day))
        if draw(st.booleans()):
            listed.append({"psn_idet_type": draw(st.sampled_from(CODES)), "begntime": "2015-01-01", "endtime": None})
        return common | {"psn_idet": listed, "known_at": known_at}
    settled = [event for event in events if event["type"] == "settled"]
    year = draw(st.sampled_from([int(event["enddate"][:4]) for event in settled] or [2021]))
    if kind == "carried_in":
        region = draw(st.sampled_from(sorted(CARRIED)))
        layers = {
            layer: {"base": draw(st.sampled_from(OPENINGS)), "paid": draw(st.sampled_from(OPENINGS))}
            for layer in draw(st.lists(st.sampled_from(CARRIED[region]), unique=True))
        }
        return common | {"insuplc_admdvs": region, "year": year, "known_at": known_at, "layers": layers}
    if kind == "voided":
        messages = [event["msgid"] for event in events if "msgid" in event] or ["m-nobody"]
        omsgid = draw(st.sampled_from([*messages, "m-of-nobody"]))
        msgid = f"void-{len(events)}-{draw(st.integers(0, 99))}"
        return common | {"msgid": msgid, "omsgid": omsgid, "oinfno": "2304", "setl_time": known_at}
    return common | {
        "application_id": draw(st.sampled_from(("A1", "A2"))),
        "insuplc_admdvs": "331127",
        "year": draw(st.sampled_from((2021, 2022, 2022))),
        "applicant": draw(st.sampled_from(APPLICANTS)),
        "hardship_application": draw(st.sampled_from(("refused", "not_made", "granted"))),
        "resident": draw(st.sampled_from((True, True, False))),
        "insured_years": draw(st.sampled_from((None, 2, 3, 5))),
        "other_assistance": draw(st.sampled_from(("0.00", "100.01", "30000"))),
        "applied_on": draw(st.sampled_from(("2022-01-01", "2022-06-30", "2022-07-01"))),
        "objections": draw(st.sampled_from((False, False, False, True))),
        "approved": draw(st.booleans()) or draw(st.booleans()),
        "known_at": known_at,
        "account_token": None,
    }


@st.composite
def corrected_years(draw: Draw, packs: PackSet) -> list[Event]:
    """A person's events with corrections among them, at any place."""
    events: list[Event] = list(draw(person_years(packs)).events)
    for _ in range(draw(st.integers(1, 5))):
        events.insert(draw(st.integers(0, len(events))), draw(corrections(events)))
    return events


ASSISTANCE = ("0.00", "0.01", "100.01", "100.01", "5000", "30000", "30000.00", "120000")


@st.composite
def applications(draw: Draw, year: int, number: int) -> Event:
    """A decision that came after fewer others; at times it comes too late."""
    known_at = f"{year + 1}-05-01T00:{number % 60:02d}:00+08:00"
    return {
        "type": "application_decided",
        "psn_no": PERSON,
        "application_id": draw(st.sampled_from(("A1", "A1", "A2", "A3"))),
        "insuplc_admdvs": "331127",
        "year": year,
        "applicant": draw(st.sampled_from(APPLICANTS[1:])),
        "hardship_application": "refused",
        "resident": True,
        "insured_years": None,
        "other_assistance": draw(st.sampled_from(ASSISTANCE)),
        "applied_on": f"{year + 1}-03-01",
        "objections": False,
        "approved": draw(st.integers(0, 4)) > 0,
        "known_at": MOMENTS[0] if draw(st.integers(0, 9)) == 9 else known_at,
        "account_token": None,
    }


def long_stay(year: int, amount: str) -> Event:
    """A bill in Jingning that is large enough for an application to be paid something."""
    return {
        "type": "settled",
        "msgid": "M-long",
        "setl_id": "S-long",
        "mdtrt_id": "V-long",
        "psn_no": PERSON,
        "insutype": "390",
        "med_type": "21",
        "insuplc_admdvs": "331127",
        "fixmedins_code": "H1",
        "begndate": f"{year}-12-02",
        "enddate": f"{year}-12-02",
        "setl_time": f"{year}-12-02T10:00:00+08:00",
        "medfee_sumamt": amount,
        "inscp_scp_amt": amount,
        "preselfpay_amt": "0",
        "overlmt_selfpay": "0",
        "fulamt_ownpay_amt": "0",
    }


@st.composite
def applied_years(draw: Draw, packs: PackSet) -> list[Event]:
    """A year in Jingning with several applications: decided, decided again with more or less help, taken back.

    Most decisions come in the order in which they were made; some come late, some twice, some change nothing.
    """
    events: list[Event] = list(draw(person_years(packs, regions=("331127",))).events)
    settled = [event for event in events if event["type"] == "settled"]
    year = draw(st.sampled_from([int(event["enddate"][:4]) for event in settled] or [2022]))
    events.insert(draw(st.integers(0, 2)), long_stay(year, draw(st.sampled_from(("20000", "70000", "260000")))))
    places = sorted(draw(st.lists(st.integers(1, len(events)), min_size=2, max_size=8)))
    decisions: list[tuple[int, Event]] = []
    for number, place in enumerate(places):
        decision = draw(applications(year, number))
        if decisions and draw(st.integers(0, 2)) == 2:
            again = decisions[-1][1]
            decision = again if draw(st.booleans()) else again | {"known_at": decision["known_at"]}
        decisions.append((place, decision))
    for place, decision in reversed(decisions):
        events.insert(place, decision)
    for _ in range(draw(st.integers(0, 3))):
        events.insert(draw(st.integers(0, len(events))), draw(corrections(events)))
    return events
