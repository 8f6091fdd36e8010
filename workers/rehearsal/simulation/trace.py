"""What happened in a seed, line by line: virtual time, who, what."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

LAST: Final = 60
"""How many lines a failing seed shows."""

TOLD: Final = ("partition", "partitions", "seq", "reason", "state", "seconds", "rebuilt", "fields", "records", "error")


class Trace:
    """The last lines of a seed, or all of them. A line is put into words only when somebody reads it."""

    def __init__(self, *, whole: bool = False) -> None:
        self._lines: deque[tuple[float, str, str, Any]] = deque(maxlen=None if whole else LAST)

    def note(self, now: float, who: str, what: str, more: Any = "") -> None:
        """Something has happened."""
        self._lines.append((now, who, what, more))

    def lines(self) -> list[str]:
        """For people."""
        return [f"{now:9.3f} s  {who:<8} {what}{_words(more)}" for now, who, what, more in self._lines]


def _words(more: Any) -> str:
    if isinstance(more, Mapping):
        found = [f"{name}={more[name]}" for name in TOLD if name in more]
        return "  " + " ".join(found) if found else ""
    return f"  {more}" if more != "" else ""
