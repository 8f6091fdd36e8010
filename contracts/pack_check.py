"""Holds a directory of packs against its documents, so that an officer need not look every number up again.

`check` is what `yidan packs check` prints and what `make drift` demands to be empty. Beside the rules between a pack's
parts (`contracts.pack_rules`) it proves that quotes are verbatim, that numbers stand in the quotes that support them,
that no amount of a document is passed over in silence, and that every reading has a golden case and a price.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.money import yuan
from contracts.pack_clauses import Numbered, cited, written
from contracts.pack_file import (
    CASES_SUFFIX,
    SHIPPED,
    Files,
    load_otherwise,
    load_pack,
    parse_toml,
    read_directory,
    read_text,
)
from contracts.pack_format import (
    CONVENTIONS,
    CountyFile,
    Document,
    Interpretation,
    LargeBill,
    LayerSection,
    PackFile,
    Section,
)
from contracts.pack_grounds import Grounds, amounts, grounds_of_fill, grounds_of_layer, keys_of, not_in_quote, plain
from contracts.pack_problem import PackError, Problem


def check(directory: Path | None = None) -> list[Problem]:
    """Everything that is wrong with the packs of a directory (None: the shipped ones). Empty: they may be used."""
    directory = SHIPPED if directory is None else directory
    files = read_directory(directory)
    problems = list(files.problems)
    for name, (text, city) in files.cities.items():
        problems += _check_city(directory, name, city)
        problems += _mentions(name, text, city)
        if not any(problem.file == name for problem in files.problems):
            problems += _other_readings(name, text, city)
    for name, (text, county) in files.counties.items():
        problems += _check_county(directory, name, county)
        held = files.city_of(county)
        if held is not None:
            problems += _mentions(name, text, held[1])
    problems += _repeated_ids(files)
    return sorted(set(problems))


def _check_city(directory: Path, name: str, city: PackFile) -> Iterator[Problem]:
    texts, problems = _texts(directory, name, city.documents)
    yield from problems
    quotes = [
        Quoted(f"{layer.id}.citations {c.clause}", c.document or layer.document, c.clause, c.quote)
        for layer in city.computed()
        for c in layer.citations
    ]
    quotes += [Quoted(watch.id, watch.document, watch.clause, watch.quote) for watch in city.watches]
    quotes += [Quoted(f"left_out {e.clause}", e.document, e.clause, e.quote, wider=True) for e in city.left_out]
    quotes = [quoted._replace(wider=quoted.wider and _whole(quoted, quotes, texts)) for quoted in quotes]
    yield from _quotes(name, quotes, texts, city.documents)
    yield from _passed_over(name, quotes, texts)
    yield from _clauses_passed_over(name, quotes, texts)
    for layer in city.computed():
        grounds = Grounds(name, layer.id, layer.citations, frozenset(_concerns(city, layer.id)))
        yield from grounds_of_layer(grounds, layer)
    for watch in city.watches:
        if watch.clause is None:
            yield Problem(name, watch.id, "watch_has_no_clause", "nobody can look it up", "write `clause`")
        if isinstance(watch, LargeBill) and watch.at_least not in amounts(plain(watch.quote)):
            yield not_in_quote(name, f"{watch.id}.at_least", f"{yuan(watch.at_least)} yuan")
    yield from _conventions(name, city)
    yield from _readings(directory, name, city)


def _check_county(directory: Path, name: str, county: CountyFile) -> Iterator[Problem]:
    texts, problems = _texts(directory, name, county.documents)
    yield from problems
    quotes = [
        Quoted(f"{fill.layer}.citations {c.clause}", c.document or fill.document, c.clause, c.quote)
        for fill in county.fills
        for c in fill.citations
    ]
    yield from _quotes(name, quotes, texts, county.documents)
    yield from _case_names(directory / (name.removesuffix(".toml") + CASES_SUFFIX))[1]
    for fill in county.fills:
        yield from grounds_of_fill(Grounds(name, fill.layer, fill.citations, frozenset()), fill)


_READING: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2,3}-[0-9]{2,3}(?![0-9])")


def _mentions(name: str, text: str, city: PackFile) -> Iterator[Problem]:
    """Readings that a comment or a sentence of the file names and nobody has written."""
    known = {entry.id for entry in city.interpretations}
    for number, line in enumerate(text.splitlines(), 1):
        for mention in _READING.findall(line):
            if mention not in known and mention != "SHA-256":
                fix = "name a reading that is written, or write it"
                yield Problem(name, f"line {number}", "reading_does_not_exist", f"there is no reading {mention}", fix)


def _repeated_ids(files: Files) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, (_, city) in files.cities.items():
        for entry in city.interpretations:
            if entry.id in seen:
                wrong = f"a reading of {seen[entry.id]} has this id"
                yield Problem(name, entry.id, "id_is_repeated", wrong, "give each reading an id of its own")
            seen[entry.id] = name


# ── Documents and quotes ─────────────────────────────────────────────────────────────────────────────────────


class Quoted(NamedTuple):
    """A quote of a pack: at which key, from which document, and the clause that is cited for it.

    `wider`: the clause may be one around the quote, since the entry speaks of the whole of it.
    """

    key: str
    document: str
    clause: str | None
    quote: str
    wider: bool = False


def _texts(directory: Path, name: str, documents: Mapping[str, Document]) -> tuple[dict[str, Numbered], list[Problem]]:
    """The documents that could be read, ready for comparison."""
    texts: dict[str, Numbered] = {}
    problems: list[Problem] = []
    for key, document in documents.items():
        path = directory / "documents" / document.text
        try:
            text = Numbered(read_text(path), document.title)
        except (OSError, PackError):
            wrong = f"documents/{document.text} cannot be read"
            fix = "put the full text there, UTF-8"
            problems.append(Problem(name, f"documents.{key}.text", "document_file_is_missing", wrong, fix))
            continue
        texts[key] = text
        for part in ("number", "title"):
            words = str(getattr(document, part))
            if plain(words) not in text.text:
                wrong = f"documents/{document.text} does not contain {words}"
                fix = "correct it, or name the right file"
                problems.append(Problem(name, f"documents.{key}.{part}", "document_is_another", wrong, fix))
    return texts, problems


def _whole(left_out: Quoted, quotes: Iterable[Quoted], texts: Mapping[str, Numbered]) -> bool:
    """Whether an entry of `left_out` can stand for the whole of its clause: nothing in it is cited or watched."""
    text = texts.get(left_out.document)
    carried_out = [each.quote for each in quotes if not each.wider and each.document == left_out.document]
    return text is not None and not any(text.reaches(left_out.clause or "", quote) for quote in carried_out)


def _quotes(
    name: str, quotes: Iterable[Quoted], texts: Mapping[str, Numbered], documents: Mapping[str, Document]
) -> Iterator[Problem]:
    """Quotes that their document does not say, or says in another clause than the one that is cited."""
    for key, document, clause, quote, wider in quotes:
        text = texts.get(document)
        if text is None:
            continue
        found = text.found_in(quote)
        if not found:
            wrong = f"documents.{document} does not say “{_short(quote)}”"
            yield Problem(name, key, "quote_is_not_in_the_document", wrong, "copy the clause word for word")
        elif clause is not None and not text.says(clause, quote, wider=wider):
            wrong = (
                f"“{_short(quote)}” is not in {clause} of {documents[document].number} but in {' and in '.join(found)}"
            )
            fix = f'write clause = "{found[0]}", or quote what {clause} says'
            yield Problem(name, key, "quote_is_in_another_clause", wrong, fix)


def _short(quote: str) -> str:
    return " ".join(quote.split())[:60]


_AMOUNT_OR_SHARE: Final = re.compile(r"\d(?:%|万?元)")


def _passed_over(name: str, quotes: Sequence[Quoted], texts: Mapping[str, Numbered]) -> Iterator[Problem]:
    """Sentences with an amount or a share that nothing cites, watches or leaves out."""
    for key, text in texts.items():
        covered = [place for quoted in quotes if quoted.document == key for place in text.occurrences(quoted.quote)]
        ends = [0, *(found.end() for found in re.finditer("[。;]", text.text)), len(text.text)]
        for begin, end in pairwise(ends):
            sentence = text.text[begin:end]
            if _AMOUNT_OR_SHARE.search(sentence) and not any(b < end and begin < e for b, e in covered):
                wrong = f"“{sentence[:60]}” has a number that the pack does not mention"
                fix = "cite it where it is used, or say under [[left_out]] why not"
                yield Problem(name, f"documents.{key}", "sentence_is_passed_over", wrong, fix)


def _clauses_passed_over(name: str, quotes: Sequence[Quoted], texts: Mapping[str, Numbered]) -> Iterator[Problem]:
    """Numbered clauses of which nothing is cited, watched or left out: a reading cannot stand in for the law's word.

    A heading is spoken for by the clauses under it, and those by an entry of `left_out` for a clause around them.
    """
    for key, text in texts.items():
        own = [quoted for quoted in quotes if quoted.document == key]
        covered = [place for quoted in own for place in text.occurrences(quoted.quote)]
        left_out = [clause for quoted in own if quoted.wider for clause in cited(quoted.clause or "") or ()]
        for clause, begin, end, innermost in text.clauses():
            if not innermost or any(clause[: len(outer)] == outer for outer in left_out):
                continue
            if not any(b < end and begin < e for b, e in covered):
                wrong = f"{written(clause)} “{text.text[begin:end][:40]}” is not mentioned"
                fix = "cite it where it is used, or say under [[left_out]] why not"
                yield Problem(name, f"documents.{key}", "clause_is_passed_over", wrong, fix)


def _conventions(name: str, city: PackFile) -> Iterator[Problem]:
    concerned = {concern for entry in city.interpretations for concern in entry.concerns}
    for key in CONVENTIONS:
        if key != "layers" and key not in concerned:
            wrong, fix = "no reading says why", "write a reading that concerns it"
            yield Problem(name, key, "key_has_no_clause", wrong, fix)


# ── Readings and their cases ─────────────────────────────────────────────────────────────────────────────────


def _concerns(city: PackFile, owner: str) -> Iterator[str]:
    """The keys of a layer or watch that readings concern."""
    for entry in city.interpretations:
        for concern in entry.concerns:
            whose, _, key = concern.partition(".")
            if whose == owner:
                yield key


def _readings(directory: Path, name: str, city: PackFile) -> Iterator[Problem]:
    cases, problems = _case_names(directory / (name.removesuffix(".toml") + CASES_SUFFIX))
    yield from problems
    sections: dict[str, set[str]] = {}
    named: Sequence[LayerSection | Section] = (*city.layers, *city.watches)
    for section in named:
        sections.setdefault(str(getattr(section, "id", "")), set()).update(keys_of(section))
    for entry in city.interpretations:
        for concern in entry.concerns:
            owner, _, key = concern.partition(".")
            if concern not in CONVENTIONS and key not in sections.get(owner, ()):
                wrong, fix = f"there is no key {concern}", "name a key that the pack writes"
                yield Problem(name, f"{entry.id}.concerns", "concerns_name_no_key", wrong, fix)
        yield from _case_of(name, entry, cases)


def _case_names(path: Path) -> tuple[set[str] | None, list[Problem]]:
    """The names of a pack's golden cases; None where they cannot be known."""
    if not path.is_file():
        return None, [Problem(path.name, "", "cases_are_missing", "the pack has no golden cases", "write the file")]
    try:
        tree = parse_toml(read_text(path), path.name)
    except PackError as fault:
        return None, fault.problems
    cases: list[Any] = tree.get("cases", [])
    names = [str(case.get("name", "")) for case in cases if isinstance(case, dict)]
    repeated = sorted({each for each in names if names.count(each) > 1})
    return set(names), [
        Problem(path.name, each, "id_is_repeated", "two cases have this name", "give each case a name of its own")
        for each in repeated
    ]


def _case_of(name: str, entry: Interpretation, cases: set[str] | None) -> Iterator[Problem]:
    if entry.case is None:
        wrong, fix = "nothing shows what it costs", "name a golden case whose money it changes"
        yield Problem(name, entry.id, "reading_has_no_case", wrong, fix)
    elif cases is not None and entry.case not in cases:
        wrong, fix = f"there is no case {entry.case}", "write it into the cases file"
        yield Problem(name, f"{entry.id}.case", "case_does_not_exist", wrong, fix)
    if re.search(r"\d 元", entry.stakes) is None:
        wrong, fix = "it names no amount", "say what each reading pays, such as “7500 元；否则 7350 元”"
        yield Problem(name, f"{entry.id}.stakes", "stakes_name_no_yuan", wrong, fix)


def _other_readings(name: str, text: str, city: PackFile) -> Iterator[Problem]:
    """Patches that cannot be applied, or change nothing that the core reads."""
    pack = load_pack([text])
    layers = list(map(asdict, pack.layers))
    for entry in city.interpretations:
        if entry.otherwise is None:
            continue
        key = f"{entry.id}.otherwise"
        try:
            other = load_otherwise([text], entry.id)
        except PackError as fault:
            first = fault.problems[0]
            yield Problem(name, key, "otherwise_does_not_fit", f"{first.key}: {first.wrong}", first.fix)
            continue
        if list(map(asdict, other.layers)) == layers and other.last_first == pack.last_first:
            wrong, fix = "it changes nothing that the core reads", "write the other reading's values"
            yield Problem(name, key, "otherwise_does_not_fit", wrong, fix)
