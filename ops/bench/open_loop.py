"""A load that does not wait for whom it measures, and what came of it.

Arrivals are random (Poisson), drawn before the first is sent, and a settlement's time begins when it was *meant* to be
sent: a sender or a broker that falls behind lengthens every time that follows, as it would for hospitals. Sender and
reader are processes of their own and know the plan by its seed, so a receipt needs to carry nothing but its person.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import ceil
from random import Random
from typing import Final, Self

from stream import Keyed, settlements, templates

KEY_DIGITS: Final = 14
WARMING_SECONDS: Final = 2.0
"""Not measured at the beginning of a load: clients that meet the topic for the first time."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many settlements of known persons, each person's one, at so many a second."""

    rate: float
    seconds: float
    nth: int
    """Which settlement of each person's year this is: two loads of a run never repeat one."""
    seed: int

    @property
    def count(self) -> int:
        """Of settlements."""
        return round(self.rate * self.seconds)

    def due(self) -> list[float]:
        """Seconds after the start at which each is meant to be sent."""
        chance = Random(f"arrivals {self.seed} {self.nth}")
        return list(accumulate(chance.expovariate(self.rate) for _ in range(self.count)))

    def events(self) -> list[Keyed]:
        """The settlements, in the order of their arrival."""
        return settlements(templates(self.seed), range(self.count), self.nth)

    def written(self) -> str:
        """For the command line of another process."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Self:
        """From a command line."""
        return cls(**json.loads(text))


def number_of(key: bytes) -> int:
    """The person's number, which is the place in the plan."""
    return int(key[1 : 1 + KEY_DIGITS])


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in rising order, the one that a share of them does not exceed."""
    return ordered[max(0, ceil(len(ordered) * share) - 1)]
