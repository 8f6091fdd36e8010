"""Reconciliation as hospitals know it: totals first (3201), then lines (3202). Names are those of tables 146 to 151."""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter, model_validator, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from contracts.fields import DayField, Identifier, InsuranceTypeField, Message, MessageId, RegionCode
from contracts.money import Fen, SignedAmountSchema, Yuan, parse_yuan, yuan
from contracts.vocabulary import ClrType

_STRICT: Final = ConfigDict(extra="forbid", strict=True)

LINES_MAX: Final = 2_000
"""Lines of one request. A longer file is sent in parts, each with its own days."""


def parse_signed(value: Any) -> Fen:
    """Fen of an amount that may be negative, as a refund's is. Raises what `parse_yuan` raises."""
    if type(value) is str and value.startswith("-"):
        return -parse_yuan(value[1:])
    if type(value) is int and value < 0:
        return -parse_yuan(-value)
    return parse_yuan(value)


SignedAmount = Annotated[
    Fen, PlainValidator(parse_signed), PlainSerializer(yuan, return_type=str, when_used="json"), SignedAmountSchema
]
"""An incoming amount that may be negative."""

RefundFlag = Literal["0", "1"]
"""`refd_setl_flag`: 1 for the row of a refund, whose amounts are negative."""


class _Claimed(Message):
    msgid: MessageId
    fixmedins_code: Identifier
    setl_optins: RegionCode
    stmt_begndate: DayField
    stmt_enddate: DayField
    insutype: InsuranceTypeField | None = None
    clr_type: ClrType | None = Field(default=None, strict=False)
    refd_setl_flag: RefundFlag | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "_Claimed":
        if self.stmt_begndate > self.stmt_enddate:
            raise PydanticCustomError("statement_ends_before_it_begins", "stmt_enddate must not precede stmt_begndate")
        return self


class TotalsClaimed(_Claimed):
    """`totals_claimed` (3201): what a hospital has in its books for some days, refunds subtracted.

    `setl_optins` is the office of the insured; a city's code means all its counties. Leave `refd_setl_flag` out to
    compare settlements and refunds together, with `fixmedins_setl_cnt` the number of both.
    """

    type: Literal["totals_claimed"]
    medfee_sumamt: SignedAmount
    fund_pay_sumamt: SignedAmount
    acct_pay: SignedAmount
    fixmedins_setl_cnt: Annotated[int, Field(ge=0)]


class LineClaimed(Message):
    """One row of the hospital's file (3202, table 150)."""

    setl_id: Identifier
    mdtrt_id: Identifier | None = None
    psn_no: Identifier
    medfee_sumamt: SignedAmount
    fund_pay_sumamt: SignedAmount
    acct_pay: SignedAmount
    refd_setl_flag: RefundFlag


class LinesClaimed(_Claimed):
    """`lines_claimed` (3202): the rows behind a total, a settlement and its refund on a row each."""

    type: Literal["lines_claimed"]
    lines: Annotated[tuple[LineClaimed, ...], Field(strict=False, max_length=LINES_MAX)]


class Result(StrEnum):
    """`stmt_rslt`."""

    EVEN = "0"
    UNEVEN = "1"


class Difference(StrEnum):
    """How a row differs."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    DUPLICATE = "duplicate"
    REFUND_MISSING = "refund_missing"


@with_config(_STRICT)
class Sums(TypedDict):
    """The sums of rows, refunds subtracted, and how many rows they are."""

    medfee_sumamt: Yuan
    fund_pay_sumamt: Yuan
    acct_pay: Yuan
    fixmedins_setl_cnt: int


@with_config(_STRICT)
class TotalsAnswered(TypedDict):
    """`totals_answered`: even or not, what stands here, and what the claim has more than that."""

    type: Literal["totals_answered"]
    msgid: str
    fixmedins_code: str
    setl_optins: str
    stmt_rslt: Result
    stmt_rslt_dscr: str
    here: Sums
    difference: Sums
    seen: list[int]


@with_config(_STRICT)
class Amounts(TypedDict):
    """A row's amounts."""

    medfee_sumamt: Yuan
    fund_pay_sumamt: Yuan
    acct_pay: Yuan


@with_config(_STRICT)
class Draft(TypedDict):
    """The event that would mend it. `msgid` and `setl_time` are its sender's to fill in; nothing is sent from here."""

    type: Literal["reversed", "voided"]
    msgid: None
    setl_time: None
    psn_no: str
    setl_id: NotRequired[str]
    mdtrt_id: NotRequired[str | None]
    insuplc_admdvs: NotRequired[str]
    omsgid: NotRequired[str]
    oinfno: NotRequired[str]


@with_config(_STRICT)
class RowDifference(TypedDict):
    """A row that differs (3202, table 151). `msgid` is the message under which the settlement came, where it is known.

    `there` is what the hospital says and `here` what Yidan has; null where there is no such row.
    """

    difference: Difference
    setl_id: str
    mdtrt_id: str | None
    psn_no: str
    refd_setl_flag: RefundFlag
    msgid: str | None
    there: Amounts | None
    here: Amounts | None
    memo: str
    draft: Draft | None


@with_config(_STRICT)
class LinesAnswered(TypedDict):
    """`lines_answered`: even or not, and every row that differs, up to 500.

    `left_out` is how many more differ than are listed: ask again for fewer days.
    """

    type: Literal["lines_answered"]
    msgid: str
    fixmedins_code: str
    setl_optins: str
    stmt_rslt: Result
    stmt_rslt_dscr: str
    differences: list[RowDifference]
    left_out: int
    seen: list[int]


@with_config(_STRICT)
class ClaimRefused(TypedDict):
    """`claim_refused`: a request that could not be read; `detail` names the field and the mend, never the value.

    One that could be read and not be answered yet has the reason `views_are_behind`: ask the same again later.
    """

    type: Literal["claim_refused"]
    msgid: str | None
    reason: str
    field: str | None
    detail: str


READ_CLAIM: Final[TypeAdapter[TotalsClaimed | LinesClaimed]] = TypeAdapter(
    Annotated[TotalsClaimed | LinesClaimed, Field(discriminator="type")]
)
Answer = TotalsAnswered | LinesAnswered | ClaimRefused
