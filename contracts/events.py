"""Every event that Yidan takes in, told apart by `type`, and the topic each arrives on."""

from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from contracts.adoption import PackAdopted
from contracts.application import ApplicationDecided
from contracts.discharge import Reversed, Settled, Voided
from contracts.identity import CarriedIn, IdentityChanged
from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS

Event = Settled | Reversed | Voided | IdentityChanged | CarriedIn | PackAdopted | ApplicationDecided

READ_EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
"""Reads and validates an event straight from its bytes."""

TOPIC_OF_TYPE: Final = {
    "settled": DISCHARGES,
    "reversed": DISCHARGES,
    "voided": DISCHARGES,
    "identity_changed": PERSONS,
    "carried_in": PERSONS,
    "pack_adopted": PERSONS,
    "application_decided": APPLICATIONS,
}

TRACE_HEADER: Final = "traceparent"
"""The one header of an input that is handed on: W3C Trace Context, from a discharge into what it causes."""
