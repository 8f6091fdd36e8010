"""Payouts to derive views from: what the core makes of events, with the times of their events."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.pack_file import load_directory
from contracts.reconciliation import parse_signed
from workers.contracts_book.examples import SETTLED
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


def made_of(events: Iterable[Mapping[str, Any] | bytes]) -> list[Dated]:
    """The payouts of some events, in order, as they stand in the topic."""
    settler, found = Settler(load_directory()), []
    for event in events:
        line = event if isinstance(event, bytes) else json.dumps(event).encode()
        for payout in settler.take(line).payouts:
            told = json.loads(line)
            at = told.get("setl_time") or told.get("known_at") or f"{told['applied_on']}T00:00:00+08:00"
            found.append((json.loads(json.dumps(payout)), at))
    return found


def moved(payouts: Iterable[Mapping[str, Any]], payee: str | None = None) -> int:
    """Fen that payable lines move, to anybody or to one kind of payee."""
    lines = [line for payout in payouts for line in payout["lines"] if line["payable"]]
    return sum(parse_signed(line["delta"]) for line in lines if payee in (None, line["payee"]))
