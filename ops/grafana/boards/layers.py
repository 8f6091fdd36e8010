"""待遇层与封顶: which layer pays what to whom, why others pay nothing, and whom a cap stops."""

from ops.grafana.boards.ask import pace
from ops.grafana.boards.frame import Board, Line
from ops.grafana.boards.panels import GREEN, ORANGE, YELLOW, figure, gauges, rows, series

POLICY = "yidan-policy"
RL = "@region, @layer"

CUT = f'sum(increase(yidan_layer_settlements_total{{@, {RL}, outcome=~"cut|cap_spent"}}[$__range]))'
COUNTED = f'sum(increase(yidan_layer_settlements_total{{@, {RL}, outcome!="paid_later"}}[$__range]))'


BY = "region, layer, fund, payee"
WAYS = ("paid", "returned", "top_ups", "clawbacks")


def moved(way: str) -> str:
    """Money in the chosen time by everything that it is counted by."""
    return f"sum by ({BY}) (increase(yidan_{way}_fen_total{{@, {RL}}}[$__range])) / 100"


MOVED_AT_ALL = f"({' + '.join(map(moved, WAYS))}) > 0"


def per_fund(way: str) -> str:
    """The same, of what moved at all."""
    return f"{moved(way)} and {MOVED_AT_ALL}"


def hourly(by: str) -> str:
    """Money paid, by some labels."""
    return pace("paid", by, f", {RL}")


TILES = Line(
    4,
    (
        figure(
            5,
            "所选时段支付（元）",
            "Money paid at discharge or on application in the chosen time, in yuan.",
            f"sum(increase(yidan_paid_fen_total{{@, {RL}}}[$__range])) / 100",
            unit="locale",
            decimals=0,
            runbook="YidanLayerPaysUnusually",
            spark=False,
        ),
        figure(
            5,
            "有待遇的结算（笔·层）",
            "Settlements for which a layer had a row for the person, counted once a layer.",
            COUNTED,
            unit="locale",
            decimals=0,
            runbook="YidanLayerPaysUnusually",
            spark=False,
        ),
        figure(
            5,
            "被封顶线拦住的比例",
            "Share of them whose payment a cap cut or took away. A policy question rather than a fault: who is "
            "hit, and how often?",
            f"{CUT} / ({COUNTED} > 0)",
            unit="percentunit",
            steps=((None, GREEN), (0.05, YELLOW), (0.2, ORANGE)),
            decimals=1,
            runbook="YidanLayerPaysUnusually",
            spark=False,
        ),
        figure(
            5,
            "达到封顶线（人次）",
            "Persons whose yearly cap of a layer was reached in the chosen time.",
            f"sum(increase(yidan_caps_reached_total{{@, {RL}}}[$__range]))",
            unit="locale",
            decimals=0,
            runbook="YidanLayerPaysUnusually",
            spark=False,
        ),
        figure(
            4,
            "待申请（笔）",
            "Settlements that could be paid on application; `yidan pending YEAR` names who has not applied.",
            f'sum(increase(yidan_layer_settlements_total{{@, {RL}, outcome="pending_application"}}[$__range]))',
            unit="locale",
            decimals=0,
            runbook="YidanReadingsAssumed",
            to=POLICY,
            spark=False,
        ),
    ),
)

PAYS = (
    Line(
        8,
        (
            series(
                8,
                "按待遇层（元/小时）",
                "Money paid, at the pace of an hour, by region and layer. A step that no deploy and no pack change "
                "explains is worth a question.",
                [(hourly("region, layer"), "{{region}} {{layer}}")],
                unit="locale",
                stacked=True,
                whole_numbers=True,
                runbook="YidanLayerPaysUnusually",
            ),
            series(
                8,
                "按基金（元/小时）",
                "The same by fund (fund_pay_type): two layers of assistance are one fund.",
                [(hourly("fund"), "{{fund}}")],
                unit="locale",
                stacked=True,
                whole_numbers=True,
                runbook="YidanLayerPaysUnusually",
            ),
            series(
                8,
                "按收款方（元/小时）",
                "The same by payee: the hospital that paid in advance (fixmedins), or the person.",
                [(hourly("payee"), "{{payee}}")],
                unit="locale",
                stacked=True,
                whole_numbers=True,
                runbook="YidanLayerPaysUnusually",
            ),
        ),
    ),
    Line(
        9,
        (
            rows(
                24,
                "收支明细（所选时段，元）",
                "Every way in which money moved in the chosen time, by region, layer, fund and payee. Flows of the "
                "workers; what the books say is on the clearing dashboard.",
                [
                    (per_fund("paid"), "支付 Paid"),
                    (per_fund("returned"), "退回 Returned"),
                    (per_fund("top_ups"), "应补 Topped up"),
                    (per_fund("clawbacks"), "应退 Asked back"),
                ],
                columns={
                    "region": "统筹区 Region",
                    "layer": "待遇层 Layer",
                    "fund": "基金 Fund",
                    "payee": "收款方 Payee",
                },
                unit="locale",
                decimals=0,
                sort="支付 Paid",
                runbook="YidanLayerPaysUnusually",
                to=POLICY,
            ),
        ),
    ),
)

CAPS = Line(
    8,
    (
        gauges(
            8,
            "被封顶线拦住的比例（近一日）",
            "By region and layer: settlements of the last day whose payment a cap cut or took away, of all that a "
            "row was reached for.",
            [("yidan:capped_settlements:ratio_rate1d{@region, @layer}", "{{region}} {{layer}}")],
            unit="percentunit",
            steps=((None, GREEN), (0.05, YELLOW), (0.2, ORANGE)),
            top=1,
            decimals=1,
            runbook="YidanLayerPaysUnusually",
        ),
        series(
            8,
            "达到封顶线（人次/小时）",
            "Persons whose yearly cap was reached, at the pace of an hour. It rises towards the end of a year.",
            [
                (
                    f"3600 * sum by (region, layer) (rate(yidan_caps_reached_total{{@, {RL}}}[$__rate_interval]))",
                    "{{region}} {{layer}}",
                )
            ],
            unit="short",
            runbook="YidanLayerPaysUnusually",
        ),
        series(
            8,
            "各层做了什么（笔/秒）",
            "What layers did for settlements that they had a row for: paid, cut by the cap, cap spent, nothing "
            "left, below the deductible, waiting for an application, paid later.",
            [
                (
                    f"sum by (outcome) (rate(yidan_layer_settlements_total{{@, {RL}}}[$__rate_interval]))",
                    "{{outcome}}",
                )
            ],
            unit="cps",
            stacked=True,
            runbook="YidanLayerPaysUnusually",
        ),
    ),
)

WHY = Line(
    9,
    (
        series(
            9,
            "每行的结果与原因（行/秒）",
            "Payout lines by status, or by why nothing was paid. `no_identity` that rises means a list of "
            "identities has been emptied somewhere.",
            [("sum by (status) (rate(yidan_lines_total{@, @layer}[$__rate_interval])) > 0", "{{status}}")],
            unit="cps",
            stacked=True,
            runbook="YidanLayerPaysUnusually",
        ),
        series(
            7,
            "支付单按种类（张/秒）",
            "Combined payouts by kind: first settlements, reversals, corrections of later ones, decided applications.",
            [("sum by (kind) (rate(yidan_payouts_total{@}[$__rate_interval]))", "{{kind}}")],
            unit="cps",
            stacked=True,
            runbook="YidanLayerPaysUnusually",
        ),
        series(
            8,
            "提示按种类（条/秒）",
            "Signals: what people must be told although no money moves. Raised and withdrawn.",
            [
                (
                    "sum by (kind, state) (rate(yidan_signals_total{@}[$__rate_interval])) > 0",
                    "{{kind}} {{state}}",
                )
            ],
            unit="cps",
            runbook="YidanLayerPaysUnusually",
        ),
    ),
)

LAYERS = Board(
    "yidan-layers",
    "一单结算 · 待遇层与封顶",
    "Which layer pays what to whom, why others pay nothing, and whom a cap stops.",
    (
        ("", (TILES,)),
        ("谁付、付给谁 · Who pays whom", PAYS),
        ("封顶线 · Caps", (CAPS,)),
        ("为什么 · Why", (WHY,)),
    ),
    ("region", "layer"),
)
