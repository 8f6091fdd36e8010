"""How golden cases are written: strict models of a pack's `*.cases.toml`. For officers: `contracts/packs/README.md`."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, PrivateAttr, ValidationError, model_validator

from contracts.money import Fen
from contracts.pack_errors import problems
from contracts.pack_fields import ExclusionWord, FundField, LayerWord, Money, Region, Text, one_of
from contracts.pack_file import parse_toml
from contracts.pack_format import Section
from contracts.pack_problem import PackError
from contracts.vocabulary import Reason, Refusal, SignalKind


def _signed(value: object) -> Fen:
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and value * 100 % 1 == 0:
        return int(value * 100)
    raise ValueError("write yuan with at most two decimals, without quotes")


SignedMoney = Annotated[Fen, PlainValidator(_signed)]
Amounts = dict[LayerWord, SignedMoney]
ReasonWord = Annotated[Reason, one_of({reason.value: reason for reason in Reason})]
WarningWord = Annotated[SignalKind, one_of({kind.value: kind for kind in SignalKind})]
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


class Step(Person):
    """One row of a story and what Yidan must answer: a discharge, a reversal, a decided application, a known identity.

    `copay_policy` is the in-scope money that basic insurance has left; `total` minus all parts is what it paid.
    `pays` names every computed layer that pays anything; a reversal takes back negative amounts and `corrects` others.
    """

    day: date
    discharge: Text | None = None
    reverse: Text | None = None
    applies: Text | None = None
    becomes: Words | None = None
    application: Application | None = None
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
    refused: Annotated[Refusal, one_of({refusal.value: refusal for refusal in Refusal})] | None = None

    @model_validator(mode="after")
    def _one_act(self) -> "Step":
        if sum(act is not None for act in (self.discharge, self.reverse, self.applies, self.becomes)) != 1:
            raise ValueError("a row is one of discharge, reverse, applies, becomes")
        if (self.applies is None) != (self.application is None):
            raise ValueError("applies = name and application = { … } belong together")
        if self.discharge is not None and (self.kind is None) == (self.med_type is None):
            raise ValueError("a discharge says its kind, or its med_type")
        if "hifp_pay" in self.funds:
            raise ValueError("write total: what the parts do not add up to is paid by basic insurance")
        return self

    @property
    def name(self) -> str:
        """How the row is called in a report."""
        if self.becomes is not None:
            return f"becomes {'、'.join(self.becomes) or 'nothing'}"
        return self.discharge or self.applies or f"reverse {self.reverse}"


class Case(Person):
    """One person's year, told in order."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    says: Text
    story: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)]
    _file: str = PrivateAttr("")

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
