"""How golden cases are written: strict models of a pack's `*.cases.toml`. For officers: `contracts/packs/README.md`."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator, PrivateAttr, ValidationError, model_validator

from contracts.money import Fen
from contracts.pack_errors import problems
from contracts.pack_fields import ExclusionWord, FundField, LayerWord, Money, Region, Text, one_of
from contracts.pack_file import parse_toml
from contracts.pack_format import Section
from contracts.pack_problem import PackError
from contracts.vocabulary import LayerId, Reason, Refusal, SignalKind


def _signed(value: object) -> Fen:
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and value * 100 % 1 == 0:
        return int(value * 100)
    raise ValueError("write yuan with at most two decimals, without quotes")


SignedMoney = Annotated[Fen, PlainValidator(_signed)]
Amounts = dict[LayerWord, SignedMoney]
ReasonWord = Annotated[Reason, one_of({reason.value: reason for reason in Reason})]
Words = Annotated[tuple[Text, ...], Field(strict=False)]
Part = Literal["copay_policy", "copay_catalogue", "over_limit", "self_pay"]

OF_A_LAYER: Final = frozenset((SignalKind.CAP_REACHED, SignalKind.CLAWBACK_NEEDS_DECISION))
"""The kinds of signal that are about one layer; a case writes them `kind.layer`."""


def signal_word(kind: SignalKind, layer: LayerId | None) -> str:
    """How a case writes a signal: `large_bill`, `clawback_needs_decision.assistance_inpatient`."""
    return kind.value if layer is None else f"{kind}.{layer}"


_SIGNALS: Final = [
    signal_word(kind, layer) for kind in SignalKind for layer in (LayerId if kind in OF_A_LAYER else (None,))
]
_RAISED: Final = {word: word for word in _SIGNALS if not word.startswith(SignalKind.CAP_REACHED)}
"""Caps that are reached have a key of their own, `caps`: most rows say nothing about them."""
RaisedWord = Annotated[str, one_of(_RAISED)]
WithdrawnWord = Annotated[str, one_of({word: word for word in _SIGNALS})]


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


class Application(Section):
    """What the office found about an application for a `year`; what is not said is as it usually is."""

    applicant: Text
    year: int
    applied_on: date | None = None
    hardship_application: Literal["granted", "refused", "not_made"] | None = None
    resident: bool = True
    insured_years: int | None = None
    other_assistance: Money = 0
    objections: bool = False
    approved: bool = True


class Balance(Section):
    """What a layer had counted and paid in the year before it was carried in."""

    base: Money
    paid: Money


class Adoption(Section):
    """Keys of the pack that change from this row on, written as `otherwise` of a reading writes them.

    `from`: the first day of discharge that is priced again; left out, nothing of the past is.
    """

    first_day: date | None = Field(None, alias="from")
    changes: Annotated[dict[str, Any], Field(min_length=1)]


ACTS: Final = ("discharge", "reverse", "applies", "becomes", "voids", "carried_in", "again", "adopts")
"""The keys that say what a row is."""


class Step(Person):
    """One row of a story and what Yidan must answer. Its act is one of `ACTS`.

    `copay_policy` is the in-scope money that basic insurance has left; `total` minus all parts is what it paid.
    `pays` names every computed layer that pays anything; a reversal takes back negative amounts and `corrects` others.
    """

    day: date
    discharge: Text | None = None
    reverse: Text | None = None
    applies: Text | None = None
    becomes: Words | None = None
    voids: Text | None = None
    carried_in: Annotated[dict[LayerWord, Balance], Field(min_length=1)] | None = None
    again: Text | None = None
    adopts: Adoption | None = None
    application: Application | None = None
    arrives: date | None = None
    year: int | None = None
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
    warns: Annotated[tuple[RaisedWord, ...], Field(strict=False)] = ()
    withdraws: Annotated[tuple[WithdrawnWord, ...], Field(strict=False)] = ()
    caps: Annotated[tuple[LayerWord, ...], Field(strict=False)] | None = None
    corrects: dict[str, Amounts] = Field(default_factory=dict)
    effect: Literal["repeated", "stale", "remembered"] | None = None
    refused: Annotated[Refusal, one_of({refusal.value: refusal for refusal in Refusal})] | None = None

    @model_validator(mode="after")
    def _one_act(self) -> "Step":
        if sum(getattr(self, act) is not None for act in ACTS) != 1:
            raise ValueError(f"a row is one of {', '.join(ACTS)}")
        if (self.applies is None) != (self.application is None):
            raise ValueError("applies = name and application = { … } belong together")
        if self.discharge is not None and (self.kind is None) == (self.med_type is None):
            raise ValueError("a discharge says its kind, or its med_type")
        if "hifp_pay" in self.funds:
            raise ValueError("write total: what the parts do not add up to is paid by basic insurance")
        if self.arrives is not None and (self.discharge is None or self.arrives < self.day):
            raise ValueError("arrives is a later day than day, on which a discharge comes; for other rows day is that")
        if self.year is not None and self.carried_in is None and self.adopts is None:
            raise ValueError("year belongs to carried_in and adopts; a discharge is counted on its day")
        return self

    @property
    def name(self) -> str:
        """How other rows and reports call the row: a discharge or application by its name, else `reverse A`."""
        if self.becomes is not None:
            return f"becomes {'、'.join(self.becomes) or 'nothing'}"
        if self.carried_in is not None or self.adopts is not None:
            return "adopts" if self.carried_in is None else "carried_in"
        return (
            self.discharge
            or self.applies
            or next(
                f"{act} {named}" for act in ("reverse", "voids", "again") if (named := getattr(self, act)) is not None
            )
        )


class Case(Person):
    """One person's year, told in order."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    says: Text
    story: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)]
    _file: str = PrivateAttr("")

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> "Case":
        names = [step.name for step in self.story]
        for place, step in enumerate(self.story):
            if step.again is not None and step.again not in names[:place]:
                raise ValueError(f"again = {step.again}: name an earlier row")
        for name in (step.voids for step in self.story if step.voids is not None):
            named = self.meant(self.row(name)) if name in names else None
            if named is None or not (named.discharge or named.reverse or named.voids):
                raise ValueError(f"voids = {name}: name a row that has a message id: A, reverse A, voids A, again A")
        applications = {step.applies for step in self.story if step.applies is not None}
        if both := sorted(applications & {step.discharge for step in self.story if step.discharge is not None}):
            raise ValueError(f"{'、'.join(both)} is a discharge and an application: give each a name of its own")
        return self

    def row(self, name: str) -> Step:
        """The first row of that name."""
        return next(step for step in self.story if step.name == name)

    def meant(self, step: Step) -> Step:
        """The row itself, or the one that comes once more."""
        while step.again is not None:
            step = self.row(step.again)
        return step

    @property
    def file(self) -> str:
        """The file that tells it."""
        return self._file


class CaseFile(Section):
    """A pack's golden cases."""

    cases: Annotated[tuple[Case, ...], Field(strict=False)] = ()


def read_cases(text: str, file: str) -> tuple[Case, ...]:
    """The cases of a file, each of which knows it. Raises `PackError`."""
    tree = parse_toml(text, file)
    try:
        cases = CaseFile.model_validate(tree).cases
    except ValidationError as fault:
        raise PackError(
            replace(problem, name="case_is_malformed")
            for problem in problems(fault, tree, file, other="case_is_malformed")
        ) from None
    for case in cases:
        case._file = file
    return cases
