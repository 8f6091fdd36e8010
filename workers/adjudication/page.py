"""A page of text in which Chinese and Latin letters line up: a Chinese character is two columns wide."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

COLUMNS: Final = 96
"""How wide a page is. No line is wider, also where a terminal draws signs such as → and × two columns wide."""

_AMOUNT_ENDS: Final = 72
_TERM: Final = 14
_NUMBERS: Final = "零一二三四五六七八九"

_WORDS: Final = re.compile(r"[（【〔“]*(?:[!-~]+|.)[，。；：？！、）】〕”%]*[ ]*", re.DOTALL)
"""What is not broken: a run of Latin letters and digits, or one other character, with the signs around it."""


def width(text: str, ambiguous: int = 1) -> int:
    """Columns that a text takes; `ambiguous` is what a sign takes that is wide only in some terminals."""
    columns = {"W": 2, "F": 2, "A": ambiguous}
    return sum(columns.get(unicodedata.east_asian_width(character), 1) for character in text)


def wrapped(text: str, columns: int) -> list[str]:
    """The text in lines of at most `columns`, broken between words; a longer word is broken where it must be."""
    lines = [""]
    for word in _WORDS.findall(text):
        for part in (word,) if width(word.rstrip(), 2) <= columns else word:
            if width((lines[-1] + part).rstrip(), 2) > columns and (lines[-1] or not part):
                lines[-1] = lines[-1].rstrip()
                lines.append("")
            lines[-1] += part
    return [*lines[:-1], lines[-1].rstrip()]


def harmless(text: str) -> str:
    """Without control characters: what stands in a message must not command the terminal it is printed on."""
    return "".join("\ufffd" if unicodedata.category(character)[0] == "C" else character for character in text)


class Page:
    """Lines of text, top to bottom."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._sections = 0

    def rule(self, sign: str = "-") -> None:
        """A line across the page."""
        self._lines.append(sign * COLUMNS)

    def blank(self) -> None:
        """An empty line."""
        self._lines.append("")

    def section(self, title: str) -> None:
        """A numbered heading."""
        self._sections += 1
        self.blank()
        self._lines.append(f"{_NUMBERS[self._sections]}、{title}")

    def text(self, text: str, indent: int = 0) -> None:
        """Running text."""
        self._lines += [" " * indent + line for line in wrapped(text, COLUMNS - indent)]

    def term(self, term: str, text: str, indent: int = 0, columns: int = _TERM) -> None:
        """A term and what is said about it, the latter aligned below itself."""
        wider = width(term, 2) - width(term)
        first, *more = wrapped(text, COLUMNS - indent - columns - wider)
        self._lines.append(" " * indent + term + " " * max(1, columns - width(term)) + first)
        self._lines += [" " * (indent + columns) + line for line in more]

    def amount(self, label: str, amount: str, note: str = "", indent: int = 0) -> None:
        """A label, an amount aligned to the right of its column, a short note behind it."""
        if indent + width(label, 2) + 1 + width(amount) > _AMOUNT_ENDS:
            self.text(label, indent)
            label = ""
        gap = max(1, _AMOUNT_ENDS - indent - width(label) - width(amount))
        self._lines.append(" " * indent + label + " " * gap + amount + (f"  {note}" if note else ""))

    def laid_out(self, lines: Iterable[str]) -> None:
        """Lines that are laid out already, such as a table's."""
        self._lines += lines

    def row(self, head: str, cells: Sequence[str], head_columns: int, cell_columns: int, indent: int = 0) -> None:
        """One row of a table: a head, then cells aligned to the right of theirs.

        A head too long for its column begins on lines of its own.
        """
        *above, last = wrapped(head, head_columns)
        self._lines += [" " * indent + line for line in above]
        text = " " * indent + last + " " * (head_columns - width(last))
        self._lines.append(text + "".join(" " * max(1, cell_columns - width(cell)) + cell for cell in cells))

    def __str__(self) -> str:
        return "".join(f"{harmless(line).rstrip()}\n" for line in self._lines)
