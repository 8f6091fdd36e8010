"""流水线: batches, lag and partitions, Kafka's transactions, the journal's view in Redis, the processes."""

from ops.grafana.boards.ask import quantile, rate
from ops.grafana.boards.frame import Board, Line
from ops.grafana.boards.panels import BLUE, GREEN, ORANGE, RED, YELLOW, figure, rows, series, states, verdict

STATES = ("owned", "repairing", "taking_over", "waiting", "stopped")

STATE = " or ".join(
    f'{number} * yidan_partition_state{{@, state="{state}"}}' for number, state in enumerate(STATES, start=1)
)


def p95(histogram: str, by: str) -> list[tuple[str, str]]:
    """What 95 % of what was observed stay below, by a label."""
    return [(quantile(0.95, histogram, by), f"{{{{{by}}}}}")]


FLOW = (
    Line(
        8,
        (
            series(
                8,
                "事件按主题（条/秒）",
                "Events settled, by the topic they came on.",
                [("sum by (topic) (rate(yidan_events_total{@}[$__rate_interval]))", "{{topic}}")],
                unit="cps",
                stacked=True,
                runbook="YidanNothingSettled",
            ),
            series(
                8,
                "一轮各步用时（95%）",
                "Per step: read from Redis, settle (arithmetic), commit (Kafka), apply to Redis. Whichever grows "
                "says where to look.",
                p95("yidan_turn_seconds", "phase"),
                unit="s",
                runbook="YidanPromiseBurnsFast",
            ),
            series(
                8,
                "批量（条/批）",
                "Records in a committed batch. Large batches are what a backlog looks like when it is being worked "
                "off.",
                [
                    (
                        quantile(share, "yidan_batch_records"),
                        called,
                    )
                    for share, called in ((0.5, "p50"), (0.95, "p95"))
                ],
                unit="short",
                runbook="YidanPromiseBurnsFast",
            ),
        ),
    ),
    Line(
        8,
        (
            series(
                8,
                "到账用时按主题（95%）",
                "End to end: from a record's arrival to the commit that settled it, by topic. The dashed line is "
                "the promise of 5 s.",
                p95("yidan_record_seconds", "topic"),
                unit="s",
                limit=5,
                runbook="YidanPromiseBurnsFast",
            ),
            series(
                8,
                "事件年龄（从结算时间到提交）",
                "From the event's own setl_time to the commit: what the platform and the gateway take comes on top "
                "here. Days mean a resend of old settlements; the scale ends at 30 days.",
                [
                    (
                        quantile(share, "yidan_event_age_seconds"),
                        called,
                    )
                    for share, called in ((0.5, "p50"), (0.95, "p95"))
                ],
                unit="s",
                runbook="YidanPromiseLeaks",
            ),
            series(
                8,
                "重新送回的记录（条/秒）",
                "Records settled that had been refused before and were sent again from quarantine, and what is "
                "refused beside it.",
                [
                    ("sum(rate(yidan_replayed_records_total{@}[$__rate_interval]))", "送回 sent again"),
                    ("sum(rate(yidan_refusals_total{@}[$__rate_interval]))", "拒收 refused"),
                ],
                unit="cps",
                runbook="YidanQuarantineGrows",
            ),
        ),
    ),
)

LAG = (
    Line(
        8,
        (
            series(
                8,
                "积压（条，按分区）",
                "Records not yet settled, by partition, as the worker that holds it knows from the broker. One "
                "partition alone: look at its state. All: broker, store, or a bulk resend.",
                [("sum by (partition) (yidan_lag_records{@})", "{{partition}}")],
                unit="short",
                whole_numbers=True,
                runbook="YidanLagInSeconds",
            ),
            series(
                8,
                "积压（秒，按分区）",
                "How long the oldest record fetched has waited, by partition; and for how long the broker has not said "
                "whether there are more. The dashed line is where somebody is woken.",
                [
                    ("max by (partition) (yidan_lag_seconds{@})", "{{partition}}"),
                    ("max by (partition) (yidan_unheard_seconds{@})", "{{partition}} 未答"),
                ],
                unit="s",
                limit=30,
                runbook="YidanLagInSeconds",
            ),
            states(
                8,
                "分区状态",
                "What each partition is doing. `owned` settles; `waiting` begins again by itself; `stopped` waits "
                "for a person.",
                [(f"max by (partition) ({STATE})", "{{partition}}")],
                meanings={
                    1: ("在结算 owned", GREEN),
                    2: ("修复中 repairing", BLUE),
                    3: ("接管中 taking over", YELLOW),
                    4: ("等待 waiting", ORANGE),
                    5: ("已停止 stopped", RED),
                },
                runbook="YidanPartitionsUnheld",
            ),
        ),
    ),
    Line(
        7,
        (
            series(
                6,
                "分区易主（次）",
                "Times that the group assigned partitions, and take-overs that had to begin again.",
                [
                    ("sum(increase(yidan_rebalances_total{@}[$__rate_interval]))", "再均衡 rebalances"),
                    ("sum(increase(yidan_take_overs_failed_total{@}[$__rate_interval]))", "失败重来 failed"),
                ],
                unit="short",
                bars=True,
                runbook="YidanTakeOversFail",
            ),
            series(
                6,
                "接管按原因（次）",
                "Partitions taken over, by why they had not been held. `assigned` is every start and roll-out; the "
                "others are troubles.",
                [("sum by (cause) (increase(yidan_take_overs_total{@}[$__rate_interval]))", "{{cause}}")],
                unit="short",
                stacked=True,
                bars=True,
                runbook="YidanTakeOverStorm",
            ),
            series(
                6,
                "恢复用时（95%）",
                "Time of take-overs and repairs by what they did to the store: a rebuild reads the whole journal, "
                "a replay its end.",
                p95("yidan_restore_seconds", "how"),
                unit="s",
                runbook="YidanPartitionsUnheld",
            ),
            series(
                6,
                "恢复与重建（次）",
                "What became of store views: empty journals begun, rebuilt from the whole journal, repaired after "
                "a batch of our own.",
                [
                    (f"sum(increase(yidan_{name}_total{{@}}[$__rate_interval]))", called)
                    for name, called in (
                        ("births", "新账本 births"),
                        ("rebuilds", "重建 rebuilds"),
                        ("repairs", "修复 repairs"),
                    )
                ],
                unit="short",
                bars=True,
                runbook="YidanPromiseLeaks",
            ),
        ),
    ),
)

KAFKA = Line(
    7,
    (
        series(
            8,
            "事务按结局（次/秒）",
            "Kafka transactions of batches: committed, fenced (another worker has the partition), unknown (no "
            "answer in time).",
            [("sum by (outcome) (rate(yidan_transactions_total{@}[$__rate_interval]))", "{{outcome}}")],
            unit="ops",
            stacked=True,
            runbook="YidanTransactionsFail",
        ),
        series(
            8,
            "不顺利的批次（次）",
            "Producers fenced, producers given up, batches committed but not yet in the store, exceptions of the "
            "adjudication. None of them loses or doubles a payout; each costs time.",
            [
                (f"sum(increase(yidan_{name}_total{{@}}[$__rate_interval]))", called)
                for name, called in (
                    ("fenced", "被隔离 fenced"),
                    ("dropped", "放弃 dropped"),
                    ("apply_failed", "未写入 apply failed"),
                    ("core_failed", "计算出错 core failed"),
                )
            ],
            unit="short",
            bars=True,
            runbook="YidanCoreFailed",
        ),
        rows(
            8,
            "隔离区未处理（条）",
            "Refused records that nobody has sent again, as the last `yidan quarantine list --textfile` counted them.",
            [("sum by (topic, reason) (yidan_quarantine_open_records{@})", "条数 Records")],
            columns={"reason": "原因 Reason", "topic": "主题 Topic"},
            sort="条数 Records",
            runbook="YidanQuarantineGrows",
        ),
    ),
)

STORE = (
    Line(
        4,
        (
            verdict(
                4,
                "Redis 是否在线",
                "Whether the store answers. Without it partitions wait and nothing is lost.",
                "1 - min(redis_up{@})",
                good="在线",
                bad="不可用",
                runbook="YidanStoreDown",
            ),
            figure(
                5,
                "Redis 内存",
                "Memory in use. When maxmemory is reached the store refuses writes and partitions wait.",
                "sum(redis_memory_used_bytes{@})",
                unit="bytes",
                decimals=1,
                runbook="YidanStoreMemory",
            ),
            figure(
                5,
                "Redis 内存占上限",
                "Memory in use of maxmemory; 80 % is a ticket. 0 where no maxmemory is set.",
                "max(redis_memory_used_bytes{@} / (redis_memory_max_bytes{@} > 0)) or 0 * "
                "max(redis_memory_max_bytes{@})",
                unit="percentunit",
                steps=((None, GREEN), (0.6, YELLOW), (0.8, RED)),
                decimals=0,
                runbook="YidanStoreMemory",
            ),
            verdict(
                5,
                "被淘汰的键（1 小时）",
                "Keys that Redis has thrown away to make room. It must run with noeviction, so this is 0.",
                "sum(increase(redis_evicted_keys_total{@}[1h]))",
                good="无",
                bad="有",
                runbook="YidanStoreEvicts",
            ),
            verdict(
                5,
                "AOF 写盘",
                "Whether Redis keeps an append-only file and the last write of it went well. Without it a restart "
                "means rebuilding every view.",
                "2 - min(redis_aof_enabled{@}) - min(redis_aof_last_write_status{@})",
                good="正常",
                bad="异常",
                runbook="YidanStoreFails",
            ),
        ),
    ),
    Line(
        7,
        (
            series(
                6,
                "往返次数（次/秒）",
                "Round trips of the workers to the store, by operation. They grow with batches, not with records.",
                [("sum by (operation) (rate(yidan_store_seconds_count{@}[$__rate_interval]))", "{{operation}}")],
                unit="ops",
                stacked=True,
                runbook="YidanStoreFails",
            ),
            series(
                6,
                "往返用时（95%）",
                "How long a round trip takes, by operation.",
                p95("yidan_store_seconds", "operation"),
                unit="s",
                runbook="YidanStoreFails",
            ),
            series(
                6,
                "往返失败（次/秒）",
                "Round trips that failed, by operation. The partition goes on by itself once the store answers.",
                [("sum by (operation) (rate(yidan_store_failures_total{@}[$__rate_interval]))", "{{operation}}")],
                unit="ops",
                runbook="YidanStoreFails",
            ),
            series(
                6,
                "写回的字段（个/秒）",
                "Fields brought from the journal to the store by restores, beside the commands that Redis answers.",
                [
                    ("sum(rate(yidan_replayed_fields_total{@}[$__rate_interval]))", "写回 replayed fields"),
                    ("sum(rate(redis_commands_processed_total{@}[$__rate_interval]))", "命令 commands"),
                ],
                unit="ops",
                runbook="YidanStoreFails",
            ),
        ),
    ),
)

PROCESSES = Line(
    7,
    (
        series(
            8,
            "处理器（核）",
            "Processor time a second of each process. A worker settles in one thread, so 1 is all it can use.",
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
        series(
            8,
            "内存",
            "Resident memory of each process.",
            [("max by (job, instance) (process_resident_memory_bytes{@})", "{{job}} {{instance}}")],
            unit="bytes",
            runbook="YidanWorkerDown",
        ),
        series(
            8,
            "主循环多久没转（秒）",
            "Time since the loop of a worker last went round; a supervisor starts it again after 30 s. And whether "
            "it is draining.",
            [
                ("time() - max by (instance) (yidan_last_beat_timestamp_seconds{@})", "{{instance}}"),
                ("max by (instance) (yidan_draining{@})", "{{instance}} 正在退出 draining"),
            ],
            unit="s",
            limit=30,
            runbook="YidanLoopStands",
        ),
    ),
)

PIPELINE = Board(
    "yidan-pipeline",
    "一单结算 · 流水线：Kafka 与 Redis",
    "Where records are, and what holds them up: batches, lag, partitions, transactions, the store, the processes.",
    (
        ("流量与用时 · Flow", FLOW),
        ("积压与分区 · Lag and partitions", LAG),
        ("Kafka · Transactions and quarantine", (KAFKA,)),
        ("Redis · The store", STORE),
        ("进程 · Processes", (PROCESSES,)),
    ),
)
