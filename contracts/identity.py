"""Facts about a person: the identities they hold and when, and balances brought from elsewhere."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.fields import Code, DayField, Identifier, Message, RegionCode, TimeField
from contracts.money import Amount
from contracts.vocabulary import Day, LayerId


class IdentityPeriod(Message):
    """One identity with its validity, both ends included. Source: interface table 10, `idetinfo`."""

    psn_idet_type: Code
    begntime: DayField
    endtime: DayField | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "IdentityPeriod":
        if self.endtime is not None and self.endtime < self.begntime:
            raise PydanticCustomError(
                "identity_ends_before_it_begins", "an identity's endtime must not precede its begntime"
            )
        return self

    def covers(self, day: Day) -> bool:
        """Whether the identity is valid on `day`."""
        return self.begntime <= day and (self.endtime is None or day <= self.endtime)


IdentityList = Annotated[tuple[IdentityPeriod, ...], Field(max_length=64, strict=False)]
"""The whole list of a person's identities. Empty means none; absent means nothing is said."""


class IdentityChanged(Message):
    """`identity_changed`: the whole list as the civil-affairs platform knew it at `known_at`."""

    type: Literal["identity_changed"]
    psn_no: Identifier
    psn_idet: IdentityList
    known_at: TimeField


class OpeningBalance(Message):
    """What one layer had counted and paid before Yidan kept the year."""

    base: Amount
    paid: Amount


class CarriedIn(Message):
    """`carried_in`: a person's year so far, kept elsewhere (interface 5206)."""

    type: Literal["carried_in"]
    psn_no: Identifier
    insuplc_admdvs: RegionCode
    year: Annotated[int, Field(ge=2000, le=2199)]
    known_at: TimeField
    layers: dict[LayerId, OpeningBalance]
