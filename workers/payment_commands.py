"""The commands of a finance desk: say that a clearing statement was paid, or take that back."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson
import typer

from contracts.clearing import READ_STATEMENT, CarrierStatement, ClearingStatement
from contracts.money import Fen, yuan
from contracts.reconciliation import parse_signed
from contracts.topics import CLEARING, CLEARING_PAYMENTS
from contracts.words import CLR_TYPE_TEXTS, TAKEN_BACK_TEXTS
from workers.adjudication.explain_layer import printed
from workers.adjudication.page import Page
from workers.exits import Exit
from workers.offline_commands import complain
from workers.operations.owed import overpaid
from workers.operations.payments import Payments
from workers.settings import Settings, settings_or_exit
from workers.settlement.validate import partition_of

Statement = ClearingStatement | CarrierStatement


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """What `yidan statements paid` was asked to say."""

    statement_id: str
    amount: str
    paid_on: str
    voucher: str
    revision: int | None
    payment_id: str | None
    unseen: bool
    overpay: bool
    preview: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class TakenBackOrder:
    """What `yidan statements take-back` was asked to say."""

    payment_id: str
    why: str
    taken_back_on: str
    voucher: str | None
    unseen: bool
    preview: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What the two topics hold as of now."""

    statements: dict[str, Statement]
    payments: Payments


@dataclass(frozen=True, slots=True)
class Told:
    """What a desk is about to say, and what it comes to."""

    event: dict[str, Any]
    statement: Statement | None
    amount: Fen
    """What it adds to the payments of the statement: less than nothing where a payment is taken back."""
    before: Fen
    repeated: bool

    @property
    def due(self) -> Fen | None:
        """What the statement comes to; None where there is none."""
        return None if self.statement is None else parse_signed(self.statement["fund_appy_sum"])

    @property
    def left(self) -> Fen | None:
        """What is open of it afterwards."""
        return None if self.due is None else self.due - self.before - self.amount

    @property
    def overpaid(self) -> Fen:
        """What will have been paid beyond the statement."""
        return 0 if self.due is None else overpaid(self.due, self.before + self.amount)


def payment_name(statement_id: str, voucher: str) -> str:
    """The name of a payment that was given none: one voucher pays one statement once, however often that is said."""
    return f"desk-{sha256(f'{statement_id}|{voucher}'.encode()).hexdigest()[:32]}"


def pay_statement(order: PaidOrder) -> Exit:
    """Show what a payment leaves open of its statement; then say it, unless only a preview was asked for.

    What is mistyped more often than it is meant is said only when told so: a statement that nobody has seen, and more
    money than is open.
    """
    settings = settings_or_exit()
    known = _reached(settings, _known(settings))
    if known is None:
        return Exit.UNAVAILABLE
    statement = known.statements.get(order.statement_id)
    event: dict[str, Any] = {
        "type": "statement_paid",
        "payment_id": order.payment_id or payment_name(order.statement_id, order.voucher),
        "statement_id": order.statement_id,
        "amount": order.amount,
        "paid_on": order.paid_on,
        "voucher": order.voucher,
    }
    before = known.payments.find(event["payment_id"])
    # A revision that was not given is the one that is paid against now; said again later, it is the same payment.
    revision = order.revision or (before.paid.revision if before else statement["revision"] if statement else None)
    event |= {} if revision is None else {"revision": revision}
    paid_before = known.payments.paid(order.statement_id)
    if not _would_count(settings, known, event):
        return Exit.BAD_DATA
    repeated, said = before is not None, known.payments.find(event["payment_id"])
    told = Told(
        event=event if said is None else {**event, "amount": yuan(said.paid.amount)},
        statement=statement,
        amount=known.payments.paid(order.statement_id) - paid_before,
        before=paid_before,
        repeated=repeated,
    )
    if not (order.preview or repeated):
        if statement is None and not order.unseen:
            complain("STATEMENT_ID: no such statement has come: mend it, or say --unseen to have it kept for that one")
            return Exit.BAD_DATA
        if told.overpaid and not order.overpay:
            complain(f"AMOUNT: {yuan(told.overpaid)} more than the statement comes to: mend it, or say --overpay")
            return Exit.BAD_DATA
    return _ended(settings, told, preview=order.preview, as_json=order.as_json)


def take_back_payment(order: TakenBackOrder) -> Exit:
    """Show what is open again once a payment no longer counts; then say so, unless only a preview was asked for."""
    settings = settings_or_exit()
    known = _reached(settings, _known(settings))
    if known is None:
        return Exit.UNAVAILABLE
    payment = known.payments.find(order.payment_id)
    event: dict[str, Any] = {
        "type": "payment_taken_back",
        "payment_id": order.payment_id,
        "why": order.why,
        "taken_back_on": order.taken_back_on,
        **({} if order.voucher is None else {"voucher": order.voucher}),
    }
    statement_id = payment.paid.statement_id if payment is not None else ""
    before = known.payments.paid(statement_id)
    if not _would_count(settings, known, event):
        return Exit.BAD_DATA
    if payment is None and not (order.unseen or order.preview):
        complain("PAYMENT_ID: no such payment was told: mend it, or say --unseen to have it kept for that one")
        return Exit.BAD_DATA
    amount = known.payments.paid(statement_id) - before
    repeated = payment is not None and payment.taken_back is not None
    told = Told(event, known.statements.get(statement_id), amount, before, repeated)
    return _ended(settings, told, preview=order.preview, as_json=order.as_json)


# ── the topics ────────────────────────────────────────────────────────────────────────────────────────────────


async def _known(settings: Settings) -> Known:
    from workers.kafka.outside import everything_committed

    statements: dict[str, Statement] = {}
    payments = Payments(settings.partitions)
    for record in await everything_committed(settings, (CLEARING, CLEARING_PAYMENTS)):
        if record.topic == CLEARING_PAYMENTS:
            payments.take(record.partition, record.offset, record.key, record.value)
        elif record.value is not None:
            said = READ_STATEMENT.validate_json(record.value)
            held = statements.get(said["statement_id"])
            if held is None or held["revision"] <= said["revision"]:
                statements[said["statement_id"]] = said
    return Known(statements, payments)


def _would_count(settings: Settings, known: Known, event: dict[str, Any]) -> bool:
    """Takes an event in as `yidan operate` would; says why, where that would refuse it."""
    payments, key = known.payments, str(event["payment_id"]).encode()
    partition = partition_of(key, settings.partitions)
    place = (partition, payments.positions[partition])
    payments.take(*place, key, orjson.dumps(event))
    refused = payments.refused.get(place)
    if refused is not None:
        complain(f"it would be refused, {refused['reason']}: {refused['field'] or 'value'}: {refused['detail']}")
    return refused is None


async def _send(settings: Settings, event: dict[str, Any]) -> int:
    from workers.kafka.outside import send

    async def one() -> AsyncIterator[tuple[bytes | None, bytes]]:
        yield event["payment_id"].encode(), orjson.dumps(event)

    return await send(settings, CLEARING_PAYMENTS, one(), partition_of)


def _reached(settings: Settings, job: Any) -> Any:
    """What a job with the broker gives; None after saying that it cannot be reached."""
    from workers.kafka.connection import UNREACHABLE

    try:
        return asyncio.run(job)
    except UNREACHABLE as error:
        complain(f"YIDAN_KAFKA_BOOTSTRAP: {settings.kafka_bootstrap} cannot be used: {error or type(error).__name__}")
        return None


# ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

_KINDS: Final = {"statement_paid": "登记支付", "payment_taken_back": "撤回支付"}


def _ended(settings: Settings, told: Told, *, preview: bool, as_json: bool) -> Exit:
    """Shows what it comes to, and says it unless it was said before or only a preview was asked for."""
    if not as_json:
        typer.echo(_page(told), nl=False)
    ended, sent = Exit.OK, False
    if told.repeated:
        complain("this was said before: nothing is sent")
    elif not preview:
        sent = _reached(settings, _send(settings, told.event)) is not None
        ended = Exit.OK if sent else Exit.UNAVAILABLE
        if sent:
            complain(f"sent to {CLEARING_PAYMENTS}")
    if as_json:
        sums = {"due": told.due, "before": told.before, "paid_out": told.before + told.amount, "open": told.left}
        written = {name: None if fen is None else yuan(fen) for name, fen in sums.items()}
        line = {"event": told.event, **written, "overpaid": yuan(told.overpaid), "sent": sent}
        sys.stdout.buffer.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
    return ended


def _page(told: Told) -> str:
    event, statement = told.event, told.statement
    page = Page()
    page.rule("=")
    page.text(f"{_KINDS[event['type']]}　登记号 {event['payment_id']}")
    page.rule("=")
    if statement is None:
        page.term("清算单", f"{event.get('statement_id', '（未知）')}（尚未收到）")
    else:
        page.term("清算单", f"{statement['statement_id']}　第 {statement['revision']} 版")
        page.term("收付双方", f"{statement['clr_optins']} 基金 {statement['fund_pay_type']} → {_payee(statement)}")
        page.term("期间", _period(statement))
    if event["type"] == "statement_paid":
        page.term("支付", f"{event['paid_on']}　凭证 {event['voucher']}")
    else:
        why = next(text for why, text in TAKEN_BACK_TEXTS.items() if why.value == event["why"])
        page.term("撤回", f"{event['taken_back_on']}　{why}")
    page.rule("-")
    if told.due is not None:
        page.amount("应付", printed(told.due))
    page.amount("此前已付", printed(told.before))
    page.amount("本次", printed(told.amount))
    if told.left is not None:
        page.amount("此后未付", printed(told.left))
    if told.overpaid:
        page.amount("其中多付", printed(told.overpaid))
    page.rule("=")
    return str(page)


def _payee(statement: Statement) -> str:
    if statement["type"] == "carrier_statement":
        return statement["carrier"]
    return statement["fixmedins_code"]


def _period(statement: Statement) -> str:
    if statement["type"] == "carrier_statement":
        return f"{statement['year']} 年度"
    return f"{statement['setlym']}　{CLR_TYPE_TEXTS[statement['clr_type']]}"
