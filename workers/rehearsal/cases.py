"""Golden cases: a person's year told in rows, each with what it pays, settled through the real path from real bytes.

They are the part of a pack that an officer checks with a calculator. The format stands in `contracts/packs/README.md`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from contracts.pack import Pack, PackSet
from contracts.pack_file import CASES_SUFFIX, SHIPPED, digest_of, load_changed, load_directory, read_text
from workers.adjudication.books import Outcome
from workers.rehearsal.case_acts import Teller, codes_of_words, malformed
from workers.rehearsal.case_answers import compare
from workers.rehearsal.case_format import Adoption, Case, Step, read_cases
from workers.settlement.offline import Settler


class Difference(NamedTuple):
    """Where a case and Yidan disagree. `what` begins with `pays`, `pending` or `corrects` where it is about money."""

    file: str
    case: str
    row: str
    what: str
    said: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: {self.case}: {self.row}: {self.what}: the case says {self.said}, Yidan says {self.found}"

    @property
    def is_money(self) -> bool:
        """Whether the disagreement is about an amount that somebody would receive."""
        return self.what.startswith(("pays ", "pending ", "corrects "))


def run(case: Case, pack: Pack, neighbours: Iterable[Pack] = ()) -> list[Difference]:
    """Settles a case under a pack and says where they disagree; nowhere means to the fen. Raises `PackError`.

    `neighbours`, and behind them the shipped packs, decide for the regions that the case names beside the pack's.
    """
    story = _Story(case, pack, neighbours)
    return [
        Difference(case.file, case.name, step.name, *compared)
        for step in case.story
        for compared in compare(case, step, story.take(step))
    ]


class _Story:
    """A case under way: the years in memory, and the pack as the rows so far have changed it."""

    def __init__(self, case: Case, pack: Pack, neighbours: Iterable[Pack]) -> None:
        self._case = case
        self._pack = pack
        self._settler = Settler(_in_use(case, pack, neighbours))
        self._teller = Teller(case, pack, codes_of_words(pack))
        self._changes: dict[str, Any] = {}
        self._former: list[Pack] = []

    def take(self, step: Step) -> Outcome:
        """What Yidan answers to the next row."""
        if step.adopts is not None:
            self._change(step, step.adopts)
            if step.adopts.first_day is None:
                return Outcome("changed")
        return self._settler.take(self._teller.event(step, self._pack.digest))

    def _change(self, step: Step, adoption: Adoption) -> None:
        """Put a changed pack in the place of the one in use, as a worker does that starts with other files."""
        if not self._changes and self._pack.digest != digest_of(self._pack.texts):
            raise malformed(self._case, step, "a case that changes the pack cannot be told under another reading of it")
        self._changes |= adoption.changes
        before, self._pack = self._pack, load_changed(self._pack.texts, self._changes)
        self._former.append(before)
        books = self._settler.books
        books.packs = PackSet(self._pack if pack is before else pack for pack in books.packs.packs)
        # The journal keeps a pack's texts, and a changed one has none of its own.
        for former in self._former:
            books.packs.remember(former)


def _in_use(case: Case, pack: Pack, neighbours: Iterable[Pack]) -> PackSet:
    """The pack alone, or with its neighbours where the case names a region that is theirs.

    A county keeps its books under its city's name and is never alone.
    """
    alone = PackSet([pack])
    regions = {region for region in (case.region, *(step.region for step in case.story)) if region is not None}
    if pack.county is None and all(alone.for_region(region) for region in regions):
        return alone
    places: dict[str, Pack] = {}
    for each in (pack, *neighbours, *load_directory().packs):
        places.setdefault(each.county or each.region, each)
    return PackSet(places.values())


# ── A directory ──────────────────────────────────────────────────────────────────────────────────────────────


def cases_of(pack: Pack, directory: Path | None = None) -> tuple[Case, ...]:
    """The golden cases that stand beside a pack's file; none for a county without any. Raises `PackError`."""
    for path in sorted((directory or SHIPPED).glob("*.toml")):
        if not path.name.endswith(CASES_SUFFIX) and read_text(path) == pack.texts[-1]:
            cases = path.with_name(path.name.removesuffix(".toml") + CASES_SUFFIX)
            return read_cases(read_text(cases), cases.name) if cases.is_file() else ()
    raise FileNotFoundError(f"no file of {pack.name} here")


def rehearse(directory: Path | None = None) -> tuple[int, list[Difference]]:
    """Runs every golden case of every pack of a directory: how many there are, and where they disagree.

    Raises `PackError` for packs that must not be used and cases that cannot be meant.
    """
    count, differences = 0, []
    packs = load_directory(directory).packs
    for pack in packs:
        for case in cases_of(pack, directory):
            count += 1
            differences += run(case, pack, packs)
    return count, differences
