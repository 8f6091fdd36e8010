"""The grounds of a pack's keys: which clauses support them, and whether a number stands in the words that do."""

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final
from unicodedata import normalize

from contracts.money import Fen, yuan
from contracts.pack import ratio_text
from contracts.pack_fields import UNCAPPED
from contracts.pack_format import CONVENTIONS, Citation, ComputedLayer, Fill, Section
from contracts.pack_problem import Problem
from contracts.vocabulary import Exclusion

_LIST_MARK: Final = re.compile(r"(?m)^[ \t]*(?:[-*]|#+)[ \t]+")
_BRACKETS: Final = str.maketrans("„‟“”‘’﹝﹞", "〔〕\"\"''〔〕")


def plain(text: str) -> str:
    """A text by which quotes are compared: no white space, no list marks, one width, one kind of quotation mark.

    Scanned documents break lines in mid-word and mix full and half width; neither is part of the law.
    """
    narrow = normalize("NFKC", _LIST_MARK.sub("", text).translate(_BRACKETS))
    return "".join(narrow.split())


_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?)%")
_INCREASE: Final = re.compile(r"提高(\d+(?:\.\d+)?)%")
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)(万?)元")
_DAY: Final = re.compile(r"(\d{4})年(?:(\d{1,2})月(\d{1,2})日)?")
_YEARS: Final = re.compile(r"([一二三四五六七八九十]|\d+)年")
_END_OF_MONTH: Final = re.compile(r"(\d{1,2})月底")


def amounts(text: str) -> set[Fen]:
    """The amounts a text names, in fen."""
    return {int(Decimal(digits) * (1_000_000 if wan else 100)) for digits, wan in _AMOUNT.findall(text)}


def _shares(text: str) -> set[Fraction]:
    """The shares a text names, also those that it raises by so many points."""
    shares = {Fraction(Decimal(digits)) / 100 for digits in _PERCENT.findall(text)}
    return shares | {share + Fraction(Decimal(digits)) / 100 for share in shares for digits in _INCREASE.findall(text)}


def _days(text: str) -> set[date]:
    """The days a text names; a year alone names its first day."""
    return {date(int(year), int(month or 1), int(day or 1)) for year, month, day in _DAY.findall(text)}


def not_in_quote(name: str, key: str, number: str) -> Problem:
    """The problem of a number that stands in none of the quotes beside it."""
    wrong = f"no quote that supports it says {number}"
    return Problem(
        name, key, "number_is_not_in_its_quote", wrong, "correct the number, or quote the clause that has it"
    )


class Grounds:
    """What supports the keys of one layer: its citations, and the keys that readings concern."""

    def __init__(self, file: str, layer: str, citations: Sequence[Citation], concerned: frozenset[str]) -> None:
        self.file = file
        self.layer = layer
        self.citations = citations
        self.concerned = concerned

    def quoted(self, key: str, who: str | None = None) -> str | None:
        """Every quote that supports a key, for one row where `who` names it; None where there is none."""
        quotes = [
            plain(citation.quote)
            for citation in self.citations
            if key in citation.supports and (who is None or citation.is_about(who))
        ]
        return "\n".join(quotes) if quotes else None

    def word(self, key: str, who: str | None = None) -> Iterator[Problem]:
        """A key without a number needs a clause or a reading, for one row where `who` names it."""
        if self.quoted(key, who) is None and key not in self.concerned:
            where = key if who is None else f"benefits.{who}.{key.removeprefix('benefits.')}"
            wrong, fix = "no citation supports it and no reading concerns it", "cite the clause, or write a reading"
            yield Problem(self.file, f"{self.layer}.{where}", "key_has_no_clause", wrong, fix)

    def number(
        self, key: str, where: str, text: str, holds: bool, *, who: str | None = None, silent: bool = False
    ) -> Iterator[Problem]:
        """A number needs a clause that says it. `silent`: it is a nought, which a reading may add to a silent text."""
        quoted = self.quoted(key, who)
        if quoted is None:
            if not (silent and key in self.concerned):
                wrong, fix = f"{text} stands there without a clause", "cite the clause that says it"
                yield Problem(self.file, f"{self.layer}.{where}", "number_has_no_clause", wrong, fix)
        elif not holds:
            yield not_in_quote(self.file, f"{self.layer}.{where}", text)

    def supports(self, keys: set[str], rows: Iterable[str]) -> Iterator[Problem]:
        """Every key that a citation claims to support must be written, and every row that it says it is about."""
        known = set(rows)
        for citation in self.citations:
            for who in citation.who or ():
                if who not in known:
                    where = f"{self.layer}.citations {citation.clause}"
                    fix = f"name one of {'、'.join(sorted(known))}"
                    yield Problem(self.file, where, "citation_names_no_row", f"no row is for {who}", fix)
            for key in citation.supports:
                if key not in keys:
                    where = f"{self.layer}.citations {citation.clause}"
                    wrong = f"the layer writes no {key}"
                    yield Problem(self.file, where, "citation_supports_no_key", wrong, "correct `supports`")


_OF_THE_PLATFORM: Final = frozenset(
    ("id", "label", "document", "fund_fields", "fund_pay_type", "reported", "citations")
)
"""Keys of a layer that name it or its place on the platform and need no clause."""


def keys_of(section: Section) -> set[str]:
    """The keys that a table writes, as citations and readings name them: `base`, `benefits.tiers`."""
    keys: set[str] = set()
    for name in section.model_fields_set:
        field = type(section).model_fields[name]
        key, value = field.alias or name, getattr(section, name)
        keys.add(key)
        inner = value if isinstance(value, tuple) else (value,)
        keys |= {f"{key}.{part}" for each in inner if isinstance(each, Section) for part in keys_of(each)}
    return keys


def _law(keys: Iterable[str]) -> Iterator[str]:
    """The keys that carry law and no number."""
    for key in sorted(keys):
        if key.partition(".")[0] not in _OF_THE_PLATFORM and key not in _NUMBERS:
            yield key


_NUMBERS: Final = frozenset(
    (
        "from", "until", "benefits", "benefits.everybody", "benefits.deductible", "benefits.tiers", "benefits.cap",
        "application", "application.until", "application.insured_years",
    )
)  # fmt: skip
"""Keys with numbers, and tables that only hold other keys."""


def grounds_of_layer(grounds: Grounds, layer: ComputedLayer) -> Iterator[Problem]:
    """What is wrong between a layer's keys and the clauses and readings behind them."""
    keys = keys_of(layer)
    yield from grounds.supports(keys | set(CONVENTIONS), (row.who for row in layer.benefits))
    for key in _law(keys):
        if key != "paid" or layer.paid == "on_application":
            yield from grounds.word(key)
    yield from _grounds_of_excludes(grounds, layer)
    yield from _grounds_of_days(grounds, layer)
    for row in layer.benefits:
        if grounds.quoted("benefits.who") is not None:
            yield from grounds.word("benefits.who", row.who)
        if not row.delegated:
            yield from _grounds_of_row(grounds, row.who, row.deductible or 0, row.tiers or (), row.cap)
    if layer.application is not None:
        month, day = layer.application.until
        quoted = grounds.quoted("application.until") or ""
        holds = f"{month}月{day}日" in quoted or (
            str(month) in _END_OF_MONTH.findall(quoted) and day == monthrange(2001, month)[1]
        )
        yield from grounds.number("application.until", "application.until", f"{month}月{day}日", holds)
        years = layer.application.insured_years
        said = {"零一二三四五六七八九十".find(word) if word in "一二三四五六七八九十" else int(word)
                for word in _YEARS.findall(grounds.quoted("application.insured_years") or "")}  # fmt: skip
        yield from grounds.number(
            "application.insured_years", "application.insured_years", f"{years} years", years in said, silent=years == 0
        )


_CAUSES: Final = {
    Exclusion.WORK_INJURY: "工伤",
    Exclusion.THIRD_PARTY: "第三[人方]",
    Exclusion.PUBLIC_HEALTH: "公共卫生",
    Exclusion.COSMETIC: "整容|美容",
    Exclusion.OVERSEAS: "境外",
    Exclusion.NON_DESIGNATED: "定点",
    Exclusion.UNLAWFUL: "违法|犯罪",
}
"""How documents speak of each cause for which nothing is paid."""


def _grounds_of_excludes(grounds: Grounds, layer: ComputedLayer) -> Iterator[Problem]:
    """Causes that the layer's own quotes speak of: excluded, they are cited; cited, they are excluded.

    A reading may add causes of which the document is silent, not stand in for those that it names.
    """
    key, said = f"{layer.id}.excludes", grounds.quoted("excludes") or ""
    everything = "\n".join(plain(citation.quote) for citation in layer.citations)
    for cause, pattern in _CAUSES.items():
        word = re.search(pattern, everything)
        if cause in layer.excludes and word is not None and re.search(pattern, said) is None:
            wrong = f"a quote that names {word[0]} does not support `excludes`"
            yield Problem(grounds.file, key, "excluded_cause_is_not_cited", wrong, "add `excludes` to its `supports`")
        if cause not in layer.excludes and (word := re.search(pattern, said)) is not None:
            wrong = f"the clause behind it names {word[0]}"
            fix = "exclude the cause, or quote only what the layer excludes"
            yield Problem(grounds.file, key, "excluded_cause_is_missing", wrong, fix)


def grounds_of_fill(grounds: Grounds, fill: Fill) -> Iterator[Problem]:
    """What is wrong between a county's numbers and the clauses behind them; a county has no readings."""
    keys = keys_of(fill)
    yield from grounds.supports(keys, (row.who for row in fill.benefits))
    yield from _grounds_of_days(grounds, fill)
    for row in fill.benefits:
        yield from grounds.word("benefits.who", row.who)
        yield from _grounds_of_row(grounds, row.who, row.deductible or 0, row.tiers or (), row.cap)


def _grounds_of_days(grounds: Grounds, edition: ComputedLayer | Fill) -> Iterator[Problem]:
    for key, day in (("from", edition.first_day), ("until", edition.until)):
        if day is not None:
            yield from grounds.number(key, key, f"{day:%Y-%m-%d}", day in _days(grounds.quoted(key) or ""))


def _grounds_of_row(
    grounds: Grounds, who: str, deductible: Fen, tiers: Iterable[tuple[Fen, Fraction]], cap: int | str | None
) -> Iterator[Problem]:
    where = f"benefits.{who}"
    said = grounds.quoted("benefits.deductible", who) or ""
    free = deductible == 0
    yield from grounds.number(
        "benefits.deductible",
        f"{where}.deductible",
        f"{yuan(deductible)} yuan",
        "不设起付" in said if free else deductible in amounts(said),
        who=who,
        silent=free,
    )
    said = grounds.quoted("benefits.tiers", who) or ""
    for start, ratio in tiers:
        key, at = "benefits.tiers", f"{where}.tiers"
        yield from grounds.number(key, at, ratio_text(ratio), ratio in _shares(said), who=who)
        if start:
            yield from grounds.number(key, at, f"{yuan(start)} yuan", start in amounts(said), who=who)
    said = grounds.quoted("benefits.cap", who) or ""
    if cap == UNCAPPED:
        lifted = re.search("(取消|不设).{0,24}(封顶线|限额)", said) is not None
        yield from grounds.number("benefits.cap", f"{where}.cap", "that there is no cap", lifted, who=who)
    elif isinstance(cap, int):
        yield from grounds.number("benefits.cap", f"{where}.cap", f"{yuan(cap)} yuan", cap in amounts(said), who=who)
