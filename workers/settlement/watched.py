"""The round trips to the store, for whoever watches them."""

from collections.abc import Callable
from enum import StrEnum


class Operation(StrEnum):
    """What a round trip to the store is for: a closed list, and the metric's label."""

    SNAPSHOT = "snapshot"
    APPLY = "apply"
    REBUILD = "rebuild"
    SCAN = "scan"
    CHECK = "check"


Watch = Callable[[Operation, float, bool], None]
"""Is told of every round trip: what for, how many seconds it took, and whether it failed."""


def unwatched(operation: Operation, seconds: float, failed: bool) -> None:
    """Nobody watches."""
