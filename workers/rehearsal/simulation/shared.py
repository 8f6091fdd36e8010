"""What all worlds of a process share: packs and settings are read once, and nobody looks at the metrics."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from contracts.pack import PackSet
from contracts.pack_file import load_directory, load_pack
from workers.adjudication.books import Books
from workers.metrics import Metrics, PartitionState
from workers.settings import Settings
from workers.settlement.ports import StopReason
from workers.settlement.turn import NewBatch
from workers.worker import batches_of

PARTITIONS: Final = 2
OURS: Final = "g"
STRANGERS: Final = "h"
"""The name of a group that somebody has started by mistake on the same topics."""


class Unseen(Metrics):
    """Nobody looks at them here, and setting the gauges of every partition would be a tenth of a seed's time."""

    def state(self, partition: int, state: PartitionState | None, reason: StopReason | None = None) -> None:
        """Not set."""

    def lag(self, partition: int, records: Mapping[str, int], seconds: float, unheard: float) -> None:
        """Not set."""


@cache
def packs() -> PackSet:
    """The shipped ones, read once."""
    return load_directory(None)


@cache
def books() -> Books:
    """They hold no person, so all worlds share them."""
    return Books(packs(), load_pack)


@cache
def new_batch() -> NewBatch:
    """The batches of the pipeline."""
    return batches_of(books(), PARTITIONS)


@cache
def settings(group: str) -> Settings:
    """Waits that fit a world of a minute."""
    return Settings(
        partitions=PARTITIONS,
        group=group,
        discharges_batch_max=2,
        persons_batch_max=1,
        applications_batch_max=1,
        lane_records=2,
        kafka_request_timeout_s=3.0,
        commit_timeout_s=4.0,
        transaction_timeout_s=6.0,
        rebalance_timeout_s=9.0,
        journal_stall_timeout_s=8.0,
        backoff_first_s=0.2,
        backoff_max_s=2.0,
        drain_timeout_s=5.0,
    )


@cache
def metrics() -> Metrics:
    """One for all worlds."""
    return Unseen(version="simulated", regions={pack.region for pack in packs().packs})
