"""The packs in use, and what an event comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contracts.journal import PackText, Year, pack_field
from contracts.pack import Pack, PackSet
from contracts.payout import CombinedPayout
from contracts.signals import Signal
from contracts.vocabulary import Refusal
from workers.adjudication.plan import Planner
from workers.adjudication.refuse import BrokenInvariantError, RefusedError
from workers.adjudication.shelf import Shelf

LoadPack = Callable[[Sequence[str]], Pack]
"""Compiles a pack from the texts that the journal kept."""


@dataclass(slots=True)
class Outcome:
    """What an event did: `effect` is `settled`, `reversed`, `changed`, `remembered`, `repeated`, `stale` or `refused`.

    `remembered` waits for what it speaks of; `repeated` and `stale` were known, or newer was.
    """

    effect: str
    payouts: list[CombinedPayout] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    refusal: RefusedError | None = None


@dataclass(slots=True)
class Books:
    """The packs in use and the plans made for them. Holds no person."""

    packs: PackSet
    load_pack: LoadPack
    _planners: dict[str, Planner] = field(default_factory=dict)

    def planner(self, pack: Pack) -> Planner:
        """The plans of a pack."""
        planner = self._planners.get(pack.digest)
        if planner is None:
            planner = self._planners[pack.digest] = Planner(pack)
        return planner

    def pack_for(self, insuplc_admdvs: str) -> Pack:
        """The pack in use for a region. Refuses `no_pack_for_region`."""
        pack = self.packs.for_region(insuplc_admdvs)
        if pack is None:
            raise RefusedError(
                Refusal.NO_PACK_FOR_REGION,
                "insuplc_admdvs",
                "no policy pack covers this region: correct the code or add the region's pack",
            )
        return pack

    def pack_of(self, digest: str, shelf: Shelf) -> Pack:
        """The pack that an entry was decided under, from memory or from the journal's own copy."""
        pack = self.packs.by_digest(digest)
        if pack is None:
            kept: PackText | None = shelf.get(pack_field(digest))
            if kept is None:
                raise BrokenInvariantError("an entry names a pack that the journal does not hold")
            pack = self.load_pack(kept.texts)
            self.packs.remember(pack)
        return pack


def keep_pack(shelf: Shelf, pack: Pack, year: Year) -> tuple[str, ...]:
    """The digests of a year's packs with this one among them.

    The text of a pack is kept the first time it decides anything, so that history never depends on files.
    """
    if pack.digest in year.packs:
        return year.packs
    name = pack_field(pack.digest)
    if shelf.get(name) is None:
        shelf.put(name, PackText(pack.region, pack.texts))
    return (*year.packs, pack.digest)
