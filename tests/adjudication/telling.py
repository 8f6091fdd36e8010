"""What a failing example prints: a person's events, a line each, and where two models say different things of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.adjudication.stored_core import Said
from workers.rehearsal.auditor import Answer

PARTS = {"inscp_scp_amt": "自负", "preselfpay_amt": "自理", "overlmt_selfpay": "超限价", "fulamt_ownpay_amt": "自费"}
STILL = frozenset({"repeated", "stale"})
"""Effects of events that are known already."""

NOT_COMPARED = frozenset({"clauses", "readings"})
"""Citations: they explain a number but are the pack's own words, proved by the pack's own checks."""


def tell(number: int, event: Mapping[str, Any]) -> str:
    """One event on one line."""
    start = f"{number:>3} {event.get('msgid', '-'):<4} {event['type']:<8}"
    if event["type"] != "settled":
        shown = {key: value for key, value in event.items() if key not in ("type", "msgid", "psn_no")}
        return f"{start} {shown}"
    listed = event.get("psn_idet")
    codes = "?" if listed is None else " ".join(map(identity, listed)) or "none"
    parts = " ".join(f"{word} {event[name]}" for name, word in PARTS.items())
    money = [name for name in event if name.endswith("_pay") or name == "hosp_part_amt"]
    funds = " ".join(f"{name} {event[name]}" for name in money if name not in PARTS)
    flags = [
        *(event.get("exclusions") or ()),
        {True: "subsidised", False: "not subsidised", None: ""}[event.get("premium_subsidised")],
    ]
    place = f"{event['insuplc_admdvs']} insutype {event['insutype']} med_type {event['med_type']:<4}"
    return (
        f"{start} {event['setl_id']} {event['enddate']} {place} [{codes}] {parts} | {funds} {' '.join(flags)}".rstrip()
    )


def identity(listed: Mapping[str, Any]) -> str:
    """`2303`, or `2303(2020-07-01…)` where it is not valid throughout."""
    begin, end = listed["begntime"], listed.get("endtime")
    always = begin <= "2015-01-01" and (end is None or end >= "2099-01-01")
    return str(listed["psn_idet_type"]) + ("" if always else f"({begin}…{end or ''})")


def differences(answer: Answer, out: Said) -> list[str]:
    """Where the core's outcome of one event is not the auditor's, a line each."""
    refusal = out.refusal
    if refusal is not None or answer.refusals:
        found = [] if refusal in answer.refusals else [f"refusal: auditor {sorted(answer.refusals)}, core {refusal}"]
        return found + [f"core refuses and yet emits {said}" for said in (*out.payouts, *out.signals)]
    if (answer.without_effect or out.effect) != out.effect or (out.effect in STILL and not answer.without_effect):
        return [f"effect: auditor {answer.without_effect}, core {out.effect}"]
    found = different(list_of(answer.payouts), list_of(out.payouts), "payouts")
    return found + different(sorted_signals(answer.signals), sorted_signals(out.signals), "signals")


def list_of(payouts: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [dict(payout) for payout in payouts]


def sorted_signals(signals: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Signals by kind and layer; their order says nothing. Ids, clauses and causes are not compared."""
    kept = ("kind", "layer", "state", "psn_no", "region", "year", "revision")
    compared = [{key: signal[key] for key in kept} for signal in signals]
    return sorted(
        compared, key=lambda signal: (signal["region"], signal["year"], signal["kind"], signal["layer"] or "")
    )


def different(auditor: Any, core: Any, where: str) -> list[str]:
    """The leaves that differ. A key that only one side has is a difference too."""
    if isinstance(auditor, dict) and isinstance(core, dict):
        keys = [key for key in (*auditor, *(key for key in core if key not in auditor)) if key not in NOT_COMPARED]
        named = [(f"{where}.{key}", auditor.get(key, "(no such key)"), core.get(key, "(no such key)")) for key in keys]
        return [line for name, left, right in named for line in different(left, right, name)]
    if isinstance(auditor, list) and isinstance(core, list):
        if len(auditor) != len(core):
            return [f"{where}: auditor has {len(auditor)}, core has {len(core)}", f"  {auditor}", f"  {core}"]
        pairs = enumerate(zip(auditor, core, strict=True))
        return [line for at, (left, right) in pairs for line in different(left, right, f"{where}{label(left, at)}")]
    return [] if auditor == core else [f"{where}: auditor {auditor!r}, core {core!r}"]


def label(element: Any, position: int) -> str:
    """`[assistance_inpatient]` reads better than `[3]`."""
    if isinstance(element, dict):
        return f"[{element.get('layer') or element.get('kind') or position}]"
    return f"[{position}]"
