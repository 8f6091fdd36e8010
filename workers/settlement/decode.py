"""Bytes to an event, or a refusal that names the field and the mend and repeats no value."""

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from contracts.adoption import PackAdopted
from contracts.application import ApplicationDecided
from contracts.discharge import Reversed, Settled, Voided
from contracts.events import READ_EVENT, Event
from contracts.identity import CarriedIn, IdentityChanged, IdentityPeriod, OpeningBalance
from contracts.quarantine import ORIGINAL_BYTES_MAX
from contracts.vocabulary import Refusal
from workers.adjudication.refuse import RefusedError

MESSAGE_BYTES_MAX: Final = ORIGINAL_BYTES_MAX
"""The largest event that is read, in bytes: a hundred times what a settlement needs, and what quarantine can keep."""

_MODELS: Final[tuple[type[BaseModel], ...]] = (
    Settled,
    Reversed,
    Voided,
    IdentityChanged,
    CarriedIn,
    PackAdopted,
    ApplicationDecided,
    IdentityPeriod,
    OpeningBalance,
)
_FIELD_NAMES: Final = frozenset(name for model in _MODELS for name in model.model_fields)

_OWN_REASONS: Final = frozenset(reason.value for reason in Refusal)

_REASON_OF_ERROR: Final = {
    "missing": (Refusal.FIELD_IS_MISSING, "send this field: it is required"),
    "json_invalid": (Refusal.MESSAGE_IS_NOT_JSON, "send one JSON object per message"),
    "dict_type": (Refusal.FIELD_HAS_WRONG_TYPE, "send a JSON object here"),
    "union_tag_invalid": (Refusal.EVENT_TYPE_IS_UNKNOWN, "send one of the event types of the contract"),
    "union_tag_not_found": (Refusal.FIELD_IS_MISSING, "send the event's type"),
    "string_pattern_mismatch": (
        Refusal.IDENTIFIER_IS_MALFORMED,
        "send 1 to 64 letters, digits or . _ ~ / + = @ # -; region codes have six digits",
    ),
    "string_too_short": (Refusal.IDENTIFIER_IS_MALFORMED, "send at least one character"),
    "string_too_long": (Refusal.IDENTIFIER_IS_MALFORMED, "send fewer characters"),
    "enum": (Refusal.CODE_IS_UNKNOWN, "send one of the codes of the contract"),
    "literal_error": (Refusal.CODE_IS_UNKNOWN, "send one of the codes of the contract"),
    "too_long": (Refusal.LIST_IS_TOO_LONG, "send a shorter list"),
    "greater_than_equal": (Refusal.FIELD_HAS_WRONG_TYPE, "send a larger number"),
    "less_than_equal": (Refusal.FIELD_HAS_WRONG_TYPE, "send a smaller number"),
}

_FIELD_OF_REASON: Final = {
    Refusal.STAY_ENDS_BEFORE_IT_BEGINS: "enddate",
    Refusal.IDENTITY_ENDS_BEFORE_IT_BEGINS: "endtime",
    Refusal.COST_PARTS_DO_NOT_ADD_UP: "medfee_sumamt",
}


def decode(value: bytes | None) -> Event:
    """The event in a message's bytes. Raises `RefusedError`."""
    if not value or not value.strip():
        raise RefusedError(Refusal.MESSAGE_IS_EMPTY, None, "send one JSON object per message")
    if len(value) > MESSAGE_BYTES_MAX:
        raise RefusedError(Refusal.MESSAGE_IS_TOO_LARGE, None, f"send at most {MESSAGE_BYTES_MAX} bytes")
    try:
        return READ_EVENT.validate_json(value)
    except ValidationError as error:
        raise _named(error, value) from None


def _named(error: ValidationError, value: bytes) -> RefusedError:
    """The refusal that the first of a validation's errors amounts to."""
    first: Any = error.errors(include_url=False, include_context=False)[0]
    kind = first["type"]
    location = [part for part in first["loc"] if isinstance(part, int) or part in _FIELD_NAMES]
    field = ".".join(map(str, location)) or None
    if kind == "json_invalid":
        try:
            value.decode("utf-8")
        except UnicodeDecodeError:
            return RefusedError(Refusal.MESSAGE_IS_NOT_UTF8, None, "send UTF-8")
    if field and first["input"] is None and kind.endswith("_type"):
        reason, mend = Refusal.FIELD_IS_MISSING, "send this field: it is required, and null means absent"
    elif kind in _OWN_REASONS:
        reason, mend = Refusal(kind), first["msg"]
    elif kind in ("dict_type", "model_type", "model_attributes_type") and not field:
        reason, mend = Refusal.MESSAGE_IS_NOT_AN_OBJECT, "send one JSON object per message"
    elif kind == "model_type":
        reason, mend = Refusal.FIELD_HAS_WRONG_TYPE, "send a JSON object here"
    else:
        reason, mend = _REASON_OF_ERROR.get(
            kind, (Refusal.FIELD_HAS_WRONG_TYPE, f"send the type that the contract names ({kind})")
        )
    if kind.startswith("union_tag"):
        field = "type"
    prefix = f"{field}." if field else ""
    own = _FIELD_OF_REASON.get(reason)
    return RefusedError(reason, prefix + own if own else field, mend)
