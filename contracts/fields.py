"""The kinds of field that events share: identifiers, days, times, codes. Each refuses by name."""

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from contracts.vocabulary import CARE_OF_MED_TYPE, INSUTYPES_KNOWN, Day

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<minute>[0-9]{2}:[0-9]{2})"
    r"(?P<second>:[0-9]{2}(?:\.[0-9]{1,9})?)?(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)


class Message(BaseModel):
    """An event from outside: unknown fields are ignored, nothing is coerced, nothing changes afterwards."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


@lru_cache(maxsize=16_384)
def _day(text: str) -> Day:
    try:
        if _DAY.fullmatch(text):
            date.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise PydanticCustomError("date_is_impossible", "write a day of the calendar as YYYY-MM-DD")


def parse_day(value: object) -> Day:
    """A calendar day, kept as the string it is. Raises `date_is_impossible` or `field_has_wrong_type`."""
    if type(value) is not str:
        raise PydanticCustomError("field_has_wrong_type", "a day is a JSON string YYYY-MM-DD")
    return _day(value)


def parse_time(value: object) -> str:
    """A moment with its offset from UTC, kept as it was sent. Raises a refusal where it has none or never was."""
    if type(value) is not str:
        raise PydanticCustomError("field_has_wrong_type", "a time is a JSON string such as 2021-03-02T10:15:00+08:00")
    form = _TIME.fullmatch(value)
    if form is None:
        raise PydanticCustomError("date_is_impossible", "write the time as ISO 8601, such as 2021-03-02T10:15:00+08:00")
    if form["offset"] is None:
        raise PydanticCustomError("time_has_no_offset", "add the offset from UTC to the time, such as +08:00")
    try:
        moment(value)
    except ValueError:
        raise PydanticCustomError("date_is_impossible", "write a moment that exists") from None
    return value


def moment(time: str) -> datetime:
    """The moment that an accepted time string names, comparable across offsets. Finer than a microsecond is cut."""
    return datetime.fromisoformat(time.upper())


def rfc3339(time: str) -> str:
    """An accepted time string as RFC 3339 wants it: a capital T, with seconds, a capital Z."""
    form = _TIME.fullmatch(time)
    if form is None:
        raise ValueError("not an accepted time")
    return f"{form['day']}T{form['minute']}{form['second'] or ':00'}{(form['offset'] or '').upper()}"


def _insutype(value: object) -> str:
    if type(value) is not str:
        raise PydanticCustomError("field_has_wrong_type", "insutype is a JSON string such as 390")
    if value not in INSUTYPES_KNOWN:
        raise PydanticCustomError("code_is_unknown", "send a national insurance type, such as 310 or 390")
    return value


_MED_TYPE = re.compile(r"[0-9]{2,6}", re.ASCII)


def _med_type(value: object) -> str:
    if type(value) is not str:
        raise PydanticCustomError("field_has_wrong_type", "med_type is a JSON string such as 21")
    if value[:2] not in CARE_OF_MED_TYPE or _MED_TYPE.fullmatch(value) is None:
        raise PydanticCustomError("code_is_unknown", "send a national care type, such as 11, 14 or 21")
    return value


Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.~/+=@#-]{1,64}$")]
"""An opaque identifier of the platform. `:` and `|` are ours: they separate identifiers in names."""

MessageId = Annotated[str, StringConstraints(pattern=r"^[!-{}-~]{1,64}$")]
"""A sender's message id: printable ASCII without blanks or `|`."""

RegionCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
"""An administrative division, six digits."""

Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,12}$")]
"""A code from a national or provincial list."""

DayField = Annotated[Day, PlainValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]
TimeField = Annotated[str, PlainValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})]
InsuranceTypeField = Annotated[
    str, PlainValidator(_insutype), WithJsonSchema({"type": "string", "enum": sorted(INSUTYPES_KNOWN)})
]
MedTypeField = Annotated[
    str,
    PlainValidator(_med_type),
    WithJsonSchema({"type": "string", "pattern": "^(" + "|".join(sorted(CARE_OF_MED_TYPE)) + ")[0-9]{0,4}$"}),
]

_CARD = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])", re.ASCII)
_CARD_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def holds_card_number(text: str) -> bool:
    """Whether a text holds an 18-digit identity-card number whose check digit is right (GB 11643)."""
    if len(text) < 18:
        return False
    return any(
        "10X98765432"[sum(w * int(d) for w, d in zip(_CARD_WEIGHTS, number, strict=False)) % 11] == number[17].upper()
        for number in _CARD.findall(text)
    )
