"""Small years, written as a table would be: what a desk is asked about in these tests."""

import asyncio
from typing import Any

from tests.desk import year_events
from tests.desk.year_events import PERSON, Event, decision, identities
from workers.desk.person_year import PersonYear, person_years
from workers.desk.source import FileSource


def bill(setl_id: str, day: str, code: str | None, policy: int, catalogue: int = 0, **changes: Any) -> Event:
    """A stay in Taizhou of somebody with this identity, or none: yuan in scope and yuan borne first."""
    idet = identities(code) if code else []
    return year_events.bill(setl_id, day, policy=policy, catalogue=catalogue, **{"psn_idet": idet, **changes})


def application(application_id: str, applied_on: str, **changes: Any) -> Event:
    """An approved decision in Jingning about 2022, of the day on which it was applied for."""
    return {**decision(application_id, f"{applied_on}T12:00:00+08:00"), "applied_on": applied_on, **changes}


def ledger_of(source: FileSource, number: int) -> PersonYear:
    (ledger,) = asyncio.run(person_years(source, PERSON, number))
    return ledger
