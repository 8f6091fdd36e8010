"""Which events the auditor refuses, and which change nothing: judged on the facts accepted so far."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from contracts.pack import Pack, PackSet
from workers.rehearsal.auditor_bill import Event, pack_for, yuan
from workers.rehearsal.auditor_facts import (
    accepted,
    decided_by,
    faults_of_decision,
    held_list,
    latest_decision,
    layer_on_application,
    ledger_of,
    ledgers,
    moment,
    moved_by,
    moves_reported_money,
    of_type,
    opening_of,
    opening_statement,
    same_application,
    taken_back,
    voided_messages,
)

CONTENT = (
    *("setl_id", "mdtrt_id", "psn_no", "insutype", "med_type", "insuplc_admdvs", "mdtrtarea_admvs", "fixmedins_code"),
    *("begndate", "enddate", "premium_subsidised"),
)
CONTENT_MONEY = (
    *("medfee_sumamt", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"),
    *("hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "hifdm_pay", "maf_pay", "oth_pay"),
    *("hosp_part_amt", "acct_pay"),
)
"""All known fields of a settlement but `msgid` and `setl_time`: what makes two of them the same."""

Facts = Sequence[Event]
Judgement = tuple[frozenset[str], str | None]
"""Every reason for a refusal that is true; else why the event changes nothing; else neither."""

FINE: Judgement = (frozenset(), None)


def refused(*reasons: str) -> Judgement:
    """Refused for these reasons, if there are any."""
    return frozenset(reasons), None


def nothing_new(word: str) -> Judgement:
    """Known already, or overtaken."""
    return frozenset(), word


def judged(facts: Facts, event: Event, packs: PackSet) -> Judgement:
    """What is to be said against an event."""
    judges: dict[str, Callable[[Facts, Event, PackSet], Judgement]] = {
        "settled": judged_settled,
        "reversed": judged_reversed,
        "voided": judged_voided,
        "identity_changed": judged_identities,
        "carried_in": judged_carried_in,
        "pack_adopted": judged_adoption,
        "application_decided": judged_application,
    }
    return judges[event["type"]](facts, event, packs)


# Settlements, and what takes them back ──────────────────────────────────────────────────────────


def settled_as(facts: Facts, setl_id: str) -> Event | None:
    """The accepted settlement with this id."""
    return next((fact for fact in of_type(facts, "settled") if fact["setl_id"] == setl_id), None)


def judged_settled(facts: Facts, event: Event, packs: PackSet) -> Judgement:
    """The same again, an id used up, a message voided, no pack, or a bill that the year has no room for."""
    setl_id = event["setl_id"]
    earlier, out = settled_as(facts, setl_id), taken_back(facts)
    reasons = set()
    if earlier is not None and setl_id not in out and content(earlier) == content(event):
        return nothing_new("repeated")
    if earlier is not None:
        reasons.add("setl_id_was_reversed" if setl_id in out else "setl_id_reused_with_other_content")
    elif setl_id in out:
        reasons.add("was_reversed_before")
    if event["msgid"] in voided_messages(facts):
        reasons.add("message_was_voided")
    if pack_for(packs, event["insuplc_admdvs"]) is None:
        return refused(*reasons, "no_pack_for_region")
    return refused(*reasons, *faults_of_bill(facts, accepted(event, packs)))


def faults_of_bill(facts: Facts, event: Event) -> set[str]:
    """What only the year can tell: a layer paid twice, or reported money for which the bill has no room."""
    named = [fact for fact in facts if fact.get("setl_id") != event["setl_id"]]
    year = ledgers([*named, {**event, "msgid": "the event that is judged"}])
    bill = year[ledger_of(event)].bills[-1]
    faults = set()
    if bill.already_paid:
        faults.add("layer_already_paid")
    if bill.unfit or sum((yuan(event.get(name)) for name in CONTENT_MONEY[5:14]), Fraction(0)) > bill.total:
        faults.add("fund_payments_exceed_bill")
    return faults


def judged_reversed(facts: Facts, event: Event, _packs: PackSet) -> Judgement:
    """A second reversal, a voided message, or settlements after it that have to go first."""
    setl_id = event["setl_id"]
    if setl_id in taken_back(facts):
        return nothing_new("repeated")
    settled = settled_as(facts, setl_id)
    voided = ["message_was_voided"] if event["msgid"] in voided_messages(facts) else []
    return refused(*voided, *([] if settled is None else later_settlements(facts, settled)))


def later_settlements(facts: Facts, settled: Event) -> list[str]:
    """The pack that decides about a settlement may demand that the last one of a year is taken back first."""
    is_last = ledgers(facts)[ledger_of(settled)].bills[-1].event["setl_id"] == settled["setl_id"]
    return ["later_settlements_exist"] if decided_by(facts, settled).last_first and not is_last else []


def judged_voided(facts: Facts, event: Event, _packs: PackSet) -> Judgement:
    """A message that is voided already, that is no settlement, or that two settlements came under."""
    named = [fact for fact in facts if fact.get("msgid") == event["omsgid"]]
    settled = of_type(named, "settled")
    if event["omsgid"] in voided_messages(facts):
        return nothing_new("repeated")
    if event["msgid"] in voided_messages(facts):
        return refused("message_was_voided")
    if {"reversed", "voided"} & {fact.get("was", fact["type"]) for fact in named}:
        return refused("voiding_a_reversal")
    if len(settled) > 1:
        return refused("message_id_was_used_twice")
    if not named:
        return FINE
    if not settled or settled[0]["setl_id"] in taken_back(facts):
        return nothing_new("repeated")
    return refused(*later_settlements(facts, settled[0]))


def message_seen(event: Event) -> Event:
    """All that is known of a message that changed nothing: that it came, and whether it was a voiding."""
    return {"type": "seen", "was": "voided" if event["type"] == "voided" else "repeated", "msgid": event.get("msgid")}


# Facts about a person ───────────────────────────────────────────────────────────────────────────


def by_moment(held: Event | None, event: Event, same: bool, contradiction: str) -> Judgement:
    """Of two statements the later counts; two of one moment must say the same."""
    if held is None or moment(held["known_at"]) < moment(event["known_at"]):
        return FINE
    if moment(held["known_at"]) > moment(event["known_at"]):
        return nothing_new("stale")
    return nothing_new("repeated") if same else refused(contradiction)


def judged_identities(facts: Facts, event: Event, _packs: PackSet) -> Judgement:
    """An older list, or another one of the same moment."""
    held = held_list(facts)
    same = held is not None and as_set(held["psn_idet"]) == as_set(event["psn_idet"])
    return by_moment(held, event, same, "identity_list_contradicts_itself")


def judged_carried_in(facts: Facts, event: Event, packs: PackSet) -> Judgement:
    """No pack, layers that are not computed here, an older statement, or another one of the same moment."""
    pack = pack_for(packs, event["insuplc_admdvs"])
    if pack is None:
        return refused("no_pack_for_region")
    held = opening_statement(facts, (pack.region, event["year"]))
    verdict = by_moment(held, event, opening_of(held) == opening_of(event), "opening_balance_contradicts_itself")
    computed = {layer.id for layer in pack.layers if layer.mode != "reported"}
    if verdict[1] is None and set(event["layers"]) - computed:
        return verdict[0] | {"layer_is_not_computed_here"}, None
    return verdict


def judged_adoption(facts: Facts, event: Event, packs: PackSet) -> Judgement:
    """Another pack than the one in use, nothing to move, or money that the platform reported would move with it."""
    pack = pack_for(packs, event["insuplc_admdvs"])
    if pack is None:
        return refused("no_pack_for_region")
    if pack.digest != event["digest"]:
        return refused("pack_is_not_in_use")
    moved = moved_by(facts, accepted(event, packs))
    bills, decisions = of_type(moved, "settled"), of_type(moved, "application_decided")
    reasons = [reason for decision in decisions if (reason := cannot_be_kept(decision, pack)) is not None]
    if any(moves_reported_money(bill, decided_by(facts, bill), pack) for bill in bills):
        reasons.append("pack_moves_reported_money")
    return refused(*reasons) if moved else nothing_new("repeated")


def cannot_be_kept(decision: Event, pack: Pack) -> str | None:
    """Why a pack has no row for what was decided."""
    layer = layer_on_application(pack, decision["year"])
    if layer is None or layer.application is None:
        return "nothing_is_paid_on_application_here"
    known = not decision["approved"] or decision["applicant"] in layer.application.rows
    return None if known else "applicant_is_unknown"


# Decided applications ───────────────────────────────────────────────────────────────────────────


def judged_application(facts: Facts, event: Event, packs: PackSet) -> Judgement:
    """No such benefit here, an older or another decision, or one that must not be booked.

    Taking money back needs no conditions: not even that the pack in use still pays anything on application.
    """
    pack = pack_for(packs, event["insuplc_admdvs"])
    if pack is None:
        return refused("no_pack_for_region")
    earlier = same_application(facts, event)
    if earlier:
        last = latest_decision(facts, event)
        if moment(last["known_at"]) > moment(event["known_at"]):
            return nothing_new("stale")
        if {name: value for name, value in last.items() if name != "packs"} == event:
            return nothing_new("repeated")
        if moment(last["known_at"]) == moment(event["known_at"]) or last["year"] != event["year"]:
            return refused("decision_contradicts_itself")
    layer = layer_on_application(pack, event["year"])
    if layer is None or layer.application is None:
        return FINE if earlier and not event["approved"] else refused("nothing_is_paid_on_application_here")
    return refused(*faults_of_decision(event, layer.application))


# The same again ─────────────────────────────────────────────────────────────────────────────────


def as_set(rows: Sequence[Any] | None) -> frozenset[Any] | None:
    """A list whose order and repetitions say nothing. Absent stays absent; in an element, `null` is absent."""
    if rows is None:
        return None
    return frozenset(
        frozenset((key, value) for key, value in row.items() if value is not None) if isinstance(row, Mapping) else row
        for row in rows
    )


def content(event: Event) -> dict[str, Any]:
    """What makes a settlement the same again: amounts by value, lists as sets, `null` as absent.

    No exclusions is an empty set of them; no identity list is another thing than an empty one.
    """
    return (
        {name: event.get(name) for name in CONTENT}
        | {"psn_idet": as_set(event.get("psn_idet")), "exclusions": as_set(event.get("exclusions") or ())}
        | {name: yuan(event.get(name)) for name in CONTENT_MONEY}
    )
