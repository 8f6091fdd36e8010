"""Small years, written as a table would be: what a desk is asked about in these tests."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from contracts.pack import PackSet
from contracts.pack_file import load_directory
from workers.desk.person_year import PersonYear, person_years
from workers.desk.source import FileSource

Event = dict[str, Any]
PERSON = "P330000000001"
PACKS = load_directory()


def identities(*codes: str) -> list[dict[str, Any]]:
    return [{"psn_idet_type": code, "begntime": "2015-01-01", "endtime": None} for code in codes]


def bill(setl_id: str, day: str, code: str | None, policy: int, catalogue: int = 0, **changes: Any) -> Event:
    """A stay in Taizhou: yuan in scope and yuan borne first, nothing paid by others."""
    return {
        "type": "settled",
        "msgid": f"M-{setl_id}",
        "setl_id": setl_id,
        "mdtrt_id": f"V-{setl_id}",
        "psn_no": PERSON,
        "insutype": "390",
        "med_type": "21",
        "insuplc_admdvs": "331002",
        "fixmedins_code": "H1",
        "begndate": day,
        "enddate": day,
        "setl_time": f"{day}T10:00:00+08:00",
        "psn_idet": identities(code) if code else [],
        "medfee_sumamt": f"{policy + catalogue}.00",
        "fulamt_ownpay_amt": "0.00",
        "overlmt_selfpay": "0.00",
        "preselfpay_amt": f"{catalogue}.00",
        "inscp_scp_amt": f"{policy}.00",
        **changes,
    }


def reversal(setl_id: str, **changes: Any) -> Event:
    return {
        "type": "reversed",
        "msgid": f"R-{setl_id}",
        "setl_id": setl_id,
        "psn_no": PERSON,
        "setl_time": "2021-12-31T10:00:00+08:00",
        **changes,
    }


def application(application_id: str, applied_on: str, **changes: Any) -> Event:
    """An approved decision in Jingning about 2022."""
    return {
        "type": "application_decided",
        "application_id": application_id,
        "psn_no": PERSON,
        "insuplc_admdvs": "331127",
        "year": 2022,
        "applicant": "困难人员",
        "resident": True,
        "other_assistance": "0.00",
        "applied_on": applied_on,
        "objections": False,
        "approved": True,
        "known_at": f"{applied_on}T12:00:00+08:00",
        **changes,
    }


def lines(events: Iterable[Event]) -> list[bytes]:
    return [json.dumps(event, separators=(",", ":")).encode() for event in events]


def source_of(*events: Event, packs: PackSet = PACKS) -> FileSource:
    source = FileSource(packs, lines(events))
    assert not source.refused
    return source


def ledger_of(source: FileSource, number: int) -> PersonYear:
    (ledger,) = asyncio.run(person_years(source, PERSON, number))
    return ledger
