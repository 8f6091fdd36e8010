"""The metrics of one worker, counted once a batch."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Self

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from contracts.events import TOPIC_OF_TYPE
from contracts.pack import PackSet
from contracts.pack_file import files_of
from contracts.quarantine import REPLAYED_FROM
from contracts.topics import INPUTS
from contracts.vocabulary import Kind, LayerId, Payee, Reason, Refusal, SignalKind, Status
from workers.metrics import names
from workers.metrics.bound import Bound, Spread, counter, gauge, histogram
from workers.metrics.words import (
    OTHER,
    OUTCOMES,
    REFUSED,
    Errand,
    PartitionState,
    Phase,
    Restore,
    TakeOverCause,
    Transaction,
)
from workers.settlement.inbox import Waiting
from workers.settlement.pipeline import Counts, Movement
from workers.settlement.ports import StopReason
from workers.settlement.reached import Reached
from workers.settlement.watched import Operation

MOVEMENTS: Final = {
    Movement.PAID: names.PAID,
    Movement.RETURNED: names.RETURNED,
    Movement.TOP_UP: names.TOP_UPS,
    Movement.CLAWBACK: names.CLAWBACKS,
}

AGES_MAX: Final = 32
"""Of so many settlements of a batch the age is taken: reading a time costs more than counting everything else."""

Fund = tuple[str, str, str]
"""Region, layer and `fund_pay_type`, as a pack names them together."""


class Metrics:
    """The metrics of one worker, in a registry of their own. `funds` are those that the packs in use name."""

    def __init__(
        self,
        *,
        version: str,
        regions: Iterable[str],
        funds: Iterable[Fund] = (),
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.registry = registry = registry or CollectorRegistry()
        regions, funds, layers = tuple(regions), tuple(funds), tuple(LayerId)
        in_use = [(region, layer) for region, layer, _ in funds]
        paying = [(*fund, payee) for fund in funds for payee in Payee]

        def plain(name: names.Name) -> Counter:
            return counter(name, registry)

        self._events = Bound(plain(names.EVENTS), INPUTS, OUTCOMES)
        self._refusals = Bound(plain(names.REFUSALS), Refusal)
        self._resent = Bound(plain(names.REPLAYED), INPUTS)
        self._payouts = Bound(plain(names.PAYOUTS), Kind)
        self._lines = Bound(plain(names.LINES), layers, (*Status, *Reason))
        self._signals = Bound(plain(names.SIGNALS), SignalKind, ("raised", "withdrawn"))
        self._moved = {
            movement: Bound(plain(name), regions, layers, {fund for _, _, fund in funds}, Payee, ready=paying)
            for movement, name in MOVEMENTS.items()
        }
        self._caps_reached = Bound(plain(names.CAPS_REACHED), regions, layers, ready=in_use)
        self._reached = Bound(
            plain(names.REACHED),
            regions,
            layers,
            Reached,
            ready=[(*place, came_to) for place in in_use for came_to in Reached],
        )
        self._in_scope = Bound(plain(names.IN_SCOPE), regions)
        self._basic_fund = Bound(plain(names.BASIC_FUND), regions)
        self._record_seconds = Spread(names.RECORD_SECONDS, registry, INPUTS)
        self._event_age = Spread(names.EVENT_AGE, registry)
        self._phases = Bound(histogram(names.TURN_SECONDS, registry), Phase)
        self._batch_records = histogram(names.BATCH_RECORDS, registry)
        self._lag = gauge(names.LAG_RECORDS, registry)
        self._lag_seconds = gauge(names.LAG_SECONDS, registry)
        self._unheard = gauge(names.UNHEARD_SECONDS, registry)
        self.partitions = gauge(names.PARTITIONS, registry)
        self._states = gauge(names.STATE, registry)
        self._stopped = gauge(names.STOPPED, registry)
        self._take_overs = Bound(plain(names.TAKE_OVERS), TakeOverCause)
        self.take_overs_failed = plain(names.TAKE_OVERS_FAILED)
        self._restores = Bound(histogram(names.RESTORE_SECONDS, registry), Errand, Restore)
        self.births = plain(names.BIRTHS)
        self.rebuilds = plain(names.REBUILDS)
        self.repairs = plain(names.REPAIRS)
        self.replayed = plain(names.REPLAYED_FIELDS)
        self.rebalances = plain(names.REBALANCES)
        self._transactions = Bound(plain(names.TRANSACTIONS), Transaction)
        self.fenced = plain(names.FENCED)
        self.dropped = plain(names.DROPPED)
        self.apply_failed = plain(names.APPLY_FAILED)
        self.core_failed = plain(names.CORE_FAILED)
        self._store_seconds = Bound(histogram(names.STORE_SECONDS, registry), Operation)
        self._store_failures = Bound(plain(names.STORE_FAILURES), Operation)
        self.beat = gauge(names.BEAT, registry)
        self.draining = gauge(names.DRAINING, registry)
        gauge(names.BUILD, registry).labels(version).set(1)
        self._pack = gauge(names.PACK, registry)
        self._readings = gauge(names.READINGS, registry)
        ProcessCollector(registry=registry)

    @classmethod
    def of(cls, packs: PackSet, *, version: str) -> Self:
        """For a worker that settles by these packs."""
        funds = [
            (pack.region, layer.id, fund)
            for pack in packs.packs
            for layer in pack.layers
            for fund in (layer.fund_pay_types.values() if layer.fund_pay_types else (layer.fund_pay_type,))
        ]
        metrics = cls(version=version, regions={pack.region for pack in packs.packs}, funds=funds)
        metrics.packs((pack.region, pack.digest) for pack in packs.packs)
        for region in {pack.region for pack in packs.packs}:
            metrics.readings(region, [pack.texts for pack in packs.packs if pack.region == region])
        return metrics

    # ── once, at the start ────────────────────────────────────────────────────────────────────────────────────

    def packs(self, used: Iterable[tuple[str, str]]) -> None:
        """Names the packs in use: region and digest."""
        for region, digest in used:
            self._pack.labels(region, digest).set(1)

    def readings(self, region: str, texts: Iterable[Sequence[str]]) -> None:
        """Counts the readings of a region's packs by who has answered. A city's and its counties' are counted once."""
        statuses = {entry.id: entry.status for pack in texts for entry in files_of(pack)[0].interpretations}
        found = Tally(statuses.values())
        for status in ("assumed", "confirmed", "overruled"):
            self._readings.labels(region, status).set(found[status])

    # ── once a batch ──────────────────────────────────────────────────────────────────────────────────────────

    def batch(self, counts: Counts, records: Sequence[Waiting], now: float) -> None:
        """Counts one committed batch. `now` is the moment of its commit, in seconds since 1970."""
        self._count_records(counts, records, now)
        for reason, number in counts.refusals.items():
            self._refusals[(reason,)].inc(number)
        for payout, number in counts.payouts.items():
            self._payouts[(payout,)].inc(number)
        for line, number in counts.lines.items():
            self._lines[line].inc(number)
        for signal, number in counts.signals.items():
            self._signals[signal].inc(number)
        for (*fund, movement), fen in counts.moved.items():
            self._moved[Movement(movement)][tuple(fund)].inc(fen)
        for place, number in counts.caps_reached.items():
            self._caps_reached[place].inc(number)
        for reached, number in counts.reached.items():
            self._reached[reached].inc(number)
        for region, (in_scope, paid) in counts.residents_inpatient.items():
            self._in_scope[(region,)].inc(in_scope)
            self._basic_fund[(region,)].inc(paid)
        some = counts.setl_times[:: 1 + len(counts.setl_times) // AGES_MAX]
        self._event_age.add([max(0.0, now - _seconds(time)) for time in some])

    def _count_records(self, counts: Counts, records: Sequence[Waiting], now: float) -> None:
        seconds: dict[str, list[float]] = {}
        resent = Tally[str]()
        for record, timestamp_ms in records:
            seconds.setdefault(record.topic, []).append(max(0.0, now - timestamp_ms / 1000))
            if record.headers and any(name == REPLAYED_FROM for name, _ in record.headers):
                resent[record.topic] += 1
        for topic, waited in seconds.items():
            self._record_seconds.add(waited, topic)
        for topic, number in resent.items():
            self._resent[(topic,)].inc(number)
        left = Tally({topic: len(waited) for topic, waited in seconds.items()})
        for (kind, effect), number in counts.effects.items():
            topic = TOPIC_OF_TYPE.get(kind, OTHER)
            left[topic] -= number
            self._events[topic, effect].inc(number)
        for topic, number in left.items():
            if number > 0:
                self._events[topic, REFUSED].inc(number)
        self._batch_records.observe(len(records))

    def transaction(self, outcome: Transaction) -> None:
        """Counts how a batch's transaction ended."""
        self._transactions[(outcome,)].inc()

    def phase(self, phase: Phase, seconds: float) -> None:
        """Observes how long a phase of a turn took."""
        self._phases[(phase,)].observe(seconds)

    def store(self, operation: Operation, seconds: float, failed: bool) -> None:
        """Observes one round trip to the store."""
        self._store_seconds[(operation,)].observe(seconds)
        if failed:
            self._store_failures[(operation,)].inc()

    # ── partitions ────────────────────────────────────────────────────────────────────────────────────────────

    def taken_over(self, cause: TakeOverCause) -> None:
        """Counts a partition that has become ours."""
        self._take_overs[(cause,)].inc()

    def restored(self, errand: Errand, how: Restore, seconds: float) -> None:
        """Observes how long a take-over or a repair took."""
        self._restores[errand, how].observe(seconds)

    def lag(self, partition: int, records: Mapping[str, int], seconds: float, unheard: float) -> None:
        """Sets how far a partition of ours is behind, and for how long the broker has not told us what there is."""
        for topic, number in records.items():
            self._lag.labels(topic, str(partition)).set(number)
        self._lag_seconds.labels(str(partition)).set(seconds)
        self._unheard.labels(str(partition)).set(unheard)

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
            _remove(self._unheard, label)
            for topic in INPUTS:
                _remove(self._lag, topic, label)

    def page(self) -> bytes:
        """What `/metrics` answers."""
        return generate_latest(self.registry)


def _seconds(setl_time: str) -> float:
    """The moment of an accepted time, which has an offset and may have a small z."""
    return datetime.fromisoformat(setl_time.upper()).timestamp()


def _remove(metric: Gauge, *labels: str) -> None:
    try:
        metric.remove(*labels)
    except KeyError:
        return
