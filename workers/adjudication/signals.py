"""What must be told about a person-year: raised once, withdrawn when a correction takes the cause away."""

from collections.abc import Mapping

from contracts.discharge import Settled
from contracts.journal import Account, SignalState, Year
from contracts.pack import Pack, Watch
from contracts.signals import Signal
from contracts.vocabulary import LayerId, SignalKind
from workers.adjudication.adjudicate import Adjudication


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
    meant = (each.codes is None or not each.codes.isdisjoint(codes)) and (each.cares is None or bill.care in each.cares)
    return int(meant and bill.medfee_sumamt > 0 and adjudication.psn_part_amt == 0)


def changes(
    pack: Pack,
    psn_no: str,
    year_number: int,
    setl_id: str | None,
    year: Year,
    accounts: Mapping[str, Account],
    watched: Mapping[str, int],
) -> tuple[Mapping[str, SignalState], list[Signal]]:
    """The signals' states after an event, and a signal for each that changed. `setl_id` is the event's settlement."""
    standing: dict[tuple[SignalKind, LayerId | None], str | None] = {}
    for each in pack.watches:
        reached = watched.get(each.kind, 0)
        if reached and reached >= (each.at_least or 1):
            standing[each.kind, None] = each.clause
    for layer_id, account in accounts.items():
        if account.cap is not None and 0 < account.paid == account.cap:
            standing[SignalKind.CAP_REACHED, LayerId(layer_id)] = None
    if not standing and not year.signals:
        return year.signals, []
    states = dict(year.signals)
    emitted: list[Signal] = []
    names = [
        (SignalKind(kind), LayerId(layer) if layer else None)
        for kind, _, layer in (name.partition(":") for name in states)
    ]
    for kind, layer in dict.fromkeys([*names, *standing]):
        name = f"{kind}:{layer or ''}"
        held = states.get(name, SignalState(False, 0))
        raised = (kind, layer) in standing
        if raised == held.raised:
            continue
        states[name] = SignalState(raised, held.revision + 1)
        emitted.append(
            {
                "type": "signal",
                "signal_id": f"{psn_no}:{year_number}:{pack.region}:{kind}:{layer or '-'}:{held.revision + 1}",
                "kind": kind,
                "state": "raised" if raised else "withdrawn",
                "psn_no": psn_no,
                "year": year_number,
                "region": pack.region,
                "layer": layer,
                "revision": held.revision + 1,
                "setl_id": setl_id,
                "clause": standing.get((kind, layer)),
            }
        )
    return states, emitted
