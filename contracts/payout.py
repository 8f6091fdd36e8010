"""The combined payout: one message that says, layer by layer, who owes what for one bill and why.

Written as typed dictionaries, not model classes: the hot path builds each payout once and encodes it at once, and a
dictionary that the type checker knows costs a quarter of a model. Readers and tests validate with `READ_PAYOUT`.
"""

from typing import Final, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from contracts.money import Yuan
from contracts.vocabulary import ClrType, Correction, Kind, LayerId, Payee, Reason, Status

_STRICT: Final = ConfigDict(extra="forbid", strict=True)
"""Readers and tests validate from JSON (`validate_json`): a closed list's word is read as its enum member."""

Slice = TypedDict("Slice", {"from": Yuan, "to": Yuan, "ratio": str})
"""A slice of the year's base that a settlement moved through, paid at `ratio`; a deductible's ratio is `"0.00"`."""
Slice.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]


@with_config(_STRICT)
class Line(TypedDict):
    """What one layer does for the bill. Amounts are yuan; `delta` is against the previous revision.

    A line that a computed layer reached a decision for also shows the row (`who`), what entered the layer
    (`inscp_scp_amt`), the year's base before and after, the slices moved through, the cap, what could still be paid
    before (`crt_payb_lmt_amt`) and after (`cap_left`) this settlement. No cap: the three are null. `correction`
    stands on a payable line that a correction made: whether it gives the person more, or asks back.
    """

    seq: int
    layer: LayerId
    label: str
    fund_pay_type: str
    status: Status
    reason: Reason | None
    who: NotRequired[str | None]
    inscp_scp_amt: NotRequired[Yuan]
    base_before: NotRequired[Yuan]
    base_after: NotRequired[Yuan]
    tiers: NotRequired[list[Slice]]
    cap: NotRequired[Yuan | None]
    crt_payb_lmt_amt: NotRequired[Yuan | None]
    cap_left: NotRequired[Yuan | None]
    pending_payamt: NotRequired[Yuan]
    fund_payamt: Yuan
    delta: Yuan
    payable: bool
    payee: Payee | None
    correction: NotRequired[Correction]
    clauses: NotRequired[list[str]]
    readings: NotRequired[list[str]]


@with_config(_STRICT)
class Cause(TypedDict):
    """The event that made Yidan write this payout."""

    type: Literal[
        "settled", "reversed", "voided", "identity_changed", "carried_in", "application_decided", "pack_changed"
    ]
    msgid: NotRequired[str]
    application_id: NotRequired[str]
    known_at: NotRequired[str]


@with_config(_STRICT)
class PackUsed(TypedDict):
    """The policy pack that decided: its ledger's region and the digest of its text.

    `carrier` is the insurer that a county's file names for its supplementary insurance: it clears with the county.
    """

    region: str
    digest: str
    carrier: NotRequired[str]


@with_config(_STRICT)
class Left(TypedDict):
    """What the person still pays, by part of the bill."""

    fulamt_ownpay_amt: Yuan
    overlmt_selfpay: Yuan
    preselfpay_amt: Yuan
    inscp_scp_amt: Yuan


@with_config(_STRICT)
class CombinedPayout(TypedDict):
    """`combined_payout`: one bill, every layer of the pack in order.

    `medfee_sumamt = fund_pay_sumamt + psn_part_amt + hosp_part_amt`; the last stands in `other_payments`, together with
    the fund fields that no layer of the pack names, where there are any. An application payout has one line, an
    `application_id` in place of the settlement's fields, and no `left`; its line looks at the whole of the year's base
    less `other_assistance`.
    """

    type: Literal["combined_payout"]
    payout_id: str
    kind: Kind
    setl_id: NotRequired[str]
    mdtrt_id: NotRequired[str]
    application_id: NotRequired[str]
    psn_no: str
    insuplc_admdvs: str
    fixmedins_code: NotRequired[str]
    insutype: NotRequired[str]
    clr_type: NotRequired[ClrType]
    acct_pay: NotRequired[Yuan]
    year: int
    revision: int
    cause: Cause
    pack: PackUsed
    medfee_sumamt: NotRequired[Yuan]
    fund_pay_sumamt: Yuan
    psn_part_amt: NotRequired[Yuan]
    other_payments: NotRequired[dict[str, Yuan]]
    other_assistance: NotRequired[Yuan]
    lines: list[Line]
    left: NotRequired[Left]


READ_PAYOUT: Final = TypeAdapter(CombinedPayout)
