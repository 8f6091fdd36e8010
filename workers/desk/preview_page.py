"""What payouts move, as a page that a desk reads before anything is sent."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from contracts.signals import Signal
from contracts.vocabulary import Kind, Payee, SignalKind
from contracts.words import KIND_TEXTS, PAYEE_TEXTS, SIGNAL_TEXTS
from workers.adjudication.explain_layer import printed
from workers.adjudication.page import Page
from workers.desk.preview import Change, Flow, LayerMove, Movements, Totals
from workers.desk.table import aligned
from workers.settlement.pipeline import Movement

WAYS: Final[Mapping[Movement, str]] = {
    Movement.PAID: "支付",
    Movement.TOP_UP: "补付",
    Movement.RETURNED: "退回",
    Movement.CLAWBACK: "应退待定",
}
"""How each way is headed. A clawback is asked for only when somebody has decided so."""

_WHOSE: Final[Mapping[Movement, str]] = {
    Movement.PAID: "付给{}",
    Movement.TOP_UP: "补付{}",
    Movement.RETURNED: "{}退回",
    Movement.CLAWBACK: "{}应退待定",
}
"""Who gives and who takes, beside the layer that it is about."""

_PLATFORM: Final = "平台退回，不经本系统"
_SIGNAL_STATES: Final = {"raised": "新增", "withdrawn": "撤回"}

_EFFECTS: Final = {
    "reversed": "可以撤销。撤销后各笔结算和各项基金的变动如下。",
    "repeated": "该结算的撤销此前已经收到：再次发送不改变任何金额。",
    "remembered": "没有收到过该结算号：发送后只作记载，该结算以后到达时将被拒收，二者相抵。请先核对结算号。",
}
"""What a reversal would do, by the effect of its trial."""

Key = TypeVar("Key")


def reversal_page(setl_id: str, psn_no: str | None, effect: str, moved: Movements, signals: Iterable[Signal]) -> str:
    """What reversing a settlement would change. `psn_no` is left out where the page goes to standard error."""
    page = Page()
    page.rule("=")
    page.text(f"撤销预览　结算流水号 {setl_id}")
    page.rule("=")
    if psn_no is not None:
        page.term("人员编号", psn_no)
    page.term("结论", _EFFECTS[effect])
    movement_sections(page, moved, signals)
    page.rule("=")
    return str(page)


def movement_sections(page: Page, moved: Movements, signals: Iterable[Signal]) -> None:
    """What an event would move, settlement by settlement and in all, and the signals that it would change."""
    if moved.changes:
        page.section("各笔结算的变动")
        for change in moved.changes:
            _change(page, change)
        totals_sections(page, moved.totals)
    told = list(signals)
    if told:
        page.section("提示的变动")
        signals_table(page, told, moved.labels)


def _change(page: Page, change: Change) -> None:
    """One settlement: what each of its layers paid, would pay, and who gives or takes the difference."""
    named = change.setl_id or f"申请 {change.application_id}"
    hospital = "" if change.fixmedins_code is None else f"　{change.fixmedins_code}"
    page.blank()
    page.text(f"{named}　{KIND_TEXTS[Kind(change.kind)]}　第 {change.revision} 版{hospital}", 2)
    rows = [["待遇层", "基金", "原支付", "现支付", "差额", "  收付"]]
    for layer in change.layers:
        amounts = map(printed, (layer.before, layer.after, layer.change))
        rows.append([layer.label, layer.fund_pay_type, *amounts, f"  {_whose(layer)}"])
    page.laid_out(_with_words_last(rows, left=2))


def _with_words_last(rows: list[list[str]], *, left: int) -> list[str]:
    """A table whose last column is words, flush left behind the amounts."""
    amounts = aligned([row[:-1] for row in rows], left=left)
    return [line + words[-1] for line, words in zip(amounts, rows, strict=True)]


def _whose(layer: LayerMove) -> str:
    if layer.way is None or layer.payee is None:
        return _PLATFORM
    return _WHOSE[layer.way].format(PAYEE_TEXTS[layer.payee])


def totals_sections(page: Page, totals: Totals) -> None:
    """By fund, by hospital and by payee: three numbered sections of a page."""
    ways = [way for way in WAYS if totals.all.of(way)]
    page.section("按基金合计")
    _flows(page, ["基金", "名称"], totals.by_fund, list, totals.all, ways)
    page.section("按定点医药机构合计")
    _flows(page, ["定点医药机构", "收付款方"], totals.by_hospital, _hospital, totals.all, ways)
    page.section("按收付款方合计")
    _flows(page, ["收付款方"], totals.by_payee, lambda payee: [PAYEE_TEXTS[payee]], totals.all, ways)


def _hospital(key: tuple[str | None, Payee]) -> list[str]:
    code, payee = key
    return [code or "（依申请）", PAYEE_TEXTS[payee]]


def _flows(
    page: Page,
    heads: list[str],
    flows: Mapping[Key, Flow],
    named: Callable[[Key], list[str]],
    all_: Flow,
    ways: list[Movement],
) -> None:
    """One row a key, and the sum of all; only the ways in which money moves at all have a column."""
    if not flows:
        page.text("没有经本系统收付的金额。", 4)
        return
    rows = [[*heads, *(WAYS[way] for way in ways), "基金净支出"]]
    rows += sorted([*named(key), *_amounts(flow, ways)] for key, flow in flows.items())
    if len(flows) > 1:
        rows.append(["合计", *[""] * (len(heads) - 1), *_amounts(all_, ways)])
    page.laid_out(aligned(rows, left=len(heads)))


def _amounts(flow: Flow, ways: list[Movement]) -> list[str]:
    return [*(printed(flow.of(way)) for way in ways), printed(flow.net)]


def signals_table(page: Page, signals: Iterable[Signal], labels: Mapping[str, str]) -> None:
    """Which signals would be raised or withdrawn, of which year and layer; `labels` name the layers."""
    page.laid_out(
        aligned(
            (
                [
                    _SIGNAL_STATES[signal["state"]],
                    SIGNAL_TEXTS[SignalKind(signal["kind"])],
                    f"{signal['region']} {signal['year']} 年",
                    "" if signal["layer"] is None else labels.get(signal["layer"], signal["layer"]),
                ]
                for signal in signals
            ),
            left=4,
        )
    )
