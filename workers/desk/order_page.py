"""The audit of the arrival order, as a page and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from contracts.discharge import Settled
from contracts.money import Fen, yuan
from contracts.pack import Row
from workers.adjudication.explain_layer import printed
from workers.adjudication.page import Page
from workers.desk.order import TwoOrders, day_of, name_of
from workers.desk.order_why import Because, Cut, LastGrant, LayerInTwoOrders, Reason, Same, Slice, Why
from workers.desk.table import aligned

_ORDERS: Final = {"arrived": "按到达", "in_order": "按出院"}
_BECAUSE: Final[Mapping[Because, str]] = {
    "identity": "身份不同",
    "edition": "待遇版本不同",
    "pack": "政策包不同",
}
_WHYS: Final[Mapping[Why, str]] = {
    Why.ANOTHER_ROW: "年度内各笔适用的档次不同，下列各段年度累计费用在两种次序下由不同的档支付：",
    Why.ROUNDING_BETWEEN_ROWS: "年度内各笔适用的档次不同；下列各段比例相同，差额只来自两档交界处的取整：",
    Why.ANOTHER_BASE: "计入本层的年度累计费用不同：",
    Why.CAP: "封顶线扣减的金额不同：",
    Why.NO_ROOM: "账单已由其他方支付，本层应付而无余地的金额不同：",
    Why.REPORTED_STOOD: "平台已报的支付在一种次序下不低于计算数，照报；在另一种次序下按计算数：",
    Why.APPLICATION: "申请所见的年度累计费用不同，或最后一次申请不同：",
}
_SAMES: Final[Mapping[Same, str]] = {
    Same.ONE_CURVE: "全年同一档次：合计只看年度累计，与先后无关，差额只在各笔之间转移。",
    Same.SAME_SLICES: "各笔档次虽不同，每一段年度累计费用在两种次序下按同样的标准支付，合计不变。",
    Same.LAST_APPLICATION: "每次申请都补足到当时应付的总额，合计只看最后一次，差额只在各次之间转移。",
    Same.OFFSET: "有差别，但相互抵消，合计不变。",
}
_NOTE: Final = "同一档之内，年度合计不因次序而变：起付线、分段、封顶线和取整都按年度累计计算。"


def order_page(orders: TwoOrders, layers: list[LayerInTwoOrders]) -> str:
    """What arrival in order of discharge would have paid, by layer and settlement, and why the totals differ."""
    ledger = orders.ledger
    page = Page()
    page.rule("=")
    page.text(f"到达次序审计　{ledger.number} 年　{ledger.region} {ledger.in_use.name}")
    page.rule("=")
    page.term("人员编号", ledger.psn_no)
    page.term("按到达", "、".join(_names(orders, orders.arrived.order)) or "无")
    page.term("按出院", "、".join(_names(orders, orders.in_order.order)) or "无")
    page.section("各层合计")
    heads = ["待遇层", "按到达", "按出院", "差额"]
    rows = [[each.layer.label, *map(printed, (each.arrived, each.in_order, each.difference))] for each in layers]
    page.laid_out(aligned([heads, *rows, ["合计", *map(printed, _totals(layers))]]))
    moved = list(_moved(orders, layers))
    if not moved:
        page.blank()
        alike = orders.arrived.order == orders.in_order.order
        page.text("到达次序就是出院次序。" if alike else "次序不同，每一笔的金额都相同。")
    else:
        page.section("金额因次序而不同的各笔")
        heads = ["结算或申请", "日期", "待遇层", "按到达", "按出院", "差额"]
        page.laid_out(aligned([heads, *moved], left=3))
        page.section("原因")
        for each in layers:
            _why(page, each)
        page.blank()
        page.text(_NOTE)
    page.rule("=")
    return str(page)


def _names(orders: TwoOrders, order: tuple[int, ...]) -> list[str]:
    return [name_of(orders.ledger.entries[index]) for index in order]


def _totals(layers: list[LayerInTwoOrders]) -> tuple[Fen, Fen, Fen]:
    arrived, in_order = sum(each.arrived for each in layers), sum(each.in_order for each in layers)
    return arrived, in_order, in_order - arrived


def _moved(orders: TwoOrders, layers: list[LayerInTwoOrders]) -> Iterator[list[str]]:
    for index, layer, arrived, in_order in _amounts(orders, layers):
        if arrived != in_order:
            entry = orders.ledger.entries[index]
            amounts = map(printed, (arrived, in_order, in_order - arrived))
            yield [name_of(entry), day_of(entry), layer.layer.label, *amounts]


def _amounts(orders: TwoOrders, layers: list[LayerInTwoOrders]) -> Iterator[tuple[int, LayerInTwoOrders, Fen, Fen]]:
    """What each layer pays for each entry, in both orders; entries as they arrived."""
    paid = {each.layer.id: (orders.arrived.of(each.layer.id), orders.in_order.of(each.layer.id)) for each in layers}
    for index in orders.arrived.order:
        for each in layers:
            arrived, in_order = paid[each.layer.id]
            if index in arrived:
                yield index, each, arrived[index].paid, in_order[index].paid


def _why(page: Page, layer: LayerInTwoOrders) -> None:
    if layer.same is None and not layer.reasons:
        return
    page.blank()
    more = "多付" if layer.difference > 0 else "少付"
    says = f"按出院次序{more} {printed(abs(layer.difference))}" if layer.difference else "合计相同"
    page.text(f"{layer.layer.label}：{says}", 2)
    if layer.same is not None:
        page.text(_SAMES[layer.same], 4)
    for reason in layer.reasons:
        page.text(f"{'+' if reason.amount > 0 else ''}{printed(reason.amount)}　{_WHYS[reason.why]}", 4)
        page.laid_out(_slices(reason.slices))
        for fact in _facts(reason):
            page.text(fact, 6)


def _slices(slices: Sequence[Slice]) -> list[str]:
    if not slices:
        return []
    rows = [["年度累计费用", "按到达", "应付", "按出院", "应付", "缘由"]]
    for each in slices:
        span = f"{printed(each.begin)} 至 {printed(each.end)}"
        owed = printed(each.owed_arrived), printed(each.owed_in_order)
        rows.append([span, _who(each.arrived), owed[0], _who(each.in_order), owed[1], _BECAUSE[each.because]])
    return aligned(rows, indent=6)


def _facts(reason: Reason) -> Iterator[str]:
    """The other figures behind a reason, one a line."""
    if reason.bases is not None:
        yield f"按到达累计至 {printed(reason.bases[0])}，按出院累计至 {printed(reason.bases[1])}"
    if reason.earlier:
        layers, settlements = "、".join(reason.earlier), "、".join(reason.settlements)
        yield f"前面的{layers}对 {settlements} 支付的金额不同，留给本层的费用随之不同"
    if reason.stood:
        yield f"{'、'.join(reason.stood)} 在一种次序下以平台已报的支付为准，不计入本层累计"
    for cut in reason.cuts:
        cap = "" if cut.cap is None or reason.why is not Why.CAP else f"，封顶线 {printed(cut.cap)}"
        yield f"{_ORDERS[cut.order]}：{cut.name}（{cut.who}{cap}）应付 {printed(cut.owed)}，少付 {printed(cut.cut)}"
    for grant in reason.grants:
        yield f"{_ORDERS[grant.order]}：最后一次为 {grant.name}（{grant.who}），所见费用 {printed(grant.counted)}"


def _who(row: Row | None) -> str:
    return "" if row is None else row.who


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────


def order_written(orders: TwoOrders, layers: list[LayerInTwoOrders]) -> dict[str, Any]:
    """The same as JSON writes it, in yuan."""
    ledger = orders.ledger
    entries: dict[int, dict[str, Any]] = {}
    for index, layer, arrived, in_order in _amounts(orders, layers):
        entry = ledger.entries[index]
        kind = "setl_id" if isinstance(entry.fact, Settled) else "application_id"
        told = entries.setdefault(index, {kind: name_of(entry), "day": day_of(entry), "layers": []})
        told["layers"].append({"layer": layer.layer.id, **_both(arrived, in_order)})
    return {
        "type": "order_audit",
        "psn_no": ledger.psn_no,
        "region": ledger.region,
        "year": ledger.number,
        "arrived": _names(orders, orders.arrived.order),
        "in_order": _names(orders, orders.in_order.order),
        "totals": _both(*_totals(layers)[:2]),
        "layers": [
            {
                "layer": each.layer.id,
                "label": each.layer.label,
                **_both(each.arrived, each.in_order),
                "reasons": [_reason(reason) for reason in each.reasons],
                "same": each.same,
            }
            for each in layers
        ],
        "entries": list(entries.values()),
    }


def _both(arrived: Fen, in_order: Fen) -> dict[str, str]:
    return {"arrived": yuan(arrived), "in_order": yuan(in_order), "difference": yuan(in_order - arrived)}


def _reason(reason: Reason) -> dict[str, Any]:
    told: dict[str, Any] = {"why": reason.why, "amount": yuan(reason.amount)}
    if reason.bases is not None:
        told["base"] = {"arrived": yuan(reason.bases[0]), "in_order": yuan(reason.bases[1])}
    for name in ("settlements", "earlier", "stood", "slices", "cuts", "grants"):
        if facts := getattr(reason, name):
            told[name] = [fact if isinstance(fact, str) else _fact(fact) for fact in facts]
    return told


def _fact(fact: Slice | Cut | LastGrant) -> dict[str, Any]:
    """A fact's fields: amounts as yuan, rows as their names."""
    told: dict[str, Any] = {}
    for name in (each.name for each in fields(fact)):
        value = getattr(fact, name)
        if isinstance(value, Row):
            value = value.who
        elif type(value) is int:
            value = yuan(value)
        told[name] = value
    return told
