"""Discharge events as a settlement gateway sends them. Names are those of the national interface (2304, 2305, 2601)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.fields import (
    DayField,
    Identifier,
    InsuranceTypeField,
    MedTypeField,
    Message,
    MessageId,
    RegionCode,
    TimeField,
)
from contracts.identity import IdentityList
from contracts.money import Amount, Fen
from contracts.vocabulary import CARE_OF_MED_TYPE, Care, Exclusion


class Settled(Message):
    """`settled`: a bill that basic insurance has settled (2304 `setlinfo`)."""

    type: Literal["settled"]
    msgid: MessageId
    setl_id: Identifier
    mdtrt_id: Identifier
    psn_no: Identifier
    insutype: InsuranceTypeField
    med_type: MedTypeField
    insuplc_admdvs: RegionCode
    mdtrtarea_admvs: RegionCode | None = None
    fixmedins_code: Identifier
    begndate: DayField
    enddate: DayField
    setl_time: TimeField
    psn_idet: IdentityList | None = None
    premium_subsidised: bool | None = None
    exclusions: Annotated[tuple[Exclusion, ...], Field(max_length=32, strict=False)] | None = None

    medfee_sumamt: Amount
    fulamt_ownpay_amt: Amount
    overlmt_selfpay: Amount
    preselfpay_amt: Amount
    inscp_scp_amt: Amount

    hifp_pay: Amount | None = None
    cvlserv_pay: Amount | None = None
    hifes_pay: Amount | None = None
    hifmi_pay: Amount | None = None
    hifob_pay: Amount | None = None
    hifdm_pay: Amount | None = None
    maf_pay: Amount | None = None
    oth_pay: Amount | None = None
    hosp_part_amt: Amount | None = None
    acct_pay: Amount | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> "Settled":
        if self.begndate > self.enddate:
            raise PydanticCustomError("stay_ends_before_it_begins", "enddate must not precede begndate")
        if self.parts_sum != self.medfee_sumamt:
            raise PydanticCustomError(
                "cost_parts_do_not_add_up",
                "medfee_sumamt must equal fulamt_ownpay_amt + overlmt_selfpay + preselfpay_amt + inscp_scp_amt",
            )
        return self

    @property
    def parts_sum(self) -> Fen:
        """The four parts of the bill together."""
        return self.fulamt_ownpay_amt + self.overlmt_selfpay + self.preselfpay_amt + self.inscp_scp_amt

    @property
    def care(self) -> Care:
        """What kind of care the bill is for."""
        return CARE_OF_MED_TYPE[self.med_type[:2]]

    @property
    def year(self) -> int:
        """The benefit year: that of the discharge."""
        return int(self.enddate[:4])


class Reversed(Message):
    """`reversed`: a known settlement is cancelled (2305, 2208)."""

    type: Literal["reversed"]
    msgid: MessageId
    setl_id: Identifier
    mdtrt_id: Identifier | None = None
    psn_no: Identifier
    insuplc_admdvs: RegionCode | None = None
    setl_time: TimeField


class Voided(Message):
    """`voided`: a message whose outcome its sender never learned is undone by its message id (2601)."""

    type: Literal["voided"]
    msgid: MessageId
    omsgid: MessageId
    oinfno: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    psn_no: Identifier
    setl_time: TimeField
