"""What a stream of payouts adds up to, and how it looks on a terminal."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from contracts.money import Fen, parse_yuan, yuan
from contracts.pack import PackSet
from contracts.payout import CombinedPayout, Line
from contracts.vocabulary import LayerId, Status

RECENT_MAX = 12
WIDE = 118
"""Columns of a terminal that has room for what a payout is called."""

LEGEND = "绿 本系统支付 · 红 退回 · 0 平台未付 · — 不付 · 空 无此层 · ( ) 待申请"

COLUMNS: Mapping[str, frozenset[LayerId]] = {
    "基本医保": frozenset((LayerId.BASIC,)),
    "大病保险": frozenset((LayerId.SERIOUS_ILLNESS,)),
    "补充保险": frozenset((LayerId.SUPPLEMENTARY,)),
    "医疗救助": frozenset((LayerId.ASSISTANCE, LayerId.ASSISTANCE_INPATIENT, LayerId.ASSISTANCE_OUTPATIENT)),
    "高额补助": frozenset((LayerId.HIGH_EXPENSE_SUBSIDY,)),
}
"""The columns of the live table: layers side by side, whatever a region stacks."""


def fen(amount: str) -> Fen:
    """Fen of an amount as Yidan writes it, which may be negative."""
    return -parse_yuan(amount[1:]) if amount.startswith("-") else parse_yuan(amount)


@dataclass(slots=True)
class LayerTotal:
    """What one layer of one region has come to, in fen: `through_us` by our lines, `reported` by the platform's."""

    label: str
    lines_paid: int = 0
    through_us: Fen = 0
    reported: Fen = 0


@dataclass(slots=True)
class Tally:
    """Everything seen so far, from the public topics alone."""

    packs: PackSet
    kinds: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    totals: dict[tuple[str, str], LayerTotal] = field(default_factory=dict)
    recent: deque[CombinedPayout] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))

    def take(self, payout: CombinedPayout) -> None:
        """Add one payout. Its deltas are added, so that corrections end where they should."""
        self.kinds[payout["kind"]] += 1
        self.recent.append(payout)
        region = payout["pack"]["region"]
        for line in payout["lines"]:
            total = self.totals.setdefault((region, line["layer"]), LayerTotal(line["label"]))
            if line["payable"]:
                total.lines_paid += 1
                total.through_us += fen(line["delta"])
            else:
                total.reported += fen(line["delta"])

    def region_name(self, region: str) -> str:
        """The region's name as its pack gives it."""
        pack = self.packs.for_region(region)
        return region if pack is None else pack.name

    # ── on the terminal ───────────────────────────────────────────────────────────────────────────────────────

    def live(self, status: str, width: int, height: int) -> RenderableType:
        """The latest payouts layer by layer, the totals and the status, for a terminal of that size.

        A low one shows fewer payouts and then no totals; a narrow one leaves out what a payout is called.
        """
        room = height - 7 - status.count("\n")
        shows_totals = room >= len(self.totals) + 8
        rows = min(RECENT_MAX, max(2, room - (len(self.totals) + 5 if shows_totals else 0)))
        parts: list[RenderableType] = [self._recent_table(rows, narrow=width < WIDE)]
        if shows_totals:
            parts.append(self.totals_table())
        return Group(*parts, Text(LEGEND, style="dim"), Text(status, style="dim"))

    def _recent_table(self, rows: int, *, narrow: bool) -> Table:
        table = Table(title="一单制合并支付 · 最新（元）", title_justify="left", box=None if narrow else box.ROUNDED)
        table.add_column("统筹", no_wrap=True)
        if not narrow:
            table.add_column("结算", no_wrap=True)
            table.add_column("类别", no_wrap=True)
            table.add_column("医疗费总额", justify="right", no_wrap=True)
        for name in COLUMNS:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("个人负担", justify="right", style="bold", no_wrap=True)
        for payout in list(self.recent)[-rows:]:
            called = (
                payout.get("setl_id", ""),
                _KIND_WORDS[payout["kind"]],
                _thousands(fen(payout.get("medfee_sumamt", "0"))),
            )
            table.add_row(
                self.region_name(payout["pack"]["region"])[:2],
                *(() if narrow else called),
                *(_cell([line for line in payout["lines"] if line["layer"] in layers]) for layers in COLUMNS.values()),
                _thousands(fen(payout.get("psn_part_amt", "0"))),
            )
        return table

    def totals_table(self) -> Table:
        """Per region and layer: what moved through us, and what the platform had paid."""
        table = Table(title="合计 · 按统筹区和待遇层（元）", title_justify="left", expand=False)
        table.add_column("统筹区", no_wrap=True)
        table.add_column("待遇层", overflow="fold")
        table.add_column("支付笔数", justify="right")
        table.add_column("本系统支付", justify="right", style="bold")
        table.add_column("平台已支付", justify="right")
        previous = ""
        for (region, layer), total in sorted(self.totals.items(), key=self._in_pack_order):
            name = self.region_name(region)
            table.add_row(
                name if name != previous else "",
                total.label,
                f"{total.lines_paid:,}" if total.lines_paid else "",
                _thousands(total.through_us) if layer_computes(self.packs, region, layer) else "",
                _thousands(total.reported) if total.reported else "",
            )
            previous = name
        return table

    def _in_pack_order(self, entry: tuple[tuple[str, str], LayerTotal]) -> tuple[str, int]:
        (region, layer), _ = entry
        pack = self.packs.for_region(region)
        order = [] if pack is None else [each.id for each in pack.layers]
        return region, next((place for place, name in enumerate(order) if name == layer), len(order))


def layer_computes(packs: PackSet, region: str, layer: str) -> bool:
    """Whether a layer of a region is Yidan's own to pay."""
    pack = packs.for_region(region)
    return pack is not None and any(each.id == layer and each.mode != "reported" for each in pack.layers)


def _thousands(amount: Fen) -> str:
    sign, text = ("-", yuan(-amount)) if amount < 0 else ("", yuan(amount))
    whole, _, decimals = text.partition(".")
    return f"{sign}{int(whole):,}.{decimals}"


_KIND_WORDS = {"settlement": "结算", "reversal": "冲销", "readjudication": "重算", "application": "补助"}


def _cell(lines: list[Line]) -> Text:
    """One layer's cell: bold what we pay, plain what the platform paid, in brackets what waits for an application."""
    if not lines:
        return Text("")
    moved = sum(fen(line["delta"]) for line in lines)
    if moved:
        ours = any(line["payable"] for line in lines)
        return Text(_thousands(moved), style="bold green" if ours and moved > 0 else "red" if moved < 0 else "")
    pending = sum(fen(line.get("pending_payamt", "0")) for line in lines)
    if pending:
        return Text(f"({_thousands(pending)})", style="yellow")
    return Text("0" if any(line["status"] == Status.REPORTED for line in lines) else "—", style="dim")
