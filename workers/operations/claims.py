"""Claims as they come: answered from views that hold everything that was settled by then, or not yet."""

import asyncio
from typing import Any, Final

import orjson

from contracts.reconciliation import Result
from contracts.topics import RECONCILIATIONS
from workers.kafka.views_log import ViewsLog
from workers.logs import get_log
from workers.metrics.operate import OperateMetrics
from workers.metrics.words import ClaimResult
from workers.operations.level import Level
from workers.operations.reconcile import answer
from workers.operations.views import Views

CAUGHT_UP_SECONDS: Final = 20.0
"""How long a claim waits for what was settled before it came. Claims behind it wait as long."""


class Claims:
    """Answers claims, in their partition and under their key."""

    def __init__(self, views: Views, level: Level, log: ViewsLog, metrics: OperateMetrics) -> None:
        self._views = views
        self._level = level
        self._log = log
        self._metrics = metrics
        self._say = get_log()

    async def answer(self, partition: int, offset: int, key: bytes, claim: bytes) -> None:
        """Answers a claim on the topic. Nothing is remembered of a try that failed: it is made again as a whole."""
        answered = orjson.dumps(answer(self._views, claim, behind=not await self._caught_up(partition, offset)))
        await self._log.write(RECONCILIATIONS, partition, [(key, answered)])
        self._metrics.answered(_result(orjson.loads(answered)))
        self._say.info("claim answered", partition=partition)

    async def _caught_up(self, partition: int, offset: int) -> bool:
        """Whether the views hold every payout that was committed when the claim came.

        After a pause, and while they are derived again, they do not; every row would be called missing here, and what
        a hospital does then it does to settlements that are in order.
        """
        try:
            async with asyncio.timeout(CAUGHT_UP_SECONDS):
                await self._level.covers(partition, offset)
        except TimeoutError:
            return False
        return True


def _result(said: dict[str, Any]) -> ClaimResult:
    """What a hospital was answered, in a word."""
    if said["type"] == "claim_refused":
        return ClaimResult.REFUSED
    return ClaimResult.EVEN if said["stmt_rslt"] == Result.EVEN else ClaimResult.UNEVEN
