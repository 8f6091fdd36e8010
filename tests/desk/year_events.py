"""A person's events for the tests of the desk, and the state that they lead to."""

import json
from collections.abc import Iterable
from typing import Any

from contracts.pack import PackSet
from contracts.pack_file import load_directory
from workers.desk.source import FileSource

Event = dict[str, Any]

PERSON = "P330000000001"
TAIZHOU, TAIYUAN, JINGNING = "331002", "140105", "331127"
PACKS = load_directory()


def identities(*codes: str) -> list[dict[str, Any]]:
    return [{"psn_idet_type": code, "begntime": "2015-01-01", "endtime": None} for code in codes]


POOR = identities("2303")


def bill(
    setl_id: str,
    day: str,
    *,
    policy: int = 0,
    catalogue: int = 0,
    outside: int = 0,
    region: str = TAIZHOU,
    med_type: str = "21",
    insutype: str = "390",
    **changed: Any,
) -> Event:
    """A settled bill of whole yuan, of which no fund has paid anything unless `changed` says so."""
    return {
        "type": "settled",
        "msgid": f"M{setl_id}",
        "setl_id": setl_id,
        "mdtrt_id": f"V{setl_id}",
        "psn_no": PERSON,
        "insutype": insutype,
        "med_type": med_type,
        "insuplc_admdvs": region,
        "fixmedins_code": "H1",
        "begndate": day,
        "enddate": day,
        "setl_time": f"{day}T10:00:00+08:00",
        "psn_idet": POOR,
        "medfee_sumamt": f"{policy + catalogue + outside}.00",
        "inscp_scp_amt": f"{policy}.00",
        "preselfpay_amt": f"{catalogue}.00",
        "overlmt_selfpay": "0.00",
        "fulamt_ownpay_amt": f"{outside}.00",
        **changed,
    }


def reversal(setl_id: str, day: str) -> Event:
    return {
        "type": "reversed",
        "msgid": f"R{setl_id}",
        "setl_id": setl_id,
        "psn_no": PERSON,
        "setl_time": f"{day}T11:00:00+08:00",
    }


def decision(application_id: str, known_at: str, *, approved: bool = True, other: str = "0.00") -> Event:
    return {
        "type": "application_decided",
        "application_id": application_id,
        "psn_no": PERSON,
        "insuplc_admdvs": JINGNING,
        "year": 2022,
        "applicant": "困难人员",
        "resident": True,
        "other_assistance": other,
        "applied_on": "2023-03-01",
        "objections": False,
        "approved": approved,
        "known_at": known_at,
    }


def carried(known_at: str, region: str = TAIZHOU, year: int = 2021, **layers: tuple[str, str]) -> Event:
    return {
        "type": "carried_in",
        "psn_no": PERSON,
        "insuplc_admdvs": region,
        "year": year,
        "known_at": known_at,
        "layers": {layer: {"base": base, "paid": paid} for layer, (base, paid) in layers.items()},
    }


def encoded(events: Iterable[Event]) -> list[bytes]:
    return [json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() for event in events]


def settled(*events: Event, packs: PackSet = PACKS) -> FileSource:
    """The state after these events, none of which is refused."""
    source = FileSource(packs, encoded(events))
    assert source.refused == 0
    return source
