"""Whether ledgers are what their own entries make of them: each folded again, and compared to the fen.

Pure, like everything that decides about money: fields come in, differences come out, in the order of the ledgers.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from contracts.journal import Account, Entry, Year, entry_field, read_field, year_field
from contracts.money import parse_yuan
from contracts.payout import Cause
from workers.adjudication.books import Books
from workers.adjudication.ledger import fold_again
from workers.adjudication.marks import Ledger, read_entries
from workers.adjudication.refuse import BrokenInvariantError
from workers.adjudication.shelf import OpenShelf

KINDS: Final = {
    "p": "person",
    "y": "year",
    "e": "entry",
    "s": "settlement mark",
    "m": "message mark",
    "k": "pack",
}
"""What a field is, by the first letter of its name. Names name persons; kinds do not."""

_CAUSE: Final[Cause] = {"type": "identity_changed", "known_at": "2000-01-01T00:00:00+08:00"}
"""A fold needs one for the payouts that it writes. Here every such payout is a difference, and none is kept."""


class Drift(NamedTuple):
    """One difference: in which kind of field, under which name, and what differs."""

    kind: str
    name: str
    what: str


class Moved(NamedTuple):
    """What the payouts of one settlement or application add up to: how many there are, and fen by layer and payee."""

    revisions: int
    fen: Mapping[tuple[str, str], int]


def by_person(fields: Mapping[bytes, bytes]) -> tuple[dict[str, dict[str, bytes]], dict[str, bytes]]:
    """The fields of each person, and the packs, which are nobody's."""
    persons: dict[str, dict[str, bytes]] = defaultdict(dict)
    packs: dict[str, bytes] = {}
    for name, value in fields.items():
        text = name.decode()
        if text[0] == "k":
            packs[text] = value
        else:
            persons[text.split("|", 2)[1]][text] = value
    return persons, packs


def ledgers_of(names: Sequence[str]) -> list[Ledger]:
    """The ledgers among a person's field names."""
    parts = [name.split("|") for name in sorted(names) if name.startswith("y|")]
    return [(psn_no, region, int(year)) for _, psn_no, region, year in parts]


def drifts(books: Books, person: Mapping[str, bytes], packs: Mapping[str, bytes]) -> Iterator[Drift]:
    """Where a person's ledgers are not what folding their entries again makes of them."""
    shelf = OpenShelf(
        {name: read_field(name, value) for name, value in {**packs, **person}.items() if name[0] in "pyek"}
    )
    for ledger in ledgers_of(list(person)):
        name = year_field(*ledger)
        trial = OpenShelf(shelf)
        try:
            entries = read_entries(trial, ledger)
            fold_again(books, trial, ledger, entries, _CAUSE)
        except BrokenInvariantError as broken:
            yield Drift(KINDS["y"], name, str(broken))
            continue
        for index, entry in enumerate(entries):
            at = entry_field(*ledger, index)
            if trial[at] != entry:
                yield Drift(KINDS["e"], at, _of_entry(entry, _entry(trial[at])))
        if trial[name] != shelf[name]:
            yield Drift(KINDS["y"], name, _of_year(_year(shelf[name]), _year(trial[name])))


def unpaid(person: Mapping[str, bytes], moved: Mapping[str, Moved]) -> Iterator[Drift]:
    """Where what a person's entries have been paid is not what their payouts add up to."""
    for name in sorted(name for name in person if name[0] == "e"):
        entry = _entry(read_field(name, person[name]))
        found = moved.get(about(entry), Moved(0, {}))
        if entry.revision != found.revisions:
            yield Drift(KINDS["e"], name, f"revision {entry.revision}, {found.revisions} payouts were said")
            continue
        wanted = {
            (share.layer, payee): amount if entry.live else 0
            for share in entry.shares
            for payee, amount in (("fixmedins", share.to_institution), ("person", share.to_person))
        }
        for (layer, payee), amount in wanted.items():
            paid = found.fen.get((layer, payee), 0)
            if paid != amount:
                yield Drift(KINDS["e"], name, f"{layer} to {payee}: {amount} fen, payouts add up to {paid}")


def about(entry: Entry) -> str:
    """What the payouts of an entry are named after: `payout_id` without the revision."""
    fact = entry.fact
    return f"{fact.psn_no}:{fact.setl_id if fact.type == 'settled' else f'application:{fact.application_id}'}"


def add_payout(moved: dict[str, Moved], payout: Mapping[str, Any], up_to: Mapping[str, int]) -> None:
    """Adds a payout to the sums, unless it is later than the revision that the journal was read with."""
    name, _, revision = payout["payout_id"].rpartition(":")
    if int(revision) > up_to.get(name, 0):
        return
    before = moved.get(name, Moved(0, {}))
    fen = dict(before.fen)
    for line in payout["lines"]:
        if line["payable"]:
            sign = -1 if line["delta"].startswith("-") else 1
            place = line["layer"], line["payee"]
            fen[place] = fen.get(place, 0) + sign * parse_yuan(line["delta"].removeprefix("-"))
    moved[name] = Moved(before.revisions + 1, fen)


def _entry(value: object) -> Entry:
    if not isinstance(value, Entry):
        raise BrokenInvariantError("an entry's field holds something else")
    return value


def _year(value: object) -> Year:
    if not isinstance(value, Year):
        raise BrokenInvariantError("a year's field holds something else")
    return value


def _of_entry(entry: Entry, folded: Entry) -> str:
    """The first fen that differs."""
    theirs = {share.layer: share for share in folded.shares}
    for share in entry.shares:
        other = theirs.get(share.layer)
        if other is None or (share.base, share.paid) != (other.base, other.paid):
            made = "nothing" if other is None else f"{other.paid} fen on {other.base}"
            return f"{share.layer}: {share.paid} fen on {share.base}, the fold makes {made}"
    return "the fold makes another entry of it"


def _of_year(year: Year, folded: Year) -> str:
    for layer in sorted({*year.accounts, *folded.accounts}):
        ours, theirs = year.accounts.get(layer, Account()), folded.accounts.get(layer, Account())
        if ours != theirs:
            return f"{layer}: {ours.paid} fen on {ours.base}, the fold makes {theirs.paid} on {theirs.base}"
    for part in ("watched", "signals", "insured", "packs"):
        if getattr(year, part) != getattr(folded, part):
            return f"{part}: {getattr(year, part)}, the fold makes {getattr(folded, part)}"
    return "the fold makes another year of it"
