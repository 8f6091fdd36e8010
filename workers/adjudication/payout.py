"""Writes decisions down as a combined payout: every number with its clause and its reading."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.journal import Entry, Share
from contracts.money import Fen, yuan
from contracts.pack import Layer, Pack, Row
from contracts.payout import Cause, CombinedPayout, Line, PackUsed
from contracts.vocabulary import CLR_TYPE_OF_CARE, HOSPITAL_SHARE, Correction, Kind, Payee, Reason, Status
from workers.adjudication.adjudicate import Adjudication
from workers.adjudication.application import Grant
from workers.adjudication.layer import Decision, why_nothing

_KEYS_OF_REASON: Final[Mapping[str, tuple[str, ...]]] = {
    Reason.NOT_IN_FORCE: ("from",),
    Reason.OTHER_INSURANCE: ("insutype",),
    Reason.CARE_NOT_COVERED: ("settles",),
    Reason.EXCLUDED_CAUSE: ("excludes",),
    Reason.DELEGATED: ("benefits.delegated",),
    Reason.NO_IDENTITY: ("benefits.who", "requires"),
    Reason.NOTHING_LEFT: ("base",),
    Reason.CAP_SPENT: ("benefits.cap",),
    Reason.BELOW_DEDUCTIBLE: ("benefits.deductible",),
    Reason.ROUNDS_TO_NOTHING: ("benefits.tiers", "rounding"),
}


@lru_cache(maxsize=4096)
def grounds(
    layer: Layer, row: Row | None, reason: Reason | None, deductible: bool, capped: bool
) -> tuple[list[str], list[str]]:
    """The clauses and readings behind a line: those of the keys that made the amount what it is."""
    if reason is not None:
        keys = _KEYS_OF_REASON[reason]
        return layer.clauses_of(*keys, row=row), layer.readings_of(*keys)
    keys = ("benefits.tiers", *(("benefits.deductible",) if deductible else ()), *(("benefits.cap",) if capped else ()))
    return layer.clauses_of(*keys, row=row), layer.readings_of("base", "accumulates", *keys)


@lru_cache(maxsize=4096)
def _quiet(layer: Layer, insutype: str, seq: int, status: Status, reason: Reason | None) -> Line:
    """The line of a layer that was not reached, or for which nothing was reported.

    The same object in every payout: payouts are written once and encoded at once, and most layers are quiet.
    """
    line: Line = {
        "seq": seq,
        "layer": layer.id,
        "label": layer.label,
        "fund_pay_type": layer.fund_pay_type_for(insutype),
        "status": status,
        "reason": reason,
        "fund_payamt": "0.00",
        "delta": "0.00",
        "payable": False,
        "payee": None,
    }
    if status is not Status.REPORTED:
        line["clauses"], line["readings"] = grounds(layer, None, reason, False, False)
    return line


def _corrected(delta: Fen) -> Correction:
    """Which way a correction moves money between a fund and the person."""
    return Correction.TOP_UP if delta > 0 else Correction.CLAWBACK


def _line(seq: int, decision: Decision, insutype: str, delta: Fen, payee: Payee | None) -> Line:
    """The line of one decision. `payee` is None where no money moves through us."""
    layer, status, reason, paid, row, base, before, headroom, pending, _ = decision
    if row is None:
        if paid == 0 and delta == 0:
            return _quiet(layer, insutype, seq, status, reason)
        moved = _quiet(layer, insutype, seq, status, reason).copy()
        moved["fund_payamt"] = yuan(paid)
        moved["delta"] = yuan(delta)
        moved["payable"] = payee is not None
        moved["payee"] = payee
        return moved
    curve = row.curve
    assert curve is not None
    after = before + base
    capped = headroom is not None and headroom == paid
    clauses, readings = grounds(layer, row, reason, curve.deductible > 0, capped)
    line: Line = {
        "seq": seq,
        "layer": layer.id,
        "label": layer.label,
        "fund_pay_type": layer.fund_pay_type_for(insutype),
        "status": status,
        "reason": reason,
        "who": row.who,
        "inscp_scp_amt": yuan(base),
        "base_before": yuan(before),
        "base_after": yuan(after),
        "tiers": [
            {"from": yuan(begin), "to": yuan(end), "ratio": ratio} for begin, end, ratio in curve.slices(before, after)
        ],
        "cap": None if row.cap is None else yuan(row.cap),
        "crt_payb_lmt_amt": None if headroom is None else yuan(headroom),
        "cap_left": None if headroom is None else yuan(headroom - paid),
        "fund_payamt": yuan(paid),
        "delta": yuan(delta),
        "payable": payee is not None,
        "payee": payee,
        "clauses": clauses,
        "readings": readings,
    }
    if pending is not None:
        line["pending_payamt"] = yuan(pending)
    return line


@lru_cache(maxsize=256)
def pack_used(pack: Pack) -> PackUsed:
    """How a payout names the pack that decided."""
    used: PackUsed = {"region": pack.region, "digest": pack.digest}
    if pack.carrier is not None:
        used["carrier"] = pack.carrier
    return used


def settlement_payout(
    bill: Settled,
    pack: Pack,
    adjudication: Adjudication,
    *,
    kind: Kind,
    revision: int,
    cause: Cause,
    said: Mapping[str, Fen] | None = None,
) -> CombinedPayout:
    """The payout of a settlement or readjudication. `said` is what the previous revision said each layer pays."""
    payee = Payee.INSTITUTION if kind is Kind.SETTLEMENT else Payee.PERSON
    lines: list[Line] = []
    funds = 0
    insutype = bill.insutype
    for seq, decision in enumerate(adjudication.decisions, 1):
        paid = decision.paid
        funds += paid
        delta = paid if said is None else paid - said.get(decision.layer.id, 0)
        # What was reported with the bill never changes, so whatever a later revision changes is ours to move.
        moved = delta != 0 and (said is not None or decision.status is not Status.REPORTED)
        line = _line(seq, decision, insutype, delta, payee if moved else None)
        if moved and said is not None:
            line["correction"] = _corrected(delta)
        lines.append(line)
    others = adjudication.others
    if others:
        funds += sum(amount for name, amount in others.items() if name != HOSPITAL_SHARE)
    payout = _bill_payout(bill, pack, kind, revision, cause, lines, funds, adjudication.left)
    if others:
        payout["other_payments"] = {name: yuan(amount) for name, amount in others.items()}
    return payout


def _bill_payout(
    bill: Settled,
    pack: Pack,
    kind: Kind,
    revision: int,
    cause: Cause,
    lines: list[Line],
    funds: Fen,
    left: tuple[Fen, Fen, Fen, Fen],
) -> CombinedPayout:
    """A payout about a bill: its names, its sums, its lines and what is left of it."""
    payout: CombinedPayout = {
        "type": "combined_payout",
        "payout_id": f"{bill.psn_no}:{bill.setl_id}:{revision}",
        "kind": kind,
        "setl_id": bill.setl_id,
        "mdtrt_id": bill.mdtrt_id,
        "psn_no": bill.psn_no,
        "insuplc_admdvs": bill.insuplc_admdvs,
        "fixmedins_code": bill.fixmedins_code,
        "insutype": bill.insutype,
        "clr_type": CLR_TYPE_OF_CARE[bill.care],
        "year": bill.year,
        "revision": revision,
        "cause": cause,
        "pack": pack_used(pack),
        "medfee_sumamt": yuan(bill.medfee_sumamt),
        "fund_pay_sumamt": yuan(funds),
        "psn_part_amt": yuan(left[0] + left[1] + left[2] + left[3]),
        "lines": lines,
        "left": {
            "fulamt_ownpay_amt": yuan(left[3]),
            "overlmt_selfpay": yuan(left[2]),
            "preselfpay_amt": yuan(left[1]),
            "inscp_scp_amt": yuan(left[0]),
        },
    }
    if bill.acct_pay:
        payout["acct_pay"] = yuan(bill.acct_pay)
    return payout


def application_payout(
    decision: ApplicationDecided, pack: Pack, grant: Grant, said: Fen, *, revision: int, cause: Cause
) -> CombinedPayout:
    """The payout of a decided application: one line, to the person. `said` is what the previous revision said."""
    delta = grant.share.paid - said
    line = _line(1, _as_decision(grant), "", delta, Payee.PERSON if delta else None)
    if delta < 0 or (delta and revision > 1):
        line["correction"] = _corrected(delta)
    if decision.other_assistance and grant.row is not None:
        clauses, readings = _of_other_assistance(grant.layer)
        line["clauses"] = list(dict.fromkeys([*line["clauses"], *clauses]))
        line["readings"] = sorted({*line["readings"], *readings})
    payout: CombinedPayout = {
        "type": "combined_payout",
        # `:` stands in no identifier, so no settlement's payout can have this id.
        "payout_id": f"{decision.psn_no}:application:{decision.application_id}:{revision}",
        "kind": Kind.APPLICATION,
        "application_id": decision.application_id,
        "psn_no": decision.psn_no,
        "insuplc_admdvs": decision.insuplc_admdvs,
        "year": decision.year,
        "revision": revision,
        "cause": cause,
        "pack": pack_used(pack),
        "fund_pay_sumamt": yuan(grant.share.paid),
        "lines": [line],
    }
    if decision.other_assistance:
        payout["other_assistance"] = yuan(decision.other_assistance)
    return payout


def _of_other_assistance(layer: Layer) -> tuple[list[str], list[str]]:
    """The clauses and readings by which what others have paid lowers what an application is paid."""
    key = "application.other_assistance"
    return layer.clauses_of(key), layer.readings_of(key)


def _as_decision(grant: Grant) -> Decision:
    """A grant as a layer's decision on the whole of the year's base."""
    paid, row = grant.share.paid, grant.row
    if row is None or row.curve is None:
        return Decision(grant.layer, Status.NOTHING, None)
    headroom = None if row.cap is None else max(0, row.cap - grant.paid_before)
    already_paid = grant.paid_before != 0 and headroom != 0
    reason = None if paid or already_paid else why_nothing(headroom, grant.counted, row.curve)
    status = Status.PAID if paid else Status.NOTHING
    return Decision(grant.layer, status, reason, paid, row, grant.counted, 0, headroom)


def reversal_payout(
    entry: Entry, bill: Settled, pack: Pack, *, revision: int, cause: Cause, former: Sequence[Layer] = ()
) -> CombinedPayout:
    """The payout that takes a settlement back: each payee returns what it had received, on a line of its own.

    `former` are layers of an earlier pack that have paid for it.
    """
    shares = {share.layer: share for share in entry.shares}
    lines: list[Line] = []
    for layer in (*(layer for layer, _ in pack.layers_on(bill.enddate)), *former):
        share = shares.get(layer.id) or Share(layer.id, 0, 0)
        for payee, received in _received(share):
            reported = payee is None and (layer.mode == "reported" or share.paid != 0)
            lines.append(
                {
                    "seq": len(lines) + 1,
                    "layer": layer.id,
                    "label": layer.label,
                    "fund_pay_type": layer.fund_pay_type_for(bill.insutype),
                    "status": Status.REPORTED if reported else Status.NOTHING,
                    "reason": Reason.REVERSED,
                    "fund_payamt": "0.00",
                    "delta": yuan(-received),
                    "payable": payee is not None,
                    "payee": payee,
                }
            )
    return _bill_payout(bill, pack, Kind.REVERSAL, revision, cause, lines, 0, (0, 0, 0, 0))


def _received(share: Share) -> Sequence[tuple[Payee | None, Fen]]:
    """Who has received what of a share: the payees through us, and None for what the platform had paid itself."""
    reported = share.paid - share.to_institution - share.to_person
    received = [(Payee.INSTITUTION, share.to_institution), (Payee.PERSON, share.to_person), (None, reported)]
    return [(payee, amount) for payee, amount in received if amount] or [(None, 0)]
