"""The TOML of a policy pack as strict models: every key known, every amount exact, every word in the vocabulary.

The page for officers is `contracts/packs/README.md`. A model here says what one file may write; what must hold between
its parts stands in `contracts.pack_rules`, what must hold against the documents in `contracts.pack_check`.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, model_validator
from pydantic_core import PydanticCustomError

from contracts.money import Fen
from contracts.pack_problem import ProblemName
from contracts.vocabulary import (
    BUCKETS,
    EXCLUSION_WORDS,
    FUND_FIELDS,
    INSUTYPES_KNOWN,
    PREMIUM_SUBSIDISED,
    Bucket,
    Care,
    Exclusion,
    LayerId,
)

UNCAPPED: Final = "none"
"""What a row writes instead of a cap where the document lifts it (取消封顶线). Never expressed by leaving it out."""

FUND_OF_OTHERS: Final = "999997"
"""The fund code 其他, for insurance types that a layer's table of fund codes does not name."""


class Section(BaseModel):
    """A table of the file: an unknown key is an error, never ignored, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


def _wrong(name: ProblemName, text: str) -> PydanticCustomError:
    return PydanticCustomError(name, text)


def _money(value: object) -> Fen:
    """Fen of whole or decimal yuan."""
    if (
        isinstance(value, int | Decimal)
        and not isinstance(value, bool)
        and 0 <= value <= 10**11
        and value * 100 % 1 == 0
    ):
        return int(value * 100)
    raise _wrong("amount_is_not_yuan_and_fen", "write yuan with at most two decimals, not negative, without quotes")


def _ratio(value: object) -> Fraction:
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value <= 1:
        return Fraction(value)
    raise _wrong("ratio_is_outside_0_to_1", "write the share as a decimal between 0 and 1, such as 0.70 for 70 %")


def _cap(value: object) -> Fen | Literal["none"]:
    return UNCAPPED if value == UNCAPPED else _money(value)


def _fund_pay_type(value: object) -> Mapping[str, str]:
    """Fund codes by insurance type; one code for all is kept under the empty key."""
    codes = {"": value} if isinstance(value, str) else value
    if not isinstance(codes, Mapping) or not codes or not all(key == "" or key in INSUTYPES_KNOWN for key in codes):
        raise _wrong(
            "word_is_unknown", 'write one fund code, or a table such as { "310" = "310100", "390" = "390100" }'
        )
    if not all(isinstance(code, str) and len(code) == 6 and code.isdigit() for code in codes.values()):
        raise _wrong("word_is_unknown", 'a fund code has six digits, in quotes: "610100"')
    return dict(codes)


def _one_of(words: Mapping[str, Any]) -> PlainValidator:
    """Accepts the keys of `words` and yields their values."""

    def read(value: object) -> Any:
        if not isinstance(value, str) or value not in words:
            raise _wrong("word_is_unknown", "write one of: " + "、".join(words))
        return words[value]

    return PlainValidator(read)


def _insutype(value: object) -> frozenset[str] | None:
    if value == "all":
        return None
    if isinstance(value, list) and value and all(isinstance(code, str) and code in INSUTYPES_KNOWN for code in value):
        return frozenset(value)
    raise _wrong("word_is_unknown", 'write "all" or a list of national insurance types, such as ["390"]')


def _month_day(value: object) -> tuple[int, int]:
    try:
        if isinstance(value, str) and len(value) == 5:
            day = date.fromisoformat(f"2001-{value}")
            return day.month, day.day
    except ValueError:
        pass
    raise _wrong("word_is_unknown", 'write month and day of the following year as "MM-DD", such as "06-30"')


def _fen_unit(value: object) -> Decimal:
    if value == Decimal("0.01"):
        return Decimal("0.01")
    raise _wrong("word_is_unknown", "payments are rounded to the fen: write 0.01")


Money = Annotated[Fen, PlainValidator(_money)]
Ratio = Annotated[Fraction, PlainValidator(_ratio)]
Cap = Annotated[int | str, PlainValidator(_cap)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
Region = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
IdentityCode = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,12}$")]
IdentityCodes = Annotated[tuple[IdentityCode, ...], Field(strict=False)]
LayerWord = Annotated[LayerId, _one_of({layer.value: layer for layer in LayerId})]
CareWord = Annotated[Care, _one_of({care.value: care for care in Care if care is not Care.OTHER})]
CareWords = Annotated[tuple[CareWord, ...], Field(strict=False, min_length=1)]
BucketWord = Annotated[Bucket, _one_of({bucket.value: bucket for bucket in BUCKETS})]
Requirement = Annotated[str, _one_of({PREMIUM_SUBSIDISED: PREMIUM_SUBSIDISED})]
ExclusionWord = Annotated[Exclusion, _one_of(EXCLUSION_WORDS)]
FundField = Annotated[str, _one_of({field: field for field in FUND_FIELDS})]
FundPayType = Annotated[Mapping[str, str], PlainValidator(_fund_pay_type)]
InsuranceTypes = Annotated[frozenset[str] | None, PlainValidator(_insutype)]
Tier = Annotated[tuple[Money, Ratio], Field(strict=False)]


class Rounding(Section):
    """How a payment is rounded. One way only: half up to the fen on the year's total."""

    unit: Annotated[Decimal, PlainValidator(_fen_unit)]
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
    """A clause, word for word, and the keys it supports. `document` only where it is not the layer's own."""

    clause: Text
    supports: Texts
    quote: Text
    document: Text | None = None


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
            raise _wrong("codes_are_missing", 'name the identity codes, codes = ["2303"], or write everybody = true')
        if self.everybody is not None and self.codes is not None:
            raise _wrong("row_says_two_things", "a row for everybody names no codes")
        if self.delegated:
            if (self.deductible, self.tiers, self.cap) != (None, None, None) or self.everybody:
                raise _wrong(
                    "row_says_two_things", "a delegated row has codes and no numbers: the county file has them"
                )
        else:
            _need_numbers(self)
        return self


def _need_numbers(row: "BenefitRow | FilledRow") -> None:
    if row.cap is None:
        raise _wrong("cap_is_missing", 'write the cap in yuan, or cap = "none" where the document lifts it')
    if row.deductible is None:
        raise _wrong("deductible_is_missing", "write the deductible, deductible = 0 where there is none")
    if not row.tiers:
        raise _wrong("tiers_are_missing", "write the shares as tiers = [[0, 0.70]]")
    starts = [start for start, _ in row.tiers]
    if starts[0] != 0:
        raise _wrong("tiers_do_not_start_at_0", "the first tier starts at 0; the deductible has its own key")
    if any(later <= earlier for earlier, later in pairwise(starts)):
        raise _wrong("tiers_overlap", "write tiers in rising order, each start once")


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
    `who`; `hardship_first` are the applicants who must have asked for a hardship identity before.
    """

    until: Annotated[tuple[int, int], PlainValidator(_month_day)]
    insured_years: Annotated[int, Field(ge=0, le=100)]
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
            raise _wrong("edition_ends_before_it_begins", "`until` is the last day and not before `from`")
        if len(set(self.base)) != len(self.base):
            raise _wrong("row_says_two_things", "name each part of the bill once in `base`")
        if (self.paid == "on_application") != (self.application is not None):
            raise _wrong(
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


WatchSection = Annotated[LargeBill | ZeroSelfPay, Field(discriminator="id")]


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
            raise _wrong(
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
            raise _wrong("edition_ends_before_it_begins", "`until` is the last day and not before `from`")
        return self


class CountyFile(Section):
    """A county's file: it fills what its city delegated and may name who runs the insurance, nothing else."""

    extends: Region
    region: Region
    name: Text
    carrier: Text | None = None
    documents: Annotated[dict[str, Document], Field(min_length=1)]
    fills: Annotated[tuple[Fill, ...], Field(strict=False)] = ()
