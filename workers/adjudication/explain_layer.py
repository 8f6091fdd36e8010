"""One layer of a payout in words: what entered it, how much of that it pays and why, where its cap stands."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from contracts.money import Fen, yuan
from contracts.payout import Line
from contracts.vocabulary import Kind, Payee, Reason, Status
from contracts.words import PAYEE_TEXTS, REASON_TEXTS, STATUS_TEXTS
from workers.adjudication.page import Page

ReadingTexts = Mapping[str, str]
"""What a reading asks and answers, by its id."""

INDENT: Final = 4
_READING: Final = 10


def fen_of(written: str) -> Fen:
    """Fen of an amount that Yidan wrote, always with two decimals."""
    return int(written.replace(".", ""))


def printed(fen: Fen) -> str:
    """With thousands separated, as amounts are printed."""
    whole, decimals = yuan(abs(fen)).split(".")
    return f"{'-' if fen < 0 else ''}{int(whole):,}.{decimals}"


def shown(written: str) -> str:
    """An amount that Yidan wrote, with thousands separated."""
    return printed(fen_of(written))


def explain_layer(page: Page, line: Line, kind: Kind, readings: ReadingTexts, before: Fen) -> None:
    """Write everything that the line says. `before` is what the previous version said that the layer pays.

    `readings` add their questions and answers where they are known and the layer was reached: on every bill there are
    layers for other care, whose readings' ids are enough.
    """
    status = Status(line["status"])
    did = "已冲销" if kind is Kind.REVERSAL else STATUS_TEXTS[status]
    if status is Status.REPORTED and kind is not Kind.REVERSAL and fen_of(line["fund_payamt"]) == 0:
        did = "平台未报告"
    page.amount(f"{line['seq']:>2}  {line['label']}（基金 {line['fund_pay_type']}）", shown(line["fund_payamt"]), did)
    if status is Status.REPORTED and kind is not Kind.REVERSAL:
        reported = fen_of(line["fund_payamt"])
        if reported:
            page.text("平台在本单之前已经支付，本单只作记载，不再付款。", INDENT)
    if line["reason"] is not None:
        page.term("原因", REASON_TEXTS[Reason(line["reason"])], INDENT)
    if line.get("who"):
        page.term("适用对象", str(line["who"]), INDENT)
    if "inscp_scp_amt" in line:
        page.term("进入本层金额", shown(line["inscp_scp_amt"]), INDENT)
    if "base_before" in line and "base_after" in line:
        page.term("年度累计", f"{shown(line['base_before'])} → {shown(line['base_after'])}", INDENT)
    _slices(page, line, kind)
    _cap(page, line)
    if "pending_payamt" in line:
        page.term("待申请", _pending(line), INDENT)
    _delta(page, line, kind, before)
    if line.get("clauses"):
        page.term("依据", "；".join(line["clauses"]), INDENT)
    used = line.get("readings", [])
    if used:
        page.term("读法", "、".join(used), INDENT)
    reached = status in (Status.PAID, Status.PENDING_APPLICATION) or "base_before" in line
    for reading in used:
        if reached and reading in readings:
            page.term(reading, readings[reading], INDENT * 2, columns=_READING)


def _slices(page: Page, line: Line, kind: Kind) -> None:
    """Each slice of the year's base with its ratio and product, then what became of the sum."""
    exact = Fraction(0)
    for each in line.get("tiers", ()):
        begin, end, ratio = fen_of(each["from"]), fen_of(each["to"]), Fraction(each["ratio"])
        between = f"{printed(begin)} 至 {printed(end)}"
        if ratio == 0:
            page.term("起付线以内", f"{between}：{printed(end - begin)} × {percent(ratio)} = 0.00", INDENT)
        else:
            product = (end - begin) * ratio
            exact += product
            page.term("分段支付", f"{between}：{printed(end - begin)} × {percent(ratio)} = {_exact(product)}", INDENT)
    if line["status"] == Status.PAID:
        paid = fen_of(line["fund_payamt"])
        page.term("本层支付", printed(paid) + _difference(line, kind, exact, paid), INDENT)


def _difference(line: Line, kind: Kind, exact: Fraction, paid: Fen) -> str:
    """Why a layer pays other than the sum of its slices, if it does."""
    limit = line.get("crt_payb_lmt_amt")
    if exact == paid:
        return ""
    if limit is not None and paid == fen_of(limit) < exact:
        return f"（按比例为 {_exact(exact)}，超过本次可支付限额，按限额支付）"
    if abs(exact - paid) < 1:
        return f"（按比例为 {_exact(exact)}，按年度累计额四舍五入到分）"
    if "pending_payamt" in line or "base_before" not in line or paid > exact:
        return ""
    if kind is Kind.APPLICATION:
        return f"（按比例全年为 {_exact(exact)}，扣除此前已付，只付余额）"
    return f"（按比例为 {_exact(exact)}，账单中其余费用已由平台支付，只付余额）"


def percent(ratio: Fraction) -> str:
    """A ratio as it is printed, with as many places as it has."""
    return f"{_decimal(ratio * 100, 0)}%"


def _exact(fen: Fraction) -> str:
    """A product before rounding: two decimals, more only where it has more."""
    return _decimal(Fraction(fen, 100), 2)


def _decimal(number: Fraction, places: int) -> str:
    while (number * 10**places).denominator != 1:
        places += 1
    units = int(number * 10**places)
    whole, rest = divmod(units, 10**places)
    return f"{whole:,}.{rest:0{places}d}" if places else f"{whole:,}"


def _cap(page: Page, line: Line) -> None:
    if "cap" not in line:
        return
    cap, limit, after = line["cap"], line.get("crt_payb_lmt_amt"), line.get("cap_left")
    if cap is None or limit is None or after is None:
        page.term("年度封顶线", "不设封顶线", INDENT)
        return
    page.term("年度封顶线", f"{shown(cap)}；本次可支付限额 {shown(limit)}；封顶线剩余 {shown(after)}", INDENT)


def _pending(line: Line) -> str:
    amount = fen_of(line["pending_payamt"])
    if amount == 0:
        return "0.00。按目前的年度累计，即使申请也没有可支付的金额。"
    limit = line.get("crt_payb_lmt_amt")
    limited = ""
    if limit is not None and amount == fen_of(limit):
        exact = _owed(line) if line.get("base_before") == "0.00" else None
        if exact is None:
            limited = "（已达本次可支付限额，按限额计算）"
        elif exact > amount:
            limited = f"（按比例为 {_exact(exact)}，超过本次可支付限额，按限额计算）"
    return f"{printed(amount)}{limited}。这是按目前的年度累计可以申请的金额；提出申请并经审核通过之前，不支付任何金额。"


def _owed(line: Line) -> Fraction:
    """The sum of a line's slices, before rounding and cap."""
    return sum(
        (Fraction(each["ratio"]) * (fen_of(each["to"]) - fen_of(each["from"])) for each in line.get("tiers", ())),
        Fraction(0),
    )


def _delta(page: Page, line: Line, kind: Kind, before: Fen) -> None:
    delta, paid = fen_of(line["delta"]), fen_of(line["fund_payamt"])
    if kind in (Kind.SETTLEMENT, Kind.APPLICATION) and delta == paid:
        if line["payable"]:
            page.term("付给", _payee(line), INDENT)
        return
    if delta == 0:
        return
    if before == paid - delta:
        compared = f"上一版 {printed(before)}，本版 {printed(paid)}，差额 {printed(delta)}"
    else:
        compared = f"本层上一版合计 {printed(before)}，本版 {printed(paid)}；其中本行差额 {printed(delta)}"
    page.term("冲销" if kind is Kind.REVERSAL else "更正", f"{compared}：{_direction(line, delta)}", INDENT)


def _payee(line: Line) -> str:
    payee = line["payee"]
    return "" if payee is None else PAYEE_TEXTS[Payee(payee)]


def _direction(line: Line, delta: Fen) -> str:
    if not line["payable"]:
        return "由平台自行处理，不经本单"
    if delta < 0:
        return f"应退，由{_payee(line)}退回 {printed(-delta)}"
    return f"应补，付给{_payee(line)} {printed(delta)}"
