"""A person's year as it is told to them, one block a region: the answer of `yidan year --json`."""

from typing import Final, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from contracts.money import Yuan
from contracts.payout import Cause
from contracts.vocabulary import Care, LayerId, Reason, SignalKind, Status

_STRICT: Final = ConfigDict(extra="forbid", strict=True)

Ratio = str
"""An exact decimal with at least two places, `0.70`."""

ByPart = dict[str, Ratio]
"""A share for each part of a bill, by its wire field (`contracts.vocabulary.BUCKET_FIELDS`)."""


@with_config(_STRICT)
class PackSheet(TypedDict):
    """A policy text that decided something in the year, or decides now."""

    digest: str
    in_use: bool


@with_config(_STRICT)
class BalanceSheet(TypedDict):
    """What one layer had counted and paid elsewhere before the year began here."""

    layer: LayerId
    label: str
    base: Yuan
    paid: Yuan


@with_config(_STRICT)
class OpeningSheet(TypedDict):
    """Balances carried in for the year, and when they were known."""

    known_at: str
    layers: list[BalanceSheet]


@with_config(_STRICT)
class LineSheet(TypedDict):
    """What one layer does for an entry, by its latest revision; `first` is what its first revision said.

    `base` is what of the bill entered the layer.
    """

    layer: LayerId
    label: str
    status: Status
    reason: Reason | None
    who: str | None
    base: Yuan
    fund_payamt: Yuan
    first: Yuan
    pending_payamt: NotRequired[Yuan]


@with_config(_STRICT)
class ChangeSheet(TypedDict):
    """By how much a revision changed what a layer pays; `to_person` is the part of it that concerns the person."""

    layer: LayerId
    label: str
    delta: Yuan
    to_person: Yuan


@with_config(_STRICT)
class RevisionSheet(TypedDict):
    """A later revision of an entry. One without changes is a decision that moved no money."""

    revision: int
    cause: Cause
    changes: list[ChangeSheet]


@with_config(_STRICT)
class SettlementSheet(TypedDict):
    """A settlement, `number` in the order of arrival; `live` is false once it was reversed.

    `other_payments` are those of a live one that stand on no layer's line, as in its payout: with the lines and
    `psn_part_amt` they add up to `medfee_sumamt`.
    """

    kind: Literal["settlement"]
    number: int
    setl_id: str
    mdtrt_id: str
    msgid: str
    fixmedins_code: str
    insuplc_admdvs: str
    insutype: str
    care: Care
    begndate: str
    enddate: str
    setl_time: str
    medfee_sumamt: Yuan
    codes: list[str]
    live: bool
    revision: int
    pack: str
    lines: list[LineSheet]
    other_payments: NotRequired[dict[str, Yuan]]
    psn_part_amt: Yuan
    revisions: list[RevisionSheet]


@with_config(_STRICT)
class ApplicationSheet(TypedDict):
    """A decided application. `withdrawn` had been paid before; `refused` never was."""

    kind: Literal["application"]
    number: int
    application_id: str
    insuplc_admdvs: str
    applicant: str
    applied_on: str
    known_at: str
    decision: Literal["approved", "refused", "withdrawn"]
    other_assistance: Yuan
    revision: int
    pack: str
    lines: list[LineSheet]
    revisions: list[RevisionSheet]


@with_config(_STRICT)
class LayerSheet(TypedDict):
    """Where one layer stands. `who`, the deductible and the cap are those of the row that counted last; null before.

    `reported` is what the platform paid itself on this layer's line; it counts towards no base and no cap here.
    """

    layer: LayerId
    label: str
    fund_pay_type: str
    mode: Literal["reported", "computed", "on_application"]
    reported: Yuan
    base: Yuan
    paid: Yuan
    who: str | None
    deductible: Yuan | None
    deductible_used: Yuan | None
    cap: Yuan | None
    cap_left: Yuan | None
    pending_payamt: NotRequired[Yuan]
    clauses: list[str]
    readings: list[str]


@with_config(_STRICT)
class StandingSignal(TypedDict):
    """A signal that is raised; `layer` is null for one about the whole year."""

    kind: SignalKind
    layer: LayerId | None
    revision: int


@with_config(_STRICT)
class NextOfLayer(TypedDict):
    """What one layer would pay of one more yuan. `shares` is null for a layer that the platform computes.

    `pending` is the share by which what can be applied for would grow. `reason` says why every share is nothing.
    """

    layer: LayerId
    label: str
    who: str | None
    shares: ByPart | None
    pending: NotRequired[ByPart]
    reason: Reason | None


@with_config(_STRICT)
class NextOfCare(TypedDict):
    """One more yuan of one kind of care; `left` is what the layers that Yidan computes leave of it."""

    care: Care
    layers: list[NextOfLayer]
    left: ByPart


@with_config(_STRICT)
class NextYuan(TypedDict):
    """What each layer would pay of one more yuan that the platform's own layers leave, on a day, at the next fen."""

    on: str
    insutype: str
    codes: list[str]
    pack: str
    cares: list[NextOfCare]


@with_config(_STRICT)
class RegionSheet(TypedDict):
    """One ledger. `next_yuan` is null where no settlement says how the person is insured."""

    region: str
    name: str
    packs: list[PackSheet]
    opening: OpeningSheet | None
    entries: list[SettlementSheet | ApplicationSheet]
    layers: list[LayerSheet]
    signals: list[StandingSignal]
    next_yuan: NextYuan | None


@with_config(_STRICT)
class Identity(TypedDict):
    """An identity that is held, with its validity."""

    psn_idet_type: str
    begntime: str
    endtime: str | None


@with_config(_STRICT)
class HeldIdentities(TypedDict):
    """The identity list held about the person, and when it was known."""

    known_at: str
    psn_idet: list[Identity]


@with_config(_STRICT)
class YearSheet(TypedDict):
    """A person's year: what is held about them, and one block for each region that keeps a ledger of it."""

    type: Literal["year_sheet"]
    psn_no: str
    year: int
    identities: HeldIdentities | None
    regions: list[RegionSheet]


READ_YEAR_SHEET: Final = TypeAdapter(YearSheet)
