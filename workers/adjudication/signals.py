"""What must be told about a person-year: raised once, withdrawn when a correction takes the cause away."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.journal import Account, Entry, Person, SignalState, Year, year_field
from contracts.pack import Pack, Watch
from contracts.payout import Cause
from contracts.signals import Signal
from contracts.vocabulary import LayerId, SignalKind
from workers.adjudication.adjudicate import Adjudication
from workers.adjudication.marks import Ledger
from workers.adjudication.shelf import Shelf

SignalCause = tuple[SignalKind, LayerId | None]
"""What a signal is about: its kind, and the layer if it is about one."""

_OF_CORRECTIONS: Final = frozenset((SignalKind.CLAWBACK_NEEDS_DECISION, SignalKind.OTHER_ASSISTANCE_RISEN))
"""Kinds whose cause only a fold can bring or take away."""

_NEVER: Final = SignalState(False, 0)


def watch(
    pack: Pack, bill: Settled, adjudication: Adjudication, codes: tuple[str, ...], watched: Mapping[str, int]
) -> Mapping[str, int]:
    """The watched sums with a live settlement added: fen for `large_bill`, 1 for each that left nothing to pay."""
    added: dict[str, int] | None = None
    for each in pack.watches:
        amount = _measure(each, bill, adjudication, codes)
        if amount:
            if added is None:
                added = dict(watched)
            added[each.kind] = added.get(each.kind, 0) + amount
    return watched if added is None else added


def _measure(each: Watch, bill: Settled, adjudication: Adjudication, codes: tuple[str, ...]) -> int:
    if bill.enddate < each.first_day:
        return 0
    if each.kind == SignalKind.LARGE_BILL:
        return bill.medfee_sumamt
    if each.kind != SignalKind.ZERO_SELF_PAY:
        return 0
    meant = (each.codes is None or not each.codes.isdisjoint(codes)) and (each.cares is None or bill.care in each.cares)
    return int(meant and bill.medfee_sumamt > 0 and adjudication.psn_part_amt == 0)


def changes(
    pack: Pack | None,
    ledger: Ledger,
    setl_id: str | None,
    year: Year,
    accounts: Mapping[str, Account],
    watched: Mapping[str, int],
    corrected: Iterable[SignalCause] | None = None,
) -> tuple[Mapping[str, SignalState], list[Signal]]:
    """The signals' states after an event, and a signal for each that changed. `setl_id` is the event's settlement.

    `pack` is that of the last live settlement, if there is one: its watches say from which sum on something stands.
    `corrected` are the causes that stand because of corrections; None where the event was none, and they stay.
    """
    standing: dict[SignalCause, str | None] = {}
    for each in () if pack is None else pack.watches:
        reached = watched.get(each.kind, 0)
        if reached and reached >= (each.at_least or 1):
            standing[each.kind, None] = each.clause
    for layer_id, account in accounts.items():
        if account.cap is not None and 0 < account.paid == account.cap:
            standing[SignalKind.CAP_REACHED, LayerId(layer_id)] = None
    for kind, layer in corrected or ():
        standing[kind, layer] = _clause(pack, kind)
    if not standing and not year.signals:
        return year.signals, []
    states = dict(year.signals)
    emitted: list[Signal] = []
    held = [
        (SignalKind(kind), LayerId(layer) if layer else None)
        for kind, _, layer in (name.partition(":") for name in states)
    ]
    for kind, layer in dict.fromkeys([*held, *standing]):
        if kind == SignalKind.INSURED_TWICE or (corrected is None and kind in _OF_CORRECTIONS):
            continue
        name = _name(kind, layer)
        state = states.get(name, _NEVER)
        raised = (kind, layer) in standing
        if raised != state.raised:
            states[name] = SignalState(raised, state.revision + 1)
            emitted.append(_signal(ledger, (kind, layer), states[name], setl_id, standing.get((kind, layer))))
    return states, emitted


def of_corrections(entries: Iterable[Entry]) -> Iterator[SignalCause]:
    """The causes that corrections have brought about, given a ledger's entries as they stand, in order."""
    least: int | None = None
    for entry in entries:
        if not entry.live:
            continue
        for layer in _asked_back(entry):
            yield SignalKind.CLAWBACK_NEEDS_DECISION, LayerId(layer)
        fact = entry.fact
        if isinstance(fact, ApplicationDecided) and fact.approved:
            if entry.other_assistance_least is not None:
                least = min(entry.other_assistance_least, entry.other_assistance_least if least is None else least)
            if least is not None and fact.other_assistance > least:
                yield SignalKind.OTHER_ASSISTANCE_RISEN, None


def _asked_back(entry: Entry) -> Iterator[str]:
    """The layers of which the person holds less than they were once given, or owes what the hospital received.

    What an office decides about its own application is decided already: only what came after it counts.
    """
    revisions = entry.revisions or ()
    now = {share.layer: share.to_person for share in entry.shares}
    for layer in {layer: None for revision in revisions for layer in revision.to_person}:
        moves = [(revision.to_person.get(layer, 0), _decides(entry, revision.cause)) for revision in revisions]
        held = now.get(layer, 0) - sum(move for move, _ in moves)
        most = held
        for move, decided in moves:
            held += move
            most = held if decided else max(most, held)
        if held < most:
            yield layer


def _decides(entry: Entry, cause: Cause) -> bool:
    """Whether a revision came from a decision about this very application."""
    fact = entry.fact
    return isinstance(fact, ApplicationDecided) and cause.get("application_id") == fact.application_id


def insured_twice(
    pack: Pack | None, shelf: Shelf, person: Person, ledger: Ledger, year: Year, setl_id: str | None
) -> tuple[Year, list[Signal]]:
    """The ledger's year after a look at the person's other ledgers of that year, and the signal if one changed.

    Two regions, or two insurance types, with a live settlement each: raised where the second one appears, withdrawn
    where it was raised, whichever of the two a correction takes away.
    """
    psn_no, region, number = ledger
    others = [other for other, its_year in person.ledgers if its_year == number and other != region]
    name = _TWICE
    if not others and len(year.insured) < 2 and name not in year.signals:
        return year, []
    held: dict[str, Year] = {region: year}
    for other in others:
        held[other] = shelf.get(year_field(psn_no, other, number)) or Year()
    insurances = sum(len(each.insured) for each in held.values())
    home = next((at for at, each in held.items() if each.signals.get(name, _NEVER).raised), None)
    if (insurances > 1) == (home is not None):
        return year, []
    at = home or region
    state = SignalState(home is None, held[at].signals.get(name, _NEVER).revision + 1)
    told = replace(held[at], signals={**held[at].signals, name: state})
    clause = _clause(pack, SignalKind.INSURED_TWICE) if state.raised else None
    signal = _signal((psn_no, at, number), (SignalKind.INSURED_TWICE, None), state, setl_id, clause)
    if at == region:
        return told, [signal]
    shelf.put(year_field(psn_no, at, number), told)
    return year, [signal]


def _name(kind: SignalKind, layer: LayerId | None) -> str:
    return f"{kind}:{layer or ''}"


_TWICE: Final = _name(SignalKind.INSURED_TWICE, None)


def _clause(pack: Pack | None, kind: SignalKind) -> str | None:
    return None if pack is None else next((each.clause for each in pack.watches if each.kind == kind), None)


def _signal(ledger: Ledger, cause: SignalCause, state: SignalState, setl_id: str | None, clause: str | None) -> Signal:
    psn_no, region, number = ledger
    kind, layer = cause
    return {
        "type": "signal",
        "signal_id": f"{psn_no}:{number}:{region}:{kind}:{layer or '-'}:{state.revision}",
        "kind": kind,
        "state": "raised" if state.raised else "withdrawn",
        "psn_no": psn_no,
        "year": number,
        "region": region,
        "layer": layer,
        "revision": state.revision,
        "setl_id": setl_id,
        "clause": clause,
    }
