"""Two models of a person-year agree: the incremental core and the auditor that recomputes everything from the contract.

`YIDAN_PERSON_YEARS=20000 make test ARGS=tests/adjudication/test_two_models.py` looks longer.
"""

import json
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.pack import PackSet
from contracts.pack_file import load_directory
from contracts.payout import READ_PAYOUT
from contracts.signals import READ_SIGNAL
from tests.adjudication.constant_years import ConstantYear, constant_years
from tests.adjudication.pack_variants import corrected_from_the_last, with_county_and_editions
from tests.adjudication.person_years import PERSON_YEARS, Event, PersonYear, person_years
from tests.adjudication.stored_core import StoredCore
from tests.adjudication.telling import differences, tell
from workers.rehearsal.auditor import Answer, audit

PACKS: Final[PackSet] = load_directory()
LAST_FIRST: Final = corrected_from_the_last(PACKS)
COUNTY: Final = with_county_and_editions(PACKS)


look = settings(
    max_examples=PERSON_YEARS,
    deadline=None,  # examples are whole years; the suite's own time-out bounds them
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def compare(events: Sequence[Event], answers: Sequence[Answer], packs: PackSet | Sequence[PackSet]) -> None:
    """Feed the events to the core and fail, in words, at the first one on which the models differ.

    `packs` are those in use, or those in use at each event.
    """
    in_use = [packs] * len(events) if isinstance(packs, PackSet) else packs
    core = StoredCore(in_use[0])
    for number, (event, answer, current) in enumerate(zip(events, answers, in_use, strict=True), start=1):
        if current is not core.packs:
            core.use(current)
        out = core.take(event)
        found = differences(answer, out)
        if found:
            told = [tell(at, earlier) for at, earlier in enumerate(events[:number], start=1)]
            pytest.fail("\n".join(["the models differ on the last of these events:", *told, "", *found]), pytrace=False)
        for payout in out.payouts:
            READ_PAYOUT.validate_json(json.dumps(payout))
        for signal in out.signals:
            READ_SIGNAL.validate_json(json.dumps(signal))


@pytest.mark.slow
@look
@given(person_years(PACKS))
def test_the_core_and_the_auditor_say_the_same_of_every_person_year(year: PersonYear):
    compare(year.events, year.answers, PACKS)


@settings(look, max_examples=PERSON_YEARS // 6)
@given(person_years(LAST_FIRST))
def test_they_agree_too_where_only_the_last_settlement_may_be_taken_back(year: PersonYear):
    compare(year.events, year.answers, LAST_FIRST)


@settings(look, max_examples=PERSON_YEARS // 2)
@given(constant_years(PACKS), st.data())
def test_they_agree_while_a_year_around_a_threshold_is_taken_back(year: ConstantYear, data: st.DataObject):
    order = data.draw(st.permutations(range(1, len(year.bills) + 1)))
    events = [*year.events(year.bills), *year.taken_back(order)]
    compare(events, audit(events, PACKS), PACKS)


@settings(look, max_examples=PERSON_YEARS // 4)
@given(person_years(COUNTY))
def test_they_agree_where_a_county_fills_what_its_city_delegates_and_a_layer_changes_in_mid_year(year: PersonYear):
    compare(year.events, year.answers, COUNTY)
