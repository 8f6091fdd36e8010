"""Whatever part of a year is reversed, voided or known to be somebody else's: the year ends as if it had been known.

Two years are told. In one each settlement is settled as it comes and the corrections follow, in any order. In the
other every correction is known when its settlement arrives: one that is reversed or voided never comes, and the
identity list is held from the start. They must end with the same money in every layer of every settlement; only who
received it may differ, since a hospital gets what is paid at once and the person what is corrected later.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.money import yuan as written
from tests.adjudication.person_years import CODES, PERSON, PERSON_YEARS, Draw, Event, person_years
from tests.adjudication.stored_core import Said, StoredCore
from tests.adjudication.telling import tell
from tests.adjudication.test_two_models import PACKS, look
from tests.adjudication.year_invariants import stored_years
from workers.rehearsal.auditor import audit
from workers.rehearsal.auditor_bill import yuan

Money = dict[tuple[str, str], Fraction]
"""By settlement and layer."""

LATER: Final = "2030-01-01T00:00:00+08:00"


@dataclass(frozen=True)
class Subset:
    """Settlements that are accepted as they come, and what becomes known about some of them."""

    settled: list[Event]
    corrections: list[Event]

    def __repr__(self) -> str:
        events = [*self.settled, *self.corrections]
        return "\n" + "\n".join(tell(number, event) for number, event in enumerate(events, start=1))

    @property
    def gone(self) -> set[str]:
        """The settlements that end up taken back."""
        messages = {event["msgid"]: event["setl_id"] for event in self.settled}
        voided = {messages[event["omsgid"]] for event in self.corrections if event["type"] == "voided"}
        return voided | {event["setl_id"] for event in self.corrections if event["type"] == "reversed"}

    @property
    def known_at_once(self) -> list[Event]:
        """The same year, had everything been known."""
        lists = [event for event in self.corrections if event["type"] == "identity_changed"]
        return [*lists, *(event for event in self.settled if event["setl_id"] not in self.gone)]


@st.composite
def subsets(draw: Draw) -> Subset:
    """Up to eight settlements, and a reversal, a voiding or nothing for each, with a new list among them at times."""
    told = draw(person_years(PACKS, steps=("settle",)))
    accepted = [
        event
        for event, answer in zip(told.events, told.answers, strict=True)
        if answer.payouts and not unfit_if_alone(event)
    ][:8]
    corrections: list[Event] = []
    for number, event in enumerate(accepted, start=1):
        fate = draw(st.sampled_from(("stays", "stays", "reversed", "voided")))
        common = {"type": fate, "psn_no": PERSON, "msgid": f"C{number}", "setl_time": LATER}
        if fate == "reversed":
            corrections.append(common | {"setl_id": event["setl_id"]})
        elif fate == "voided":
            corrections.append(common | {"omsgid": event["msgid"], "oinfno": "2304"})
    if draw(st.booleans()):
        codes = draw(st.lists(st.sampled_from(CODES), max_size=3))
        periods = [{"psn_idet_type": code, "begntime": "2015-01-01", "endtime": None} for code in codes]
        corrections.append({"type": "identity_changed", "psn_no": PERSON, "psn_idet": periods, "known_at": LATER})
    return Subset(accepted, draw(st.permutations(corrections)))


def unfit_if_alone(event: Event) -> bool:
    """Bills with reported payments may be refused where less is reported before them (decision 8): they are left out.

    Whether a reported payment still fits depends on what our layers pay first, so such a year has no "known at once".
    """
    return any(yuan(event.get(name)) for name in ("maf_pay", "oth_pay", "hosp_part_amt", "hifmi_pay"))


def settle_all(events: Iterable[Event]) -> tuple[StoredCore, list[Said]]:
    core = StoredCore(PACKS)
    return core, [core.take(event) for event in events]


def money_said(outcomes: Sequence[Said]) -> Money:
    """What the deltas of every settlement and layer add up to, whoever received them."""
    sums: Money = defaultdict(Fraction)
    for line, name in lines_of(outcomes):
        sums[name, line["layer"]] += yuan(line["delta"])
    return {at: amount for at, amount in sums.items() if amount}


def money_by_payee(payouts: Iterable[tuple[dict[str, Any], str]]) -> dict[tuple[str, str, str], Fraction]:
    sums: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for line, name in payouts:
        if line["payable"]:
            sums[name, line["layer"], line["payee"]] += yuan(line["delta"])
    return {at: amount for at, amount in sums.items() if amount}


def lines_of(outcomes: Sequence[Any]) -> list[tuple[dict[str, Any], str]]:
    return [(line, payout["setl_id"]) for out in outcomes for payout in out.payouts for line in payout["lines"]]


@settings(look, max_examples=PERSON_YEARS // 2)
@given(subsets())
def test_a_year_after_corrections_is_the_year_in_which_they_had_been_known(subset: Subset) -> None:
    corrected, said = settle_all([*subset.settled, *subset.corrections])
    known, said_at_once = settle_all(subset.known_at_once)
    assert all(out.refusal is None for out in (*said, *said_at_once))
    assert money_said(said) == money_said(said_at_once)
    for key, year in stored_years(corrected).items():
        fresh = stored_years(known).get(key)
        assert {layer: a[:2] for layer, a in year.accounts.items() if any(a[:2])} == (
            {} if fresh is None else {layer: a[:2] for layer, a in fresh.accounts.items() if any(a[:2])}
        )


@settings(look, max_examples=PERSON_YEARS // 2)
@given(subsets())
def test_deltas_add_up_to_the_auditors_figures_for_every_settlement_layer_and_payee(subset: Subset) -> None:
    events = [*subset.settled, *subset.corrections]
    _, said = settle_all(events)
    expected = audit(events, PACKS)
    assert money_by_payee(lines_of(said)) == money_by_payee(lines_of(expected))
    assert money_said(said) == money_said([Said(answer.payouts) for answer in expected])
    for (name, _, _), amount in money_by_payee(lines_of(said)).items():
        assert name not in subset.gone, (name, written(int(amount * 100)))
