"""How far the views are: up to when they hold everything that had been paid.

A hospital that is right must not be told 不平 because views were still being derived, and no desk may take half a sum
for a sum. So a request is answered, and the pages are ready, only when the views hold what there was when it came.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

LOOK_SECONDS: Final = 0.2

Ends = Mapping[int, int]
"""The end of each partition of a topic."""


class Payouts(Protocol):
    """What is known of the payouts without taking them in: `workers.kafka.ahead`."""

    async def ends(self) -> Ends:
        """Where what is committed ends now, by partition."""

    async def unread(self, spans: Mapping[int, tuple[int, int]]) -> set[int]:
        """Partitions that hold a committed record from a position on and before an end."""


class Level:
    """Up to when the views are known to hold everything."""

    def __init__(
        self,
        payouts: Payouts,
        positions: Callable[[], list[int]],
        requests: Callable[[], Awaitable[Ends]],
        clock: Callable[[], float],
    ) -> None:
        self._payouts = payouts
        self._positions = positions
        self._requests = requests
        self._clock = clock
        self._began = clock()
        self.at: float | None = None
        """Everything that had been paid by then is in the views; None before that was so for the first time."""
        self._covered: Ends = {}
        self._moved = asyncio.Condition()

    async def covers(self, partition: int, offset: int) -> None:
        """Waits until the views hold everything that had been paid when a request came to this place of its topic."""
        async with self._moved:
            await self._moved.wait_for(lambda: offset < self._covered.get(partition, 0))

    def behind_seconds(self) -> float:
        """How long ago the views last held everything; since the start, where they have not yet."""
        return max(0.0, self._clock() - (self._began if self.at is None else self.at))

    async def reach(self) -> None:
        """Waits until the views hold what there is now, and knows it.

        The order matters: requests are counted before payouts are, so that whatever had been paid before a request came
        is among the payouts that are waited for.
        """
        asked = self._clock()
        requests = await self._requests()
        ends = await self._payouts.ends()
        left = set(ends)
        while spans := self._short_of(ends, left):
            left = await self._payouts.unread(spans)
            if not left:
                break
            await asyncio.sleep(LOOK_SECONDS)
        async with self._moved:
            self.at, self._covered = asked, requests
            self._moved.notify_all()

    def _short_of(self, ends: Ends, partitions: set[int]) -> dict[int, tuple[int, int]]:
        here = self._positions()
        return {p: (here[p], ends[p]) for p in partitions if here[p] < ends[p]}
