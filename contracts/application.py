"""Decisions on layers that are paid on application. Source: 景政办发〔2021〕29号 二（三）."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import DayField, Identifier, Message, RegionCode, TimeField
from contracts.money import Amount


class ApplicationDecided(Message):
    """`application_decided`: what the office found about one application. `account_token` stands for the account."""

    type: Literal["application_decided"]
    application_id: Identifier
    psn_no: Identifier
    insuplc_admdvs: RegionCode
    year: Annotated[int, Field(ge=2000, le=2199)]
    applicant: Annotated[str, Field(min_length=1, max_length=40)]
    hardship_application: Literal["granted", "refused", "not_made"] | None = None
    resident: bool
    insured_years: Annotated[int, Field(ge=0, le=150)] | None = None
    other_assistance: Amount
    applied_on: DayField
    objections: bool
    approved: bool
    known_at: TimeField
    account_token: Identifier | None = None
