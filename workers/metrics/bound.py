"""Metrics that are quick to count and cannot grow: children bound once, values from closed lists, batches at once."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from workers.metrics.names import Name
from workers.metrics.words import OTHER

Labels = tuple[str, ...]

disable_created_metrics()  # type: ignore[no-untyped-call]  # a `_created` beside every counter doubles the page


def counter(name: Name, registry: CollectorRegistry) -> Counter:
    """A counter of the table."""
    return Counter(f"yidan_{name.name}", name.help, name.labels, registry=registry)


def gauge(name: Name, registry: CollectorRegistry) -> Gauge:
    """A gauge of the table."""
    return Gauge(f"yidan_{name.name}", name.help, name.labels, registry=registry)


def histogram(name: Name, registry: CollectorRegistry) -> Histogram:
    """A histogram of the table."""
    return Histogram(f"yidan_{name.name}", name.help, name.labels, buckets=name.buckets, registry=registry)


class Bound:
    """A metric's children, bound once; a value that is on none of its lists becomes `other`.

    A bound increment costs a tenth of a looked-up one. `ready` are the combinations that show as 0 from the start; all
    of them if it is None, which suits short lists.
    """

    def __init__(self, metric: Any, *lists: Iterable[str], ready: Iterable[Labels] | None = None) -> None:
        self._metric = metric
        self._known = [frozenset(values) for values in lists]
        combinations: list[Labels] = [()]
        if ready is None:
            for known in self._known:
                combinations = [(*head, value) for head in combinations for value in sorted(known - {OTHER})]
        else:
            combinations = list(dict.fromkeys(ready))
        self._children: dict[Labels, Any] = {labels: metric.labels(*labels) for labels in combinations}

    def __getitem__(self, labels: Labels) -> Any:
        """The child with these label values."""
        child = self._children.get(labels)
        if child is None:
            closed = tuple(label if label in known else OTHER for label, known in zip(labels, self._known, strict=True))
            child = self._children.get(closed)
            if child is None:
                child = self._children[closed] = self._metric.labels(*closed)
        return child


class Spread(Collector):
    """A histogram that takes a whole batch of values at once, at a tenth of the price of one `observe` each.

    Counted and collected in the loop's own thread, so it needs no lock. At most one label.
    """

    def __init__(self, name: Name, registry: CollectorRegistry, values: Iterable[str] = ()) -> None:
        self._name = name
        self._bounds = [*name.buckets, float("inf")]
        known: list[Labels] = [(value,) for value in values] if name.labels else [()]
        self._counts = {labels: [0] * len(self._bounds) for labels in known}
        self._sums = dict.fromkeys(known, 0.0)
        registry.register(self)

    def add(self, values: Sequence[float], *labels: str) -> None:
        """Observes every value, under labels that were named at the start."""
        counts = self._counts[labels]
        for value in values:
            counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += sum(values)

    def describe(self) -> Iterable[Metric]:
        """The family without its values."""
        yield self._family()

    def collect(self) -> Iterable[Metric]:
        """The family as Prometheus reads it: each bucket holds the smaller ones too."""
        family = self._family()
        for labels, counts in self._counts.items():
            buckets: list[tuple[str, float]] = []
            below = 0
            for bound, count in zip(self._bounds, counts, strict=True):
                below += count
                buckets.append((_written(bound), below))
            family.add_metric(labels, buckets, self._sums[labels])
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(f"yidan_{self._name.name}", self._name.help, labels=self._name.labels)


def _written(bound: float) -> str:
    """A bucket's end as the other histograms write it."""
    return "+Inf" if bound == float("inf") else str(bound)
