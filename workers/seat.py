"""What a worker knows about one partition that the group has given it."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.metrics import PartitionState, TakeOverCause
from workers.settlement.inbox import Inbox, Waiting
from workers.settlement.ports import Held
from workers.settlement.takeover import Restored

Errand = asyncio.Task[tuple[Held, Restored]]
"""A take-over or a repair under way."""


@dataclass(slots=True)
class Seat:
    """A partition on its way: waiting, being taken over, owned, its store being repaired, or stopped."""

    partition: int
    state: PartitionState = PartitionState.WAITING
    held: Held | None = None
    inbox: Inbox | None = None
    errand: Errand | None = None
    tries: int = 0
    """Failures since the last batch that was committed."""
    cause: TakeOverCause = TakeOverCause.ASSIGNED
    """Why it is not held, or was not before it was."""
    began: float = 0.0
    """When the errand under way began."""
    not_before: float = 0.0
    waiting_since_ms: int | None = None
    """When the oldest record was received that was not settled when the partition was let go of."""
    must_seek: bool = False
    """What is being fetched may not follow on from what was committed: seek first."""
    paused: set[str] = field(default_factory=set)
    """Topics of which enough has been fetched."""

    # While a record that the core chokes on is being looked for.
    limit: int | None = None
    """The most records that a batch may hold; None for the usual."""
    failed_alone: tuple[str, int] | None = None
    """Topic and offset of the record that failed in a batch of its own."""

    @property
    def settling(self) -> tuple[Held, Inbox] | None:
        """What is held and what has come, if batches may be settled."""
        if self.state is PartitionState.OWNED and not self.must_seek and self.held and self.inbox is not None:
            return self.held, self.inbox
        return None

    def back_off(self, now: float, first_seconds: float, max_seconds: float) -> float:
        """Wait, twice as long each time, and never two workers in step. Returns the seconds."""
        seconds = min(max_seconds, first_seconds * 2.0 ** min(self.tries, 20)) * random.uniform(0.5, 1.0)
        self.tries += 1
        self.state, self.not_before = PartitionState.WAITING, now + seconds
        return seconds

    def succeeded(self, usual: int) -> None:
        """A batch was committed: what had failed before is over, and batches grow again."""
        self.tries = 0
        self.failed_alone = None
        if self.limit is not None:
            self.limit = self.limit * 2 if self.limit * 2 < usual else None

    def narrow(self, batch: Sequence[Waiting]) -> bool:
        """The core raised on this batch: halve the next one. False if its only record has failed alone before."""
        if len(batch) > 1:
            self.limit = len(batch) // 2
            return True
        record = batch[0].record
        if self.failed_alone == (record.topic, record.offset):
            return False
        self.failed_alone = record.topic, record.offset
        self.limit = 1
        return True
