"""What is known about one person, and what their years look like if nothing else is: the auditor's replay.

`ledgers` starts from the bare list of accepted facts every time, each with the packs that were in use when it came.
Settlements and reversals come first; the facts that change a year from outside it (adopted packs, identity lists,
balances carried in, decided applications, voided messages) stand below, each in a function of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from contracts.pack import ApplicationRule, Layer, Pack, PackSet
from workers.rehearsal.auditor_bill import (
    Account,
    Accounts,
    Bill,
    Decided,
    Event,
    codes_valid,
    from_fen,
    layers_for,
    owed,
    pack_for,
    reported_for,
    settle,
    why_nothing,
    yuan,
)

LedgerKey = tuple[str, int]
"""The region of the city's pack, and the benefit year."""


@dataclass
class Grant:
    """What a decided application was paid, as a ledger entry of its own."""

    decision: Event
    pack: Pack
    layer: Layer
    paid: Fraction
    decided: Decided | None = None
    reason: str | None = None


Entry = Bill | Grant


@dataclass
class Ledger:
    """One benefit year with the facts known: its live entries in arrival order, and the accounts after them."""

    accounts: Accounts
    entries: list[Entry] = field(default_factory=list)

    @property
    def bills(self) -> list[Bill]:
        """The year's live settlements, in arrival order."""
        return [entry for entry in self.entries if isinstance(entry, Bill)]


def of_type(facts: Sequence[Event], kind: str) -> list[Event]:
    """Those of the facts that are of one type, in arrival order."""
    return [fact for fact in facts if fact["type"] == kind]


def moment(time: str) -> datetime:
    """Times compare as moments, whatever their offset."""
    return datetime.fromisoformat(time)


def taken_back(facts: Sequence[Event]) -> set[str]:
    """The settlements that a reversal or a voiding has taken out of their year, or keeps from ever entering one."""
    return {fact["setl_id"] for fact in of_type(facts, "reversed")} | voided_settlements(facts)


def accepted(event: Event, packs: PackSet) -> Event:
    """The event as a fact: it remembers which packs were in use when it came."""
    return {**event, "packs": packs}


def pack_in_use(fact: Event) -> Pack:
    """The pack that decided about the fact's place when the fact came."""
    pack = pack_for(fact["packs"], fact["insuplc_admdvs"])
    assert pack is not None
    return pack


def ledger_of(fact: Event) -> LedgerKey:
    """Where a fact is booked, for good. Year and edition follow `enddate`; a county books with its city."""
    return pack_in_use(fact).region, int(fact["enddate"][:4]) if fact["type"] == "settled" else fact["year"]


def ledgers(facts: Sequence[Event]) -> dict[LedgerKey, Ledger]:
    """Every year from scratch, in the order in which the years were opened."""
    years: dict[LedgerKey, Ledger] = {}
    gone = taken_back(facts)
    for fact in facts:
        if fact["type"] not in ("settled", "application_decided", "carried_in"):
            continue
        key = ledger_of(fact)
        ledger = years.setdefault(key, Ledger(opening_balances(facts, key)))
        if fact["type"] == "settled":
            if fact["setl_id"] not in gone:
                pack, codes = decided_by(facts, fact), identities_that_count(facts, fact)
                ledger.entries.append(settle(fact, pack, codes, ledger.accounts))
        elif fact["type"] == "application_decided" and is_first_of_its_id(facts, fact):
            decision = latest_decision(facts, fact)
            ledger.entries.append(granted(decision, decided_by(facts, decision), ledger))
    return years


# Packs in use, and packs adopted for the past ───────────────────────────────────────────────────


def packs_of(facts: Sequence[Event], fact: Event) -> list[Pack]:
    """Every pack that has decided about the fact, the one that decides now last.

    The pack in use when the fact came, then each that was adopted since. A later decision on an application is decided
    anew; a pack that pays nothing on application decides none.
    """
    same = [fact] if fact["type"] == "settled" else same_application(facts, fact)
    packs: list[Pack] = []
    for known in facts:
        adopted = bool(packs) and known["type"] == "pack_adopted" and reaches(known, fact)
        if adopted or any(known is one for one in same):
            packs.append(pack_in_use(known))
    if fact["type"] == "application_decided":
        packs = [pack for pack in packs if layer_on_application(pack, fact["year"]) is not None]
    return packs or [pack_in_use(fact)]


def decided_by(facts: Sequence[Event], fact: Event) -> Pack:
    """The pack that decides about the fact now."""
    return packs_of(facts, fact)[-1]


def reaches(adoption: Event, fact: Event) -> bool:
    """Whether a fact is one of those that an adoption speaks of: its ledger, its place and its day."""
    pack = pack_in_use(adoption)
    decides_now = pack_for(adoption["packs"], fact["insuplc_admdvs"])
    day = fact["enddate"] if fact["type"] == "settled" else f"{fact['year']}-12-31"
    return ledger_of(fact) == (pack.region, adoption["year"]) and decides_now is pack and day >= adoption["first_day"]


def moved_by(facts: Sequence[Event], adoption: Event) -> list[Event]:
    """The live settlements and decided applications that an adoption takes from another pack.

    A withdrawn application has nothing to be priced by a pack that pays nothing on application.
    """
    pack, gone = pack_in_use(adoption), taken_back(facts)
    live = [fact for fact in of_type(facts, "settled") if fact["setl_id"] not in gone]
    decided = [fact for fact in of_type(facts, "application_decided") if latest_decision(facts, fact) is fact]
    priced = [fact for fact in decided if fact["approved"] or layer_on_application(pack, fact["year"]) is not None]
    return [
        fact for fact in [*live, *priced] if reaches(adoption, fact) and decided_by(facts, fact).digest != pack.digest
    ]


def moves_reported_money(settled: Event, before: Pack, after: Pack) -> bool:
    """Whether what the platform has reported would stand on another layer's line, or leave or enter the lines."""
    return reported_by_layer(settled, before) != reported_by_layer(settled, after)


def reported_by_layer(settled: Event, pack: Pack) -> dict[str, Fraction]:
    """What the platform has reported with a bill, by the layer whose field it is."""
    layers = layers_for(pack, settled["enddate"])
    reported = {layer.id: reported_for(layers, layer, settled) for layer in layers}
    return {layer: amount for layer, amount in reported.items() if amount}


# Identity lists ─────────────────────────────────────────────────────────────────────────────────


def held_list(facts: Sequence[Event]) -> Event | None:
    """The identity list held: the one known last."""
    return max(of_type(facts, "identity_changed"), key=lambda fact: moment(fact["known_at"]), default=None)


def identities_that_count(facts: Sequence[Event], settled: Event) -> frozenset[str]:
    """Of the held list and the event's snapshot the fresher counts, as it is valid on `enddate`."""
    held, snapshot = held_list(facts), settled.get("psn_idet")
    if held is not None and (snapshot is None or moment(held["known_at"]) >= moment(settled["setl_time"])):
        snapshot = held["psn_idet"]
    return codes_valid(snapshot, settled["enddate"])


# Balances carried in ────────────────────────────────────────────────────────────────────────────


def opening_statement(facts: Sequence[Event], key: LedgerKey) -> Event | None:
    """The statement of the year that was known last."""
    statements = [fact for fact in of_type(facts, "carried_in") if ledger_of(fact) == key]
    return max(statements, key=lambda fact: moment(fact["known_at"]), default=None)


def opening_of(statement: Event | None) -> Accounts:
    """What a statement says that each layer had counted and paid."""
    balances = {} if statement is None else statement["layers"]
    return {layer: Account(yuan(balance["base"]), yuan(balance["paid"])) for layer, balance in balances.items()}


def opening_balances(facts: Sequence[Event], key: LedgerKey) -> Accounts:
    """What the year's layers had counted and paid before its first entry, by the statement known last."""
    return opening_of(opening_statement(facts, key))


# Decided applications ───────────────────────────────────────────────────────────────────────────


def same_application(facts: Sequence[Event], decision: Event) -> list[Event]:
    """Every decision about the application that this one is about."""
    return [
        fact for fact in of_type(facts, "application_decided") if fact["application_id"] == decision["application_id"]
    ]


def is_first_of_its_id(facts: Sequence[Event], decision: Event) -> bool:
    """A later decision takes the place of the first, so the ledger has one entry an application."""
    return same_application(facts, decision)[0] is decision


def latest_decision(facts: Sequence[Event], decision: Event) -> Event:
    """What was decided last about the application."""
    return max(same_application(facts, decision), key=lambda fact: moment(fact["known_at"]))


def layer_on_application(pack: Pack, year: int) -> Layer | None:
    """The layer that a decision speaks of, by its edition of the year's last day."""
    return next((layer for layer in layers_for(pack, f"{year}-12-31") if layer.mode == "on_application"), None)


def faults_of_decision(decision: Event, rule: ApplicationRule) -> set[str]:
    """Everything that forbids booking what an office decided. Nothing forbids booking its refusal."""
    applicant, years = decision["applicant"], decision.get("insured_years")
    month, day = rule.deadline
    found = {
        "applicant_is_unknown": applicant not in rule.rows,
        "applicant_is_not_entitled": not decision["resident"] and (years is None or years < rule.insured_years_least),
        "applied_after_the_deadline": decision["applied_on"] > f"{decision['year'] + 1}-{month:02d}-{day:02d}",
        "objections_are_open": decision["objections"],
        "hardship_status_not_applied_for": applicant in rule.hardship_first
        and decision.get("hardship_application") == "not_made",
    }
    holding = {refusal for refusal, holds in found.items() if holds}
    return holding if decision["approved"] else set()


def granted(decision: Event, pack: Pack, ledger: Ledger) -> Grant:
    """An approved decision pays min(cap, round(F(max(0, base − other_assistance)))) − paid, on what came before it."""
    layer = layer_on_application(pack, decision["year"])
    assert layer is not None
    assert layer.application is not None
    account = ledger.accounts.setdefault(layer.id, Account())
    if not decision["approved"]:
        return Grant(decision, pack, layer, Fraction(0))
    who = layer.application.rows[decision["applicant"]]
    row = next(row for row in layer.rows if row.who == who)
    counted = max(Fraction(0), account.base - yuan(decision["other_assistance"]))
    due, cap = owed(row, counted), None if row.cap is None else from_fen(row.cap)
    paid = (due if cap is None else min(cap, due)) - account.paid
    headroom = None if cap is None else max(Fraction(0), cap - account.paid)
    said_before = account.paid != 0 and headroom != 0
    reason = None if paid or said_before else why_nothing(layer, row, counted, counted, headroom == 0)
    account.paid += paid
    cap_left = None if headroom is None else headroom - paid
    decided = Decided(row, counted, Fraction(0), counted, cap, headroom, cap_left)
    return Grant(decision, pack, layer, paid, decided, reason)


# Voided messages ────────────────────────────────────────────────────────────────────────────────


def voided_messages(facts: Sequence[Event]) -> set[str]:
    """The message ids that somebody has voided, whether their messages came or not."""
    return {fact["omsgid"] for fact in of_type(facts, "voided")}


def voided_settlements(facts: Sequence[Event]) -> set[str]:
    """The settlements whose accepted message was voided; a repeated message is not among the facts."""
    voided = voided_messages(facts)
    return {fact["setl_id"] for fact in of_type(facts, "settled") if fact["msgid"] in voided}
