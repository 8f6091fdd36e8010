"""What operators watch, under names that begin with `yidan_`: the table is `workers.metrics.names`."""

from workers.metrics.quarantine import QuarantineMetrics
from workers.metrics.words import OUTCOMES, Errand, PartitionState, Phase, Restore, TakeOverCause, Transaction
from workers.metrics.worker import Metrics

__all__ = [
    "OUTCOMES",
    "Errand",
    "Metrics",
    "PartitionState",
    "Phase",
    "QuarantineMetrics",
    "Restore",
    "TakeOverCause",
    "Transaction",
]
