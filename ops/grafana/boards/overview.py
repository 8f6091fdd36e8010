"""总览: does settlement work, how well, how near to its limits, and what does it pay."""

from ops.grafana.boards.ask import pace, quantile, rate
from ops.grafana.boards.frame import Board, Line
from ops.grafana.boards.panels import (
    GREEN,
    ORANGE,
    RED,
    YELLOW,
    figure,
    rows,
    series,
    states,
    verdict,
)

LAYERS, PIPELINE, POLICY = "yidan-layers", "yidan-pipeline", "yidan-policy"

UNHELD = """
    max(yidan_partitions{@@})
    - (sum(max by (partition) (yidan_partition_state{@@, state=~"owned|repairing"})) or vector(0))
"""

TROUBLES = f"""
    (absent(yidan_draining{{@@}}) or vector(0))
    + (clamp({UNHELD}, 0, 1) or vector(0))
    + (max(yidan_partition_stopped{{@@}}) or vector(0))
    + ((max(yidan_lag_seconds{{@@}}) > bool 30) or vector(0))
    + ((min(redis_up{{@@}}) == bool 0) or vector(0))
    + ((max(yidan_audit_drift{{@@}}) > bool 0) or vector(0))
"""
"""How many of the faults there are for which nobody gets paid, or nobody should: what the rules page for."""

NET = " ".join(
    f"{sign} sum(increase(yidan_{way}_fen_total{{@}}[$__range])) / 100"
    for sign, way in (("", "paid"), ("+", "top_ups"), ("-", "returned"))
)

LOOKED = "and on () (time() - max(yidan_quarantine_timestamp_seconds{@@}) < 3600)"
"""Where nobody could read the quarantine for an hour its figures are shown as none, not as they were."""

FIRST = Line(
    5,
    (
        verdict(
            6,
            "结算是否正常",
            "Does settlement work? Green: there are workers, every partition is held and none has stopped, nobody "
            "waits for more than 30 s, the store answers, and the last audit found no difference. Red: at least "
            "one of them is not so; the tiles beside say which.",
            TROUBLES,
            good="正常",
            bad="异常",
            runbook="YidanNothingSettled",
            to=PIPELINE,
        ),
        verdict(
            3,
            "无人负责的分区",
            "Partitions that no worker settles: everybody in them waits. A roll-out holds each for seconds.",
            UNHELD,
            good="无",
            bad="有",
            runbook="YidanPartitionsUnheld",
            to=PIPELINE,
        ),
        verdict(
            3,
            "已停止的分区",
            "Partitions that have stopped until somebody has looked, because going on could pay twice or skip "
            "somebody.",
            "sum(yidan_partition_stopped{@@}) or 0 * max(yidan_partitions{@@})",
            good="无",
            bad="有",
            runbook="YidanPartitionStopped",
            to=PIPELINE,
        ),
        figure(
            3,
            "等待最久（秒）",
            "How long the oldest record that was fetched has waited, in the slowest partition. The promise is 5 s; "
            "30 s is a page.",
            "max(yidan_lag_seconds{@})",
            unit="s",
            steps=((None, GREEN), (5, YELLOW), (30, RED)),
            decimals=1,
            runbook="YidanLagInSeconds",
            to=PIPELINE,
        ),
        figure(
            3,
            "5 秒内完成",
            "Share of records settled within 5 s of their arrival, last five minutes. The promise is 99.5 % over "
            "30 days.",
            "1 - yidan:late_records:ratio_rate5m",
            unit="percentunit",
            steps=((None, RED), (0.928, ORANGE), (0.97, YELLOW), (0.995, GREEN)),
            decimals=2,
            runbook="YidanPromiseBurnsFast",
        ),
        verdict(
            3,
            "账实差异",
            "Differences between store, journal and payouts, as the last whole `yidan audit --textfile` found them.",
            "max(yidan_audit_drift{@@})",
            good="无",
            bad="有",
            runbook="YidanDrift",
        ),
        verdict(
            3,
            "正在响的警报（须立即处理）",
            "Alerts of severity page that fire now. Empty where Prometheus does not evaluate our rules: then "
            "nobody is woken.",
            'count(ALERTS{alertstate="firing", severity="page"}) or 0 * yidan:lag_records:sum',
            good="无",
            bad="有",
            runbook="Alerts",
        ),
    ),
)

SECOND = Line(
    4,
    (
        figure(
            4,
            "运行中的进程",
            "Settlement workers that answer Prometheus. One is enough to settle; two are wanted.",
            "count(yidan_draining{@})",
            unit="none",
            steps=((None, RED), (1, YELLOW), (2, GREEN)),
            runbook="YidanNoWorker",
        ),
        figure(
            4,
            "结算速度（条/秒）",
            "Events settled a second, of whatever outcome.",
            "sum(rate(yidan_events_total{@}[$__rate_interval]))",
            unit="cps",
            decimals=1,
            runbook="YidanNothingSettled",
            to=PIPELINE,
        ),
        figure(
            4,
            "余量消耗倍数（1 小时）",
            "How many times faster than allowed the last hour's late records use up the budget of 0.5 %. 1 uses it "
            "up in 30 days, 14.4 in two: a page.",
            "yidan:late_records:ratio_rate1h / 0.005",
            unit="none",
            steps=((None, GREEN), (1, YELLOW), (6, ORANGE), (14.4, RED)),
            decimals=1,
            runbook="YidanPromiseBurns",
        ),
        figure(
            4,
            "隔离区未处理",
            "Refused records that nobody has sent again, as the last `yidan quarantine list --textfile` counted them; "
            "none shown where nobody has looked for an hour.",
            "(sum(yidan_quarantine_open_records{@@}) or 0 * max(yidan_quarantine_oldest_timestamp_seconds{@@})) "
            f"{LOOKED}",
            unit="none",
            steps=((None, GREEN), (1, YELLOW), (100, ORANGE)),
            runbook="YidanQuarantineGrows",
        ),
        figure(
            4,
            "隔离区最早一条",
            "How long the oldest of them has lain there. Somebody may be waiting for a payment; a day is a ticket.",
            "((time() - max(yidan_quarantine_oldest_timestamp_seconds{@@} > 0)) or 0 * "
            f"max(yidan_quarantine_oldest_timestamp_seconds{{@@}})) {LOOKED}",
            unit="dtdurations",
            steps=((None, GREEN), (3600, YELLOW), (86400, RED)),
            runbook="YidanQuarantineIsOld",
            spark=False,
        ),
        figure(
            4,
            "距上次核对",
            "Time since the last whole audit ended. What has differed since, nobody knows; two days are a ticket.",
            "time() - max(yidan_audit_timestamp_seconds{@@})",
            unit="dtdurations",
            steps=((None, GREEN), (90000, YELLOW), (172800, RED)),
            runbook="YidanAuditIsOld",
            spark=False,
        ),
    ),
)

RED_LINE = Line(
    8,
    (
        series(
            9,
            "事件按结果（条/秒）",
            "Rate: events by what they came to. `repeated` and `stale` are harmless: the sender said it twice or "
            "too late.",
            [("sum by (outcome) (rate(yidan_events_total{@}[$__rate_interval]))", "{{outcome}}")],
            unit="cps",
            stacked=True,
            runbook="YidanNothingSettled",
            to=PIPELINE,
        ),
        series(
            7,
            "拒收按原因（条/秒）",
            "Errors: events refused into quarantine, by reason. One new reason from one moment on is usually a "
            "gateway's release.",
            [
                ("sum(rate(yidan_refusals_total{@}[$__rate_interval]))", "全部 all"),
                ("sum by (reason) (rate(yidan_refusals_total{@}[$__rate_interval])) > 0", "{{reason}}"),
            ],
            unit="cps",
            runbook="YidanQuarantineGrows",
        ),
        series(
            8,
            "到账用时（从到达到提交）",
            "Duration: from a record's arrival to the commit that settled it, every record. The dashed line is the "
            "promise of 5 s.",
            [
                (
                    quantile(share, "yidan_record_seconds"),
                    called,
                )
                for share, called in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
            unit="s",
            limit=5,
            runbook="YidanPromiseBurnsFast",
            to=PIPELINE,
        ),
    ),
)

FULL = Line(
    7,
    (
        series(
            8,
            "积压（条）",
            "Records that have come and are not settled, by topic.",
            [("sum by (topic) (yidan_lag_records{@})", "{{topic}}")],
            unit="short",
            stacked=True,
            whole_numbers=True,
            runbook="YidanNothingSettled",
            to=PIPELINE,
        ),
        series(
            8,
            "忙碌程度",
            "Share of its time that a worker spends on batches. Near 100 % it has no more to give: add workers, up "
            "to one a partition.",
            [("sum by (instance) (rate(yidan_turn_seconds_sum{@}[$__rate_interval]))", "{{instance}}")],
            unit="percentunit",
            limit=0.9,
            runbook="YidanPromiseBurns",
            to=PIPELINE,
        ),
        series(
            8,
            "处理器（核）",
            "Processor time a second. A worker settles in one thread, so 1 is all it can use.",
            [
                (
                    rate("process_cpu_seconds_total", "job, instance"),
                    "{{job}} {{instance}}",
                )
            ],
            unit="none",
            limit=1,
            runbook="YidanLoopStands",
        ),
    ),
)

MONEY = Line(
    7,
    (
        figure(
            5,
            "所选时段净支付（元）",
            "What funds have paid in the chosen time: paid and topped up, less what was returned. Clawbacks are "
            "only asked for.",
            NET,
            unit="locale",
            decimals=0,
            runbook="YidanLayerPaysUnusually",
            to=LAYERS,
            spark=False,
        ),
        series(
            11,
            "各层支付（元/小时）",
            "Money paid at discharge or on application, at the pace of an hour, by layer.",
            [(pace("paid", "layer"), "{{layer}}")],
            unit="locale",
            stacked=True,
            whole_numbers=True,
            runbook="YidanLayerPaysUnusually",
            to=LAYERS,
        ),
        series(
            8,
            "退回与应补应退（元/小时）",
            "Money that moves after the fact: returned by reversals, given to persons, asked back from persons.",
            [
                (f"36 * sum(rate(yidan_{way}_fen_total{{@}}[$__rate_interval]))", called)
                for way, called in (
                    ("returned", "退回 returned"),
                    ("top_ups", "应补 topped up"),
                    ("clawbacks", "应退 asked back"),
                )
            ],
            unit="locale",
            whole_numbers=True,
            runbook="YidanLayerPaysUnusually",
            to=POLICY,
        ),
    ),
)

RUNS = Line(
    7,
    (
        rows(
            9,
            "警报",
            "Alerts that fire or are about to (pending). Each has its heading in the runbook.",
            [('ALERTS{alertname=~"Yidan.*"}', "")],
            columns={
                "alertname": "警报 Alert",
                "severity": "级别 Severity",
                "alertstate": "状态 State",
                "region": "统筹区 Region",
                "partition": "分区 Partition",
            },
            runbook="Alerts",
        ),
        states(
            8,
            "谁在线",
            "Whether Prometheus reaches a target: workers, `yidan operate`, exporters.",
            [("up{@}", "{{job}} {{instance}}")],
            meanings={1: ("在线 up", GREEN), 0: ("不可达 down", RED)},
            runbook="YidanWorkerDown",
        ),
        rows(
            7,
            "正在运行的版本",
            "The version of each process. More than one for longer than a roll-out takes means that it has stopped "
            "half-way.",
            [("max by (job, instance, version) (yidan_build_info{@})", "")],
            columns={"job": "作业 Job", "instance": "实例 Instance", "version": "版本 Version"},
            runbook="YidanPacksDiffer",
        ),
    ),
)

OVERVIEW = Board(
    "yidan-overview",
    "一单结算 · 总览",
    "Does settlement work, how well, how near to its limits, what does it pay. Begin here.",
    (
        ("", (FIRST, SECOND)),
        ("速率、错误、用时 · Rate, errors, duration", (RED_LINE,)),
        ("还有多少余地 · Saturation", (FULL,)),
        ("钱 · Money", (MONEY,)),
        ("在运行的 · What runs", (RUNS,)),
    ),
)
