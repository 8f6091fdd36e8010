"""Where a quote stands in its document, in the document's own numbering, so that a wrong clause does not pass.

A clause is the chain of numbers that enclose a sentence: 二、 then （一） then 1. then （2） is 二（一）1（2）.
Numbers count where they begin a line, whatever marks a scan has put before them. An article (第三条) stands above all.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from contracts.pack_grounds import plain

Clause = tuple[tuple[int, str], ...]
"""The numbers around a sentence, each with its depth: `((1, "二"), (2, "一"), (3, "1"))`."""

_ARTICLE, _FIRST, _SECOND, _THIRD, _FOURTH = range(5)
_HAN: Final = "[一二三四五六七八九十百]+"
_NUMBERS: Final = (
    (_ARTICLE, re.compile(rf"第({_HAN}|\d+)条")),
    (_FIRST, re.compile(rf"({_HAN})、")),
    (_SECOND, re.compile(rf"\(({_HAN})\)")),
    (_THIRD, re.compile(r"(\d{1,2})[.、](?!\d)")),
    (_FOURTH, re.compile(r"\((\d{1,2})\)")),
)
"""How each depth begins a line, in plain text."""

_WRITTEN: Final = ("第{}条", "{}", "（{}）", "{}", "（{}）")
_CITED: Final = re.compile(
    rf"第(?P<a>{_HAN}|\d+)条(?:第(?:{_HAN}|\d+)款)?|第?\((?P<c>{_HAN})\)项?|第?\((?P<e>\d+)\)项?"
    rf"|(?P<d>\d+)|(?P<b>{_HAN})|(?P<and>[、,和及])"
)
"""The parts of a citation as officers write it. Paragraphs of an article (第二款) cannot be told in a scan."""

_OPENING: Final = "首段"
"""The paragraph before the first number."""
_CLOSING: Final = "末段"
"""The last paragraph, where it stands under no number; what copies go to (抄送) is no paragraph."""
_LAST: Final = "末条"
"""The last article; also a closing paragraph that says from when the document is in force."""
_TITLE, _HEAD, _WHOLE = "标题", "文首", "全文"
"""The document's title; what else stands before its opening; a document without any number."""
_SPECIAL: Final = frozenset((_OPENING, _CLOSING, _LAST, _TITLE, _HEAD, _WHOLE))
_ENDS: Final = re.compile(r"[。:;](?:\(此件公开发布\))?$")
_NOTES: Final = re.compile("^(?:抄送|附件|主题词)[::]")
_IN_FORCE: Final = re.compile("自.{2,20}起(?:施行|实施|实行|执行|生效)")


def cited(clause: str) -> list[Clause] | None:
    """The clauses that a citation names, `二（一）1、2` being two; None where it cannot be read."""
    text, place = plain(clause), 0
    found: list[Clause] = []
    current: list[tuple[int, str]] = []
    for part in _CITED.finditer(text):
        if part.start() != place:
            return None
        place = part.end()
        if part["and"]:
            found.append(tuple(current))
            continue
        depth, number = next((depth, part[name]) for depth, name in enumerate("abcde") if part[name])
        current = [*(above for above in current if above[0] < depth), (depth, number)]
    if place != len(text) or not current:
        return None
    return [*found, tuple(current)]


def written(clause: Clause) -> str:
    """A clause as officers write it: `二（一）1（2）`."""
    return "".join(_WRITTEN[depth].format(number) for depth, number in clause)


def _within(inner: Clause, outer: Clause) -> bool:
    return inner[: len(outer)] == outer


class Numbered:
    """A document: its plain text, and which clause each of its sentences stands in."""

    def __init__(self, text: str, title: str) -> None:
        self.title = plain(title)
        self._starts: list[int] = [0]
        self._clauses: list[Clause] = [()]
        parts: list[str] = []
        previous, paragraph, length = 0, 0, 0
        self._opening = self._closing = 0
        current: Clause = ()
        noted = False
        for line in map(plain, text.splitlines()):
            for depth, mark in _NUMBERS:
                if number := mark.match(line):
                    current = (*(above for above in current if above[0] < depth), (depth, number[1]))
                    if len(self._starts) == 1:
                        self._opening = previous if paragraph == length else paragraph
                    self._starts.append(length)
                    self._clauses.append(current)
            noted = noted or (bool(current) and _NOTES.match(line) is not None)
            parts.append(line)
            length += len(line)
            if _ENDS.search(line):
                if not noted:
                    self._closing = paragraph
                previous, paragraph = paragraph, length
        self.text = "".join(parts)

    def occurrences(self, quote: str) -> Iterator[tuple[int, int]]:
        """Where a quote begins and ends, wherever it stands."""
        for found in re.finditer(re.escape(plain(quote)), self.text):
            yield found.start(), found.end()

    def clauses(self) -> Iterator[tuple[Clause, int, int, bool]]:
        """Every numbered stretch of the document: its clause, begin and end, and whether no number stands within it."""
        following = [*self._clauses[2:], ()]
        ends = [*self._starts[2:], len(self.text)]
        for clause, begin, end, after in zip(self._clauses[1:], self._starts[1:], ends, following, strict=True):
            yield clause, begin, end, not _within(after, clause)

    def reaches(self, clause: str, quote: str) -> bool:
        """Whether a quote stands, at least in part, in a clause or in one under it."""
        places = [place for place in self.occurrences(quote) if not self._unnumbered(place[0])]
        touched = [each for place in places for each in self._around(*place)]
        return any(_within(each, number) for number in cited(clause) or () for each in touched)

    def _around(self, begin: int, end: int) -> list[Clause]:
        """The clauses that a stretch of text touches, in order."""
        first, last = bisect_right(self._starts, begin) - 1, bisect_right(self._starts, end - 1) - 1
        return self._clauses[first : last + 1]

    def _unnumbered(self, begin: int) -> list[str]:
        """What a stretch outside the numbers is called: before the first of them, or after the paragraph of the last.

        Empty where a number encloses it.
        """
        if len(self._starts) == 1:
            return [_WHOLE]
        if begin < self._starts[1]:
            return [_OPENING if begin >= self._opening else _HEAD]
        if begin < self._closing or self._closing <= self._starts[-1]:
            return []
        return [_LAST, _CLOSING] if _IN_FORCE.search(self.text, self._closing) else [_CLOSING]

    def found_in(self, quote: str) -> list[str]:
        """How the clauses in which a quote stands are cited, one for each occurrence."""
        return [self._names(begin, end)[0] for begin, end in self.occurrences(quote)]

    def _names(self, begin: int, end: int) -> list[str]:
        if special := self._unnumbered(begin):
            return [*([_TITLE] if self.text[begin:end] in self.title else []), *special]
        return ["、".join(dict.fromkeys(map(written, _widest(self._around(begin, end)))))]

    def says(self, clause: str, quote: str, *, wider: bool = False) -> bool:
        """Whether a quote stands in the clause that is cited for it. `wider`: a clause around it will do.

        Of several clauses each must hold a part of the quote, or an occurrence of it, and together they hold it all.
        """
        numbers, places = cited(clause), list(self.occurrences(quote))
        if clause in _SPECIAL:
            return any(clause in self._names(*place) or self._last_article(clause, *place) for place in places)
        if numbers is None:
            return False
        numbered = [self._around(*place) for place in places if not self._unnumbered(place[0])]
        used: set[Clause] = set()
        for around in numbered:
            held = {number for number in numbers for touched in around if _within(touched, number)}
            whole = all(any(_within(touched, number) for number in held) for touched in around)
            narrow = wider or all(len(number) >= len(_common(around)) for number in held)
            if whole and narrow:
                used |= held
        return used == set(numbers)

    def _last_article(self, clause: str, begin: int, end: int) -> bool:
        final = self._clauses[-1][:1]
        return clause == _LAST and final[0][0] == _ARTICLE and all(a[:1] == final for a in self._around(begin, end))


def _common(clauses: Iterable[Clause]) -> Clause:
    """The innermost clause around all of some."""
    first, *others = clauses
    return next(first[:n] for n in range(len(first), -1, -1) if all(_within(other, first[:n]) for other in others))


def _widest(clauses: list[Clause]) -> list[Clause]:
    """Clauses without those that stand inside another."""
    return [each for each in clauses if not any(each != other and _within(each, other) for other in clauses)]
