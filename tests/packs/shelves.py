"""Copies of pack directories that a test may break."""

import shutil
from pathlib import Path

from contracts.pack_file import SHIPPED

COUNTIES = Path(__file__).with_name("counties")
"""A county that does not exist, beside a document that nobody issued."""


def copy_of_shipped(directory: Path, *, county: bool = False) -> Path:
    """The shipped packs in a directory of the test's own, with the fictional county's where asked."""
    packs = directory / "packs"
    shutil.copytree(SHIPPED, packs)
    if county:
        shutil.copytree(COUNTIES, packs, dirs_exist_ok=True)
    return packs


def edit(path: Path, old: str, new: str) -> None:
    """Replaces the first occurrence of `old`, which must be there."""
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} does not say {old!r}"
    path.write_text(text.replace(old, new, 1), "utf-8")


def cut(path: Path, begin: str, end: str) -> str:
    """Removes what stands from `begin` up to `end`, and says what it was."""
    text = path.read_text("utf-8")
    start = text.index(begin)
    part = text[start : text.index(end, start + len(begin))]
    edit(path, part, "")
    return part
