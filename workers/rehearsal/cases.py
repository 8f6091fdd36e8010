"""Golden cases: a person's year told in rows, each with what it pays, settled through the real path from real bytes.

They are the part of a pack that an officer checks with a calculator. The format stands in `contracts/packs/README.md`.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

import orjson
from pydantic import Field, PlainValidator, ValidationError, model_validator

from contracts.money import Fen, parse_yuan, yuan
from contracts.pack import Pack, PackSet
from contracts.pack_fields import ExclusionWord, FundField, LayerWord, Money, Region, Text
from contracts.pack_file import CASES_SUFFIX, SHIPPED, files_of, load_directory, parse_toml
from contracts.pack_format import Section
from contracts.pack_problem import PackError, Problem
from contracts.payout import CombinedPayout
from contracts.signals import Signal
from contracts.vocabulary import HOSPITAL_SHARE, Kind, LayerId, Reason, Refusal, SignalKind
from workers.adjudication.refuse import RefusedError
from workers.settlement.offline import Settler

MED_TYPE_OF_KIND: Final = {"住院": "21", "特殊病种门诊": "14", "门诊": "11", "急诊": "13"}
"""The national care type that a case means by each word."""

PARTS: Final = {
    "copay_policy": "inscp_scp_amt",
    "copay_catalogue": "preselfpay_amt",
    "over_limit": "overlmt_selfpay",
    "self_pay": "fulamt_ownpay_amt",
}
"""The words of a case for the four parts of a bill as basic insurance left them, and their wire fields."""


def _signed(value: object) -> Fen:
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and value * 100 % 1 == 0:
        return int(value * 100)
    raise ValueError("write yuan with at most two decimals, without quotes")


SignedMoney = Annotated[Fen, PlainValidator(_signed)]
Amounts = dict[LayerWord, SignedMoney]
ReasonWord = Annotated[Reason, PlainValidator(Reason)]
WarningWord = Annotated[SignalKind, PlainValidator(SignalKind)]
Words = Annotated[tuple[Text, ...], Field(strict=False)]
Part = Literal["copay_policy", "copay_catalogue", "over_limit", "self_pay"]


class Person(Section):
    """Who a case or one of its rows is about. What is not said comes from the case; what it does not say is usual.

    `who` are words of the pack's benefit tables, `codes` identity codes, valid from `since` to `until`.
    """

    who: Words | None = None
    codes: Words | None = None
    since: date | None = None
    until: date | None = None
    insutype: Text | None = None
    region: Region | None = None
    premium_subsidised: bool | None = None


class Step(Person):
    """One row of a story: a discharge or a reversal on a `day`, and what Yidan must answer.

    `copay_policy` is the in-scope money that basic insurance has left; `total` minus all parts is what it paid.
    `pays` names every computed layer that pays anything; a reversal takes back negative amounts and `corrects` others.
    """

    day: date
    discharge: Text | None = None
    reverse: Text | None = None
    kind: Literal["住院", "特殊病种门诊", "门诊", "急诊"] | None = None
    med_type: Text | None = None
    admitted: date | None = None
    where: Region | None = None
    total: Money | None = None
    copay_catalogue: Money = 0
    copay_policy: Money = 0
    over_limit: Money = 0
    self_pay: Money = 0
    funds: dict[FundField, Money] = Field(default_factory=dict)
    own_account: Money | None = None
    excluded: Annotated[tuple[ExclusionWord, ...], Field(strict=False)] = ()

    pays: Amounts = Field(default_factory=dict)
    pending: Amounts = Field(default_factory=dict)
    nothing: dict[LayerWord, ReasonWord] = Field(default_factory=dict)
    left: dict[Part, Money] | None = None
    warns: Annotated[tuple[WarningWord, ...], Field(strict=False)] = ()
    withdraws: Annotated[tuple[WarningWord, ...], Field(strict=False)] = ()
    caps: Annotated[tuple[LayerWord, ...], Field(strict=False)] | None = None
    corrects: dict[str, Amounts] = Field(default_factory=dict)
    refused: Annotated[Refusal, PlainValidator(Refusal)] | None = None

    @model_validator(mode="after")
    def _one_act(self) -> "Step":
        if (self.discharge is None) == (self.reverse is None):
            raise ValueError("a row is either a discharge or a reverse")
        if self.discharge is not None and (self.kind is None) == (self.med_type is None):
            raise ValueError("a discharge says its kind, or its med_type")
        if "hifp_pay" in self.funds:
            raise ValueError("write total: what the parts do not add up to is paid by basic insurance")
        return self

    @property
    def name(self) -> str:
        """How the row is called in a report."""
        return self.discharge or f"reverse {self.reverse}"


class Case(Person):
    """One person's year, told in order."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    says: Text
    story: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)]


class CaseFile(Section):
    """A pack's golden cases."""

    cases: Annotated[tuple[Case, ...], Field(strict=False)] = ()


class Difference(NamedTuple):
    """Where a case and Yidan disagree. `what` begins with `pays`, `pending` or `corrects` where it is about money."""

    case: str
    row: str
    what: str
    said: str
    found: str

    def __str__(self) -> str:
        return f"{self.case}: {self.row}: {self.what}: the case says {self.said}, Yidan says {self.found}"

    @property
    def is_money(self) -> bool:
        """Whether the disagreement is about an amount that somebody would receive."""
        return self.what.startswith(("pays ", "pending ", "corrects "))


def read_cases(text: str, file: str) -> tuple[Case, ...]:
    """The cases of a file. Raises `PackError`."""
    try:
        return CaseFile.model_validate(parse_toml(text, file)).cases
    except ValidationError as fault:
        fix = "see contracts/packs/README.md"
        raise PackError(
            Problem(file, ".".join(map(str, error["loc"])), "case_is_malformed", error["msg"], fix)
            for error in fault.errors(include_url=False, include_context=False)
        ) from None


def codes_of_words(pack: Pack) -> dict[str, str | None]:
    """The first identity code behind each word of a pack's benefit tables; None for a row for everybody."""
    city, _ = files_of(pack.texts)
    return {
        row.who: row.codes[0] if row.codes else None
        for layer in reversed(city.computed())
        for row in reversed(layer.benefits)
    }


class Answer(Protocol):
    """What Yidan answers to one row."""

    @property
    def payouts(self) -> list[CombinedPayout]:
        """The payouts written, the row's own and the corrections of others."""

    @property
    def signals(self) -> list[Signal]:
        """The signals raised and withdrawn."""

    @property
    def refusal(self) -> RefusedError | None:
        """Why the row was refused, if it was."""


# ── Telling a story ──────────────────────────────────────────────────────────────────────────────────────────


def event_of(case: Case, step: Step, number: int, pack: Pack, words: Mapping[str, str | None]) -> bytes:
    """The event that a gateway would send for a row, as bytes. `number` orders the rows of a day."""
    told: dict[str, Any] = {
        "psn_no": f"case-{case.name}"[:64].replace("_", "-"),
        "msgid": f"{number}",
        "setl_time": f"{step.day}T10:{number:02d}:00+08:00",
        "insuplc_admdvs": step.region or case.region or pack.county or pack.region,
    }
    if step.reverse is not None:
        return orjson.dumps({"type": "reversed", "setl_id": step.reverse, "mdtrt_id": step.reverse, **told})
    parts = {part: getattr(step, part) for part in PARTS}
    total = sum(parts.values()) if step.total is None else step.total
    basic = total - sum(parts.values())
    if basic < 0:
        raise ValueError(f"{case.name}: {step.name}: total is less than the parts of the bill")
    parts["copay_policy"] += basic
    told |= {
        "type": "settled",
        "setl_id": step.discharge,
        "mdtrt_id": step.discharge,
        "insutype": step.insutype or case.insutype or "390",
        "med_type": step.med_type or MED_TYPE_OF_KIND[step.kind or "住院"],
        "mdtrtarea_admvs": step.where or pack.county or pack.region,
        "fixmedins_code": f"H{step.where or pack.county or pack.region}00001",
        "begndate": f"{step.admitted or step.day}",
        "enddate": f"{step.day}",
        "psn_idet": _identities(case, step, words),
        "premium_subsidised": case.premium_subsidised if step.premium_subsidised is None else step.premium_subsidised,
        "exclusions": list(step.excluded),
        "medfee_sumamt": yuan(total),
        "hifp_pay": yuan(basic),
        "acct_pay": None if step.own_account is None else yuan(step.own_account),
        **{field: yuan(amount) for field, amount in step.funds.items()},
        **{field: yuan(parts[part]) for part, field in PARTS.items()},
    }
    return orjson.dumps(told)


def _identities(case: Case, step: Step, words: Mapping[str, str | None]) -> list[dict[str, str | None]]:
    teller: Person = case if step.who is None and step.codes is None else step
    unknown = [word for word in teller.who or () if word not in words]
    if unknown:
        raise ValueError(f"{case.name}: no row of the pack is for {'、'.join(unknown)}")
    codes = [*(words[word] for word in teller.who or ()), *(teller.codes or ())]
    since, until = step.since or case.since, step.until or case.until
    return [
        {"psn_idet_type": code, "begntime": f"{since or '2000-01-01'}", "endtime": f"{until}" if until else None}
        for code in codes
        if code is not None
    ]


def run(case: Case, pack: Pack) -> list[Difference]:
    """Settles a case under a pack and says where they disagree; empty where they agree to the fen."""
    settler, words = Settler(PackSet([pack])), codes_of_words(pack)
    differences: list[Difference] = []
    for number, step in enumerate(case.story, 1):
        taken = settler.take(event_of(case, step, number, pack, words))
        for what, said, found in _compare(step, taken):
            differences.append(Difference(case.name, step.name, what, said, found))
    return differences


Compared = tuple[str, str, str]


def _compare(step: Step, taken: Answer) -> Iterator[Compared]:
    refusal = taken.refusal.reason if taken.refusal else None
    if refusal != step.refused:
        detail = f" ({taken.refusal.detail})" if taken.refusal else ""
        yield "refused", step.refused or "accepted", f"{refusal or 'accepted'}{detail}"
    if taken.refusal:
        return
    own, others = None, {}
    for payout in taken.payouts:
        if payout["kind"] == Kind.READJUDICATION:
            others[payout["setl_id"]] = payout
        else:
            own = payout
    if own is not None:
        yield from _compare_own(step, own)
    for name in sorted(set(step.corrects) | set(others)):
        found = _moved(others[name]) if name in others else {}
        yield from _amounts(f"corrects {name}", step.corrects.get(name, {}), found)
    yield from _compare_signals(step, taken)


def _compare_own(step: Step, payout: CombinedPayout) -> Iterator[Compared]:
    yield from _amounts("pays", step.pays, _moved(payout))
    lines = {LayerId(line["layer"]): line for line in payout["lines"]}
    pending = {layer: fen for layer, line in lines.items() if (fen := _fen(line.get("pending_payamt", "0.00")))}
    yield from _amounts("pending", step.pending, pending)
    for layer, reason in step.nothing.items():
        found = lines[layer]["reason"] if layer in lines else "no such layer"
        if found != reason:
            yield f"nothing {layer}", reason, str(found)
    for part, amount in (step.left or {}).items():
        left = payout.get("left", {}).get(PARTS[part], "0.00")
        if _fen(str(left)) != amount:
            yield f"left {part}", yuan(amount), str(left)
    if step.discharge is not None:
        own_share = _fen(payout.get("other_payments", {}).get(HOSPITAL_SHARE, "0.00"))
        together = _fen(payout["fund_pay_sumamt"]) + _fen(payout["psn_part_amt"]) + own_share
        if together != _fen(payout["medfee_sumamt"]):
            yield "the payout's sums", payout["medfee_sumamt"], yuan(together)


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
            yield f"{what} {layer}", yuan(said.get(layer, 0)), yuan(found.get(layer, 0))


def _compare_signals(step: Step, taken: Answer) -> Iterator[Compared]:
    """Watches must be told exactly; caps only where the row speaks of them."""
    watches = {"raised": step.warns, "withdrawn": step.withdraws}
    told = [(signal["state"], signal["kind"], signal["layer"]) for signal in taken.signals]
    for (state, said), what in zip(watches.items(), ("warns", "withdraws"), strict=True):
        found = sorted(kind for was, kind, _ in told if was == state and kind != SignalKind.CAP_REACHED)
        if found != sorted(said):
            yield what, ", ".join(said) or "nothing", ", ".join(found) or "nothing"
    if step.caps is not None:
        caps = sorted(str(layer) for was, kind, layer in told if was == "raised" and kind == SignalKind.CAP_REACHED)
        if caps != sorted(step.caps):
            yield "caps", ", ".join(step.caps) or "none", ", ".join(caps) or "none"


def _fen(amount: str) -> Fen:
    return -parse_yuan(amount[1:]) if amount.startswith("-") else parse_yuan(amount)


# ── A directory ──────────────────────────────────────────────────────────────────────────────────────────────


def cases_of(pack: Pack, directory: Path | None = None) -> tuple[Case, ...]:
    """The golden cases that stand beside a pack's file; none for a county without any. Raises `PackError`."""
    for path in sorted((directory or SHIPPED).glob("*.toml")):
        if not path.name.endswith(CASES_SUFFIX) and path.read_text("utf-8") == pack.texts[-1]:
            cases = path.with_name(path.name.removesuffix(".toml") + CASES_SUFFIX)
            return read_cases(cases.read_text("utf-8"), cases.name) if cases.is_file() else ()
    raise FileNotFoundError(f"no file of {pack.name} here")


def rehearse(directory: Path | None = None) -> tuple[int, list[Difference]]:
    """Runs every golden case of every pack of a directory: how many there are, and where they disagree."""
    count, differences = 0, []
    for pack in load_directory(directory).packs:
        for case in cases_of(pack, directory):
            count += 1
            differences += run(case, pack)
    return count, differences
