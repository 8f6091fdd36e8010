"""Reads policy packs: TOML text to the frozen `contracts.pack.Pack` that the core settles by.

A pack is named by the digest of its text, and the journal keeps that text: `load_pack` therefore depends on nothing but
the texts it is given. `load_directory` also holds the rules of `contracts.pack_rules` against files.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from contracts.pack import ApplicationRule, Curve, Layer, Pack, PackSet, Row, Watch, region_prefix
from contracts.pack_format import (
    CONVENTIONS,
    FUND_OF_OTHERS,
    UNCAPPED,
    BenefitRow,
    Citation,
    ComputedLayer,
    CountyFile,
    Document,
    Fill,
    FilledRow,
    Interpretation,
    LargeBill,
    PackFile,
    ReportedLayer,
    WatchSection,
)
from contracts.pack_rules import PackError, Problem, place_of_filled, problems_of, problems_of_county
from contracts.vocabulary import BUCKETS, SignalKind

SHIPPED: Final = Path(__file__).with_name("packs")
"""The packs that come with Yidan."""

CASES_SUFFIX: Final = ".cases.toml"
"""How the name of a pack's golden cases ends."""


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The tables of a file, decimals exact. Raises `PackError`."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as fault:
        raise PackError([Problem(file, "", "file_is_not_toml", str(fault), "mend the syntax")]) from None


def read_city(tree: Mapping[str, Any], file: str) -> PackFile:
    """A region's file. Raises `PackError` with every key that is wrong."""
    try:
        return PackFile.model_validate(tree)
    except ValidationError as fault:
        raise PackError(_problems(fault, tree, file, "key_is_unknown")) from None


def read_county(tree: Mapping[str, Any], file: str) -> CountyFile:
    """A county's file. Raises `PackError` with every key that is wrong."""
    try:
        return CountyFile.model_validate(tree)
    except ValidationError as fault:
        raise PackError(_problems(fault, tree, file, "county_changes_more_than_it_may")) from None


_FIXES: Final = {
    "extra_forbidden": "remove the key, or correct its spelling",
    "missing": "write the key",
    "literal_error": "use the word that the format knows",
}


def _problems(fault: ValidationError, tree: Mapping[str, Any], file: str, unknown: str) -> Iterable[Problem]:
    names = {"extra_forbidden": unknown, "missing": "key_is_missing", "literal_error": "word_is_unknown"}
    for error in fault.errors(include_url=False, include_context=False):
        kind, key = error["type"], _key(tree, error["loc"])
        if kind in _FIXES:
            yield Problem(file, key, names[kind], error["msg"], _FIXES[kind])
        elif "_" in kind and kind in _OWN_NAMES:
            yield Problem(file, key, kind, f"it reads {_shown(error.get('input'))}", error["msg"])
        else:
            yield Problem(file, key, "value_is_wrong", error["msg"], "see contracts/packs/README.md for the key")


_OWN_NAMES: Final = frozenset(
    (
        "amount_is_not_yuan_and_fen", "answer_is_incomplete", "application_rule_is_missing", "cap_is_missing",
        "codes_are_missing", "deductible_is_missing", "edition_ends_before_it_begins", "ratio_is_outside_0_to_1",
        "row_says_two_things", "tiers_are_missing", "tiers_do_not_start_at_0", "tiers_overlap", "word_is_unknown",
    )
)  # fmt: skip


def _shown(value: object) -> str:
    text = (
        ", ".join(f"{key} = {_shown(part)}" for key, part in value.items()) if isinstance(value, dict) else str(value)
    )
    return text if len(text) <= 120 else text[:119] + "…"


def _key(tree: Any, loc: Sequence[int | str]) -> str:
    """A key as officers write it: `assistance_inpatient.benefits.低保对象.cap`."""
    parts: list[str] = []
    node: Any = tree
    for part in loc:
        if isinstance(part, int) and isinstance(node, Sequence) and part < len(node):
            node = node[part]
            name = node.get("id") or node.get("who") or node.get("clause") if isinstance(node, Mapping) else None
            if parts and parts[-1] in ("layers", "watches", "interpretations", "left_out"):
                parts.pop()
            parts.append(str(name) if name else str(part))
        elif isinstance(node, Mapping) and part in node:
            node = node[part]
            parts.append(str(part))
        elif part not in ("reported", "computed", "large_bill", "zero_self_pay"):  # the tags of pydantic's unions
            parts.append(str(part))
    return ".".join(parts)


# ── Compiling ────────────────────────────────────────────────────────────────────────────────────────────────


def _row(row: BenefitRow) -> Row:
    codes = None if row.everybody else frozenset(row.codes or ())
    if row.delegated:
        return Row(row.who, codes, None, None)
    return _numbered(row.who, codes, row)


def _numbered(who: str, codes: frozenset[str] | None, row: BenefitRow | FilledRow) -> Row:
    curve = Curve(row.deductible or 0, tuple(row.tiers or ()))
    return Row(who, codes, curve, None if row.cap == UNCAPPED else int(row.cap or 0))


def _clauses(citations: Iterable[Citation], own: str, documents: Mapping[str, Document]) -> dict[str, tuple[str, ...]]:
    clauses: dict[str, dict[str, None]] = {}
    for citation in citations:
        clause = f"{documents[citation.document or own].number} {citation.clause}"
        for key in citation.supports:
            clauses.setdefault(key, {})[clause] = None
    return {key: tuple(found) for key, found in clauses.items()}


def _readings(layer_id: str, interpretations: Iterable[Interpretation]) -> dict[str, tuple[str, ...]]:
    readings: dict[str, list[str]] = {}
    for entry in interpretations:
        for concern in entry.concerns:
            owner, _, key = concern.partition(".")
            if owner in CONVENTIONS:
                readings.setdefault(concern, []).append(entry.id)
            elif owner == layer_id:
                readings.setdefault(key, []).append(entry.id)
    return {key: tuple(found) for key, found in readings.items()}


def _fund_codes(codes: Mapping[str, str]) -> tuple[dict[str, str], str]:
    return {key: code for key, code in codes.items() if key}, codes.get("", FUND_OF_OTHERS)


def _reported(layer: ReportedLayer, pack: PackFile) -> Layer:
    fund_pay_types, fund_pay_type = _fund_codes(layer.fund_pay_type)
    return Layer(
        id=layer.id,
        label=layer.label,
        mode="reported",
        fund_fields=layer.reported,
        fund_pay_types=fund_pay_types,
        fund_pay_type=fund_pay_type,
        readings=_readings(layer.id, pack.interpretations),
    )


def _computed(layer: ComputedLayer, pack: PackFile) -> Layer:
    fund_pay_types, fund_pay_type = _fund_codes(layer.fund_pay_type)
    rows = [_row(row) for row in layer.benefits]
    if layer.overlap == "lowest":
        rows = [row for row in reversed(rows) if row.codes is not None] + [row for row in rows if row.codes is None]
    application = None
    if layer.application is not None:
        application = ApplicationRule(
            deadline=layer.application.until,
            insured_years_least=layer.application.insured_years,
            rows=dict(layer.application.applicants),
            hardship_first=frozenset(layer.application.hardship_first),
        )
    return Layer(
        id=layer.id,
        label=layer.label,
        mode="on_application" if layer.paid == "on_application" else "computed",
        fund_fields=layer.fund_fields,
        fund_pay_types=fund_pay_types,
        fund_pay_type=fund_pay_type,
        first_day=layer.first_day.isoformat(),
        last_day=layer.until.isoformat() if layer.until else None,
        insutypes=layer.insutype,
        cares=frozenset(layer.settles),
        excludes=frozenset(layer.excludes),
        needs_subsidised_premium=bool(layer.requires),
        base=tuple(BUCKETS.index(bucket) for bucket in layer.base),
        rows=tuple(rows),
        application=application,
        clauses=_clauses(layer.citations, layer.document, pack.documents),
        readings=_readings(layer.id, pack.interpretations),
    )


def _watch(watch: WatchSection, pack: PackFile) -> Watch:
    clause = f"{pack.documents[watch.document].number} {watch.clause}"
    first_day = watch.first_day.isoformat()
    if isinstance(watch, LargeBill):
        return Watch(SignalKind(watch.id), watch.label, first_day, clause, at_least=watch.at_least)
    return Watch(
        SignalKind(watch.id),
        watch.label,
        first_day,
        clause,
        codes=frozenset(watch.codes),
        cares=frozenset(watch.settles),
    )


def _filled(layer: Layer, editions: Sequence[ComputedLayer], fill: Fill, county: CountyFile) -> list[Layer]:
    """One edition of a city's layer with a county's rows, split at the fill's first and last day."""
    first, last = fill.first_day.isoformat(), fill.until.isoformat() if fill.until else None
    if (last is not None and last < layer.first_day) or (layer.last_day is not None and first > layer.last_day):
        return [layer]
    source = next(edition for edition in editions if edition.first_day.isoformat() <= layer.first_day <= _last(edition))
    filled = replace(layer, first_day=max(first, layer.first_day), rows=_with_filled_rows(layer, source, fill))
    clauses = {key: list(found) for key, found in layer.clauses.items()}
    for key, found in _clauses(fill.citations, fill.document, county.documents).items():
        clauses.setdefault(key, []).extend(found)
    filled = replace(filled, clauses={key: tuple(found) for key, found in clauses.items()})
    parts = []
    if layer.first_day < first:
        parts.append(replace(layer, last_day=_day(fill.first_day - timedelta(days=1))))
    if last is not None and (layer.last_day is None or last < layer.last_day):
        parts.append(replace(filled, last_day=last))
        parts.append(replace(layer, first_day=_day(date.fromisoformat(last) + timedelta(days=1))))
    else:
        parts.append(filled)
    return parts


def _with_filled_rows(layer: Layer, source: ComputedLayer, fill: Fill) -> tuple[Row, ...]:
    rows = list(layer.rows)
    written: dict[str, BenefitRow | FilledRow] = {row.who: row for row in source.benefits}
    for row in fill.benefits:
        delegated = next((held for held in rows if held.who == row.who and held.curve is None), None)
        if delegated is None:
            continue
        rows.remove(delegated)
        numbered = [held for held in rows if held.curve is not None]
        place = place_of_filled([written[held.who] for held in numbered], row)
        written[row.who] = row
        numbered.insert(len(numbered) if place is None else place, _numbered(row.who, delegated.codes, row))
        rows = numbered + [held for held in rows if held.curve is None]
    return tuple(rows)


def _last(edition: ComputedLayer) -> str:
    return edition.until.isoformat() if edition.until else "9999-12-31"


def _day(day: date) -> str:
    return day.isoformat()


def compile_pack(city: PackFile, county: CountyFile | None, texts: Sequence[str], digest: str) -> Pack:
    """The pack as the core reads it."""
    layers = [
        _reported(layer, city) if isinstance(layer, ReportedLayer) else _computed(layer, city) for layer in city.layers
    ]
    for fill in county.fills if county else ():
        editions = [layer for layer in city.computed() if layer.id == fill.layer]
        layers = [
            part
            for layer in layers
            for part in (_filled(layer, editions, fill, county) if county and layer.id == fill.layer else [layer])
        ]
    return Pack(
        region=city.region,
        name=county.name if county else city.name,
        digest=digest,
        texts=tuple(texts),
        layers=tuple(layers),
        watches=tuple(_watch(watch, city) for watch in city.watches),
        last_first=city.corrections == "last_first",
        county=county.region if county else None,
    )


# ── Loading ──────────────────────────────────────────────────────────────────────────────────────────────────


def digest_of(texts: Sequence[str]) -> str:
    """The name of a pack: SHA-256 over its files' texts, joined by NUL."""
    return "sha256:" + sha256("\0".join(texts).encode()).hexdigest()


def files_of(texts: Sequence[str]) -> tuple[PackFile, CountyFile | None]:
    """The files behind a pack: the region's, and a county's where there is one. Raises `PackError`."""
    city = read_city(parse_toml(texts[0], "pack"), "pack")
    county = read_county(parse_toml(texts[1], "county"), "county") if len(texts) > 1 else None
    return city, county


def load_pack(texts: Sequence[str]) -> Pack:
    """A pack from the region's text and, where there is one, a county's. Raises `PackError`."""
    city, county = files_of(texts)
    return compile_pack(city, county, texts, digest_of(texts))


def load_directory(path: Path | None = None) -> PackSet:
    """Every pack of a directory; None for the shipped ones. Raises `PackError` with all problems of all files."""
    directory = SHIPPED if path is None else path
    packs, problems = read_directory(directory)
    if not packs and not problems:
        problems = [Problem(directory.name, "", "no_pack_here", "there is no *.toml", "name a directory of packs")]
    if problems:
        raise PackError(problems)
    return PackSet(pack for pack in packs.values())


def read_directory(directory: Path) -> tuple[dict[str, Pack], list[Problem]]:
    """The packs of a directory by file name, and what is wrong with the others."""
    problems: list[Problem] = []
    cities: dict[str, tuple[str, str, PackFile]] = {}
    counties: dict[str, tuple[str, CountyFile]] = {}
    for path in sorted(directory.glob("*.toml")):
        if path.name.endswith(CASES_SUFFIX):
            continue
        try:
            text = path.read_text("utf-8")
            tree = parse_toml(text, path.name)
            if "extends" in tree:
                counties[path.name] = text, read_county(tree, path.name)
                continue
            city = read_city(tree, path.name)
        except PackError as fault:
            problems.extend(fault.problems)
            continue
        problems.extend(problems_of(city, path.name))
        if city.region in cities:
            problems.append(_twice(path.name, city.region, cities[city.region][0]))
        cities[city.region] = path.name, text, city
    if problems:
        return {}, problems
    packs = {name: compile_pack(city, None, [text], digest_of([text])) for name, text, city in cities.values()}
    for name, (text, county) in counties.items():
        held = cities.get(county.extends)
        if held is None:
            wrong = f"no pack here has region {county.extends}"
            problems.append(Problem(name, "extends", "city_is_missing", wrong, "put the city's file beside it"))
            continue
        found = list(problems_of_county(county, held[2], name))
        if not found:
            packs[name] = compile_pack(held[2], county, [held[1], text], digest_of([held[1], text]))
        problems.extend(found)
    regions: dict[str, str] = {}
    for name, pack in packs.items():
        prefix = region_prefix(pack.county or pack.region)
        if prefix in regions:
            problems.append(_twice(name, pack.county or pack.region, regions[prefix]))
        regions[prefix] = name
    return packs, problems


def _twice(file: str, region: str, other: str) -> Problem:
    return Problem(
        file,
        "region",
        "two_packs_for_one_region",
        f"{other} is for {region} too",
        "keep one; earlier law is an edition of a layer",
    )


# ── The other reading ────────────────────────────────────────────────────────────────────────────────────────


def load_otherwise(texts: Sequence[str], reading: str) -> Pack:
    """The pack under the other reading of an interpretation, as its `otherwise` writes it.

    For comparison only: it is no published pack and its digest says so. Raises `KeyError` where there is no such
    reading or no patch, `PackError` where the patch does not fit.
    """
    city, county = files_of(texts)
    entry = next((entry for entry in city.interpretations if entry.id == reading), None)
    if entry is None or entry.otherwise is None:
        raise KeyError(reading)
    tree = patched(parse_toml(texts[0], "pack"), entry.otherwise, entry.id)
    other = read_city(tree, f"pack under the other reading of {reading}")
    return compile_pack(other, county, texts, digest_of([*texts, f"otherwise {reading}"]))


def patched(tree: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A copy of a file's tables with some keys changed. Raises `PackError` for a path that leads nowhere."""
    copy = deepcopy(dict(tree))
    for path, value in changes.items():
        if path == "layers":
            copy["layers"] = sorted(
                copy["layers"], key=lambda layer: value.index(layer["id"]) if layer["id"] in value else 99
            )
            continue
        owner, _, rest = path.partition(".")
        if owner in CONVENTIONS:
            nodes, key = ([copy] if not rest else [copy[owner]]), rest or owner
        else:
            sections = [*copy["layers"], *copy.get("watches", ())]
            nodes, key = _inside([section for section in sections if section["id"] == owner], rest)
        if not nodes or not key:
            wrong = f"{path} leads to no table"
            raise PackError(
                [
                    Problem(
                        "pack",
                        f"{where}.otherwise",
                        "otherwise_does_not_fit",
                        wrong,
                        "write layer.key, or layer.benefits.who.key",
                    )
                ]
            )
        for node in nodes:
            node[key] = value
    return copy


def _inside(nodes: list[dict[str, Any]], path: str) -> tuple[list[dict[str, Any]], str]:
    """The tables that hold the last key of `path`; in `benefits` the next part names a row's `who`, `*` all rows."""
    parts = path.split(".")
    while len(parts) > 1:
        part = parts.pop(0)
        if part == "benefits" and len(parts) > 1:
            who = parts.pop(0)
            nodes = [row for node in nodes for row in node["benefits"] if who in ("*", row["who"])]
        else:
            nodes = [node[part] for node in nodes if isinstance(node.get(part), dict)]
    return nodes, parts[0]
