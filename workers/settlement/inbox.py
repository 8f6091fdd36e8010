"""Records that were fetched and are not committed yet, by partition and topic.

A batch is a look at the front of the queues; records leave them only when the journal's `next_in` has passed them. So
a batch that failed needs no rewind of its own, and records that a rebalance fetched twice are dropped by their offsets.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from contracts.topics import INPUTS
from workers.settlement.records import Incoming


class Waiting(NamedTuple):
    """A record and when its topic received it, in milliseconds of the broker's or the sender's clock."""

    record: Incoming
    timestamp_ms: int


class Inbox:
    """The queues of one partition, bounded by when the caller pauses the fetching of a full one."""

    def __init__(self, next_in: Mapping[str, int]) -> None:
        self._next_in = dict(next_in)
        self._queues: dict[str, deque[Waiting]] = {topic: deque() for topic in INPUTS}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, topic: str, arrived: Iterable[Waiting]) -> None:
        """Takes records of a topic in the order of their offsets; those that are committed already are left out."""
        queue = self._queues[topic]
        after = queue[-1].record.offset if queue else self._next_in[topic] - 1
        for waiting in arrived:
            if waiting.record.offset > after:
                queue.append(waiting)
                after = waiting.record.offset

    def waiting(self, topic: str) -> int:
        """How many records of the topic are here."""
        return len(self._queues[topic])

    def batch(self, quotas: Mapping[str, int], limit: int) -> list[Waiting]:
        """The next records, at most `quotas` of each topic and `limit` of all: persons, discharges, applications."""
        chosen: list[Waiting] = []
        for topic in INPUTS:
            chosen += islice(self._queues[topic], min(quotas[topic], limit - len(chosen)))
        return chosen

    def passed(self, next_in: Mapping[str, int]) -> None:
        """Drops everything below `next_in`."""
        self._next_in.update(next_in)
        for topic, queue in self._queues.items():
            while queue and queue[0].record.offset < self._next_in[topic]:
                queue.popleft()

    def clear(self) -> None:
        """Forgets what was fetched. It will be fetched again."""
        for queue in self._queues.values():
            queue.clear()

    def oldest_ms(self) -> int | None:
        """When the record that waits longest was received."""
        return min((queue[0].timestamp_ms for queue in self._queues.values() if queue), default=None)


def next_in_after(batch: Iterable[Waiting]) -> dict[str, int]:
    """The offset after the last record of each topic in the batch."""
    after: dict[str, int] = {}
    for waiting in batch:
        after[waiting.record.topic] = max(after.get(waiting.record.topic, 0), waiting.record.offset + 1)
    return after
