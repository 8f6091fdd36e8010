"""Money: yuan on the wire, integer fen inside. The one place that parses it and the one that writes it."""

import re
from functools import lru_cache
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, PlainSerializer, PlainValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

Fen = int
"""An amount in fen (1/100 yuan). Exact, never a float."""

YUAN_MAX = 9_999_999_999_999
"""Thirteen digits before the point: the interface's numeric 16,2 and what every JSON reader keeps exactly."""

_YUAN = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,2})?", re.ASCII)
_DELTA_PATTERN = r"^-?[0-9]{1,15}\.[0-9]{2}$"


@lru_cache(maxsize=65_536)
def _fen(text: str) -> Fen:
    if _YUAN.fullmatch(text) is None:
        raise PydanticCustomError(
            "amount_is_not_yuan_and_fen",
            'write the amount in yuan as digits with at most two decimals, such as "1200.50", not negative',
        )
    whole, _, decimals = text.partition(".")
    if not decimals:
        return int(whole) * 100
    return int(whole + decimals) * (1 if len(decimals) == 2 else 10)


def parse_yuan(yuan: object) -> Fen:
    """Fen of an amount in yuan: a string `\\d{1,13}(\\.\\d{1,2})?` or a whole JSON number.

    Raises `PydanticCustomError` whose type is the refusal. A JSON number with a point or an exponent is refused
    although its value may look right: most JSON readers have already rounded it through a binary float.
    """
    if type(yuan) is str:
        return _fen(yuan)
    if type(yuan) is int:
        if 0 <= yuan <= YUAN_MAX:
            return yuan * 100
        raise PydanticCustomError(
            "amount_is_not_yuan_and_fen", "a whole amount in yuan must not be negative and must have at most 13 digits"
        )
    if type(yuan) is float:
        raise PydanticCustomError(
            "send_money_as_string", 'send the amount as a JSON string such as "1200.50": JSON numbers lose fen'
        )
    raise PydanticCustomError(
        "field_has_wrong_type", 'the amount must be a JSON string such as "1200.50" or a whole JSON number'
    )


@lru_cache(maxsize=65_536)
def yuan(fen: Fen) -> str:
    """The wire form of an amount: yuan with exactly two decimals, a minus sign where it is negative.

    Remembered, since a payout writes thirty amounts and most are caps, zeros and numbers it has just written.
    """
    if fen < 0:
        return "-" + yuan(-fen)
    whole, decimals = divmod(fen, 100)
    return f"{whole}.{decimals:02d}"


class _AmountSchema:
    """JSON Schema of an incoming amount, which pydantic cannot derive from a plain validator."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]{1,2})?$"},
                {"type": "integer", "minimum": 0, "maximum": YUAN_MAX},
            ],
            "description": "Yuan: a string with at most two decimals, or a whole JSON number.",
        }


Amount = Annotated[
    Fen,
    PlainValidator(parse_yuan),
    PlainSerializer(yuan, return_type=str, when_used="json"),
    _AmountSchema,
]
"""An incoming amount: yuan on the wire and in the journal, fen in the model."""


class SignedAmountSchema:
    """JSON Schema of an incoming amount that may be negative."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [
                {"type": "string", "pattern": r"^-?[0-9]{1,13}(\.[0-9]{1,2})?$"},
                {"type": "integer", "minimum": -YUAN_MAX, "maximum": YUAN_MAX},
            ],
            "description": "Yuan: a string with at most two decimals, or a whole JSON number; negative for a refund.",
        }


class _WrittenSchema:
    """JSON Schema of an amount that Yidan writes: always a string with two decimals."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": _DELTA_PATTERN, "description": "Yuan with two decimals."}


def _written(value: Any) -> str:
    if type(value) is not str or re.fullmatch(_DELTA_PATTERN, value) is None:
        raise PydanticCustomError("amount_is_not_yuan_and_fen", "an amount is written with exactly two decimals")
    return value


Yuan = Annotated[str, PlainValidator(_written), _WrittenSchema]
"""An outgoing amount, as `yuan` writes it."""
