"""What a campaign does to the servers: how often at least, in which order, for how long."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from random import Random
from typing import Final

MINUTES_DEFAULT: Final = 8
"""Of the whole campaign but for the audit. The floors below are those of a run of this length."""

CALM_SECONDS: Final = 45.0
"""Kept free at the end, for what is left to be settled."""

EVENTS_WANTED: Final = 48_000
PER_SECOND: Final = (80.0, 150.0)
"""The load: so many events in all, and how many a second at least and at most. Their audit outlasts their making."""


class Fault(StrEnum):
    """Every kind of harm, as the table calls it."""

    WORKER_KILLED = "worker: kill -9"
    COMMIT_CUT = "commit cut in the middle of its transaction"
    WORKER_FROZEN = "worker: SIGSTOP past the session time-out, then SIGCONT"
    WORKER_MOVED = "worker leaves, worker joins"
    BROKER_KILLED = "Kafka: kill -9"
    STORE_KILLED = "Redis: kill -9"
    STORE_PUT_BACK = "Redis put back to a snapshot 10,000 settlements old"
    STORE_EMPTIED = "Redis: FLUSHALL"
    FIELD_DELETED = "Redis: one field deleted"
    NETWORK = "connections reset, half open, or stalled for 5 s"


FLOORS: Final[Mapping[Fault, int]] = {
    Fault.WORKER_KILLED: 10,
    Fault.COMMIT_CUT: 10,
    Fault.WORKER_FROZEN: 5,
    Fault.WORKER_MOVED: 5,
    Fault.BROKER_KILLED: 3,
    Fault.STORE_KILLED: 5,
    Fault.STORE_PUT_BACK: 3,
    Fault.STORE_EMPTIED: 3,
    Fault.FIELD_DELETED: 5,
    Fault.NETWORK: 15,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign."""

    seed: int
    minutes: float = MINUTES_DEFAULT
    partitions: int = 12
    workers: int = 3
    snapshot_age: int = 10_000
    floors: Mapping[Fault, int] = field(default_factory=lambda: FLOORS)

    def scaled(self) -> dict[Fault, int]:
        """The floors of this length: in proportion, never below one."""
        return {fault: max(1, ceil(floor * self.minutes / MINUTES_DEFAULT)) for fault, floor in self.floors.items()}

    @property
    def per_second(self) -> float:
        """How many events are sent; nearly nine in ten of them are settlements."""
        least, most = PER_SECOND
        return max(least, min(most, EVENTS_WANTED / self.harm_seconds))

    @property
    def harm_seconds(self) -> float:
        """How long the servers are hurt."""
        return max(20.0, self.minutes * 60 - CALM_SECONDS)


def timetable(floors: Mapping[Fault, int], chance: Random) -> list[Fault]:
    """Every fault as often as its floor asks, in a random order.

    What needs an old snapshot comes in the second half of the order, when there is one.
    """
    order: list[Fault] = [
        fault for fault, floor in floors.items() for _ in range(floor) if fault != Fault.STORE_PUT_BACK
    ]
    chance.shuffle(order)
    for _ in range(floors.get(Fault.STORE_PUT_BACK, 0)):
        order.insert(chance.randint((len(order) + 1) // 2, len(order)), Fault.STORE_PUT_BACK)
    return order


def missing(floors: Mapping[Fault, int], done: Counter[Fault]) -> list[Fault]:
    """What has not been done as often as its floor asks, once for each time."""
    return [fault for fault, floor in floors.items() for _ in range(floor - done[fault])]
