"""How the auditor words what it found: payouts as the wire has them, but for clauses and readings."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from contracts.pack import Pack
from workers.rehearsal.auditor_bill import (
    BILL_PARTS,
    Bill,
    Event,
    Line,
    care_of,
    moved_slices,
    ratio_written,
    written,
    yuan,
)
from workers.rehearsal.auditor_facts import Entry, Grant

Payout = dict[str, Any]

FOR_CLEARING = ("insutype", "clr_type", "acct_pay")
CLEARED_AS = {"住院": "21", "特殊病种门诊": "11", "门诊": "11", "其他": "99"}


def pack_named(pack: Pack) -> dict[str, str]:
    """How a payout names the pack that decided, and the insurer that a county's file names."""
    return {"region": pack.region, "digest": pack.digest} | ({"carrier": pack.carrier} if pack.carrier else {})


def name_of(entry: Entry) -> str:
    """A settlement's id; an application's, marked apart."""
    return f"application {entry.decision['application_id']}" if isinstance(entry, Grant) else entry.event["setl_id"]


def paid_by_layer(entry: Entry) -> dict[str, Fraction]:
    """What each layer pays for the bill, or the one layer for the application."""
    return {line.layer.id: line.paid for line in ([entry] if isinstance(entry, Grant) else entry.lines)}


def yuan_said(line: Mapping[str, Any]) -> Fraction:
    """What a line says that its layer pays."""
    return yuan(line["fund_payamt"])


def received(history: Sequence[Payout], layer: str, payee: str) -> Fraction:
    """What a payee holds of one layer after all that was paid and taken back."""
    lines = [line for payout in history for line in payout["lines"] if line["layer"] == layer and line["payable"]]
    return sum((yuan(line["delta"]) for line in lines if line["payee"] == payee), Fraction(0))


def heading(event: Event, name: str, kind: str, revision: int) -> Payout:
    """What every payout begins with: its name, why it was written and how often something was said."""
    cause = {key: event[key] for key in ("type", "msgid", "application_id", "known_at") if key in event}
    if event["type"] == "pack_adopted":
        cause["type"] = "pack_changed"
    return {
        "type": "combined_payout",
        "kind": kind,
        "revision": revision,
        "payout_id": f"{event['psn_no']}:{name.replace('application ', 'application:')}:{revision}",
        "cause": cause,
    }


def bill_payout(bill: Bill) -> Payout:
    """A settlement's payout but for its heading, deltas and payees."""
    event = bill.event
    payout: Payout = {key: event[key] for key in ("setl_id", "mdtrt_id", "psn_no", "insuplc_admdvs", "fixmedins_code")}
    payout |= {
        "year": int(event["enddate"][:4]),
        "pack": pack_named(bill.pack),
        **dict(zip(FOR_CLEARING, (event["insutype"], CLEARED_AS[care_of(event)]), strict=False)),
        **({"acct_pay": written(own)} if (own := yuan(event.get("acct_pay"))) else {}),
        "medfee_sumamt": written(bill.total),
        "fund_pay_sumamt": written(bill.funds),
        "psn_part_amt": written(bill.self_pay),
        "lines": [line_shown(seq, line, event["insutype"]) for seq, line in enumerate(bill.lines, start=1)],
        "left": {part: written(amount) for part, amount in zip(BILL_PARTS, bill.left, strict=True)},
    }
    if bill.others:
        payout["other_payments"] = {name: written(amount) for name, amount in bill.others.items()}
    return payout


def lines_of_dropped_layers(history: Sequence[Payout], paid: Mapping[str, Fraction]) -> list[dict[str, Any]]:
    """The layers that money has gone through and that the pack no longer has, which therefore pay nothing."""
    lines = history[-1]["lines"] if history else []
    dropped = {
        line["layer"]: line
        for line in lines
        if line["layer"] not in paid
        and (yuan_said(line) or any(received(history, line["layer"], payee) for payee in ("fixmedins", "person")))
    }
    shown = {"status": "nothing", "reason": "not_in_force", "fund_payamt": "0.00"}
    return [{key: line[key] for key in ("layer", "label", "fund_pay_type")} | shown for line in dropped.values()]


def in_sequence(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines, numbered from one."""
    for seq, line in enumerate(lines, start=1):
        line["seq"] = seq
    return lines


def line_shown(seq: int, line: Line, insutype: str) -> dict[str, Any]:
    """One line, with how its layer came to it where it decided."""
    shown: dict[str, Any] = {
        "seq": seq,
        "layer": line.layer.id,
        "label": line.layer.label,
        "fund_pay_type": line.layer.fund_pay_types.get(insutype, line.layer.fund_pay_type),
        "status": line.status,
        "reason": line.reason,
        "fund_payamt": written(line.paid),
    }
    if line.pending is not None:
        shown["pending_payamt"] = written(line.pending)
    if (decided := line.decided) is not None:
        shown |= {
            "who": decided.row.who,
            "inscp_scp_amt": written(decided.base),
            "base_before": written(decided.base_before),
            "base_after": written(decided.base_after),
            "tiers": [
                {"from": written(start), "to": written(end), "ratio": ratio_written(ratio)}
                for start, end, ratio in moved_slices(decided)
            ],
            "cap": None if decided.cap is None else written(decided.cap),
            "crt_payb_lmt_amt": None if decided.headroom is None else written(decided.headroom),
            "cap_left": None if decided.cap_left is None else written(decided.cap_left),
        }
    return shown


def grant_payout(grant: Grant) -> Payout:
    """An application's payout: one line, and nothing about a bill."""
    decision, other = grant.decision, yuan(grant.decision["other_assistance"])
    line = Line(grant.layer, "paid" if grant.paid else "nothing", grant.reason, grant.paid, decided=grant.decided)
    return {
        **({"other_assistance": written(other)} if other else {}),
        **{key: decision[key] for key in ("application_id", "psn_no", "insuplc_admdvs", "year")},
        "pack": pack_named(grant.pack),
        "fund_pay_sumamt": written(grant.paid),
        "lines": [line_shown(1, line, "")],
    }
