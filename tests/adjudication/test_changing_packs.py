"""The two models agree whatever text of a region's policy is in use, and whichever is adopted for what was decided."""

from typing import Final

from hypothesis import given, settings

from tests.adjudication.changing_packs import (
    ChangingYear,
    Versions,
    adopted_applied_years,
    adopted_paying_years,
    adopted_years,
)
from tests.adjudication.corrected_years import applied_years
from tests.adjudication.person_years import PERSON_YEARS, Event
from tests.adjudication.test_two_models import PACKS, compare, look
from workers.rehearsal.auditor import audit

VERSIONS: Final = Versions(PACKS)


@settings(look, max_examples=PERSON_YEARS // 2)
@given(adopted_years(PACKS, VERSIONS))
def test_they_agree_on_what_an_adopted_pack_changes_for_a_year_with_everything_in_it(year: ChangingYear) -> None:
    compare(year.events, year.answers(), year.in_use)


@settings(look, max_examples=PERSON_YEARS // 3)
@given(adopted_paying_years(PACKS, VERSIONS))
def test_they_agree_on_what_adopted_packs_pay_and_ask_back_in_a_year_that_pays(year: ChangingYear) -> None:
    compare(year.events, year.answers(), year.in_use)


@settings(look, max_examples=PERSON_YEARS // 3)
@given(applied_years(PACKS))
def test_they_agree_on_applications_with_more_and_less_other_help_and_on_those_taken_back(events: list[Event]) -> None:
    compare(events, audit(events, PACKS), PACKS)


@settings(look, max_examples=PERSON_YEARS // 4)
@given(adopted_applied_years(PACKS, VERSIONS))
def test_they_agree_on_applications_that_one_pack_decided_and_another_prices(year: ChangingYear) -> None:
    compare(year.events, year.answers(), year.in_use)
