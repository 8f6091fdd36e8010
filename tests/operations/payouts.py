"""Payouts to derive views from: what the core makes of events, with the times of their events."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.pack import PackSet
from contracts.pack_file import load_directory
from contracts.reconciliation import parse_signed
from workers.adjudication.refuse import RefusedError
from workers.contracts_book.examples import SETTLED
from workers.rehearsal.auditor import Auditor
from workers.settlement.decode import decode
from workers.settlement.offline import Settler

Dated = tuple[dict[str, Any], str]
"""A payout and the time of the event that caused it."""


def settled(**changes: Any) -> dict[str, Any]:
    """The published discharge, with changes."""
    return {**SETTLED, **changes}


def reversed_(setl_id: str, at: str, **changes: Any) -> dict[str, Any]:
    """A reversal of one of its settlements."""
    told = {"type": "reversed", "msgid": f"R-{setl_id}", "setl_id": setl_id, "psn_no": SETTLED["psn_no"]}
    return {**told, "mdtrt_id": SETTLED["mdtrt_id"], "insuplc_admdvs": "331002", "setl_time": at, **changes}


def made_of(events: Iterable[Mapping[str, Any] | bytes], packs: PackSet | None = None) -> list[Dated]:
    """The payouts of some events, in order, as they stand in the topic; by the packs that are shipped or by others."""
    settler, found = Settler(packs or load_directory()), []
    for event in events:
        line = event if isinstance(event, bytes) else json.dumps(event).encode()
        for payout in settler.take(line).payouts:
            told = json.loads(line)
            at = told.get("setl_time") or told.get("known_at") or f"{told['applied_on']}T00:00:00+08:00"
            found.append((json.loads(json.dumps(payout)), at))
    return found


def corrected_stay(number: int) -> list[bytes]:
    """Two stays of somebody who has passed a slice of the assistance, and the first one's reversal.

    The second falls back into the lower slice, and what it was paid too much is asked back of the person.
    """
    named = [{"psn_no": f"P33100290{number:04}", "setl_id": f"C{number}-{stay}"} for stay in (1, 2)]
    costs = [("120000.00", "60000.00", "40000.00", "40000.00"), ("140000.00", "80000.00", "60000.00", "50000.00")]
    names = ("medfee_sumamt", "inscp_scp_amt", "preselfpay_amt", "hifp_pay")
    nothing = {"fulamt_ownpay_amt": "20000.00", "overlmt_selfpay": "0.00", "hifmi_pay": None}
    stays = [
        settled(
            **each,
            **nothing,
            **dict(zip(names, cost, strict=True)),
            msgid=f"M-{each['setl_id']}",
            mdtrt_id=f"T-{each['setl_id']}",
        )
        for each, cost in zip(named, costs, strict=True)
    ]
    stays[1]["fulamt_ownpay_amt"] = "0.00"
    taken_back = reversed_(f"C{number}-1", "2021-12-31T23:59:00+08:00", psn_no=named[0]["psn_no"])
    return [
        json.dumps(event, separators=(",", ":")).encode()
        for event in (*stays, {**taken_back, "mdtrt_id": stays[0]["mdtrt_id"]})
    ]


def audited(events: Iterable[bytes]) -> list[dict[str, Any]]:
    """The payouts that the auditor wants, who shares nothing with the core but the packs."""
    packs = load_directory()
    auditors: dict[str, Auditor] = {}
    found = []
    for event in events:
        with contextlib.suppress(RefusedError):
            decode(event)
            told = json.loads(event)
            found += auditors.setdefault(told["psn_no"], Auditor(packs)).take(told).payouts
    return found


def moved(payouts: Iterable[Mapping[str, Any]], payee: str | None = None) -> int:
    """Fen that payable lines move, to anybody or to one kind of payee."""
    lines = [line for payout in payouts for line in payout["lines"] if line["payable"]]
    return sum(parse_signed(line["delta"]) for line in lines if payee in (None, line["payee"]))
