"""Reads policy packs: TOML text to the frozen `contracts.pack.Pack` that the core settles by.

A pack is named by the digest of its text, and the journal keeps that text: `load_pack` therefore depends on nothing but
the texts it is given. `load_directory` also holds the rules of `contracts.pack_rules` against files.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from contracts.pack import Pack, PackSet, region_prefix
from contracts.pack_compile import compile_pack
from contracts.pack_errors import problems
from contracts.pack_format import CONVENTIONS, CountyFile, PackFile
from contracts.pack_problem import PackError, Problem
from contracts.pack_rules import problems_of, problems_of_county

SHIPPED: Final = Path(__file__).with_name("packs")
"""The packs that come with Yidan."""

TEXT_BYTES_MAX: Final = 512 * 1024
"""Of a pack's file. The shipped ones have 12 to 37 KiB."""

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
        raise PackError(problems(fault, tree, file)) from None


def read_county(tree: Mapping[str, Any], file: str) -> CountyFile:
    """A county's file. Raises `PackError` with every key that is wrong."""
    try:
        return CountyFile.model_validate(tree)
    except ValidationError as fault:
        raise PackError(problems(fault, tree, file, unknown="county_changes_more_than_it_may")) from None


def read_text(path: Path) -> str:
    """The text of a file in UTF-8; a byte order mark before it is no part of it. Raises `PackError`.

    The journal keeps the texts of city and county in one record, so none may be longer than `TEXT_BYTES_MAX`.
    """
    if path.stat().st_size > TEXT_BYTES_MAX:
        wrong = f"it is longer than {TEXT_BYTES_MAX // 1024} KiB"
        raise PackError([Problem(path.name, "", "file_is_too_large", wrong, "leave commentary to documents/")])
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise PackError([Problem(path.name, "", "file_is_not_toml", "it is not UTF-8", "save it as UTF-8")]) from None


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


@dataclass(frozen=True)
class Files:
    """The pack files of a directory by name, each with its text, and what is wrong with them or between them."""

    cities: dict[str, tuple[str, PackFile]]
    counties: dict[str, tuple[str, CountyFile]]
    problems: list[Problem]

    def city_of(self, county: CountyFile) -> tuple[str, PackFile] | None:
        """The file that a county's extends."""
        return next((held for held in self.cities.values() if held[1].region == county.extends), None)


def load_directory(path: Path | None = None) -> PackSet:
    """Every pack of a directory; None for the shipped ones. Raises `PackError` with all problems of all files."""
    directory = SHIPPED if path is None else path
    files = read_directory(directory)
    if files.problems:
        raise PackError(files.problems)
    packs = [compile_pack(city, None, [text], digest_of([text])) for text, city in files.cities.values()]
    for text, county in files.counties.values():
        held = files.city_of(county)
        if held is not None:
            texts = [held[0], text]
            packs.append(compile_pack(held[1], county, texts, digest_of(texts)))
    return PackSet(packs)


def read_directory(directory: Path) -> Files:
    """Reads every pack file of a directory and holds the rules against those that could be read."""
    files, unread = Files({}, {}, []), 0
    for path in sorted(directory.glob("*.toml")):
        if path.name.endswith(CASES_SUFFIX):
            continue
        try:
            text = read_text(path)
            tree = parse_toml(text, path.name)
            if "extends" in tree:
                files.counties[path.name] = text, read_county(tree, path.name)
            else:
                files.cities[path.name] = text, read_city(tree, path.name)
        except PackError as fault:
            unread += 1
            files.problems.extend(fault.problems)
    if not files.cities and not files.problems:
        fix = "name a directory that holds a region's pack"
        files.problems.append(Problem(directory.name, "", "no_pack_here", "no region's *.toml is here", fix))
    for name, (_, city) in files.cities.items():
        files.problems.extend(problems_of(city, name))
    for name, (_, county) in files.counties.items():
        held = files.city_of(county)
        if held is None and not unread:
            wrong = f"no pack here has region {county.extends}"
            files.problems.append(Problem(name, "extends", "city_is_missing", wrong, "put the city's file beside it"))
        elif held is not None:
            files.problems.extend(problems_of_county(county, held[1], name))
    files.problems.extend(_same_region(files))
    return files


def _same_region(files: Files) -> Iterable[Problem]:
    regions: dict[str, str] = {}
    everyone = [(name, city.region) for name, (_, city) in files.cities.items()]
    everyone += [(name, county.region) for name, (_, county) in files.counties.items()]
    for name, region in everyone:
        held = regions.setdefault(region_prefix(region), name)
        if held != name:
            fix = "keep one; earlier law is an edition of a layer"
            yield Problem(name, "region", "two_packs_for_one_region", f"{held} is for {region} too", fix)


# ── With other words ─────────────────────────────────────────────────────────────────────────────────────────


def load_otherwise(texts: Sequence[str], reading: str) -> Pack:
    """The pack under the other reading of an interpretation, as its `otherwise` writes it.

    For comparison only: it is no published pack and its digest says so. Raises `KeyError` where there is no such
    reading or no patch, `PackError` where the patch does not fit.
    """
    tree = parse_toml(texts[0], "pack")
    entry = next((entry for entry in read_city(tree, "pack").interpretations if entry.id == reading), None)
    if entry is None or entry.otherwise is None:
        raise KeyError(reading)
    other = read_city(
        patched(tree, entry.otherwise, f"{reading}.otherwise"), f"pack under the other reading of {reading}"
    )
    return _with(texts, other, f"otherwise {reading}")


def load_changed(texts: Sequence[str], changes: Mapping[str, Any]) -> Pack:
    """The pack with some keys changed, written as `otherwise` writes them: what a later text of it would be.

    For rehearsal only: there is no such text, and the digest says so. Raises `PackError` where the changes do not fit,
    or make a pack that must not be used.
    """
    other = read_city(patched(parse_toml(texts[0], "pack"), changes, "adopts.changes"), "changed pack")
    if wrong := list(problems_of(other, "changed pack")):
        raise PackError(wrong)
    return _with(texts, other, "changed " + ", ".join(f"{path} = {value!r}" for path, value in changes.items()))


def _with(texts: Sequence[str], other: PackFile, how: str) -> Pack:
    """A pack whose city's file is another than its texts have it."""
    county = read_county(parse_toml(texts[1], "county"), "county") if len(texts) > 1 else None
    return compile_pack(other, county, texts, digest_of([*texts, how]))


def patched(tree: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A copy of a file's tables with some keys changed. Raises `PackError` for a path that leads nowhere."""
    copy = deepcopy(dict(tree))
    for path, value in changes.items():
        if path == "layers":
            place = {layer: number for number, layer in enumerate(value)}
            copy["layers"].sort(key=lambda layer: place.get(layer["id"], len(place)))
            continue
        owner, _, rest = path.partition(".")
        if owner in CONVENTIONS:
            nodes, key = ([copy] if not rest else [copy[owner]]), rest or owner
        else:
            sections = [*copy["layers"], *copy.get("watches", ())]
            nodes, key = _inside([section for section in sections if owner in _addresses(section)], rest)
        if not nodes or not key:
            wrong = f"{path} leads to no table"
            raise PackError(
                [
                    Problem(
                        "pack",
                        where,
                        "otherwise_does_not_fit",
                        wrong,
                        "write layer.key, or layer.benefits.who.key",
                    )
                ]
            )
        for node in nodes:
            node[key] = value
    return copy


def _addresses(section: Mapping[str, Any]) -> tuple[str, str]:
    """How a path names a layer or watch: by its id, which means all editions, or one edition by its first day too."""
    return section["id"], f"{section['id']}@{section.get('from')}"


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
