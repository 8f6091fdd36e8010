"""Every Chinese term of art and every closed list, once. Elsewhere only these names appear."""

from enum import StrEnum
from typing import Final

Day = str
"""A calendar day `YYYY-MM-DD`; such strings order as the days do."""


class Bucket(StrEnum):
    """The four parts of a bill as layers draw on them. Source: domain facts §1; values are the documents' words."""

    POLICY = "自负"  # what is left of inscp_scp_amt
    CATALOGUE = "自理"  # preselfpay_amt
    OVER_LIMIT = "超限价"  # overlmt_selfpay
    OUTSIDE = "自费"  # fulamt_ownpay_amt


BUCKETS: Final = (Bucket.POLICY, Bucket.CATALOGUE, Bucket.OVER_LIMIT, Bucket.OUTSIDE)
"""The order in which a payment made elsewhere draws on the bill, and the index of each bucket in the core."""

BUCKET_FIELDS: Final = ("inscp_scp_amt", "preselfpay_amt", "overlmt_selfpay", "fulamt_ownpay_amt")
"""The wire field of each of `BUCKETS`."""


class Care(StrEnum):
    """What kind of care a settlement is for, as the documents speak of it."""

    INPATIENT = "住院"
    SPECIAL_OUTPATIENT = "特殊病种门诊"
    OUTPATIENT = "门诊"
    OTHER = "其他"


CARE_OF_MED_TYPE: Final = {
    **dict.fromkeys(("21", "22", "23", "24", "26", "28"), Care.INPATIENT),
    "14": Care.SPECIAL_OUTPATIENT,
    **dict.fromkeys(("11", "13"), Care.OUTPATIENT),
    # Known to the national list but entitled to nothing in the shipped documents: registration, special
    # examinations, accidents, home beds, pharmacies, maternity, family planning and the local remainder.
    **dict.fromkeys(
        ("12", "15", "16", "17", "18", "19", "25", "27", "31", "41", "51", "52", "53", "54", "91", "92", "93"),
        Care.OTHER,
    ),
}
"""Care by the first two digits of `med_type`; longer codes refine them."""


class ClrType(StrEnum):
    """`clr_type`, how hospital and office sort what they clear."""

    OUTPATIENT = "11"
    INPATIENT = "21"
    OTHER = "99"


CLR_TYPE_OF_CARE: Final = {
    Care.INPATIENT: ClrType.INPATIENT,
    Care.SPECIAL_OUTPATIENT: ClrType.OUTPATIENT,  # settled as outpatient care (2207), whichever cap it shares
    Care.OUTPATIENT: ClrType.OUTPATIENT,
    Care.OTHER: ClrType.OTHER,
}


class InsuranceType(StrEnum):
    """`insutype`."""

    EMPLOYEES = "310"
    RESIDENTS = "390"


INSUTYPES_KNOWN: Final = frozenset(
    ("310", "320", "330", "340", "350", "360", "370", "380", "390", "391", "392", "410", "510")
)
"""National insurance types. Layers name those they cover; the others settle as `other_insurance`."""


class Exclusion(StrEnum):
    """A reason why no computed layer pays for a settlement. A flag excludes the whole settlement."""

    WORK_INJURY = "work_injury"
    THIRD_PARTY = "third_party"
    PUBLIC_HEALTH = "public_health"
    COSMETIC = "cosmetic"
    OVERSEAS = "overseas"
    NON_DESIGNATED = "non_designated"
    UNLAWFUL = "unlawful"


EXCLUSION_WORDS: Final = {
    "工伤": Exclusion.WORK_INJURY,
    "第三人负担": Exclusion.THIRD_PARTY,
    "公共卫生负担": Exclusion.PUBLIC_HEALTH,
    "整容美容": Exclusion.COSMETIC,
    "境外就医": Exclusion.OVERSEAS,
    "非定点医疗机构": Exclusion.NON_DESIGNATED,
    "违法犯罪": Exclusion.UNLAWFUL,
}
"""The words a pack uses for each exclusion."""

PREMIUM_SUBSIDISED: Final = "免缴"
"""The requirement that public money pays the person's contribution; an identity stands for it unless the event
says otherwise (`premium_subsidised: false`)."""

FUND_FIELDS: Final = (
    "hifp_pay",
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "hifob_pay",
    "hifdm_pay",
    "maf_pay",
    "oth_pay",
    "hosp_part_amt",
)
"""Payments that others made before us. The person's own account, `acct_pay`, is not among them."""

HOSPITAL_SHARE: Final = "hosp_part_amt"
"""The one of `FUND_FIELDS` that is no fund: it lowers the bill but not `fund_pay_sumamt`."""


class LayerId(StrEnum):
    """The layers a pack may stack."""

    BASIC = "basic"
    SERIOUS_ILLNESS = "serious_illness"
    SUPPLEMENTARY = "supplementary"
    ASSISTANCE_INPATIENT = "assistance_inpatient"
    ASSISTANCE_OUTPATIENT = "assistance_outpatient"
    ASSISTANCE = "assistance"
    HIGH_EXPENSE_SUBSIDY = "high_expense_subsidy"


class Kind(StrEnum):
    """Why a combined payout was written."""

    SETTLEMENT = "settlement"
    REVERSAL = "reversal"
    READJUDICATION = "readjudication"
    APPLICATION = "application"


class Status(StrEnum):
    """What a layer did for a settlement."""

    PAID = "paid"
    REPORTED = "reported"
    PENDING_APPLICATION = "pending_application"
    NOTHING = "nothing"


class Reason(StrEnum):
    """Why a layer paid nothing: the first that holds, in this order; `reversed` on reversals."""

    NOT_IN_FORCE = "not_in_force"
    OTHER_INSURANCE = "other_insurance"
    CARE_NOT_COVERED = "care_not_covered"
    EXCLUDED_CAUSE = "excluded_cause"
    DELEGATED = "delegated"
    NO_IDENTITY = "no_identity"
    NOTHING_LEFT = "nothing_left"
    CAP_SPENT = "cap_spent"
    BELOW_DEDUCTIBLE = "below_deductible"
    ROUNDS_TO_NOTHING = "rounds_to_nothing"
    REVERSED = "reversed"


class Payee(StrEnum):
    """Who receives a payable line: the hospital that paid in advance, or the person it has billed since."""

    INSTITUTION = "fixmedins"
    PERSON = "person"


class Correction(StrEnum):
    """Which way a correction moves money between a fund and the person. A reversal's returns are neither.

    A top-up is paid out like any payment. Whether a clawback is asked for is somebody's decision: the person may have
    done nothing wrong.
    """

    TOP_UP = "top_up"
    CLAWBACK = "clawback"


class SignalKind(StrEnum):
    """What people must be told although no money moves."""

    LARGE_BILL = "large_bill"
    CAP_REACHED = "cap_reached"
    ZERO_SELF_PAY = "zero_self_pay"
    CLAWBACK_NEEDS_DECISION = "clawback_needs_decision"
    INSURED_TWICE = "insured_twice"
    OTHER_ASSISTANCE_RISEN = "other_assistance_risen"


class Refusal(StrEnum):
    """Why an event goes to quarantine: full statements, a closed list, and the metric's label."""

    # the bytes
    MESSAGE_IS_EMPTY = "message_is_empty"
    MESSAGE_IS_TOO_LARGE = "message_is_too_large"
    MESSAGE_IS_NOT_UTF8 = "message_is_not_utf8"
    MESSAGE_IS_NOT_JSON = "message_is_not_json"
    MESSAGE_IS_NOT_AN_OBJECT = "message_is_not_an_object"
    # the envelope
    KEY_IS_NOT_PSN_NO = "key_is_not_psn_no"
    WRONG_PARTITION = "wrong_partition"
    EVENT_TYPE_IS_UNKNOWN = "event_type_is_unknown"
    EVENT_TYPE_BELONGS_ON_ANOTHER_TOPIC = "event_type_belongs_on_another_topic"
    CARD_NUMBER_IN_IDENTIFIER = "card_number_in_identifier"
    # the fields
    FIELD_IS_MISSING = "field_is_missing"
    FIELD_HAS_WRONG_TYPE = "field_has_wrong_type"
    IDENTIFIER_IS_MALFORMED = "identifier_is_malformed"
    SEND_MONEY_AS_STRING = "send_money_as_string"
    AMOUNT_IS_NOT_YUAN_AND_FEN = "amount_is_not_yuan_and_fen"
    DATE_IS_IMPOSSIBLE = "date_is_impossible"
    TIME_HAS_NO_OFFSET = "time_has_no_offset"
    CODE_IS_UNKNOWN = "code_is_unknown"
    LIST_IS_TOO_LONG = "list_is_too_long"
    # the fields together
    STAY_ENDS_BEFORE_IT_BEGINS = "stay_ends_before_it_begins"
    IDENTITY_ENDS_BEFORE_IT_BEGINS = "identity_ends_before_it_begins"
    COST_PARTS_DO_NOT_ADD_UP = "cost_parts_do_not_add_up"
    FUND_PAYMENTS_EXCEED_BILL = "fund_payments_exceed_bill"
    LAYER_ALREADY_PAID = "layer_already_paid"
    NO_PACK_FOR_REGION = "no_pack_for_region"
    # the year
    SETL_ID_REUSED_WITH_OTHER_CONTENT = "setl_id_reused_with_other_content"
    SETL_ID_WAS_REVERSED = "setl_id_was_reversed"
    WAS_REVERSED_BEFORE = "was_reversed_before"
    HISTORY_IS_TOO_LONG = "history_is_too_long"
    LATER_SETTLEMENTS_EXIST = "later_settlements_exist"
    MESSAGE_WAS_VOIDED = "message_was_voided"
    VOIDING_A_REVERSAL = "voiding_a_reversal"
    MESSAGE_ID_WAS_USED_TWICE = "message_id_was_used_twice"
    IDENTITY_LIST_CONTRADICTS_ITSELF = "identity_list_contradicts_itself"
    OPENING_BALANCE_CONTRADICTS_ITSELF = "opening_balance_contradicts_itself"
    LAYER_IS_NOT_COMPUTED_HERE = "layer_is_not_computed_here"
    PACK_IS_NOT_IN_USE = "pack_is_not_in_use"
    PACK_MOVES_REPORTED_MONEY = "pack_moves_reported_money"
    DECISION_CONTRADICTS_ITSELF = "decision_contradicts_itself"
    NOTHING_IS_PAID_ON_APPLICATION_HERE = "nothing_is_paid_on_application_here"
    APPLICANT_IS_UNKNOWN = "applicant_is_unknown"
    HARDSHIP_STATUS_NOT_APPLIED_FOR = "hardship_status_not_applied_for"
    APPLICANT_IS_NOT_ENTITLED = "applicant_is_not_entitled"
    APPLIED_AFTER_THE_DEADLINE = "applied_after_the_deadline"
    OBJECTIONS_ARE_OPEN = "objections_are_open"
