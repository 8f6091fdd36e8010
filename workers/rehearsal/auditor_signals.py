"""What somebody must be told about a person's years as they stand, whether or not money moves: the auditor's signals.

What stands follows from the years and from what each entry has been through; how often it was said is the auditor's own
record. `Told` keeps both: it is shown every year after each accepted event.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from workers.rehearsal.auditor_bill import Bill, Decided, Event, care_of, yuan
from workers.rehearsal.auditor_facts import Grant, Ledger, LedgerKey, ledger_of
from workers.rehearsal.auditor_words import Payout, name_of, received

Signal = dict[str, Any]
Standing = set[tuple[str, str | None]]
"""What stands in one ledger: (kind, layer), no layer for what concerns the whole year."""

Years = Mapping[LedgerKey, Ledger]


@dataclass
class Held:
    """A person's balance of one layer's money for one entry after each event, and whether that event decided it."""

    balances: list[tuple[Fraction, bool]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the person holds less than the most that they were ever given, or than a decision left them."""
        most = Fraction(0)
        for balance, decided in self.balances:
            most = balance if decided else max(most, balance)
        return bool(self.balances) and self.balances[-1][0] < most


@dataclass
class Told:
    """What entries have been through, and which signals were said."""

    said: dict[tuple[LedgerKey, str, str | None], tuple[bool, int]] = field(default_factory=dict)
    held: dict[str, dict[str, Held]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Held)))
    paid_with: dict[str, list[Fraction]] = field(default_factory=lambda: defaultdict(list))
    """The `other_assistance` with which each application was ever paid anything; forgotten when it is withdrawn."""

    def changes(self, years: Years, payouts: Mapping[str, Sequence[Payout]], event: Event) -> list[Signal]:
        """Each signal that appears or goes, once."""
        for ledger in years.values():
            for entry in ledger.entries:
                self._remember(entry, payouts.get(name_of(entry), ()), event)
        twice = self._insured_twice(years, event)
        return [
            signal
            for key, ledger in years.items()
            for signal in self._said_anew(key, self._standing(key, ledger) | twice.get(key, set()), event)
        ]

    def _remember(self, entry: Bill | Grant, history: Sequence[Payout], event: Event) -> None:
        name = name_of(entry)
        decided = isinstance(entry, Grant) and event.get("application_id") == entry.decision["application_id"]
        for layer in {line["layer"] for payout in history for line in payout["lines"]}:
            self.held[name][layer].balances.append((received(history, layer, "person"), decided))
        if isinstance(entry, Grant) and not entry.decision["approved"]:
            self.paid_with[name] = []
        elif isinstance(entry, Grant) and entry.paid > 0:
            self.paid_with[name].append(yuan(entry.decision["other_assistance"]))

    def _standing(self, key: LedgerKey, ledger: Ledger) -> Standing:
        open_amounts: Standing = {
            ("clawback_needs_decision", layer)
            for entry in ledger.entries
            for layer, held in self.held[name_of(entry)].items()
            if held.is_open
        }
        risen: Standing = {("other_assistance_risen", None)} if self._has_risen(ledger) else set()
        return watched(ledger) | caps_reached(ledger) | open_amounts | risen

    def _has_risen(self, ledger: Ledger) -> bool:
        """Whether an application stands with more than it, or one before it, was ever paid with."""
        least: Fraction | None = None
        for grant in (entry for entry in ledger.entries if isinstance(entry, Grant)):
            least = min([*self.paid_with[name_of(grant)], *([] if least is None else [least])], default=None)
            stands = yuan(grant.decision["other_assistance"])
            if grant.decision["approved"] and least is not None and stands > least:
                return True
        return False

    def _insured_twice(self, years: Years, event: Event) -> dict[LedgerKey, Standing]:
        """Where it stands that a person settles in one year under two insurances: in one ledger of that year."""
        stands: dict[LedgerKey, Standing] = {}
        for year in {year for _, year in years}:
            pairs = {
                (key, bill.event["insutype"])
                for key, ledger in years.items()
                if key[1] == year
                for bill in ledger.bills
            }
            if len(pairs) < 2:
                continue
            raised = [
                key for key in years if key[1] == year and self.said.get((key, "insured_twice", None), (False,))[0]
            ]
            stands[raised[0] if raised else ledger_of(event)] = {("insured_twice", None)}
        return stands

    def _said_anew(self, key: LedgerKey, stands: Standing, event: Event) -> list[Signal]:
        known = {(kind, layer) for at, kind, layer in self.said if at == key}
        changes = []
        for kind, layer in sorted(stands | known, key=str):
            raised, revision = self.said.get((key, kind, layer), (False, 0))
            if raised != ((kind, layer) in stands):
                self.said[key, kind, layer] = (not raised, revision + 1)
                changes.append(
                    {"type": "signal", "kind": kind, "layer": layer, "state": "withdrawn" if raised else "raised"}
                    | {"psn_no": event["psn_no"], "region": key[0], "year": key[1], "revision": revision + 1}
                )
        return changes


def watched(ledger: Ledger) -> Standing:
    """What a pack watches: large bills of the year together, and a bill that leaves somebody nothing to pay.

    Each bill counts as the pack that decides about it watches it; how much is too much says the pack of the last one.
    """
    total, paid_in_full = Fraction(0), False
    for bill in ledger.bills:
        for watch in (watch for watch in bill.pack.watches if bill.event["enddate"] >= watch.first_day):
            if watch.kind == "large_bill":
                total += bill.total
            elif watch.kind == "zero_self_pay":
                paid_in_full = paid_in_full or is_paid_in_full(bill, watch.codes, watch.cares)
    stands: Standing = set()
    for watch in ledger.bills[-1].pack.watches if ledger.bills else ():
        large = watch.kind == "large_bill" and total > 0 and total * 100 >= (watch.at_least or 0)
        if large or (watch.kind == "zero_self_pay" and paid_in_full):
            stands.add((str(watch.kind), None))
    return stands


def caps_reached(ledger: Ledger) -> Standing:
    """Each layer of which as much is paid as the row that counted last allows."""
    stands: Standing = set()
    for layer, decided in last_rows(ledger).items():
        paid = ledger.accounts[layer].paid
        if paid and paid == decided.cap:
            stands.add(("cap_reached", layer))
    return stands


def last_rows(ledger: Ledger) -> dict[str, Decided]:
    """The row of each layer that counted last, at a bill or an approved application: its cap is the one watched."""
    rows: dict[str, Decided] = {}
    for entry in ledger.entries:
        for line in entry.lines if isinstance(entry, Bill) else (entry,):
            if line.decided is not None:
                rows[line.layer.id] = line.decided
    return rows


def is_paid_in_full(bill: Bill, codes: frozenset[str] | None, cares: Iterable[str] | None) -> bool:
    """A bill that leaves the person nothing to pay, of the people and the care that are watched."""
    of_the_people = codes is None or bool(bill.codes & codes)
    of_the_care = cares is None or care_of(bill.event) in {str(care) for care in cares}
    return of_the_people and of_the_care and bill.total > 0 and bill.self_pay == 0
