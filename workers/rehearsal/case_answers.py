"""Where Yidan's answer to a row of a golden case is not what the case says."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from contracts.money import Fen, parse_yuan, yuan
from contracts.payout import CombinedPayout, Line
from contracts.signals import Signal
from contracts.vocabulary import HOSPITAL_SHARE, Correction, Kind, LayerId, SignalKind
from workers.adjudication.refuse import RefusedError
from workers.rehearsal.case_acts import PARTS
from workers.rehearsal.case_format import Case, Step, signal_word

NO_EFFECT: Final = frozenset(("repeated", "stale", "remembered"))
"""What an event comes to that changes nothing, or nothing yet: a row must say so."""


class Answer(Protocol):
    """What Yidan answers to one row."""

    @property
    def effect(self) -> str:
        """What the row came to (`workers.adjudication.books.Outcome`)."""

    @property
    def payouts(self) -> list[CombinedPayout]:
        """The payouts written, the row's own and the corrections of others."""

    @property
    def signals(self) -> list[Signal]:
        """The signals raised and withdrawn."""

    @property
    def refusal(self) -> RefusedError | None:
        """Why the row was refused, if it was."""


class Compared(NamedTuple):
    """One disagreement. `what` begins with `pays`, `pending` or `corrects` where it is about money."""

    what: str
    said: str
    found: str


def compare(case: Case, step: Step, answer: Answer) -> Iterator[Compared]:
    """Everything in which the answer to a row is not what the row says."""
    refusal = answer.refusal.reason if answer.refusal else None
    if refusal != step.refused:
        detail = f" ({answer.refusal.detail})" if answer.refusal else ""
        yield Compared("refused", step.refused or "accepted", f"{refusal or 'accepted'}{detail}")
    effect = answer.effect if answer.effect in NO_EFFECT else None
    if effect != step.effect:
        yield Compared("effect", step.effect or "that it has one", answer.effect)
    own: CombinedPayout | None = None
    others: dict[str, CombinedPayout] = {}
    about = _about(case, step)
    for payout in answer.payouts:
        name = _name(payout)
        if payout["kind"] != Kind.READJUDICATION and name == about:
            own = payout
        else:
            others[name] = payout
        yield from _sums(payout)
        yield from _directions(payout)
    yield from _compare_own(step, own)
    for name in sorted(set(step.corrects) | set(others)):
        found = _moved(others[name]) if name in others else {}
        yield from _amounts(f"corrects {name}", step.corrects.get(name, {}), found)
    yield from _compare_signals(step, answer)


def _about(case: Case, step: Step) -> str | None:
    """The settlement or application that a row is about, if it is about one."""
    step = case.meant(step)
    if step.voids is not None:
        step = case.meant(case.row(step.voids))
    return step.discharge or step.reverse or step.applies


def _name(payout: CombinedPayout) -> str:
    return payout["setl_id"] if "setl_id" in payout else payout["application_id"]


def _compare_own(step: Step, payout: CombinedPayout | None) -> Iterator[Compared]:
    lines = {LayerId(line["layer"]): line for line in payout["lines"]} if payout else {}
    pending = {layer: fen for layer, line in lines.items() if (fen := _fen(line.get("pending_payamt", "0.00")))}
    yield from _amounts("pays", step.pays, _moved(payout) if payout else {})
    yield from _amounts("pending", step.pending, pending)
    for layer, reason in step.nothing.items():
        found = lines[layer]["reason"] if layer in lines else "no such layer"
        if found != reason:
            yield Compared(f"nothing {layer}", reason, str(found))
    left = payout.get("left") if payout else None
    for part, amount in (step.left or {}).items():
        remains = str(left[PARTS[part]]) if left else "no bill"  # type: ignore[literal-required]
        if left is None or _fen(remains) != amount:
            yield Compared(f"left {part}", yuan(amount), remains)


def _sums(payout: CombinedPayout) -> Iterator[Compared]:
    """A bill must be what funds, person and hospital pay of it together."""
    if payout["kind"] in (Kind.SETTLEMENT, Kind.READJUDICATION):
        own_share = _fen(payout.get("other_payments", {}).get(HOSPITAL_SHARE, "0.00"))
        together = _fen(payout["fund_pay_sumamt"]) + _fen(payout["psn_part_amt"]) + own_share
        if together != _fen(payout["medfee_sumamt"]):
            yield Compared(f"the sums of {_name(payout)}", payout["medfee_sumamt"], yuan(together))


def _directions(payout: CombinedPayout) -> Iterator[Compared]:
    """A correction that gives is a top-up, one that takes a clawback; what is no correction says neither."""
    for line in payout["lines"]:
        wanted, found = _direction(payout, line), line.get("correction")
        if wanted != found:
            yield Compared(f"correction {_name(payout)} {line['layer']}", wanted or "none", found or "none")


def _direction(payout: CombinedPayout, line: Line) -> Correction | None:
    delta = _fen(line["delta"])
    corrects = payout["kind"] == Kind.READJUDICATION or (
        payout["kind"] == Kind.APPLICATION and (delta < 0 or payout["revision"] > 1)
    )
    if not corrects or not line["payable"]:
        return None
    return Correction.TOP_UP if delta > 0 else Correction.CLAWBACK


def _moved(payout: CombinedPayout) -> dict[LayerId, Fen]:
    """What each layer's payable lines move, by layer."""
    moved: dict[LayerId, Fen] = {}
    for line in payout["lines"]:
        if line["payable"]:
            layer = LayerId(line["layer"])
            moved[layer] = moved.get(layer, 0) + _fen(line["delta"])
    return moved


def _amounts(what: str, said: Mapping[LayerId, Fen], found: Mapping[LayerId, Fen]) -> Iterator[Compared]:
    for layer in LayerId:
        if said.get(layer, 0) != found.get(layer, 0):
            yield Compared(f"{what} {layer}", yuan(said.get(layer, 0)), yuan(found.get(layer, 0)))


def _compare_signals(step: Step, answer: Answer) -> Iterator[Compared]:
    """Signals must be told exactly; those of caps only where the row speaks of them."""
    told = [(signal["state"], signal_word(signal["kind"], signal["layer"])) for signal in answer.signals]
    speaks_of_caps = any(word.startswith(SignalKind.CAP_REACHED) for word in step.withdraws)
    for state, said, what in (("raised", step.warns, "warns"), ("withdrawn", step.withdraws, "withdraws")):
        found = [word for was, word in told if was == state]
        if not (speaks_of_caps and state == "withdrawn"):
            found = [word for word in found if not word.startswith(SignalKind.CAP_REACHED)]
        if sorted(found) != sorted(said):
            yield Compared(what, ", ".join(said) or "nothing", ", ".join(sorted(found)) or "nothing")
    if step.caps is not None:
        reached = [signal for signal in answer.signals if signal["kind"] == SignalKind.CAP_REACHED]
        caps = sorted(str(signal["layer"]) for signal in reached if signal["state"] == "raised")
        if caps != sorted(step.caps):
            yield Compared("caps", ", ".join(step.caps) or "none", ", ".join(caps) or "none")


def _fen(amount: str) -> Fen:
    return -parse_yuan(amount[1:]) if amount.startswith("-") else parse_yuan(amount)
