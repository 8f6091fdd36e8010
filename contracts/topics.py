"""The seven topics of the protocol, those derived from them, and what each is configured to keep."""

from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: its name, what it carries and the settings that its promises need."""

    name: str
    title: str
    direction: str  # "in", "out", "internal", "derived", "told" or "asked"
    settings: dict[str, str]


DISCHARGES: Final = "onestop.discharges.v1"
PERSONS: Final = "onestop.persons.v1"
APPLICATIONS: Final = "onestop.applications.v1"
PAYOUTS: Final = "onestop.payouts.v1"
JOURNAL: Final = "onestop.journal.v1"
SIGNALS: Final = "onestop.signals.v1"
QUARANTINE: Final = "onestop.quarantine.v1"
CLEARING: Final = "onestop.clearing.v1"
CLEARING_PAYMENTS: Final = "onestop.clearing-payments.v1"
RECONCILIATIONS: Final = "onestop.reconciliations.v1"
VIEWS: Final = "onestop.views.v1"

INPUTS: Final = (PERSONS, DISCHARGES, APPLICATIONS)
"""The input topics, in the order in which one batch takes them: who a person is, before what is settled for them."""

PARTITIONS_DEFAULT: Final = 12

_INPUT: Final = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS), "max.message.bytes": str(1 << 20)}
"""An event is 256 KiB at most; a batch of them, compressed or not, is no longer than this."""

JOURNAL_BYTES_MAX: Final = 4 << 20
"""Of one record of the journal. An entry grows with each correction, up to `contracts.journal.HISTORY_MAX` of them."""

_FOR_YEARS: Final = {"cleanup.policy": "delete", "retention.ms": "-1"}

TOPICS: Final = (
    Topic(DISCHARGES, "出院结算事件", "in", _INPUT),
    Topic(PERSONS, "人员身份与结转", "in", _INPUT),
    Topic(APPLICATIONS, "依申请补助审核结果", "in", _INPUT),
    Topic(PAYOUTS, "一单制合并支付", "out", _FOR_YEARS),
    Topic(
        JOURNAL,
        "账本流水",
        "internal",
        {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(7 * DAY_MS),
            "retention.ms": "-1",
            "max.message.bytes": str(JOURNAL_BYTES_MAX),
        },
    ),
    Topic(SIGNALS, "提示与预警", "out", _FOR_YEARS),
    Topic(QUARANTINE, "拒收隔离", "out", _FOR_YEARS),
)
"""All seven have the same number of partitions, fixed when the journal is born."""

DERIVED: Final = (
    Topic(
        CLEARING,
        "清算单",
        "derived",
        {"cleanup.policy": "compact", "min.compaction.lag.ms": str(7 * DAY_MS), "retention.ms": "-1"},
    ),
    Topic(CLEARING_PAYMENTS, "清算支付", "told", _FOR_YEARS),
    Topic(RECONCILIATIONS, "对账请求与结果", "asked", _FOR_YEARS),
    Topic(
        VIEWS,
        "统计与清算视图",
        "internal",
        {"cleanup.policy": "compact", "min.compaction.lag.ms": str(7 * DAY_MS), "retention.ms": "-1"},
    ),
)
"""What `yidan operate` keeps beside them: outside the protocol, derived from payouts, with the same partitions.

The settlement worker does without them.
"""
