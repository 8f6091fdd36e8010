"""The auditor: a slow second model that says what must be emitted for every event of one person.

It keeps no accumulator. At each event it recomputes every year of the person from the facts known now, compares the
years with what it has said before, and the difference is what must be paid, returned, signalled or refused. The
incremental core has to agree with it to the fen; nothing here is shared with the core but the packs it reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from contracts.pack import PackSet
from workers.rehearsal.auditor_bill import Bill, Event, written
from workers.rehearsal.auditor_facts import (
    Entry,
    Grant,
    Ledger,
    LedgerKey,
    accepted,
    ledgers,
    taken_back,
)
from workers.rehearsal.auditor_judge import judged, message_seen
from workers.rehearsal.auditor_signals import Signal, Told
from workers.rehearsal.auditor_words import (
    FOR_CLEARING,
    Payout,
    bill_payout,
    grant_payout,
    heading,
    in_sequence,
    lines_of_dropped_layers,
    name_of,
    paid_by_layer,
    received,
    yuan_said,
)


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
    """One person's facts, and what has been said about them so far. The packs in use may be changed between events."""

    def __init__(self, packs: PackSet) -> None:
        self.packs = packs
        self.facts: list[Event] = []
        self.years: dict[LedgerKey, Ledger] = {}  # as the last accepted event left them, for whoever asks
        self.said: dict[str, list[Payout]] = {}
        self.told = Told()

    def take(self, event: Event) -> Answer:
        """Judge one event and, if it is accepted, say everything that follows from knowing it."""
        refusals, without_effect = judged(self.facts, event, self.packs)
        if without_effect:
            self.facts.append(message_seen(event))
        if refusals or without_effect:
            return Answer(refusals=refusals, without_effect=without_effect)
        bills_before = {bill.event["setl_id"]: bill for ledger in self.years.values() for bill in ledger.bills}
        out_before = taken_back(self.facts)
        self.facts.append(accepted(event, self.packs))
        self.years = ledgers(self.facts)
        payouts = [
            self._reversal(bills_before[setl_id], event)
            for setl_id in sorted(taken_back(self.facts) - out_before)
            if setl_id in bills_before
        ]
        for ledger in self.years.values():
            payouts += [payout for entry in ledger.entries if (payout := self._news(entry, event)) is not None]
        return Answer(payouts, self.told.changes(self.years, self.said, self.facts[-1]))

    def _news(self, entry: Entry, event: Event) -> Payout | None:
        """The payout for an entry that is new, or of which a layer's `fund_payamt` is not what was said last."""
        name = name_of(entry)
        before = self.said.setdefault(name, [])
        last = {line["layer"]: yuan_said(line) for line in before[-1]["lines"]} if before else {}
        paid = paid_by_layer(entry)
        if before and all(last.get(layer, 0) == paid.get(layer, 0) for layer in last | paid):
            return None
        payout = grant_payout(entry) if isinstance(entry, Grant) else bill_payout(entry)
        payout["lines"] += lines_of_dropped_layers(before, paid)
        kind = "application" if isinstance(entry, Grant) else "readjudication" if before else "settlement"
        payout |= heading(event, name, kind, len(before) + 1)
        for line in in_sequence(payout["lines"]):
            delta = yuan_said(line) - last.get(line["layer"], Fraction(0))
            moves = bool(delta) and (bool(last) or line["status"] != "reported")
            line["delta"], line["payable"] = written(delta), moves
            line["payee"] = None if not moves else "fixmedins" if kind == "settlement" else "person"
            corrects = kind == "readjudication" or (kind == "application" and (bool(before) or delta < 0))
            if moves and corrects:
                line["correction"] = "top_up" if delta > 0 else "clawback"
        before.append(payout)
        return payout

    def _reversal(self, bill: Bill, event: Event) -> Payout:
        """Returns to each payee what it had received, and says that nothing is left of the bill."""
        setl_id = bill.event["setl_id"]
        history, shown_last = self.said[setl_id], bill_payout(bill)
        kept = ("setl_id", "mdtrt_id", "psn_no", "insuplc_admdvs", "fixmedins_code", "year", "pack", "medfee_sumamt")
        payout: Payout = {key: shown_last[key] for key in (*kept, *FOR_CLEARING) if key in shown_last} | {
            "fund_pay_sumamt": "0.00",
            "psn_part_amt": "0.00",
            "left": dict.fromkeys(shown_last["left"], "0.00"),
            "lines": [],
        }
        payout |= heading(event, setl_id, "reversal", len(history) + 1)
        for line in [*shown_last["lines"], *lines_of_dropped_layers(history, paid_by_layer(bill))]:
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
        in_sequence(payout["lines"])
        history.append(payout)
        return payout
