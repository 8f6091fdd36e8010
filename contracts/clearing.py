"""What is cleared with hospitals and insurers: statements derived from payouts, outside the commit protocol."""

from typing import Final, Literal

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from contracts.money import Yuan
from contracts.vocabulary import ClrType, LayerId

_STRICT: Final = ConfigDict(extra="forbid", strict=True)


@with_config(_STRICT)
class ClearingStatement(TypedDict):
    """`clearing_statement`: what one fund of one office owes one hospital for one month and kind of care.

    It counts payable lines whose payee is the hospital: payments, and what reversals return. A line belongs to the
    month of its event's own time in China. A reversal joins the statement of the month in which it was booked and is a
    line of its own there; nothing is ever taken out. `revision` is the number of lines counted: it only grows, and the
    latest counts. `fund_appy_sum` = `paid` + `returned`, the latter not positive.
    """

    type: Literal["clearing_statement"]
    statement_id: str
    revision: int
    clr_optins: str
    region: str
    fund_pay_type: str
    carrier: str | None
    fixmedins_code: str
    setlym: str
    clr_type: ClrType
    fixmedins_setl_cnt: int
    refd_setl_cnt: int
    paid: Yuan
    returned: Yuan
    fund_appy_sum: Yuan


@with_config(_STRICT)
class CarrierStatement(TypedDict):
    """`carrier_statement`: what the insurer that carries a county's supplementary layer clears with it for a year.

    It counts every payable line of that layer, to hospitals and to persons. `year` is the benefit year, that of the
    discharges, so it goes on growing while corrections of that year come. `fund_appy_sum` = `paid` + `returned` +
    `topped_up` + `clawed_back`. Source: 台政办发〔2019〕23号 二（四）.
    """

    type: Literal["carrier_statement"]
    statement_id: str
    revision: int
    clr_optins: str
    region: str
    layer: LayerId
    fund_pay_type: str
    carrier: str
    year: int
    paid: Yuan
    returned: Yuan
    topped_up: Yuan
    clawed_back: Yuan
    fund_appy_sum: Yuan


READ_STATEMENT: Final[TypeAdapter[ClearingStatement | CarrierStatement]] = TypeAdapter(
    ClearingStatement | CarrierStatement
)
