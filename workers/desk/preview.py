"""What payouts move: settlement by settlement and layer by layer, and in all by fund, by hospital and by payee.

Money that is paid out and money that is asked back stand apart and are never set off: whether a clawback is asked for
is somebody's decision, and a fund's loss is not another person's gain.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.money import Fen, yuan
from contracts.payout import CombinedPayout, Line
from contracts.vocabulary import Payee
from workers.adjudication.explain_layer import fen_of
from workers.settlement.pipeline import Movement, movement_of

_OUT: Final = (Movement.PAID, Movement.TOP_UP)
"""Movements from a fund to a payee; the others go back."""


@dataclass(slots=True)
class Flow:
    """Sums in fen, one a way in which money moves; none is negative."""

    paid: Fen = 0
    returned: Fen = 0
    top_up: Fen = 0
    clawback: Fen = 0

    def add(self, way: Movement, amount: Fen) -> None:
        """Add an amount that moved this way."""
        setattr(self, way.value, self.of(way) + amount)

    def of(self, way: Movement) -> Fen:
        """The sum of one way."""
        amount: Fen = getattr(self, way.value)
        return amount

    @property
    def net(self) -> Fen:
        """What the fund has less afterwards."""
        return sum(self.of(way) if way in _OUT else -self.of(way) for way in Movement)

    def written(self) -> dict[str, str]:
        """As JSON writes it, in yuan."""
        return {way.value: yuan(self.of(way)) for way in Movement} | {"net": yuan(self.net)}


@dataclass(frozen=True, slots=True)
class LayerMove:
    """One layer of a settlement whose amount changes, in fen. `way` is None where the platform moves it, not we."""

    layer: str
    label: str
    fund_pay_type: str
    before: Fen
    after: Fen
    way: Movement | None
    payee: Payee | None

    @property
    def change(self) -> Fen:
        """What the layer pays more than before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Change:
    """One payout's money: the settlement or application, and the layers that change, in the pack's order."""

    payout_id: str
    kind: str
    setl_id: str | None
    application_id: str | None
    fixmedins_code: str | None
    revision: int
    layers: tuple[LayerMove, ...]


@dataclass(slots=True)
class Totals:
    """What many payouts move, added up as they come; it keeps sums only, so a whole region fits."""

    payouts: int = 0
    all: Flow = field(default_factory=Flow)
    by_fund: dict[tuple[str, str], Flow] = field(default_factory=dict)
    """By fund code and label of the layer."""
    by_hospital: dict[tuple[str | None, Payee], Flow] = field(default_factory=dict)
    """By hospital and who settles the money with the fund for its bills; None stands for applications."""
    by_payee: dict[Payee, Flow] = field(default_factory=dict)

    def take(self, payout: CombinedPayout) -> None:
        """Add a payout."""
        self.payouts += 1
        for line in payout["lines"]:
            payee = line["payee"]
            if not line["payable"] or payee is None:
                continue
            way, amount = movement_of(line)
            whose = Payee(payee)
            for sums in (
                self.all,
                self.by_fund.setdefault((line["fund_pay_type"], line["label"]), Flow()),
                self.by_hospital.setdefault((payout.get("fixmedins_code"), whose), Flow()),
                self.by_payee.setdefault(whose, Flow()),
            ):
                sums.add(way, amount)

    def written(self) -> dict[str, Any]:
        """As JSON writes it, in yuan; rows in order of their keys."""
        return {
            "payouts": self.payouts,
            "all": self.all.written(),
            "by_fund": [
                {"fund_pay_type": code, "label": label, **flow.written()}
                for (code, label), flow in sorted(self.by_fund.items())
            ],
            "by_hospital": [
                {"fixmedins_code": code, "payee": payee.value, **flow.written()}
                for (code, payee), flow in sorted(
                    self.by_hospital.items(), key=lambda row: (row[0][0] or "", row[0][1])
                )
            ],
            "by_payee": [{"payee": payee.value, **flow.written()} for payee, flow in sorted(self.by_payee.items())],
        }


@dataclass(frozen=True, slots=True)
class Movements:
    """What some payouts move, each and in all; `labels` name the layers that they speak of."""

    changes: tuple[Change, ...]
    totals: Totals
    labels: dict[str, str]

    def written(self) -> dict[str, Any]:
        """As JSON writes it, in yuan."""
        return {"settlements": [_written(change) for change in self.changes], "totals": self.totals.written()}


def summary(payouts: Iterable[CombinedPayout], totals: Totals | None = None) -> Movements:
    """What payouts move. With `totals` they are added to what is there already, for sums over many persons."""
    totals = Totals() if totals is None else totals
    changes: list[Change] = []
    labels: dict[str, str] = {}
    for payout in payouts:
        totals.take(payout)
        labels |= {line["layer"]: line["label"] for line in payout["lines"]}
        changes.append(
            Change(
                payout["payout_id"],
                payout["kind"],
                payout.get("setl_id"),
                payout.get("application_id"),
                payout.get("fixmedins_code"),
                payout["revision"],
                tuple(_layer(line) for line in payout["lines"] if fen_of(line["delta"])),
            )
        )
    return Movements(tuple(changes), totals, labels)


def _layer(line: Line) -> LayerMove:
    after = fen_of(line["fund_payamt"])
    payee = line["payee"]
    return LayerMove(
        line["layer"],
        line["label"],
        line["fund_pay_type"],
        after - fen_of(line["delta"]),
        after,
        movement_of(line)[0] if line["payable"] else None,
        None if payee is None else Payee(payee),
    )


def _written(change: Change) -> dict[str, Any]:
    named = {
        "setl_id": change.setl_id,
        "application_id": change.application_id,
        "fixmedins_code": change.fixmedins_code,
    }
    return {
        "payout_id": change.payout_id,
        "kind": change.kind,
        **{name: value for name, value in named.items() if value is not None},
        "revision": change.revision,
        "layers": [
            {
                "layer": layer.layer,
                "label": layer.label,
                "fund_pay_type": layer.fund_pay_type,
                "before": yuan(layer.before),
                "after": yuan(layer.after),
                "delta": yuan(layer.change),
                "movement": None if layer.way is None else layer.way.value,
                "payee": None if layer.payee is None else layer.payee.value,
            }
            for layer in change.layers
        ],
    }
