"""A person's year as pages that the person can follow: what was settled, where each layer stands, what comes next."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from contracts.payout import Cause
from contracts.vocabulary import BUCKETS, Reason, Status
from contracts.words import CAUSE_TEXTS, DECISION_TEXTS, FIELD_WORDS, REASON_TEXTS, SIGNAL_TEXTS, STATUS_TEXTS
from contracts.year_sheet import (
    ApplicationSheet,
    LayerSheet,
    LineSheet,
    NextOfCare,
    NextOfLayer,
    NextYuan,
    RegionSheet,
    RevisionSheet,
    SettlementSheet,
    YearSheet,
)
from workers.adjudication.explain_layer import INDENT, fen_of, percent, printed, shown
from workers.adjudication.page import Page

_DEEP: Final = 2 * INDENT
_NAME: Final = 36
_SHARE: Final = 11
_QUIET: Final = (Reason.CARE_NOT_COVERED, Reason.OTHER_INSURANCE, Reason.NOT_IN_FORCE)
"""Reasons of layers that do not look at a settlement: of no use to whoever asks where the year stands."""


def explain_year(sheet: YearSheet) -> str:
    """The year as text in Chinese: a head, then a page for each region."""
    page = Page()
    page.rule("=")
    page.text(f"年度待遇清单　{sheet['year']} 年")
    page.rule("=")
    page.term("人员编号", sheet["psn_no"])
    held = sheet["identities"]
    if held is None:
        page.term("登记身份", "未单独登记，按各次结算所附身份认定")
    else:
        periods = [
            f"{each['psn_idet_type']}（{each['begntime']} 至 {each['endtime'] or '今'}）" for each in held["psn_idet"]
        ]
        page.term("登记身份", f"{'、'.join(periods) or '无'}；获知于 {held['known_at']}")
    return str(page) + "".join(_region(region) for region in sheet["regions"])


def _region(region: RegionSheet) -> str:
    page = Page()
    page.rule("-")
    page.term("统筹区", f"{region['region']} {region['name']}")
    for pack in region["packs"]:
        page.term("政策文本", pack["digest"] + ("（现行）" if pack["in_use"] else ""))
    if region["opening"] is not None:
        page.section("由别处结转")
        page.term("获知于", region["opening"]["known_at"], INDENT)
        for balance in region["opening"]["layers"]:
            page.term(
                balance["label"], f"已计入费用 {shown(balance['base'])}，已支付 {shown(balance['paid'])}", INDENT, _NAME
            )
    page.section("结算与申请（按到达次序）")
    if not region["entries"]:
        page.text("本年度在此没有结算。", INDENT)
    for entry in region["entries"]:
        page.blank()
        if entry["kind"] == "settlement":
            _settlement(page, entry)
        else:
            _application(page, entry)
    page.section("各层年度累计")
    for layer in region["layers"]:
        page.blank()
        _layer(page, layer)
    page.section("须知悉的事项")
    if not region["signals"]:
        page.text("无。", INDENT)
    labels = {layer["layer"]: layer["label"] for layer in region["layers"]}
    for signal in region["signals"]:
        about = "" if signal["layer"] is None else f"：{labels.get(signal['layer'], signal['layer'])}"
        page.text(f"{SIGNAL_TEXTS[signal['kind']]}{about}", INDENT)
    page.section("再发生一元费用，各层支付多少")
    _next(page, region["next_yuan"])
    page.rule("=")
    return str(page)


# ── entries ───────────────────────────────────────────────────────────────────────────────────────────────────


def _settlement(page: Page, entry: SettlementSheet) -> None:
    state = "" if entry["live"] else "【已冲销】"
    title = f"{entry['number']:>2}  {entry['enddate']} 出院　{entry['care'].value}　{entry['setl_id']}{state}"
    page.amount(title, shown(entry["medfee_sumamt"]), FIELD_WORDS["medfee_sumamt"].zh)
    page.term("就医", f"{entry['fixmedins_code']}，{entry['begndate']} 至 {entry['enddate']}", INDENT)
    page.term("身份", "、".join(entry["codes"]) or "无", INDENT)
    _lines(page, entry["lines"])
    for name, amount in entry.get("other_payments", {}).items():
        page.amount(FIELD_WORDS[name].zh if name in FIELD_WORDS else name, shown(amount), "政策包以外", INDENT)
    if entry["live"]:
        page.amount(FIELD_WORDS["psn_part_amt"].zh, shown(entry["psn_part_amt"]), indent=INDENT)
    _revisions(page, entry["revisions"])


def _application(page: Page, entry: ApplicationSheet) -> None:
    decision = DECISION_TEXTS[entry["decision"]]
    page.text(f"{entry['number']:>2}  {entry['applied_on']} 申请　{entry['application_id']}　{decision}")
    page.term("申请人", f"{entry['applicant']}；审核结果获知于 {entry['known_at']}", INDENT)
    if fen_of(entry["other_assistance"]):
        page.term("其他救助", f"{shown(entry['other_assistance'])}，先从年度累计费用中扣减", INDENT)
    _lines(page, entry["lines"])
    _revisions(page, entry["revisions"])


def _lines(page: Page, lines: Sequence[LineSheet]) -> None:
    for line in lines:
        if line["status"] is Status.REPORTED and not fen_of(line["fund_payamt"]):
            continue
        if line["status"] is Status.NOTHING:
            if line["reason"] is not None and line["reason"] not in (*_QUIET, Reason.REVERSED):
                page.term("不支付", f"{line['label']}：{REASON_TEXTS[line['reason']]}", INDENT)
            elif line["reason"] is None:
                page.amount(line["label"], shown(line["fund_payamt"]), STATUS_TEXTS[line["status"]], INDENT)
            continue
        page.amount(line["label"], shown(line["fund_payamt"]), STATUS_TEXTS[line["status"]], INDENT)
        if "pending_payamt" in line:
            page.text(f"按当时的年度累计可以申请 {shown(line['pending_payamt'])}", _DEEP)


def _revisions(page: Page, revisions: Sequence[RevisionSheet]) -> None:
    for revision in revisions:
        changes = [f"{each['label']} {_signed(each['delta'])}" for each in revision["changes"]]
        said = "；".join(changes) or "金额不变"
        page.term(f"第 {revision['revision']} 版", f"{_cause(revision['cause'])}：{said}", INDENT)


def _cause(cause: Cause) -> str:
    told_by = cause.get("msgid") or cause.get("application_id") or cause.get("known_at")
    return CAUSE_TEXTS[cause["type"]] + (f"（{told_by}）" if told_by else "")


def _signed(written: str) -> str:
    return ("+" if fen_of(written) > 0 else "") + shown(written)


# ── layers ────────────────────────────────────────────────────────────────────────────────────────────────────


def _layer(page: Page, layer: LayerSheet) -> None:
    title = f"{layer['label']}（基金 {layer['fund_pay_type']}）"
    if layer["mode"] == "reported":
        page.amount(title, shown(layer["reported"]), STATUS_TEXTS[Status.REPORTED])
        return
    page.amount(title, shown(layer["paid"]), FIELD_WORDS["paid"].zh)
    if fen_of(layer["reported"]):
        page.term("平台支付", f"{shown(layer['reported'])}，不计入本层累计", INDENT)
    page.term(FIELD_WORDS["base"].zh, shown(layer["base"]), INDENT)
    if layer["who"] is None:
        page.term("适用对象", "本年度尚无适用本层的结算", INDENT)
        return
    page.term("适用对象", layer["who"], INDENT)
    if layer["deductible"] is not None and layer["deductible_used"] is not None:
        deductible, used = fen_of(layer["deductible"]), fen_of(layer["deductible_used"])
        told = f"{printed(deductible)}，已用 {printed(used)}，尚余 {printed(deductible - used)}"
        page.term("起付线", told if deductible else "不设起付线", INDENT)
    if layer["cap"] is None or layer["cap_left"] is None:
        page.term("年度封顶线", "不设封顶线", INDENT)
    else:
        page.term("年度封顶线", f"{shown(layer['cap'])}，剩余 {shown(layer['cap_left'])}", INDENT)
    if "pending_payamt" in layer:
        page.term("待申请", f"{shown(layer['pending_payamt'])}，提出申请并经审核通过之前不支付", INDENT)
    if layer["clauses"]:
        page.term("依据", "；".join(layer["clauses"]), INDENT)
    if layer["readings"]:
        page.term("读法", "、".join(layer["readings"]), INDENT)


# ── the next yuan ─────────────────────────────────────────────────────────────────────────────────────────────


def _next(page: Page, following: NextYuan | None) -> None:
    if following is None:
        page.text("本年度没有结算，不知其险种，无从计算。", INDENT)
        return
    codes = "、".join(following["codes"]) or "无"
    page.text(f"{following['on']} 出院，险种 {following['insutype']}，身份 {codes}；没有不予支付的情形。", INDENT)
    page.text(
        "“一元”指平台计算的各层支付之后剩下的费用。比例以眼前的一分钱为准，越过分段起点、起付线或用完封顶线后随之改变。",
        INDENT,
    )
    for care in following["cares"]:
        page.blank()
        _care(page, care)


def _care(page: Page, care: NextOfCare) -> None:
    page.row(care["care"].value, [bucket.value for bucket in BUCKETS], _NAME, _SHARE, INDENT)
    for layer in care["layers"]:
        _next_layer(page, layer)
    page.row("付剩的费用", _percents(care["left"]), _NAME, _SHARE, INDENT)


def _next_layer(page: Page, layer: NextOfLayer) -> None:
    if layer["shares"] is None:
        page.term(layer["label"], "由平台计算", INDENT, _NAME)
    elif layer["reason"] is not None:
        page.term(layer["label"], REASON_TEXTS[layer["reason"]], INDENT, _NAME)
    elif "pending" in layer:
        page.row(f"{layer['label']}（待申请）", _percents(layer["pending"]), _NAME, _SHARE, INDENT)
    else:
        page.row(layer["label"], _percents(layer["shares"]), _NAME, _SHARE, INDENT)


def _percents(shares: Mapping[str, str]) -> list[str]:
    return [percent(Fraction(share)) for share in shares.values()]
