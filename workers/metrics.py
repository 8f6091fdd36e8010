"""What operators watch, under names that begin with `yidan_`.

Every label value comes from a closed list; one that does not is counted as `other`, so that no input can make a series.
Children are bound once and counted once a batch: a bound increment costs a tenth of a looked-up one.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contracts.events import TOPIC_OF_TYPE
from contracts.topics import INPUTS
from contracts.vocabulary import Kind, LayerId, Reason, Refusal, SignalKind, Status
from workers.settlement.pipeline import Counts, Movement
from workers.settlement.ports import StopReason

OTHER: Final = "other"
REFUSED: Final = "refused"

OUTCOMES: Final = ("settled", "reversed", "changed", "remembered", "repeated", "stale", REFUSED, OTHER)
"""What an event may have come to: the effects of `workers.adjudication.books.Outcome`."""

MOVEMENTS: Final = {
    Movement.PAID: ("paid_yuan", "Money paid at discharge or on application, in yuan."),
    Movement.RETURNED: ("returned_yuan", "Money taken back by reversals, in yuan."),
    Movement.TOP_UP: ("top_ups_yuan", "Money that corrections give to persons, in yuan."),
    Movement.CLAWBACK: ("clawbacks_yuan", "Money that corrections ask back from persons, in yuan."),
}

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
AGE_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
SIZE_BUCKETS: Final = (1, 3, 10, 30, 100, 300, 1000, 3000)


class PartitionState(StrEnum):
    """Where a partition stands in this worker."""

    TAKING_OVER = "taking_over"
    OWNED = "owned"
    REPAIRING = "repairing"
    WAITING = "waiting"
    STOPPED = "stopped"


class Phase(StrEnum):
    """What a turn spends its time on."""

    READ = "read"
    SETTLE = "settle"
    COMMIT = "commit"
    APPLY = "apply"


class Bound:
    """A metric's children for every combination of closed lists, bound once; a stranger becomes `other`."""

    def __init__(self, metric: Any, *lists: Iterable[str]) -> None:
        self._children: dict[tuple[str, ...], Any] = {}
        combinations: list[tuple[str, ...]] = [()]
        for values in lists:
            combinations = [(*head, value) for head in combinations for value in dict.fromkeys((*values, OTHER))]
        self._known = [frozenset(values) for values in lists]
        for labels in combinations:
            if OTHER not in labels:
                self._children[labels] = metric.labels(*labels)
        self._metric = metric

    def __getitem__(self, labels: tuple[str, ...]) -> Any:
        """The child with these label values."""
        child = self._children.get(labels)
        if child is None:
            closed = tuple(label if label in known else OTHER for label, known in zip(labels, self._known, strict=True))
            child = self._children[closed] = self._metric.labels(*closed)
        return child


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self, *, version: str, regions: Iterable[str], registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        regions = tuple(regions)
        layers = tuple(LayerId)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"yidan_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"yidan_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(f"yidan_{name}", text, labels, buckets=tuple(buckets), registry=self.registry)

        self._events = Bound(counter("events", "Events by topic and outcome.", "topic", "outcome"), INPUTS, OUTCOMES)
        self._refusals = Bound(counter("refusals", "Refused events by reason.", "reason"), Refusal)
        self._payouts = Bound(counter("payouts", "Combined payouts by kind.", "kind"), Kind)
        self._lines = Bound(
            counter("lines", "Payout lines by layer and status, or why nothing was paid.", "layer", "status"),
            layers,
            (*Status, *Reason),
        )
        self._signals = Bound(
            counter("signals", "Signals by kind and state.", "kind", "state"), SignalKind, ("raised", "withdrawn")
        )
        self._moved = {
            movement: Bound(counter(name, text, "region", "layer"), regions, layers)
            for movement, (name, text) in MOVEMENTS.items()
        }
        self._phases = Bound(histogram("turn_seconds", "Time of one turn by phase.", LATENCY_BUCKETS, "phase"), Phase)
        self._batch_records = histogram("batch_records", "Records in a committed batch.", SIZE_BUCKETS)
        self._event_age = histogram(
            "event_age_seconds",
            "From arrival to commit, of the oldest record of a batch.",
            AGE_BUCKETS,
        )
        self._lag = gauge("lag_records", "Records not yet settled.", "topic", "partition")
        self._lag_seconds = gauge("lag_seconds", "How long the oldest record fetched has waited.", "partition")
        self._states = gauge("partition_state", "1 for the state a partition is in.", "partition", "state")
        self._stopped = gauge("partition_stopped", "1 for a partition that waits for a person.", "partition", "reason")
        self.take_overs = counter("take_overs", "Partitions taken over.")
        self.births = counter("births", "Partitions that began an empty journal.")
        self.rebuilds = counter("rebuilds", "Store views rebuilt from the whole journal.")
        self.repairs = counter("repairs", "Store views that did not show our own last batch.")
        self.replayed = counter("replayed_fields", "Fields brought from the journal to the store.")
        self.fenced = counter("fenced", "Producers refused because another worker has taken the partition over.")
        self.dropped = counter("dropped", "Producers given up after an error or an unknown outcome.")
        self.apply_failed = counter("apply_failed", "Batches committed but not yet in the store.")
        self.core_failed = counter("core_failed", "Exceptions of the adjudication.")
        self.rebalances = counter("rebalances", "Times that the group assigned partitions.")
        self.beat = gauge("last_beat_timestamp_seconds", "When the loop last went round.")
        self.draining = gauge("draining", "1 while the worker finishes its last batches.")
        gauge("build_info", "The running version.", "version").labels(version).set(1)
        self._pack = gauge("pack_info", "A policy pack in use.", "region", "digest")

    def packs(self, used: Iterable[tuple[str, str]]) -> None:
        """Names the packs in use: region and digest."""
        for region, digest in used:
            self._pack.labels(region, digest).set(1)

    def batch(self, counts: Counts, consumed: Mapping[str, int], oldest_seconds: float) -> None:
        """Counts one committed batch."""
        left = Tally(consumed)
        for (kind, effect), number in counts.effects.items():
            topic = TOPIC_OF_TYPE.get(kind, OTHER)
            left[topic] -= number
            self._events[topic, effect].inc(number)
        for topic, number in left.items():
            if number > 0:
                self._events[topic, REFUSED].inc(number)
        for reason, number in counts.refusals.items():
            self._refusals[(reason,)].inc(number)
        for payout, number in counts.payouts.items():
            self._payouts[(payout,)].inc(number)
        for line, number in counts.lines.items():
            self._lines[line].inc(number)
        for signal, number in counts.signals.items():
            self._signals[signal].inc(number)
        for (region, layer, movement), fen in counts.moved.items():
            self._moved[Movement(movement)][region, layer].inc(fen / 100)
        self._batch_records.observe(sum(consumed.values()))
        self._event_age.observe(oldest_seconds)

    def phase(self, phase: Phase, seconds: float) -> None:
        """Observes how long a phase of a turn took."""
        self._phases[(phase,)].observe(seconds)

    def lag(self, partition: int, records: Mapping[str, int], seconds: float) -> None:
        """Sets how far a partition of ours is behind."""
        for topic, number in records.items():
            self._lag.labels(topic, str(partition)).set(number)
        self._lag_seconds.labels(str(partition)).set(seconds)

    def state(self, partition: int, state: PartitionState | None, reason: StopReason | None = None) -> None:
        """Sets a partition's state; None when it is no longer ours, which also takes its lag away."""
        label = str(partition)
        for known in PartitionState:
            if state is None:
                _remove(self._states, label, known)
            else:
                self._states.labels(label, known).set(known is state)
        if reason is not None:
            self._stopped.labels(label, reason).set(1)
        elif state is not PartitionState.STOPPED:
            for stop in StopReason:
                _remove(self._stopped, label, stop)
        if state is None:
            _remove(self._lag_seconds, label)
            for topic in INPUTS:
                _remove(self._lag, topic, label)

    def page(self) -> bytes:
        """What `/metrics` answers."""
        return generate_latest(self.registry)


def _remove(metric: Gauge, *labels: str) -> None:
    try:
        metric.remove(*labels)
    except KeyError:
        return
