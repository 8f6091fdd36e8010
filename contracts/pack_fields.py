"""The kinds of value that a pack may write: exact amounts, shares, words of the vocabulary. Each is refused by name."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator
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


def wrong(name: ProblemName, text: str) -> PydanticCustomError:
    """An error of a value that is told under its own name, with the mend."""
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
    raise wrong("amount_is_not_yuan_and_fen", "write yuan with at most two decimals, not negative, without quotes")


def _ratio(value: object) -> Fraction:
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value <= 1:
        return Fraction(value)
    raise wrong("ratio_is_outside_0_to_1", "write the share as a decimal between 0 and 1, such as 0.70 for 70 %")


def _cap(value: object) -> Fen | Literal["none"]:
    return UNCAPPED if value == UNCAPPED else _money(value)


def _fund_pay_type(value: object) -> Mapping[str, str]:
    """Fund codes by insurance type; one code for all is kept under the empty key."""
    codes = {"": value} if isinstance(value, str) else value
    if not isinstance(codes, Mapping) or not codes or not all(key == "" or key in INSUTYPES_KNOWN for key in codes):
        raise wrong("word_is_unknown", 'write one fund code, or a table such as { "310" = "310100", "390" = "390100" }')
    if not all(isinstance(code, str) and len(code) == 6 and code.isdigit() for code in codes.values()):
        raise wrong("word_is_unknown", 'a fund code has six digits, in quotes: "610100"')
    return dict(codes)


def one_of(words: Mapping[str, Any]) -> PlainValidator:
    """Accepts the keys of `words` and yields their values."""

    def read(value: object) -> Any:
        if not isinstance(value, str) or value not in words:
            raise wrong("word_is_unknown", "write one of: " + "、".join(words))
        return words[value]

    return PlainValidator(read)


def _insutype(value: object) -> frozenset[str] | None:
    if value == "all":
        return None
    if isinstance(value, list) and value and all(isinstance(code, str) and code in INSUTYPES_KNOWN for code in value):
        return frozenset(value)
    raise wrong("word_is_unknown", 'write "all" or a list of national insurance types, such as ["390"]')


def _month_day(value: object) -> tuple[int, int]:
    try:
        if isinstance(value, str) and len(value) == 5:
            day = date.fromisoformat(f"2001-{value}")
            return day.month, day.day
    except ValueError:
        pass
    raise wrong("word_is_unknown", 'write month and day of the following year as "MM-DD", such as "06-30"')


def _fen_unit(value: object) -> Decimal:
    if value == Decimal("0.01"):
        return Decimal("0.01")
    raise wrong("word_is_unknown", "payments are rounded to the fen: write 0.01")


Money = Annotated[Fen, PlainValidator(_money)]
Ratio = Annotated[Fraction, PlainValidator(_ratio)]
Cap = Annotated[int | str, PlainValidator(_cap)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
Region = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
IdentityCode = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,12}$")]
IdentityCodes = Annotated[tuple[IdentityCode, ...], Field(strict=False)]
LayerWord = Annotated[LayerId, one_of({layer.value: layer for layer in LayerId})]
CareWord = Annotated[Care, one_of({care.value: care for care in Care if care is not Care.OTHER})]
CareWords = Annotated[tuple[CareWord, ...], Field(strict=False, min_length=1)]
BucketWord = Annotated[Bucket, one_of({bucket.value: bucket for bucket in BUCKETS})]
Requirement = Annotated[str, one_of({PREMIUM_SUBSIDISED: PREMIUM_SUBSIDISED})]
ExclusionWord = Annotated[Exclusion, one_of(EXCLUSION_WORDS)]
FundField = Annotated[str, one_of({field: field for field in FUND_FIELDS})]
FundPayType = Annotated[Mapping[str, str], PlainValidator(_fund_pay_type)]
InsuranceTypes = Annotated[frozenset[str] | None, PlainValidator(_insutype)]
Tier = Annotated[tuple[Money, Ratio], Field(strict=False)]
MonthAndDay = Annotated[tuple[int, int], PlainValidator(_month_day)]
FenUnit = Annotated[Decimal, PlainValidator(_fen_unit)]
