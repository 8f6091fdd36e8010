"""The metrics of `yidan operate`: which version it is, and how far its views are."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from workers.metrics.bound import gauge
from workers.metrics.names import BUILD, OPERATE_POSITION


class OperateMetrics:
    """In a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        gauge(BUILD, self.registry).labels(version).set(1)
        self._position = gauge(OPERATE_POSITION, self.registry)
        ProcessCollector(registry=self.registry)

    def page(self, positions: Sequence[int]) -> bytes:
        """What `/metrics` answers, given the next payout of each partition."""
        for partition, position in enumerate(positions):
            self._position.labels(str(partition)).set(position)
        return generate_latest(self.registry)
