"""Every message of the contract: its topic, its model, what it is called, and examples that are valid themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts import journal
from contracts.adoption import PackAdopted
from contracts.application import ApplicationDecided
from contracts.clearing import CarrierStatement, ClearingStatement
from contracts.clearing_payment import PaymentRefused, PaymentTakenBack, StatementPaid
from contracts.discharge import Reversed, Settled, Voided
from contracts.identity import CarriedIn, IdentityChanged
from contracts.payout import CombinedPayout
from contracts.quarantine import Refused, Replayed
from contracts.reconciliation import ClaimRefused, LinesAnswered, LinesClaimed, TotalsAnswered, TotalsClaimed
from contracts.signals import Signal
from contracts.topics import (
    APPLICATIONS,
    CLEARING,
    CLEARING_PAYMENTS,
    DISCHARGES,
    JOURNAL,
    PAYOUTS,
    PERSONS,
    QUARANTINE,
    RECONCILIATIONS,
    SIGNALS,
)
from workers.contracts_book import examples, examples_clearing, examples_payout
from workers.contracts_book.examples import Example


@dataclass(frozen=True)
class Message:
    """One message on one topic. `key` and `ce_type` say how a record carries it; only our outputs have the latter."""

    topic: str
    name: str
    model: Any
    zh: str
    examples: tuple[Example, ...]
    ce_type: str | None = None
    key: str = "psn_no"
    ce_source: str = "/yidan/settlement"

    @property
    def id(self) -> str:
        """Topic, thus major version, and message: `onestop.discharges.v1.settled`."""
        return f"{self.topic}.{self.name}"

    @property
    def file(self) -> str:
        """The schema's file."""
        return f"{self.id}.json"


def _field(prefix: str, name: str, model: Any, zh: str) -> Message:
    return Message(JOURNAL, name, model, zh, (examples.journal_field(prefix),), key=prefix)


def _asked(name: str, model: Any, zh: str, example: Example) -> Message:
    return Message(RECONCILIATIONS, name, model, zh, (example,), key="fixmedins_code")


def _told(name: str, model: Any, zh: str, example: Example) -> Message:
    return Message(CLEARING_PAYMENTS, name, model, zh, (example,), key="payment_id")


MESSAGES: Final = (
    Message(DISCHARGES, "settled", Settled, "出院结算：基本医保已结算的一张账单（2304）", (examples.SETTLED,)),
    Message(DISCHARGES, "reversed", Reversed, "结算撤销：撤销一笔已知的结算（2305、2208）", (examples.REVERSED,)),
    Message(DISCHARGES, "voided", Voided, "冲正：按报文ID撤回一条结果不明的报文（2601）", (examples.VOIDED,)),
    Message(
        PERSONS,
        "identity_changed",
        IdentityChanged,
        "身份变更：某一时刻所知的全部身份",
        (examples.IDENTITY_CHANGED,),
    ),
    Message(PERSONS, "carried_in", CarriedIn, "累计结转：在别处已发生的本年度累计（5206）", (examples.CARRIED_IN,)),
    Message(
        PERSONS,
        "pack_adopted",
        PackAdopted,
        "政策包追溯采用：一人一年按现行政策包重新计算",
        (examples.PACK_ADOPTED,),
    ),
    Message(
        APPLICATIONS,
        "application_decided",
        ApplicationDecided,
        "申请审核结果：经办机构对一份补助申请的结论",
        (examples.APPLICATION_DECIDED,),
    ),
    Message(
        PAYOUTS,
        "combined_payout",
        CombinedPayout,
        "合并支付单：一张账单，逐层写明由谁支付多少、依据何在",
        examples_payout.PAYOUTS,
        ce_type="yidan.combined_payout.v1",
    ),
    Message(
        SIGNALS, "signal", Signal, "提示与预警：不产生支付，但须有人知悉", (examples.SIGNAL,), ce_type="yidan.signal.v1"
    ),
    Message(
        QUARANTINE, "refused", Refused, "拒收记录：被拒收的消息、原因与改正办法", (examples.REFUSED,), key="received"
    ),
    Message(
        QUARANTINE,
        "replayed",
        Replayed,
        "重发记录：被拒收的消息已按原文重新发送",
        (examples.REPLAYED,),
        ce_type="yidan.replayed.v1",
        key="received",
        ce_source="/yidan/quarantine",
    ),
    _field("p", "person", journal.Person, "账本流水：人员的身份清单与已开账本"),
    _field("y", "year", journal.Year, "账本流水：年度累计与提示状态"),
    _field("e", "entry", journal.Entry, "账本流水：一笔已接受的事实及其各层支付"),
    _field("s", "settlement_mark", journal.SettlementMark, "账本流水：结算ID的去向"),
    _field("m", "message_mark", journal.MessageMark, "账本流水：报文ID的作用"),
    _field("k", "pack_text", journal.PackText, "账本流水：首次使用时的政策包原文"),
    Message(
        CLEARING,
        "clearing_statement",
        ClearingStatement,
        "清算单：一项基金与一家医药机构按月、按清算类别清算多少",
        (examples_clearing.CLEARED, examples_clearing.CLEARED_BACK),
        key="statement_id",
    ),
    Message(
        CLEARING,
        "carrier_statement",
        CarrierStatement,
        "年度清算单：承办补充保险的机构与县（市、区）经办机构清算多少",
        (examples_clearing.CARRIED,),
        key="statement_id",
    ),
    _told("statement_paid", StatementPaid, "清算支付：一份清算单已支付，或已支付其一部分", examples_clearing.PAID),
    _told("payment_taken_back", PaymentTakenBack, "清算支付撤回：退汇、撤销或误登", examples_clearing.TAKEN_BACK),
    _told("payment_refused", PaymentRefused, "清算支付无法登记", examples_clearing.PAYMENT_REFUSED),
    _asked("totals_claimed", TotalsClaimed, "对总账请求（3201）", examples_clearing.TOTALS_CLAIMED),
    _asked("totals_answered", TotalsAnswered, "对总账结果", examples_clearing.TOTALS_ANSWERED),
    _asked("lines_claimed", LinesClaimed, "对明细账请求（3202）", examples_clearing.LINES_CLAIMED),
    _asked("lines_answered", LinesAnswered, "对明细账结果：逐行差异与更正办法", examples_clearing.LINES_ANSWERED),
    _asked("claim_refused", ClaimRefused, "对账请求无法受理", examples_clearing.CLAIM_REFUSED),
    Message(JOURNAL, "header", journal.Header, "账本流水：封住一批的批头", (examples.HEADER,), key="header"),
)

ENGLISH: Final[Mapping[str, str]] = {
    "Settled": "`settled`: a bill that basic insurance has settled (2304 `setlinfo`). The four parts of the bill must "
    "add up to `medfee_sumamt`, and begndate must not follow enddate.",
    "PackAdopted": "`pack_adopted`: one person's year is priced again by the pack in use, from a first day of "
    "discharge on. Written by `yidan packs adopt`, never by a gateway.",
    "OpeningBalance": "What one layer had counted (`base`) and paid before Yidan kept the year.",
    "Slice": "A slice of the year's base that a settlement moved through, paid at `ratio`: `0.00` below a deductible.",
}
"""Where a docstring speaks to programmers of the model, the words for those who write the wire."""
