"""Where a request to a broker or a store in memory may go wrong. By default nothing does."""

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")


class Faults:
    """The way of a request to its server and of the answer back. Tests and simulations put trouble in."""

    async def strike(self, where: str) -> None:
        """Before a request has its effect."""

    async def lose_answer(self, where: str) -> None:
        """After a request had its effect."""

    async def request(self, where: str, effect: Callable[[], T], about: object = "") -> T:
        """Asks, and returns what the server answers; `about` is for people."""
        await self.strike(where)
        answer = effect()
        await self.lose_answer(where)
        return answer


NO_FAULTS: Final = Faults()
