"""The metrics of `yidan operate`: which version it is, how far its views are, what they hold and what it has said."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from contracts.money import Fen
from workers.metrics.bound import Bound, counter, gauge
from workers.metrics.names import BUILD, CLAIMS, OPERATE_POSITION, SPENT, STATEMENTS
from workers.metrics.words import ClaimResult, StatementKind


class OperateMetrics:
    """In a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        gauge(BUILD, self.registry).labels(version).set(1)
        self._position = gauge(OPERATE_POSITION, self.registry)
        self._spent = gauge(SPENT, self.registry)
        self._statements = Bound(counter(STATEMENTS, self.registry), StatementKind)
        self._claims = Bound(counter(CLAIMS, self.registry), ClaimResult)
        ProcessCollector(registry=self.registry)

    def written(self, kinds: Iterable[str]) -> None:
        """Counts statements that have been written, each by its `type`."""
        for kind in kinds:
            self._statements[(kind,)].inc()

    def answered(self, result: ClaimResult) -> None:
        """Counts a claim that has been answered."""
        self._claims[(result,)].inc()

    def page(self, positions: Sequence[int], spent: Mapping[tuple[str, str, str], Fen]) -> bytes:
        """What `/metrics` answers, given the next payout of each partition and what each layer has spent."""
        for partition, position in enumerate(positions):
            self._position.labels(str(partition)).set(position)
        self._spent.clear()
        for fund, fen in spent.items():
            self._spent.labels(*fund).set(fen / 100)
        return generate_latest(self.registry)
