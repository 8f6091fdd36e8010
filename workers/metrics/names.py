"""Every metric of Yidan: its name, its help, its labels. One table, so that rules, dashboards and code agree.

Labels are places, kinds and outcomes from closed lists, never a person, a settlement or a hospital.
"""

from typing import Final, Literal, NamedTuple


class Name(NamedTuple):
    """A metric. On the page `yidan_` stands before it, and `_total` behind a counter."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full(self) -> str:
        """As it stands on the page; a histogram has `_bucket`, `_sum` and `_count` behind it."""
        return f"yidan_{self.name}" + ("_total" if self.kind == "counter" else "")


PHASE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WAIT_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""5 is the promise that the alerts are about: a bucket must end there."""
AGE_BUCKETS: Final = (1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43_200.0, 86_400.0, 604_800.0, 2_592_000.0)
RESTORE_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
SIZE_BUCKETS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)

# ── what was settled ──────────────────────────────────────────────────────────────────────────────────────────

EVENTS: Final = Name("counter", "events", "Events by topic and outcome.", ("topic", "outcome"))
REFUSALS: Final = Name("counter", "refusals", "Refused events by reason.", ("reason",))
REPLAYED: Final = Name(
    "counter",
    "replayed_records",
    "Records settled that had been refused before and were sent again from quarantine.",
    ("topic",),
)
PAYOUTS: Final = Name("counter", "payouts", "Combined payouts by kind.", ("kind",))
LINES: Final = Name(
    "counter", "lines", "Payout lines by layer and status, or why nothing was paid.", ("layer", "status")
)
SIGNALS: Final = Name("counter", "signals", "Signals by kind and state.", ("kind", "state"))

# ── the money, in whole fen: a float holds them exactly, and no hundredths ──────────────────────────────────────

_MONEY: Final = ("region", "layer", "fund", "payee")
PAID: Final = Name("counter", "paid_fen", "Money paid at discharge or on application, in fen.", _MONEY)
RETURNED: Final = Name("counter", "returned_fen", "Money taken back by reversals, in fen.", _MONEY)
TOP_UPS: Final = Name("counter", "top_ups_fen", "Money that corrections give to persons, in fen.", _MONEY)
CLAWBACKS: Final = Name("counter", "clawbacks_fen", "Money that corrections ask back from persons, in fen.", _MONEY)

# ── the policy's own targets ──────────────────────────────────────────────────────────────────────────────────

CAPS_REACHED: Final = Name(
    "counter", "caps_reached", "Persons whose yearly cap of a layer was reached.", ("region", "layer")
)
REACHED: Final = Name(
    "counter",
    "layer_settlements",
    "Settlements for which a layer had a row for the person, by what the layer did at discharge.",
    ("region", "layer", "outcome"),
)
IN_SCOPE: Final = Name(
    "counter",
    "residents_inpatient_in_scope_fen",
    "In-scope cost (inscp_scp_amt) of residents' inpatient settlements as they came, in fen.",
    ("region",),
)
BASIC_FUND: Final = Name(
    "counter",
    "residents_inpatient_basic_fund_fen",
    "What the basic fund paid (hifp_pay) of residents' inpatient settlements as they came, in fen.",
    ("region",),
)
READINGS: Final = Name("gauge", "readings", "Readings of the packs in use by who has answered.", ("region", "status"))
PACK: Final = Name("gauge", "pack_info", "A policy pack in use.", ("region", "digest"))

# ── how fast ──────────────────────────────────────────────────────────────────────────────────────────────────

RECORD_SECONDS: Final = Name(
    "histogram",
    "record_seconds",
    "From a record's timestamp to the commit that settled it, of every record.",
    ("topic",),
    WAIT_BUCKETS,
)
EVENT_AGE: Final = Name(
    "histogram",
    "event_age_seconds",
    "From the event's own setl_time to the commit that settled it, of at most 32 settlements of a batch.",
    (),
    AGE_BUCKETS,
)
TURN_SECONDS: Final = Name(
    "histogram", "turn_seconds", "Time of each lane of a turn by phase.", ("phase",), PHASE_BUCKETS
)
BATCH_RECORDS: Final = Name("histogram", "batch_records", "Records in a committed batch.", (), SIZE_BUCKETS)
LAG_RECORDS: Final = Name("gauge", "lag_records", "Records not yet settled.", ("topic", "partition"))
LAG_SECONDS: Final = Name(
    "gauge",
    "lag_seconds",
    "How long the oldest record fetched has waited, also while its partition is not held.",
    ("partition",),
)
UNHEARD_SECONDS: Final = Name(
    "gauge",
    "unheard_seconds",
    "How long the broker has answered no fetch of a topic that is fetched, without an error.",
    ("partition",),
)

# ── partitions ────────────────────────────────────────────────────────────────────────────────────────────────

PARTITIONS: Final = Name("gauge", "partitions", "Partitions that there are, of this and all other workers.")
STATE: Final = Name("gauge", "partition_state", "1 for the state a partition is in.", ("partition", "state"))
STOPPED: Final = Name(
    "gauge", "partition_stopped", "1 for a partition that waits for a person.", ("partition", "reason")
)
REBALANCES: Final = Name("counter", "rebalances", "Times that the group assigned partitions.")
TAKE_OVERS: Final = Name("counter", "take_overs", "Partitions taken over, by why they had not been held.", ("cause",))
TAKE_OVERS_FAILED: Final = Name("counter", "take_overs_failed", "Take-overs and repairs that have to begin again.")
RESTORE_SECONDS: Final = Name(
    "histogram",
    "restore_seconds",
    "Time of take-overs and repairs, waiting for their turn included, by what they did to the store.",
    ("errand", "how"),
    RESTORE_BUCKETS,
)
BIRTHS: Final = Name("counter", "births", "Partitions that began an empty journal.")
REBUILDS: Final = Name("counter", "rebuilds", "Store views rebuilt from the whole journal.")
REPAIRS: Final = Name("counter", "repairs", "Store views that did not show our own last batch.")
REPLAYED_FIELDS: Final = Name("counter", "replayed_fields", "Fields brought from the journal to the store.")

# ── broker and store ──────────────────────────────────────────────────────────────────────────────────────────

TRANSACTIONS: Final = Name("counter", "transactions", "Kafka transactions of batches by outcome.", ("outcome",))
FENCED: Final = Name("counter", "fenced", "Producers refused because another worker has taken the partition over.")
DROPPED: Final = Name("counter", "dropped", "Producers given up after an error or an unknown outcome.")
APPLY_FAILED: Final = Name("counter", "apply_failed", "Batches committed but not yet in the store.")
STORE_SECONDS: Final = Name(
    "histogram", "store_seconds", "Round trips to the store by operation.", ("operation",), PHASE_BUCKETS
)
STORE_FAILURES: Final = Name(
    "counter", "store_failures", "Round trips to the store that failed, by operation.", ("operation",)
)

# ── the process ───────────────────────────────────────────────────────────────────────────────────────────────

CORE_FAILED: Final = Name("counter", "core_failed", "Exceptions of the adjudication.")
BEAT: Final = Name("gauge", "last_beat_timestamp_seconds", "When the loop last went round.")
DRAINING: Final = Name("gauge", "draining", "1 while the worker finishes its last batches.")
BUILD: Final = Name("gauge", "build_info", "The running version.", ("version",))

# ── what a worker cannot know: read from the topics by others ─────────────────────────────────────────────────

QUARANTINE_OPEN: Final = Name(
    "gauge", "quarantine_open_records", "Refused records that nobody has sent again.", ("topic", "reason")
)
QUARANTINE_OLDEST: Final = Name(
    "gauge", "quarantine_oldest_timestamp_seconds", "When the oldest of them was refused; 0 where none is open."
)
QUARANTINE_AT: Final = Name("gauge", "quarantine_timestamp_seconds", "When the quarantine was last read to its end.")
AUDIT_DRIFT: Final = Name(
    "gauge", "audit_drift", "Differences between store, journal and payouts, as the last whole audit found them."
)
AUDIT_AT: Final = Name("gauge", "audit_timestamp_seconds", "When the last whole audit ended.")
OPERATE_POSITION: Final = Name(
    "gauge", "operate_position", "The payout that the views take next, by partition.", ("partition",)
)
OPERATE_BEHIND: Final = Name(
    "gauge", "operate_behind_seconds", "How long ago the views last held everything that had been paid."
)

# ── clearing: what the views hold and have said ───────────────────────────────────────────────────────────────

SPENT: Final = Name(
    "gauge",
    "spent_fen",
    "What a layer has spent on balance as the views hold it, returns and corrections taken in, in fen.",
    ("region", "layer", "fund"),
)
STATEMENTS: Final = Name(
    "counter", "statements", "Revisions of clearing statements written to their topic, by kind.", ("kind",)
)
CLAIMS: Final = Name("counter", "claims", "Hospitals' claims answered, by what the answer was.", ("result",))

OPEN: Final = Name(
    "gauge",
    "open_fen",
    "What hospitals are still owed by statements and payments, in fen, by how long ago its month ended.",
    ("region", "fund", "age"),
)
PAID_OUT: Final = Name(
    "gauge",
    "paid_out_fen",
    "What hospitals were paid by the payments that offices have told, those taken back not counted, in fen.",
    ("region", "fund"),
)
PAYMENTS_REFUSED: Final = Name(
    "gauge", "payments_refused", "Records about payments that count for nothing, since the first one."
)

ALL: Final = tuple(value for value in globals().values() if isinstance(value, Name))
"""All of them."""
