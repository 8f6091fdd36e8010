"""What must hold of one person's years after every event, whatever it was: of what was emitted, and of the state."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from contracts.journal import Year, read_field
from contracts.payout import Cause
from tests.adjudication.stored_core import Said, StoredCore
from workers.adjudication.ledger import fold_again
from workers.adjudication.marks import read_entries
from workers.adjudication.shelf import OpenShelf
from workers.rehearsal.auditor import Auditor
from workers.rehearsal.auditor_bill import Bill, Decided, layers_for, reported_for, yuan
from workers.rehearsal.auditor_facts import Grant, Ledger, LedgerKey, ledgers, opening_balances, taken_back
from workers.rehearsal.auditor_words import name_of, paid_by_layer

Payout = dict[str, Any]
Signal = dict[str, Any]

AGAIN: Final[Cause] = {"type": "pack_changed", "known_at": "2030-01-01T00:00:00+08:00"}


@dataclass
class Emitted:
    """Everything that was said about one person, by what it was about."""

    payouts: dict[str, list[Payout]] = field(default_factory=lambda: defaultdict(list))
    signals: dict[tuple[str, int, str, str | None], list[Signal]] = field(default_factory=lambda: defaultdict(list))

    def hear(self, out: Said) -> None:
        """Note what an event brought about."""
        for payout in out.payouts:
            about = payout.get("setl_id") or f"application {payout['application_id']}"
            self.payouts[about].append(payout)
        for signal in out.signals:
            self.signals[signal["region"], signal["year"], signal["kind"], signal["layer"]].append(signal)


def lines(payouts: Sequence[Payout]) -> Iterator[dict[str, Any]]:
    for payout in payouts:
        yield from payout["lines"]


def received(payouts: Sequence[Payout], layer: str, payee: str | None) -> Fraction:
    """What a payee holds of a layer's money; None is what the platform had moved itself."""
    moved = (line for line in lines(payouts) if line["layer"] == layer and line["payee"] == payee)
    return sum((yuan(line["delta"]) for line in moved), Fraction(0))


def revisions_have_no_gaps(emitted: Emitted) -> None:
    for payouts in emitted.payouts.values():
        assert [payout["revision"] for payout in payouts] == list(range(1, len(payouts) + 1))


def deltas_add_up_to_the_latest_word(emitted: Emitted) -> None:
    for payouts in emitted.payouts.values():
        for layer in {line["layer"] for line in lines(payouts)}:
            latest = [yuan(line["fund_payamt"]) for line in payouts[-1]["lines"] if line["layer"] == layer]
            deltas = [yuan(line["delta"]) for line in lines(payouts) if line["layer"] == layer]
            assert sum(deltas) == sum(latest), (payouts[-1]["payout_id"], layer)


def signals_take_turns(emitted: Emitted) -> None:
    for signals in emitted.signals.values():
        assert [signal["revision"] for signal in signals] == list(range(1, len(signals) + 1))
        assert [signal["state"] for signal in signals] == (["raised", "withdrawn"] * len(signals))[: len(signals)]


def payees_hold_what_the_year_says(emitted: Emitted, years: dict[LedgerKey, Ledger]) -> None:
    """Of a live entry: all of what its layers pay beyond what the platform reported, the institution what came first.

    Of one that was taken back nobody holds anything, and neither does the other payee in its place.
    """
    live = {name_of(entry): entry for ledger in years.values() for entry in ledger.entries}
    for about, payouts in emitted.payouts.items():
        entry, owed = live.get(about), dict[str, Fraction]()
        if entry is not None:
            owed = {layer: paid - reported_on(entry, layer) for layer, paid in paid_by_layer(entry).items()}
        for layer in {line["layer"] for line in lines(payouts)} | set(owed):
            institution, person = (received(payouts, layer, payee) for payee in ("fixmedins", "person"))
            assert institution + person == owed.get(layer, 0), (about, layer)
            first = received(payouts[:1], layer, "fixmedins") if entry is not None else Fraction(0)
            assert institution == first, (about, layer)


def reported_on(entry: Bill | Grant, layer: str) -> Fraction:
    """What the platform has reported of a layer, which is part of what the layer is said to pay."""
    if isinstance(entry, Grant):
        return Fraction(0)
    layers = layers_for(entry.pack, entry.event["enddate"])
    return next((reported_for(layers, each, entry.event) for each in layers if each.id == layer), Fraction(0))


def accounts_are_those_of_the_facts_left(core: StoredCore, auditor: Auditor) -> None:
    """The year's accounts equal those of a year in which what was taken back had never come."""
    gone = taken_back(auditor.facts)
    left = [fact for fact in auditor.facts if fact.get("setl_id") not in gone]
    fresh = ledgers(left)
    for (region, number), year in stored_years(core).items():
        ledger = fresh.get((region, number))
        expected = {} if ledger is None else ledger.accounts
        accounts = {layer: (account.base, account.paid) for layer, account in year.accounts.items() if any(account[:2])}
        counted = {layer: (int(a.base * 100), int(a.paid * 100)) for layer, a in expected.items() if a.base or a.paid}
        assert accounts == counted, (region, number)
        kinds = [] if ledger is None else [bill.event["insutype"] for bill in ledger.bills]
        assert year.insured == {kind: kinds.count(kind) for kind in kinds}


def nothing_is_paid_above_a_cap(core: StoredCore, auditor: Auditor) -> None:
    """What a layer has paid is within the cap of the row by which it paid last; if none did, it is what was carried in.

    Not within that of the row that counted last: a row with a lower cap, or a pack that lowers it, takes nothing back
    from those who settled before, it only pays nothing more. A cap in the person's way is their own, not the others'.
    """
    for key, year in stored_years(core).items():
        ledger = auditor.years.get(key)
        opening = opening_balances(auditor.facts, key)
        last: dict[str, Decided] = {}
        for entry in () if ledger is None else ledger.entries:
            for line in entry.lines if isinstance(entry, Bill) else (entry,):
                if line.paid and line.decided is not None:
                    last[line.layer.id] = line.decided
        for layer, account in year.accounts.items():
            if layer in last:
                cap = last[layer].cap
                assert cap is None or account.paid <= cap * 100, (key, layer)
            else:
                assert account.paid == (opening[layer].paid * 100 if layer in opening else 0), (key, layer)


def folding_again_says_nothing(core: StoredCore) -> None:
    """The state is what a fold from the beginning leaves: settling one after another came to the same."""
    shelf = OpenShelf({name: read_field(name, text) for name, text in core.fields.items()})
    before = dict(shelf)
    for name in core.named("y"):
        _, psn_no, region, number = name.split("|")
        ledger = psn_no, region, int(number)
        assert fold_again(core.books, shelf, ledger, read_entries(shelf, ledger), AGAIN) == ([], [])
    assert dict(shelf) == before


def stored_years(core: StoredCore) -> dict[LedgerKey, Year]:
    """The years in the state, by region and number."""
    return {(name.split("|")[2], int(name.split("|")[3])): year for name, year in core.named("y").items()}


def check_everything(core: StoredCore, auditor: Auditor, emitted: Emitted) -> None:
    """Every rule of this file."""
    revisions_have_no_gaps(emitted)
    deltas_add_up_to_the_latest_word(emitted)
    signals_take_turns(emitted)
    payees_hold_what_the_year_says(emitted, auditor.years)
    accounts_are_those_of_the_facts_left(core, auditor)
    nothing_is_paid_above_a_cap(core, auditor)
    folding_again_says_nothing(core)
