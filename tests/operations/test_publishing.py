"""Statements on their topic are of whole views, and their revisions never go back."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from contracts.reconciliation import parse_signed
from tests.operations.payouts import Dated, made_of, settled
from workers.operations.publishing import Publishing
from workers.operations.views import Views

P = 2


def stays(*numbers: int) -> list[Dated]:
    """One stay each of persons at the same hospital, in the same month: all on one statement."""
    return made_of(
        settled(psn_no=f"P33100210000{n}", setl_id=f"S{n}", mdtrt_id=f"T{n}", msgid=f"M{n}") for n in numbers
    )


def take(views: Views, partition: int, payouts: Iterable[Dated]) -> None:
    for payout, at in payouts:
        views.take(partition, views.partitions[partition].position, payout, at)


class Topic:
    """What has been written to the statements' topic."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    async def write(self, _: int, records: Iterable[tuple[bytes, bytes]]) -> None:
        self.said += [json.loads(value) for _, value in records]

    def by(self, publishing: Publishing) -> list[dict[str, Any]]:
        """What is said now."""
        before = len(self.said)
        asyncio.run(publishing.publish(range(P), self.write))
        return self.said[before:]


def test_nothing_is_said_of_views_that_are_derived_again_before_they_are_whole():
    topic, views = Topic(), Views(P)
    take(views, 0, stays(1, 2))
    first = topic.by(Publishing(views, P, lambda: True))
    assert first

    again, is_whole = Views(P), False
    rebuilt = Publishing(again, P, lambda: is_whole)
    for said in first:
        rebuilt.heard(json.dumps(said).encode())
    take(again, 1, stays(3, 4, 5))  # new since then, and derived before those that were said
    assert topic.by(rebuilt) == []
    assert rebuilt.dues == {}
    take(again, 0, stays(1, 2))
    is_whole = True
    second = topic.by(rebuilt)
    assert {said["statement_id"] for said in second} == {said["statement_id"] for said in first}
    of_two, of_five = (
        sum(parse_signed(each["fund_appy_sum"]) for each in said if each["type"] == "clearing_statement")
        for said in (first, second)
    )
    assert of_five * 2 == of_two * 5
    assert topic.by(rebuilt) == []


def test_one_that_knows_less_than_was_said_says_nothing():
    topic, views = Topic(), Views(P)
    take(views, 0, stays(1, 2))
    first = topic.by(Publishing(views, P, lambda: True))
    behind = Views(P)
    take(behind, 0, stays(1))
    later = Publishing(behind, P, lambda: True)
    for said in first:
        later.heard(json.dumps(said).encode())
    assert topic.by(later) == []
