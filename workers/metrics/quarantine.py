"""How much lies in quarantine. No worker can know it: what is open depends on replays, which the topic alone tells.

Whoever has read the topic from its beginning shows here what it has found: `yidan quarantine list --textfile`.
"""

from collections import Counter as Tally
from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry

from contracts.topics import INPUTS
from contracts.vocabulary import Refusal
from workers.metrics.bound import gauge
from workers.metrics.names import QUARANTINE_OLDEST, QUARANTINE_OPEN
from workers.metrics.words import OTHER

_REASONS: Final = frozenset(Refusal)


class QuarantineMetrics:
    """The depth of the quarantine, in somebody's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = gauge(QUARANTINE_OPEN, registry)
        self._oldest = gauge(QUARANTINE_OLDEST, registry)

    def show(self, by_reason: Mapping[tuple[str, str], int], oldest_ms: int | None) -> None:
        """Sets what is open, by (reason, topic), and since when: the fields of `workers.desk.quarantine.Depth`."""
        found = Tally[tuple[str, str]]()
        for (reason, topic), number in by_reason.items():
            found[topic if topic in INPUTS else OTHER, reason if reason in _REASONS else OTHER] += number
        self._open.clear()
        for (topic, reason), number in found.items():
            self._open.labels(topic, reason).set(number)
        self._oldest.set(0 if oldest_ms is None else oldest_ms / 1000)
