"""Answers to what hospitals claim: totals, then row by row, each difference with what would mend it."""

from collections.abc import Iterator, Sequence, Set
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import orjson
from pydantic import ValidationError

from contracts.fields import holds_card_number
from contracts.money import Fen, yuan
from contracts.pack import region_prefix
from contracts.reconciliation import (
    READ_CLAIM,
    Amounts,
    Answer,
    ClaimRefused,
    Difference,
    Draft,
    LineClaimed,
    LinesAnswered,
    LinesClaimed,
    Result,
    RowDifference,
    Sums,
    TotalsAnswered,
    TotalsClaimed,
    parse_signed,
)
from contracts.vocabulary import ClrType
from workers.operations.parts import ROW_AMOUNTS, Value
from workers.operations.views import Views

DAYS_MAX: Final = 400
"""Days that one request may span: a year and the month after it."""

DIFFERENCES_MAX: Final = 500
"""Differences that one answer lists, so that it always fits into a record: with the longest names they are 700 kB."""

EVEN_TEXT: Final = "平"
UNEVEN_TEXT: Final = "不平"

_ANSWERS: Final = ("totals_answered", "lines_answered", "claim_refused")

Claim = TotalsClaimed | LinesClaimed


class RowId(NamedTuple):
    """What tells a row of the file from the others."""

    psn_no: str
    setl_id: str
    flag: str


def answer(views: Views, record: bytes, *, behind: bool = False) -> Answer:
    """The answer to a request as it came. One that cannot be read is refused by name, and nothing of it repeated.

    `behind`: something had been settled before the request came that the views do not hold yet. What is not there
    cannot be told from what is not there yet, so then it is not answered.
    """
    if holds_card_number(record.decode("utf-8", "replace")):
        return _refused(None, "card_number_in_identifier", None, "send the platform's psn_no, never an identity card")
    try:
        claim = READ_CLAIM.validate_json(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return _refused(None, first["type"], ".".join(map(str, first["loc"])) or None, first["msg"])
    days = _days(claim)
    if len(days) > DAYS_MAX:
        return _refused(claim.msgid, "too_many_days", "stmt_enddate", f"ask for at most {DAYS_MAX} days at a time")
    if behind:
        return _refused(claim.msgid, "views_are_behind", None, "settlements are still being taken in: ask again later")
    rows = dict(_rows(views, claim, days))
    if isinstance(claim, TotalsClaimed):
        return _totals(views, claim, rows)
    return _lines(views, claim, rows)


def answer_in(value: bytes) -> dict[str, Any] | None:
    """An answer of ours; None for a request, and for what is neither."""
    try:
        said = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) and said.get("type") in _ANSWERS else None


def _refused(msgid: str | None, reason: str, field: str | None, detail: str) -> ClaimRefused:
    return {"type": "claim_refused", "msgid": msgid, "reason": reason, "field": field, "detail": detail}


def _days(claim: Claim) -> list[str]:
    first, last = date.fromisoformat(claim.stmt_begndate), date.fromisoformat(claim.stmt_enddate)
    return [(first + timedelta(days=n)).isoformat() for n in range(min((last - first).days, DAYS_MAX) + 1)]


def _rows(views: Views, claim: Claim, days: Sequence[str]) -> Iterator[tuple[RowId, Value]]:
    """What stands here for the claim. A settlement that was voided (2601) never was: neither row counts."""
    for view in views.partitions:
        for (_, _, _, psn_no, setl_id, flag), row in view.rows_on(claim.fixmedins_code, days):
            refund = view.row(psn_no, setl_id, "1")
            voided = refund is not None and refund["voided"]
            if not voided and _is_asked_for(claim, row, flag):
                yield RowId(psn_no, setl_id, flag), row


def _is_asked_for(claim: Claim, row: Value, flag: str) -> bool:
    return (
        row["insuplc_admdvs"].startswith(region_prefix(claim.setl_optins))
        and claim.insutype in (None, row["insutype"])
        and claim.clr_type in (None, row["clr_type"])
        and claim.refd_setl_flag in (None, flag)
    )


# ── totals (3201) ─────────────────────────────────────────────────────────────────────────────────────────────


def _totals(views: Views, claim: TotalsClaimed, rows: dict[RowId, Value]) -> TotalsAnswered:
    here = {name: sum(parse_signed(row[name]) for row in rows.values()) for name in ROW_AMOUNTS}
    more = {name: getattr(claim, name) - here[name] for name in ROW_AMOUNTS}
    count = claim.fixmedins_setl_cnt - len(rows)
    even = not count and not any(more.values())
    return {
        "type": "totals_answered",
        "msgid": claim.msgid,
        "fixmedins_code": claim.fixmedins_code,
        "setl_optins": claim.setl_optins,
        "stmt_rslt": Result.EVEN if even else Result.UNEVEN,
        "stmt_rslt_dscr": EVEN_TEXT if even else f"{UNEVEN_TEXT}：请以 lines_claimed（3202）发送明细",
        "here": _sums(here, len(rows)),
        "difference": _sums(more, count),
        "seen": views.positions(),
    }


def _sums(amounts: dict[str, Fen], count: int) -> Sums:
    return {**_written(amounts), "fixmedins_setl_cnt": count}


def _written(amounts: dict[str, Fen]) -> Amounts:
    return {
        "medfee_sumamt": yuan(amounts["medfee_sumamt"]),
        "fund_pay_sumamt": yuan(amounts["fund_pay_sumamt"]),
        "acct_pay": yuan(amounts["acct_pay"]),
    }


# ── lines (3202) ──────────────────────────────────────────────────────────────────────────────────────────────


def _lines(views: Views, claim: LinesClaimed, rows: dict[RowId, Value]) -> LinesAnswered:
    differences = list(_differences(views, claim, rows))
    listed = differences[:DIFFERENCES_MAX]
    left_out = len(differences) - len(listed)
    uneven = f"{UNEVEN_TEXT}：{len(differences)} 行" + (
        f"，列出 {len(listed)} 行，其余请缩短日期再对" if left_out else ""
    )
    return {
        "type": "lines_answered",
        "msgid": claim.msgid,
        "fixmedins_code": claim.fixmedins_code,
        "setl_optins": claim.setl_optins,
        "stmt_rslt": Result.UNEVEN if differences else Result.EVEN,
        "stmt_rslt_dscr": uneven if differences else EVEN_TEXT,
        "differences": listed,
        "left_out": left_out,
        "seen": views.positions(),
    }


def _differences(views: Views, claim: LinesClaimed, rows: dict[RowId, Value]) -> Iterator[RowDifference]:
    claimed: dict[RowId, list[LineClaimed]] = {}
    for line in claim.lines:
        claimed.setdefault(RowId(line.psn_no, line.setl_id, line.refd_setl_flag), []).append(line)
    for name, lines in claimed.items():
        row = rows.get(name)
        kept = next((line for line in lines if row is not None and _agrees(line, row)), lines[0])
        for line in lines:
            if line is not kept:
                memo = "同一结算在文件中出现多次，只保留一行"
                yield _difference(Difference.DUPLICATE, name, line, row, memo, None)
        if row is None:
            yield _missing_here(views, claim, name, kept)
        elif not _agrees(kept, row):
            yield _amount(views, claim, name, kept, row)
    for name, row in rows.items():
        if name not in claimed:
            yield _missing_there(views, claim, name, row, claimed.keys(), rows.keys())


def _agrees(line: LineClaimed, row: Value) -> bool:
    return all(getattr(line, amount) == parse_signed(row[amount]) for amount in ROW_AMOUNTS)


def _missing_here(views: Views, claim: Claim, name: RowId, line: LineClaimed) -> RowDifference:
    """A row that only the hospital has. It may stand here all the same, on another day or for another office."""
    settled = name._replace(flag="0")
    if _is_anothers(views, claim, settled):
        memo = "此处这笔结算属于另一医药机构：核对医药机构编码与结算ID"
        return _difference(Difference.MISSING_HERE, name, line, None, memo, None)
    here, original, refund = (_anywhere(views, claim, each) for each in (name, settled, settled._replace(flag="1")))
    if original is None:
        memo = "此处没有这笔结算：请重发 settled" if name == settled else "此处没有这笔结算，也没有它的退费"
        return _difference(Difference.MISSING_HERE, name, line, None, memo, None)
    if refund is None and name != settled:
        memo = "医药机构已退费，此处尚未撤销：核实后发送 reversed"
        return _difference(Difference.REFUND_MISSING, name, line, None, memo, _reversal(name, original))
    if refund is not None and refund["voided"]:
        memo = "此处这笔结算已被冲正（2601），结算与退费都不计：医药机构去掉此行"
    else:
        memo = "此处有此行，但日期、经办机构、险种、清算类别或退费标志不在请求之内"
    return _difference(Difference.MISSING_HERE, name, line, here, memo, None)


def _anywhere(views: Views, claim: Claim, name: RowId) -> Value | None:
    """The hospital's own row, on whatever day and for whatever office. What another hospital has is not shown to it."""
    for view in views.partitions:
        if view.hospital_of(*name) == claim.fixmedins_code:
            return view.row(*name)
    return None


def _is_anothers(views: Views, claim: Claim, name: RowId) -> bool:
    return any(view.hospital_of(*name) not in (None, claim.fixmedins_code) for view in views.partitions)


def _amount(views: Views, claim: Claim, name: RowId, line: LineClaimed, row: Value) -> RowDifference:
    """A row with other amounts. What has been refunded cannot be reversed again, so then nothing is drafted."""
    draft = None
    if name.flag == "1":
        memo = "退费金额与原结算不一致：退费是原结算的全额"
    elif _anywhere(views, claim, name._replace(flag="1")) is not None:
        memo = "金额不一致，此处已撤销：医药机构更正此行，无需再撤销"
    else:
        memo, draft = "金额不一致：此处有误的，撤销后按正确金额重新结算", _reversal(name, row)
    return _difference(Difference.AMOUNT, name, line, row, memo, draft)


def _missing_there(
    views: Views, claim: Claim, name: RowId, row: Value, claimed: Set[RowId], rows: Set[RowId]
) -> RowDifference:
    """A row that only we have. A refund's settlement may be of an earlier month, for which the claim does not ask."""
    if name.flag == "1":
        settled = name._replace(flag="0")
        if settled in claimed or settled not in rows:
            memo = "此处已撤销，医药机构没有退费行：请补登退费"
            return _difference(Difference.REFUND_MISSING, name, None, row, memo, None)
        memo = "医药机构既没有这笔退费，也没有原结算"
        return _difference(Difference.MISSING_THERE, name, None, row, memo, None)
    if _anywhere(views, claim, name._replace(flag="1")) is not None:
        memo = "医药机构没有这笔结算，此处已撤销：请补登结算与退费，无需再冲正"
        return _difference(Difference.MISSING_THERE, name, None, row, memo, None)
    memo = "医药机构没有这笔结算：核实未成立的，按原报文ID冲正（2601）"
    return _difference(Difference.MISSING_THERE, name, None, row, memo, _voiding(name, row))


def _difference(
    kind: Difference, name: RowId, line: LineClaimed | None, row: Value | None, memo: str, draft: Draft | None
) -> RowDifference:
    flag: Any = name.flag
    return {
        "difference": kind,
        "setl_id": name.setl_id,
        "mdtrt_id": row["mdtrt_id"] if row is not None else line.mdtrt_id if line is not None else None,
        "psn_no": name.psn_no,
        "refd_setl_flag": flag,
        "msgid": None if row is None else row["msgid"],
        "there": None if line is None else _written({amount: getattr(line, amount) for amount in ROW_AMOUNTS}),
        "here": None if row is None else _written({amount: parse_signed(row[amount]) for amount in ROW_AMOUNTS}),
        "memo": memo,
        "draft": draft,
    }


def _reversal(name: RowId, row: Value) -> Draft:
    return {
        "type": "reversed",
        "msgid": None,
        "setl_time": None,
        "psn_no": name.psn_no,
        "setl_id": name.setl_id,
        "mdtrt_id": row["mdtrt_id"],
        "insuplc_admdvs": row["insuplc_admdvs"],
    }


def _voiding(name: RowId, row: Value) -> Draft:
    return {
        "type": "voided",
        "msgid": None,
        "setl_time": None,
        "psn_no": name.psn_no,
        "omsgid": row["msgid"],
        "oinfno": "2304" if row["clr_type"] == ClrType.INPATIENT else "2207",
    }
