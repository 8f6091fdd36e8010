"""The two models agree on years into which every kind of event is mixed, at any place and in any order."""

from hypothesis import given, settings

from tests.adjudication.corrected_years import corrected_years
from tests.adjudication.person_years import PERSON_YEARS, Event
from tests.adjudication.test_two_models import PACKS, compare, look
from workers.rehearsal.auditor import audit


@settings(look, max_examples=PERSON_YEARS // 2)
@given(corrected_years(PACKS))
def test_they_agree_whatever_becomes_known_and_when(events: list[Event]) -> None:
    compare(events, audit(events, PACKS), PACKS)
