"""The metrics of `yidan operate`: which version it is, how far its views are, what they hold and what it has said."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from contracts.money import Fen
from workers.metrics.bound import Bound, counter, gauge
from workers.metrics.names import (
    BUILD,
    CLAIMS,
    OPEN,
    OPERATE_BEHIND,
    OPERATE_POSITION,
    PAID_OUT,
    PAYMENTS_REFUSED,
    SPENT,
    STATEMENTS,
)
from workers.metrics.words import ClaimResult, OpenAge, StatementKind


class OperateMetrics:
    """In a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        gauge(BUILD, self.registry).labels(version).set(1)
        self._position = gauge(OPERATE_POSITION, self.registry)
        self._behind = gauge(OPERATE_BEHIND, self.registry)
        self._spent = gauge(SPENT, self.registry)
        self._open = gauge(OPEN, self.registry)
        self._paid_out = gauge(PAID_OUT, self.registry)
        self._payments_refused = gauge(PAYMENTS_REFUSED, self.registry)
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

    def behind(self, seconds: float) -> None:
        """Shows how long ago the views last held everything."""
        self._behind.set(seconds)

    def owing(
        self,
        open_by_age: Mapping[tuple[str, str, OpenAge], Fen],
        paid_out: Mapping[tuple[str, str], Fen],
        refused: int,
    ) -> None:
        """Shows what hospitals are still owed and were paid, and how many records about payments count for nothing."""
        self._open.clear()
        for (region, fund, age), fen in open_by_age.items():
            self._open.labels(region, fund, age.value).set(fen)
        self._paid_out.clear()
        for fund_of, fen in paid_out.items():
            self._paid_out.labels(*fund_of).set(fen)
        self._payments_refused.set(refused)

    def page(self, positions: Sequence[int], spent: Mapping[tuple[str, str, str], Fen]) -> bytes:
        """What `/metrics` answers, given the next payout of each partition and what each layer has spent."""
        for partition, position in enumerate(positions):
            self._position.labels(str(partition)).set(position)
        self._spent.clear()
        for fund, fen in spent.items():
            self._spent.labels(*fund).set(fen)
        return generate_latest(self.registry)
