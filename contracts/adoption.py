"""A pack that is adopted for the past: the one act that prices history again."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts.fields import DayField, Identifier, Message, RegionCode, TimeField

PackDigest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""The digest of a pack's text, as payouts name it."""


class PackAdopted(Message):
    """`pack_adopted`: one person's year is priced again by the pack in use, from a first day of discharge on.

    `yidan packs adopt` writes one for every person-year, pack and region. It moves the settlements whose
    `insuplc_admdvs` that pack decides now, and the applications of a year whose last day is not before `first_day`.
    """

    type: Literal["pack_adopted"]
    psn_no: Identifier
    insuplc_admdvs: RegionCode
    year: Annotated[int, Field(ge=2000, le=2199)]
    first_day: DayField
    digest: PackDigest
    known_at: TimeField
