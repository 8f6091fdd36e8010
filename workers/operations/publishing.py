"""What is said of statements on their topic: each change once, by whoever owns the statement's home partition."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson

from contracts.money import Fen
from contracts.reconciliation import parse_signed
from workers.operations.parts import CLEARING, Key
from workers.operations.statements import statement
from workers.operations.views import Views
from workers.settlement.validate import partition_of

Write = Callable[[int, Iterable[tuple[bytes, bytes]]], Awaitable[None]]
"""Writes records to a partition of the statements' topic."""


class Publishing:
    """The statements as the views make them, beside what has been said of them.

    The number of lines is the revision, so two processes that know equally much say the same. One that knows less than
    was said before says nothing; nor does one whose views are not whole yet. As many lines as were said, or more, are
    not those that were said with some more while one partition is derived before another.
    """

    def __init__(self, views: Views, partitions: int, whole: Callable[[], bool]) -> None:
        self._views = views
        self._partitions = partitions
        self._whole = whole
        self._said: dict[str, dict[str, Any]] = {}
        self.dues: dict[Key, Fen] = {}
        """What each hospital's statement comes to, as it was last looked at."""

    def heard(self, record: bytes) -> None:
        """Takes in what somebody has said on the topic, ourselves included."""
        said = orjson.loads(record)
        self._said[said["statement_id"]] = said

    async def publish(self, owned: Iterable[int], write: Write) -> list[dict[str, Any]]:
        """Writes the statements that have changed and whose home is one of ours; what was written."""
        if not self._whole():
            return []
        owned = frozenset(owned)
        touched, self._views.touched = self._views.touched, set()
        news = [found for key in sorted(touched) if (found := self._news(key, owned)) is not None]
        try:
            for home in sorted(owned):
                said = [each for each in news if self._home(each) == home]
                await write(home, [(each["statement_id"].encode(), orjson.dumps(each)) for each in said])
                self._said.update((each["statement_id"], each) for each in said)
        except BaseException:
            self._views.touched |= touched
            raise
        return news

    def _news(self, key: Key, owned: frozenset[int]) -> dict[str, Any] | None:
        """The statement that a part belongs to, if it is ours to say and has not been said."""
        found: Any = statement(self._views, key)
        if key[0] == CLEARING:
            self.dues[key] = 0 if found is None else parse_signed(found["fund_appy_sum"])
        if found is None or self._home(found) not in owned:
            return None
        said = self._said.get(found["statement_id"])
        if found == said or (said is not None and found["revision"] < said["revision"]):
            return None
        return dict(found)

    def _home(self, said: dict[str, Any]) -> int:
        return partition_of(said["statement_id"].encode(), self._partitions)
