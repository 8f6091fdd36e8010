"""Every point at which a rehearsed worker is killed, by name.

A point is a request of a phase and a moment of it: `sent`, when the server has not acted, or `done`, when it has and
the answer is on its way. Beside these there is `between two requests`: any other await, wherever the loop was.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

SENT: Final = "sent"
DONE: Final = "done"

REQUESTS: Final[Mapping[str, Mapping[str, float]]] = {
    "turn": {
        "snapshot": 0.0057,
        "add partitions": 0.0098,
        "produce journal": 0.0068,
        "produce": 0.01,
        "add offsets": 0.013,
        "offsets": 0.013,
        "end": 0.012,
        "apply": 0.02,
    },
    "take-over": {
        "init": 0.0066,
        "snapshot": 0.0031,
        "group": 0.0021,
        "journal end": 0.0068,
        "journal": 0.004,
        "input bounds": 0.0083,
        "add partitions": 0.03,
        "produce journal": 0.034,
        "add offsets": 0.026,
        "offsets": 0.029,
        "end": 0.033,
        "apply": 0.15,
        "fill": 0.032,
        "replace": 0.018,
    },
    "repair": {
        "snapshot": 0.037,
        "group": 0.014,
        "journal end": 0.048,
        "journal": 0.018,
        "apply": 0.3,
        "fill": 0.14,
        "replace": 0.12,
    },
}
"""By phase: what is asked, and how likely a worker dies at each of the two moments; the rarer, the likelier."""

FETCH: Final = "turn: fetch, sent"
ANYWHERE: Final = "between two requests"

POINTS: Final[Mapping[str, float]] = {
    **{
        f"{phase}: {request}, {moment}": rate
        for phase, requests in REQUESTS.items()
        for request, rate in requests.items()
        for moment in (SENT, DONE)
    },
    "repair: apply, done": 0.6,
    FETCH: 0.009,
    ANYWHERE: 0.0,
}
"""The table: every named point, and how likely a worker that comes by dies there."""


def below(died_at: Counter[str], floor: int) -> list[str]:
    """The points that were hit less often than that."""
    return [point for point in POINTS if died_at[point] < floor]


def table(passed: Counter[str], died_at: Counter[str]) -> str:
    """The points, how often a worker came by while something could happen to it, and how often it died there."""
    width = max(map(len, POINTS))
    rows = [f"{point:<{width}} {passed[point] or '':>9} {died_at[point]:>7}" for point in POINTS]
    return "\n".join([f"{'point':<{width}} {'passed':>9} {'killed':>7}", *rows])
