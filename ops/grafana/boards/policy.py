"""政策与清算: the targets that policies set themselves, which text is in use, and what funds have spent."""

from ops.grafana.boards.ask import pace
from ops.grafana.boards.frame import Board, Line
from ops.grafana.boards.panels import GREEN, ORANGE, RED, YELLOW, figure, gauges, rows, series

LAYERS = "yidan-layers"
R = "@region"


def assisted(outcomes: str) -> str:
    """Settlements of the chosen time that a layer of medical assistance came to something for."""
    return (
        "sum(increase(yidan_layer_settlements_total"
        f'{{@, {R}, layer=~"assistance.*", outcome=~"{outcomes}"}}[$__range]))'
    )


def residents(way: str) -> str:
    return f"sum(increase(yidan_residents_inpatient_{way}_fen_total{{@, {R}}}[$__range]))"


TARGETS = (
    Line(
        5,
        (
            figure(
                6,
                "医疗救助落实率（目标 100%）",
                "Eligible settlements paid at discharge of all eligible, in the chosen time. Target 100 %: "
                "台医保联发〔2020〕8号 四（三）.",
                f"{assisted('paid|cut')} / ({assisted('paid|cut|pending_application|paid_later')} > 0)",
                unit="percentunit",
                steps=((None, RED), (0.95, ORANGE), (0.99, YELLOW), (1, GREEN)),
                decimals=2,
                runbook="YidanReadingsAssumed",
                spark=False,
            ),
            figure(
                6,
                "政策范围内基金支付比例（目标 75%）",
                "What the basic fund paid of residents' in-scope inpatient cost, in the chosen time. Target about "
                "75 %: 并医保发〔2019〕27号 三（一）.",
                f"{residents('basic_fund')} / ({residents('in_scope')} > 0)",
                unit="percentunit",
                steps=((None, RED), (0.65, ORANGE), (0.7, YELLOW), (0.75, GREEN)),
                decimals=1,
                runbook="YidanLayerPaysUnusually",
                spark=False,
            ),
            figure(
                4,
                "未经确认的读法",
                "Readings of the policy that are our own assumption: no office has confirmed them, and each moves "
                "money.",
                f'sum(max by (region) (yidan_readings{{@, {R}, status="assumed"}}))',
                unit="none",
                steps=((None, GREEN), (1, YELLOW)),
                runbook="YidanReadingsAssumed",
                spark=False,
            ),
            figure(
                4,
                "同区不同政策包",
                "Texts that some workers settle by and others do not: the same bill would be paid differently by each. "
                "A city's text and its counties' are several by right.",
                f"sum(count by (region, digest) (yidan_pack_info{{@@, {R}}})"
                " < bool scalar(count(count by (instance) (yidan_pack_info{@@}))))",
                unit="none",
                steps=((None, GREEN), (1, RED)),
                runbook="YidanPacksDiffer",
                spark=False,
            ),
            figure(
                4,
                "应退待定（元）",
                "Money that corrections asked back from persons in the chosen time: somebody has to decide about each.",
                f"sum(increase(yidan_clawbacks_fen_total{{@, {R}}}[$__range])) / 100",
                unit="locale",
                decimals=0,
                runbook="YidanLayerPaysUnusually",
                spark=False,
            ),
        ),
    ),
    Line(
        8,
        (
            gauges(
                6,
                "落实率按统筹区（近一日）",
                "The same of the last day by region. A discharge that lies in quarantine is in neither sum.",
                [("yidan:assistance_paid_at_discharge:ratio_rate1d{@region}", "{{region}}")],
                unit="percentunit",
                steps=((None, RED), (0.95, ORANGE), (0.99, YELLOW), (1, GREEN)),
                top=1,
                decimals=1,
                runbook="YidanReadingsAssumed",
            ),
            gauges(
                6,
                "基金支付比例按统筹区（近一日）",
                "The same of the last day by region, as the platform's settlements came.",
                [("yidan:basic_fund_share:ratio_rate1d{@region}", "{{region}}")],
                unit="percentunit",
                steps=((None, RED), (0.65, ORANGE), (0.7, YELLOW), (0.75, GREEN)),
                top=1,
                decimals=1,
                runbook="YidanLayerPaysUnusually",
            ),
            series(
                6,
                "政策范围内住院费用（元/小时）",
                "Residents' in-scope inpatient cost, and what the basic fund paid of it, at the pace of an hour.",
                [
                    (
                        f"36 * sum(rate(yidan_residents_inpatient_{way}_fen_total{{@, {R}}}[$__rate_interval]))",
                        called,
                    )
                    for way, called in (("in_scope", "范围内 in scope"), ("basic_fund", "基金支付 basic fund"))
                ],
                unit="locale",
                whole_numbers=True,
                runbook="YidanLayerPaysUnusually",
            ),
            gauges(
                6,
                "被封顶线拦住的比例（近一日）",
                "Settlements of the last day whose payment a cap cut or took away.",
                [("yidan:capped_settlements:ratio_rate1d{@region}", "{{region}} {{layer}}")],
                unit="percentunit",
                steps=((None, GREEN), (0.05, YELLOW), (0.2, ORANGE)),
                top=1,
                decimals=1,
                runbook="YidanLayerPaysUnusually",
                to=LAYERS,
            ),
        ),
    ),
)

TEXTS = Line(
    7,
    (
        rows(
            10,
            "在用的政策包",
            "Which text each region is settled by, and by how many workers. A digest stands in every payout "
            "(`pack.digest`).",
            [(f"count by (region, digest) (yidan_pack_info{{@@, {R}}})", "进程 Workers")],
            columns={"region": "统筹区 Region", "digest": "政策文本 Digest"},
            sort="统筹区 Region",
            runbook="YidanPacksDiffer",
        ),
        rows(
            7,
            "读法按答复",
            "Readings of the packs by who has answered: assumed by us, confirmed by the office, overruled. `yidan "
            "packs card REGION` prints them.",
            [(f"max by (region, status) (yidan_readings{{@, {R}}})", "条数 Readings")],
            columns={"region": "统筹区 Region", "status": "状态 Status"},
            sort="条数 Readings",
            runbook="YidanReadingsAssumed",
        ),
        rows(
            7,
            "运行的版本",
            "The version of each process, beside the packs that came with it.",
            [("max by (job, instance, version) (yidan_build_info{@})", "")],
            columns={"job": "作业 Job", "instance": "实例 Instance", "version": "版本 Version"},
            runbook="YidanPacksDiffer",
        ),
    ),
)

CORRECTIONS = Line(
    8,
    (
        series(
            8,
            "应补（元/小时）",
            "Top-ups: what corrections give to persons, by region and layer.",
            [
                (
                    pace("top_ups", "region, layer", f", {R}"),
                    "{{region}} {{layer}}",
                )
            ],
            unit="locale",
            whole_numbers=True,
            runbook="YidanLayerPaysUnusually",
        ),
        series(
            8,
            "应退（元/小时）",
            "Clawbacks: what corrections ask back from persons, by region and layer. Asked for is not yet returned.",
            [
                (
                    pace("clawbacks", "region, layer", f", {R}"),
                    "{{region}} {{layer}}",
                )
            ],
            unit="locale",
            whole_numbers=True,
            runbook="YidanLayerPaysUnusually",
        ),
        series(
            8,
            "冲销退回（元/小时）",
            "Money that reversals take back from hospitals, by region and layer.",
            [
                (
                    pace("returned", "region, layer", f", {R}"),
                    "{{region}} {{layer}}",
                )
            ],
            unit="locale",
            whole_numbers=True,
            runbook="YidanLayerPaysUnusually",
        ),
    ),
)

CLEARING = Line(
    8,
    (
        rows(
            8,
            "各基金净支出（账面，元）",
            "What each layer has spent on balance, returns and corrections taken in, as the views of `yidan "
            "operate` hold it: the books, not the flow. `/clearing` has it by office, hospital and month.",
            [(f"max by (region, layer, fund) (yidan_spent_fen{{@, {R}}}) / 100", "净支出 Spent")],
            columns={"region": "统筹区 Region", "layer": "待遇层 Layer", "fund": "基金 Fund"},
            unit="locale",
            decimals=2,
            sort="净支出 Spent",
            runbook="YidanOperateDown",
        ),
        series(
            4,
            "清算单修订（份/秒）",
            "Revisions of clearing statements written to their topic. A statement that goes on changing gets one "
            "every two seconds.",
            [("sum by (kind) (rate(yidan_statements_total{@}[$__rate_interval]))", "{{kind}}")],
            unit="cps",
            runbook="YidanOperateDown",
        ),
        series(
            4,
            "对账答复（次）",
            "Hospitals' claims answered (3201, 3202): even, uneven, or refused because it could not be read.",
            [("sum by (result) (increase(yidan_claims_total{@}[$__rate_interval]))", "{{result}}")],
            unit="short",
            bars=True,
            runbook="YidanOperateDown",
        ),
        series(
            4,
            "派生视图落后（秒）",
            "How long ago the views last held everything that had been paid: 1 to 2 s is as it must be. While it grows,"
            " pages show too little and say so, and claims of hospitals are refused.",
            [("yidan_operate_behind_seconds{@}", "{{instance}}")],
            unit="s",
            limit=600,
            runbook="YidanViewsBehind",
        ),
        series(
            4,
            "派生视图的进度（张/秒）",
            "Payouts that the views take in, beside those that workers write. Positions count Kafka's markers of "
            "transactions too, so the first lies above the second; they keep step. Settlement does not need the views.",
            [
                ("sum(max by (partition) (deriv(yidan_operate_position{@}[$__rate_interval])))", "读入 taken in"),
                ("sum(rate(yidan_payouts_total{@}[$__rate_interval]))", "写出 written"),
            ],
            unit="cps",
            runbook="YidanViewsBehind",
        ),
    ),
)

OPEN = Line(
    8,
    (
        rows(
            12,
            "对医院应付未付（元）",
            "What hospitals are still owed by statements and by the payments that offices have told: of the month that "
            "runs, of months that have ended, and of months that ended more than 60 days ago. What one hospital was "
            "paid too much lessens nothing of another. `/owed` has it by hospital and month.",
            [
                (
                    f'sum by (region, fund) (max by (region, fund, age) (yidan_open_fen{{@, {R}, age="{age}"}})) / 100',
                    heading,
                )
                for age, heading in (("running", "本月 Running"), ("due", "待付 Due"), ("overdue", "逾期 Overdue"))
            ]
            + [(f"max by (region, fund) (yidan_paid_out_fen{{@, {R}}}) / 100", "已付 Paid")],
            columns={"region": "统筹区 Region", "fund": "基金 Fund"},
            unit="locale",
            decimals=2,
            sort="逾期 Overdue",
            runbook="YidanClearingOverdue",
        ),
        series(
            8,
            "应付未付（元）",
            "The same over time, all funds together: it is to be nothing but the month that runs when the year ends.",
            [(f"sum by (age) (max by (region, fund, age) (yidan_open_fen{{@, {R}}})) / 100", "{{age}}")],
            unit="locale",
            stacked=True,
            whole_numbers=True,
            runbook="YidanClearingOpenAtYearEnd",
        ),
        figure(
            4,
            "拒收的支付登记",
            "Records about payments that count for nothing, since the first one: `/payments` names each with its mend.",
            "max(yidan_payments_refused{@})",
            unit="none",
            runbook="YidanPaymentsRefused",
        ),
    ),
)

POLICY = Board(
    "yidan-policy",
    "一单结算 · 政策与清算",
    "The targets that policies set themselves, which text is in use, what corrections move, and what funds have spent.",
    (
        ("政策目标 · Targets", TARGETS),
        ("政策文本 · Texts in use", (TEXTS,)),
        ("更正 · Corrections", (CORRECTIONS,)),
        ("清算 · Clearing", (CLEARING, OPEN)),
    ),
    ("region",),
)
