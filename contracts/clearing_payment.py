"""What a fund's office says about its payments: a clearing statement was paid, or that payment is taken back."""

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from contracts.fields import DayField, Identifier, Message
from contracts.money import YUAN_MAX, Fen, parse_yuan, yuan

_STRICT: Final = ConfigDict(extra="forbid", strict=True)

_ID: Final = "[0-9A-Za-z_.~/+=@#-]{1,64}"
_STATEMENT: Final = (
    "[0-9]{6}:("
    f"[0-9A-Za-z]{{1,12}}:{_ID}:[0-9]{{6}}:[0-9]{{2}}(:.{{1,100}})?"  # office:fund:hospital:month:clr_type[:carrier]
    "|[a-z_]{1,64}:[0-9A-Za-z]{1,12}:[0-9]{4}:.{1,100})"  # office:layer:fund:year:carrier
)
_STATEMENT_FORM: Final = re.compile(_STATEMENT, re.ASCII)


def parse_statement_id(value: object) -> str:
    """A statement's name, of a hospital's or an insurer's. Whether there is such a statement is not asked here."""
    if type(value) is not str:
        raise PydanticCustomError("field_has_wrong_type", "statement_id is a JSON string")
    if _STATEMENT_FORM.fullmatch(value) is None:
        raise PydanticCustomError(
            "identifier_is_malformed", "send the statement_id exactly as it stands on the statement, every part of it"
        )
    return value


def parse_payment(value: Any) -> Fen:
    """Fen of an amount that was paid: more than nothing. Raises what `parse_yuan` raises."""
    amount = parse_yuan(value)
    if not amount:
        raise PydanticCustomError(
            "amount_is_not_yuan_and_fen",
            "write what was paid, more than 0.00; a payment that came back is a payment_taken_back",
        )
    return amount


StatementId = Annotated[
    str, PlainValidator(parse_statement_id), WithJsonSchema({"type": "string", "pattern": f"^{_STATEMENT}$"})
]
"""The `statement_id` of a `clearing_statement` or a `carrier_statement`."""

PaymentAmount = Annotated[
    Fen,
    PlainValidator(parse_payment),
    PlainSerializer(yuan, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(?!0+(\.0{1,2})?$)[0-9]{1,13}(\.[0-9]{1,2})?$"},
                {"type": "integer", "minimum": 1, "maximum": YUAN_MAX},
            ],
            "description": "Yuan, more than nothing: a string with at most two decimals, or a whole JSON number.",
        }
    ),
]
"""An amount that was paid: yuan on the wire, fen in the model, never nothing and never negative."""

Voucher = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x20\x7f]{1,64}$")]
"""The number of a payment voucher as the office writes it: no blanks."""


class StatementPaid(Message):
    """`statement_paid`: a statement was paid, or a part of it; several payments of one statement are added.

    `payment_id` names the payment for ever: sent again with the same content it counts once, with other content it is
    refused. `revision` says against which revision of the statement it was paid; it is for readers and decides nothing.
    """

    type: Literal["statement_paid"]
    payment_id: Identifier
    statement_id: StatementId
    revision: Annotated[int, Field(ge=1)] | None = None
    amount: PaymentAmount
    paid_on: DayField
    voucher: Voucher


class TakenBackFor(StrEnum):
    """Why a payment no longer counts."""

    RETURNED_BY_BANK = "returned_by_bank"
    CANCELLED = "cancelled"
    RECORDED_BY_MISTAKE = "recorded_by_mistake"


class PaymentTakenBack(Message):
    """`payment_taken_back`: a whole payment came back, was cancelled, or had been recorded by mistake.

    From `taken_back_on` on it no longer counts; one that was recorded by mistake counts on no day at all. It may come
    before the payment itself. Money that goes out again is a payment with a name of its own.
    """

    type: Literal["payment_taken_back"]
    payment_id: Identifier
    why: Annotated[TakenBackFor, Field(strict=False)]
    taken_back_on: DayField
    voucher: Voucher | None = None


@with_config(_STRICT)
class PaymentRefused(TypedDict):
    """`payment_refused`: a record of this topic that counts for nothing; `detail` names the mend, never the value.

    `partition` and `offset` say which record. It is written at least once.
    """

    type: Literal["payment_refused"]
    payment_id: str | None
    partition: int
    offset: int
    reason: str
    field: str | None
    detail: str


READ_PAYMENT: Final[TypeAdapter[StatementPaid | PaymentTakenBack]] = TypeAdapter(
    Annotated[StatementPaid | PaymentTakenBack, Field(discriminator="type")]
)
READ_PAYMENT_REFUSED: Final[TypeAdapter[PaymentRefused]] = TypeAdapter(PaymentRefused)
PAYMENT_FIELDS: Final = frozenset(StatementPaid.model_fields) | frozenset(PaymentTakenBack.model_fields)
"""The names that a refusal may repeat."""
