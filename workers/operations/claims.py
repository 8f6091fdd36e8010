"""Claims as they come: answered from views that hold everything that was settled by then, or not yet."""

import asyncio
from typing import Any, Final

import orjson

from contracts.reconciliation import Result
from contracts.topics import PAYOUTS, RECONCILIATIONS
from workers.kafka.ahead import Ahead
from workers.kafka.views_log import ViewsLog
from workers.logs import get_log
from workers.metrics.operate import OperateMetrics
from workers.metrics.words import ClaimResult
from workers.operations.reconcile import answer
from workers.operations.views import Views
from workers.settings import Settings

CAUGHT_UP_SECONDS: Final = 20.0
"""How long a claim waits for what was settled before it came. Claims behind it wait as long."""

LOOK_SECONDS: Final = 0.2


class Claims:
    """Answers claims, in their partition and under their key."""

    def __init__(self, settings: Settings, views: Views, log: ViewsLog, metrics: OperateMetrics) -> None:
        self._views = views
        self._log = log
        self._metrics = metrics
        self._ahead = Ahead(settings, PAYOUTS)
        self._say = get_log()

    async def start(self) -> None:
        """Connects."""
        await self._ahead.start()

    async def stop(self) -> None:
        """Lets go."""
        await self._ahead.stop()

    async def answer(self, partition: int, key: bytes, claim: bytes) -> None:
        """Answers a claim on the topic. Nothing is remembered of a try that failed: it is made again as a whole."""
        answered = orjson.dumps(answer(self._views, claim, behind=not await self._caught_up()))
        await self._log.write(RECONCILIATIONS, partition, [(key, answered)])
        self._metrics.answered(_result(orjson.loads(answered)))
        self._say.info("claim answered", partition=partition)

    async def _caught_up(self) -> bool:
        """Whether the views hold every payout that was committed when this was asked.

        After a pause, and while they are derived again, they do not; every row would be called missing here, and what
        a hospital does then it does to settlements that are in order.
        """
        ends = await self._ahead.ends()
        clock = asyncio.get_running_loop()
        deadline = clock.time() + CAUGHT_UP_SECONDS
        while spans := self._short_of(ends):
            unread = await self._ahead.unread(spans)
            if not unread:
                return True
            if clock.time() > deadline:
                return False
            ends = {partition: ends[partition] for partition in unread}
            await asyncio.sleep(LOOK_SECONDS)
        return True

    def _short_of(self, ends: dict[int, int]) -> dict[int, tuple[int, int]]:
        positions = self._views.positions()
        return {p: (positions[p], end) for p, end in ends.items() if positions[p] < end}


def _result(said: dict[str, Any]) -> ClaimResult:
    """What a hospital was answered, in a word."""
    if said["type"] == "claim_refused":
        return ClaimResult.REFUSED
    return ClaimResult.EVEN if said["stmt_rslt"] == Result.EVEN else ClaimResult.UNEVEN
