"""The TOML of a policy pack as strict models: every key known, every amount exact, every word in the vocabulary.

The page for officers is `contracts/packs/README.md`. A model here says what one file may write; what must hold between
its parts stands in `contracts.pack_rules`, what must hold against the documents in `contracts.pack_check`.
"""

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from contracts.pack_fields import (
    BucketWord,
    Cap,
    CareWords,
    ExclusionWord,
    FenUnit,
    FundField,
    FundPayType,
    IdentityCodes,
    InsuranceTypes,
    LayerWord,
    Money,
    MonthAndDay,
    Region,
    Requirement,
    Text,
    Texts,
    Tier,
    wrong,
)


class Section(BaseModel):
    """A table of the file: an unknown key is an error, never ignored, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class Rounding(Section):
    """How a payment is rounded. One way only: half up to the fen on the year's total."""

    unit: FenUnit
    mode: Literal["half_up"]


class Document(Section):
    """A published document. `text` names its file in `documents/`; `issued` is left out where the text has no date."""

    number: Text
    title: Text
    issuer: Texts
    issued: date | None = None
    effective: date
    text: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\.txt$")]


class Citation(Section):
    """A clause, word for word, and the keys it supports. `document` only where it is not the layer's own.

    `who`: the rows of the benefit table that it is about, where it is not about all.
    """

    clause: Text
    supports: Texts
    who: Texts | None = None
    quote: Text
    document: Text | None = None

    def is_about(self, who: str) -> bool:
        """Whether it is about a row of the benefit table."""
        return self.who is None or who in self.who


class BenefitRow(Section):
    """One row of a benefit table: whom it is for, and what they get.

    Exactly one of `codes` (identities), `everybody` and, beside its codes, `delegated` (a lower authority sets the
    numbers, so the row has none).
    """

    who: Text
    codes: IdentityCodes | None = None
    everybody: Literal[True] | None = None
    delegated: Literal[True] | None = None
    deductible: Money | None = None
    tiers: Annotated[tuple[Tier, ...], Field(strict=False)] | None = None
    cap: Cap | None = None

    @model_validator(mode="after")
    def _complete(self) -> "BenefitRow":
        if self.everybody is None and not self.codes:
            raise wrong("codes_are_missing", 'name the identity codes, codes = ["2303"], or write everybody = true')
        if self.everybody is not None and self.codes is not None:
            raise wrong("row_says_two_things", "a row for everybody names no codes")
        if self.delegated:
            if (self.deductible, self.tiers, self.cap) != (None, None, None) or self.everybody:
                raise wrong("row_says_two_things", "a delegated row has codes and no numbers: the county file has them")
        else:
            _need_numbers(self)
        return self


def _need_numbers(row: "BenefitRow | FilledRow") -> None:
    if row.cap is None:
        raise wrong("cap_is_missing", 'write the cap in yuan, or cap = "none" where the document lifts it')
    if row.deductible is None:
        raise wrong("deductible_is_missing", "write the deductible, deductible = 0 where there is none")
    if not row.tiers:
        raise wrong("tiers_are_missing", "write the shares as tiers = [[0, 0.70]]")
    starts = [start for start, _ in row.tiers]
    if starts[0] != 0:
        raise wrong("tiers_do_not_start_at_0", "the first tier starts at 0; the deductible has its own key")
    if any(later <= earlier for earlier, later in pairwise(starts)):
        raise wrong("tiers_overlap", "write tiers in rising order, each start once")


class FilledRow(Section):
    """A county's numbers for a row that its city delegated; who it is for stays as the city wrote it."""

    who: Text
    deductible: Money | None = None
    tiers: Annotated[tuple[Tier, ...], Field(strict=False)] | None = None
    cap: Cap | None = None

    @model_validator(mode="after")
    def _complete(self) -> "FilledRow":
        _need_numbers(self)
        return self


class ReportedLayer(Section):
    """A layer that somebody else computes: its payment arrives in fund fields and stands as reported."""

    id: LayerWord
    label: Text
    reported: Annotated[tuple[FundField, ...], Field(strict=False, min_length=1)]
    fund_pay_type: FundPayType


class Application(Section):
    """What must hold before a layer paid on application may be paid.

    `until` is the last day in the following year; `applicants` maps what the office calls an applicant to a row's
    `who`; `hardship_first` are the applicants who must have asked for a hardship identity before. `other_assistance`,
    found when the application is decided, is deducted from the year's base before the deductible.
    """

    until: MonthAndDay
    insured_years: Annotated[int, Field(ge=0, le=100)]
    other_assistance: Literal["from_base"]
    applicants: Annotated[dict[str, str], Field(min_length=1)]
    hardship_first: Annotated[tuple[Text, ...], Field(strict=False)] = ()


class ComputedLayer(Section):
    """One edition of a layer that Yidan computes, with the clauses behind each key."""

    id: LayerWord
    label: Text
    document: Text
    first_day: date = Field(alias="from")
    until: date | None = None
    settles: CareWords
    insutype: InsuranceTypes
    requires: Annotated[tuple[Requirement, ...], Field(strict=False)] = ()
    excludes: Annotated[tuple[ExclusionWord, ...], Field(strict=False)]
    base: Annotated[tuple[BucketWord, ...], Field(strict=False, min_length=1)]
    accumulates: Literal["year"]
    overlap: Literal["highest", "lowest"]
    paid: Literal["at_discharge", "on_application"] = "at_discharge"
    fund_fields: Annotated[tuple[FundField, ...], Field(strict=False)]
    fund_pay_type: FundPayType
    benefits: Annotated[tuple[BenefitRow, ...], Field(strict=False, min_length=1)]
    application: Application | None = None
    citations: Annotated[tuple[Citation, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _whole(self) -> "ComputedLayer":
        if self.until is not None and self.until < self.first_day:
            raise wrong("edition_ends_before_it_begins", "`until` is the last day and not before `from`")
        if len(set(self.base)) != len(self.base):
            raise wrong("row_says_two_things", "name each part of the bill once in `base`")
        if (self.paid == "on_application") != (self.application is not None):
            raise wrong(
                "application_rule_is_missing", 'paid = "on_application" and [layers.application] belong together'
            )
        return self


def _kind_of_layer(layer: Any) -> str:
    reported = "reported" in layer if isinstance(layer, Mapping) else isinstance(layer, ReportedLayer)
    return "reported" if reported else "computed"


LayerSection = Annotated[
    Annotated[ReportedLayer, Tag("reported")] | Annotated[ComputedLayer, Tag("computed")],
    Discriminator(_kind_of_layer),
]


class LargeBill(Section):
    """Tell the office when a person's bills of the year, whatever the care, reach an amount."""

    id: Literal["large_bill"]
    label: Text
    document: Text
    first_day: date = Field(alias="from")
    measure: Literal["医疗费用"]
    at_least: Money
    per: Literal["year"]
    clause: Text | None = None
    quote: Text


class ZeroSelfPay(Section):
    """Tell the office when a settlement leaves nothing to pay for a person with one of these identities."""

    id: Literal["zero_self_pay"]
    label: Text
    document: Text
    first_day: date = Field(alias="from")
    who: Text
    codes: IdentityCodes
    settles: CareWords
    clause: Text | None = None
    quote: Text


class LentClause(Section):
    """Lends its clause to a signal that every region raises: two insurances in a year, other assistance that rose."""

    id: Literal["insured_twice", "other_assistance_risen"]
    label: Text
    document: Text
    clause: Text | None = None
    quote: Text


WatchSection = Annotated[LargeBill | ZeroSelfPay | LentClause, Field(discriminator="id")]


class LeftOut(Section):
    """A clause that this pack does not carry out, and why not; written so that it is not taken for forgotten."""

    document: Text
    clause: Text
    quote: Text
    because: Text


class Interpretation(Section):
    """A reading of a clause that is silent or reads two ways: what we do, why, and what it costs.

    `case` names a golden case. `otherwise` writes the other reading as changed keys, where data can express it; the
    case then pays other amounts. Entries are answered, never deleted.
    """

    id: Annotated[str, Field(pattern=r"^[A-Z]{2,3}-[0-9]{2,3}$")]
    concerns: Texts
    question: Text
    reading: Text
    because: Text
    stakes: Text
    status: Literal["assumed", "confirmed", "overruled"]
    case: Text | None = None
    otherwise: Annotated[dict[str, Any], Field(min_length=1)] | None = None
    answered_by: Text | None = None
    answered_on: date | None = None

    @model_validator(mode="after")
    def _answered(self) -> "Interpretation":
        if (self.status == "assumed") != (self.answered_by is None) or (self.answered_by is None) != (
            self.answered_on is None
        ):
            raise wrong(
                "answer_is_incomplete",
                "a confirmed or overruled reading says answered_by and answered_on; else neither",
            )
        return self


class PackFile(Section):
    """A region's file."""

    region: Region
    name: Text
    year: Literal["calendar"]
    counted_on: Literal["discharge"]
    identity: Literal["prospective"]
    own_account: Literal["not_deducted"]
    rounding: Rounding
    corrections: Literal["cascade", "last_first"]
    documents: Annotated[dict[str, Document], Field(min_length=1)]
    layers: Annotated[tuple[LayerSection, ...], Field(strict=False, min_length=1)]
    watches: Annotated[tuple[WatchSection, ...], Field(strict=False)] = ()
    left_out: Annotated[tuple[LeftOut, ...], Field(strict=False)] = ()
    interpretations: Annotated[tuple[Interpretation, ...], Field(strict=False)] = ()

    def computed(self) -> tuple[ComputedLayer, ...]:
        """The computed layers' editions in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, ComputedLayer))


CONVENTIONS: Final = ("year", "counted_on", "identity", "own_account", "rounding", "corrections", "layers")
"""The keys of the whole file that a reading may concern; `layers` stands for their order."""


class Fill(Section):
    """A county's numbers for delegated rows of one layer, for discharges from `from` on."""

    layer: LayerWord
    document: Text
    first_day: date = Field(alias="from")
    until: date | None = None
    benefits: Annotated[tuple[FilledRow, ...], Field(strict=False, min_length=1)]
    citations: Annotated[tuple[Citation, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _whole(self) -> "Fill":
        if self.until is not None and self.until < self.first_day:
            raise wrong("edition_ends_before_it_begins", "`until` is the last day and not before `from`")
        return self


class CountyFile(Section):
    """A county's file: it fills what its city delegated and may name who runs the insurance, nothing else."""

    extends: Region
    region: Region
    name: Text
    carrier: Text | None = None
    documents: Annotated[dict[str, Document], Field(min_length=1)]
    fills: Annotated[tuple[Fill, ...], Field(strict=False)] = ()
