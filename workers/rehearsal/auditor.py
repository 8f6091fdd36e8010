"""The auditor: a slow second model that says what must be emitted for every event of one person.

It keeps no accumulator. At each event it recomputes every year of the person from the facts known now, compares the
years with what it has said before, and the difference is what must be paid, returned, signalled or refused. The
incremental core has to agree with it to the fen; nothing here is shared with the core but the packs it reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from contracts.pack import PackSet
from workers.rehearsal.auditor_bill import Event, pack_for, written, yuan
from workers.rehearsal.auditor_facts import (
    Entry,
    Grant,
    Ledger,
    LedgerKey,
    faults_of_decision,
    held_list,
    latest_decision,
    layer_on_application,
    ledger_of,
    ledgers,
    moment,
    of_type,
    opening_of,
    opening_statement,
    same_application,
    signals_standing,
    taken_back,
    voided_messages,
)
from workers.rehearsal.auditor_words import (
    Payout,
    bill_payout,
    grant_payout,
    heading,
    name_of,
    paid_by_layer,
    received,
    yuan_said,
)

Signal = dict[str, Any]

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


@dataclass(frozen=True)
class Answer:
    """What one event must bring about.

    `refusals` holds every reason that is true; the contract does not order reasons of different kinds, so any of them
    may be given. `without_effect` says why an event that was not refused changed nothing.
    """

    payouts: list[Payout] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    refusals: frozenset[str] = frozenset()
    without_effect: str | None = None


def audit(events: Iterable[Event], packs: PackSet) -> list[Answer]:
    """What each of one person's events must bring about, in arrival order."""
    auditor = Auditor(packs)
    return [auditor.take(event) for event in events]


class Auditor:
    """One person's facts, and what has been said about them so far."""

    def __init__(self, packs: PackSet) -> None:
        self.packs = packs
        self.facts: list[Event] = []
        self.years: dict[LedgerKey, Ledger] = {}  # as the last accepted event left them, for whoever asks
        self.said: dict[str, list[Payout]] = {}
        self.signalled: dict[tuple[LedgerKey, str, str | None], tuple[bool, int]] = {}

    def take(self, event: Event) -> Answer:
        """Judge one event and, if it is accepted, say everything that follows from knowing it."""
        refusals, without_effect = self._judged(event)
        if refusals or without_effect:
            return Answer(refusals=refusals, without_effect=without_effect)
        out_before = taken_back(self.facts)
        self.facts.append(event)
        self.years = ledgers(self.facts, self.packs)
        payouts = [
            self._reversal(setl_id, event)
            for setl_id in sorted(taken_back(self.facts) - out_before)
            if setl_id in self.said
        ]
        for ledger in self.years.values():
            payouts += [payout for entry in ledger.entries if (payout := self._news(entry, event)) is not None]
        signals = [signal for key, ledger in self.years.items() for signal in self._signal_changes(key, ledger, event)]
        return Answer(payouts, signals)

    # What is refused, and what changes nothing ──────────────────────────────────────────────────

    def _judged(self, event: Event) -> tuple[frozenset[str], str | None]:
        match event["type"]:
            case "settled":
                return self._judged_settled(event)
            case "reversed":
                return self._judged_reversed(event)
            case "voided":
                return self._judged_voided(event)
            case "identity_changed":
                return self._judged_identities(event)
            case "carried_in":
                return self._judged_carried_in(event)
            case _:
                return self._judged_application(event)

    def _settled(self, setl_id: str) -> Event | None:
        return next((fact for fact in of_type(self.facts, "settled") if fact["setl_id"] == setl_id), None)

    def _judged_settled(self, event: Event) -> tuple[frozenset[str], str | None]:
        setl_id = event["setl_id"]
        earlier, out = self._settled(setl_id), taken_back(self.facts)
        refusals = set()
        if earlier is not None and setl_id not in out and content(earlier) == content(event):
            return frozenset(), "repeated"
        if earlier is not None:
            refusals.add("setl_id_was_reversed" if setl_id in out else "setl_id_reused_with_other_content")
        elif setl_id in out:
            refusals.add("was_reversed_before")
        if event["msgid"] in voided_messages(self.facts):
            refusals.add("message_was_voided")
        if pack_for(self.packs, event["insuplc_admdvs"]) is None:
            return frozenset(refusals | {"no_pack_for_region"}), None
        return frozenset(refusals | self._faults_of_bill(event)), None

    def _faults_of_bill(self, event: Event) -> set[str]:
        """What only the year can tell: a layer paid twice, or reported money for which the bill has no room."""
        named = [fact for fact in self.facts if fact.get("setl_id") != event["setl_id"]]
        year = ledgers([*named, {**event, "msgid": "the event that is judged"}], self.packs)
        bill = year[ledger_of(self.packs, event)].bills[-1]
        faults = set()
        if bill.already_paid:
            faults.add("layer_already_paid")
        if bill.unfit or sum((yuan(event.get(name)) for name in CONTENT_MONEY[5:14]), Fraction(0)) > bill.total:
            faults.add("fund_payments_exceed_bill")
        return faults

    def _judged_reversed(self, event: Event) -> tuple[frozenset[str], str | None]:
        setl_id = event["setl_id"]
        if setl_id in taken_back(self.facts):
            return frozenset(), "repeated"
        settled = self._settled(setl_id)
        refusals = frozenset({"message_was_voided"} if event["msgid"] in voided_messages(self.facts) else ())
        return refusals | (frozenset() if settled is None else self._later_settlements(settled)), None

    def _later_settlements(self, settled: Event) -> frozenset[str]:
        """A pack may demand that the last settlement of a year is taken back first."""
        ledger = ledgers(self.facts, self.packs)[ledger_of(self.packs, settled)]
        pack = pack_for(self.packs, settled["insuplc_admdvs"])
        is_last = ledger.bills[-1].event["setl_id"] == settled["setl_id"]
        refused = pack is not None and pack.last_first and not is_last
        return frozenset({"later_settlements_exist"} if refused else ())

    def _judged_voided(self, event: Event) -> tuple[frozenset[str], str | None]:
        named = next((fact for fact in self.facts if fact.get("msgid") == event["omsgid"]), None)
        if event["omsgid"] in voided_messages(self.facts):
            return frozenset(), "repeated"
        if named is not None and named["type"] != "settled":
            return frozenset({"voiding_a_reversal"}), None
        if named is not None and named["setl_id"] in taken_back(self.facts):
            return frozenset(), "repeated"
        return frozenset() if named is None else self._later_settlements(named), None

    def _judged_identities(self, event: Event) -> tuple[frozenset[str], str | None]:
        held = held_list(self.facts)
        if held is None or moment(held["known_at"]) < moment(event["known_at"]):
            return frozenset(), None
        if moment(held["known_at"]) > moment(event["known_at"]):
            return frozenset(), "stale"
        same = as_set(held["psn_idet"]) == as_set(event["psn_idet"])
        return (frozenset(), "repeated") if same else (frozenset({"identity_list_contradicts_itself"}), None)

    def _judged_carried_in(self, event: Event) -> tuple[frozenset[str], str | None]:
        known = pack_for(self.packs, event["insuplc_admdvs"])
        if known is None:
            return frozenset({"no_pack_for_region"}), None
        held = opening_statement(self.facts, self.packs, (known.region, event["year"]))
        if held is None or moment(held["known_at"]) < moment(event["known_at"]):
            return frozenset(), None
        if moment(held["known_at"]) > moment(event["known_at"]):
            return frozenset(), "stale"
        same = opening_of(held) == opening_of(event)
        return (frozenset(), "repeated") if same else (frozenset({"opening_balance_contradicts_itself"}), None)

    def _judged_application(self, event: Event) -> tuple[frozenset[str], str | None]:
        pack = pack_for(self.packs, event["insuplc_admdvs"])
        if pack is None:
            return frozenset({"no_pack_for_region"}), None
        layer = layer_on_application(pack, event["year"])
        if layer is None or layer.application is None:
            return frozenset({"nothing_is_paid_on_application_here"}), None
        earlier = same_application(self.facts, event)
        if earlier:
            last = latest_decision(self.facts, event)
            if moment(last["known_at"]) > moment(event["known_at"]):
                return frozenset(), "stale"
            if last == event:
                return frozenset(), "repeated"
            if moment(last["known_at"]) == moment(event["known_at"]) or last["year"] != event["year"]:
                return frozenset({"decision_contradicts_itself"}), None
        return frozenset(faults_of_decision(event, layer.application)), None

    # What is said ───────────────────────────────────────────────────────────────────────────────

    def _news(self, entry: Entry, event: Event) -> Payout | None:
        """The payout for an entry that is new, or of which a layer's `fund_payamt` is not what was said last."""
        name = name_of(entry)
        before = self.said.setdefault(name, [])
        paid = {entry.layer.id: entry.paid} if isinstance(entry, Grant) else paid_by_layer(entry)
        if before and all(yuan_said(line) == paid[line["layer"]] for line in before[-1]["lines"]):
            return None
        payout = grant_payout(entry) if isinstance(entry, Grant) else bill_payout(entry)
        kind = "application" if isinstance(entry, Grant) else "readjudication" if before else "settlement"
        payout |= heading(event, name, kind, len(before) + 1)
        last = {line["layer"]: yuan_said(line) for line in before[-1]["lines"]} if before else {}
        for line in payout["lines"]:
            delta = yuan_said(line) - last.get(line["layer"], Fraction(0))
            moves = bool(delta) and (bool(last) or line["status"] != "reported")
            line["delta"], line["payable"] = written(delta), moves
            line["payee"] = None if not moves else "fixmedins" if kind == "settlement" else "person"
        before.append(payout)
        return payout

    def _reversal(self, setl_id: str, event: Event) -> Payout:
        """Returns to each payee what it had received, and says that nothing is left of the bill."""
        history = self.said[setl_id]
        latest = history[-1]
        kept = ("setl_id", "mdtrt_id", "psn_no", "insuplc_admdvs", "fixmedins_code", "year", "pack", "medfee_sumamt")
        payout: Payout = {key: latest[key] for key in kept} | {
            "fund_pay_sumamt": "0.00",
            "psn_part_amt": "0.00",
            "left": dict.fromkeys(latest["left"], "0.00"),
            "lines": [],
        }
        payout |= heading(event, setl_id, "reversal", len(history) + 1)
        for line in latest["lines"]:
            shown = {key: line[key] for key in ("layer", "label", "fund_pay_type")}
            shown |= {"status": "nothing", "reason": "reversed", "fund_payamt": "0.00"}
            returns: list[dict[str, Any]] = [
                {"delta": written(-amount), "payable": True, "payee": payee}
                for payee in ("fixmedins", "person")
                if (amount := received(history, line["layer"], payee))
            ]
            rest = yuan_said(line) - sum(received(history, line["layer"], payee) for payee in ("fixmedins", "person"))
            if rest or not returns:
                reported = {"status": "reported"} if rest or line["status"] == "reported" else {}
                returns.append(reported | {"delta": written(-rest), "payable": False, "payee": None})
            payout["lines"] += [shown | returned for returned in returns]
        for seq, line in enumerate(payout["lines"], start=1):
            line["seq"] = seq
        history.append(payout)
        return payout

    def _signal_changes(self, key: LedgerKey, ledger: Ledger, event: Event) -> list[Signal]:
        """Each signal that appears or goes, once."""
        stands = signals_standing(ledger)
        known = {(kind, layer) for at, kind, layer in self.signalled if at == key}
        changes = []
        for kind, layer in sorted(stands | known, key=str):
            raised, revision = self.signalled.get((key, kind, layer), (False, 0))
            if raised != ((kind, layer) in stands):
                self.signalled[key, kind, layer] = (not raised, revision + 1)
                changes.append(
                    {"type": "signal", "kind": kind, "layer": layer, "state": "withdrawn" if raised else "raised"}
                    | {"psn_no": event["psn_no"], "region": key[0], "year": key[1], "revision": revision + 1}
                )
        return changes


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
