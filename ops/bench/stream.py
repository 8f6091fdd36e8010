"""The bytes that every contestant reads: settlements of the synthetic county, each person's first, then their next.

`cold` is a county in which nobody has settled yet. `warm` is the same bills again under new ids, so that every person
and every ledger is known. No message comes twice and none is broken: what a contestant does with those is correctness.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from contracts.pack_file import load_directory, load_pack
from contracts.topics import DISCHARGES
from workers.adjudication.books import Books
from workers.rehearsal.county import county
from workers.settlement.pipeline import Batch
from workers.settlement.records import Incoming, Outgoing

PARTITIONS: Final = 4
TEMPLATES: Final = 2_000
"""Bills from which those of any number of persons are made."""

SAMPLE: Final = 400
"""Settlements from which the limit takes its outputs."""

_PERSON: Final = re.compile(rb'"psn_no":"[^"]+"')
_IDS: Final = re.compile(rb'"(msgid|setl_id|mdtrt_id)":"([^"]+)"')

_PREFIX: Final = {b"msgid": b"H33102210004-", b"setl_id": b"S", b"mdtrt_id": b"M"}

BLANK: Final = b"@" * 14
NTH: Final = b"\x01"
"""What stands for a person's number, as wide as one, and for which of a person's bills it is."""

Keyed = tuple[bytes, bytes]
"""A person and an event."""


def cold(count: int, seed: int) -> list[Keyed]:
    """`count` settlements of as many persons, in the order in which the county makes them."""
    events = county(settlements=count + count // 10 + 10, persons=max(3, count), seed=seed, broken=False)
    bills: dict[bytes, bytes] = {}
    for event in events:
        found = re.search(rb'"setl_id":"([^"]+)"', event)
        if found and b'"type":"settled"' in event:
            bills.setdefault(found[1], event)
    chosen = list(islice(bills.values(), count))
    if len(chosen) < count:
        raise SystemExit(f"the county made {len(chosen)} of {count} settlements")
    return [
        (key := b"P%014d" % number, _PERSON.sub(b'"psn_no":"' + key + b'"', event))
        for number, event in enumerate(chosen)
    ]


def warm(first: list[Keyed]) -> list[Keyed]:
    """The next settlement of each of those persons."""
    return [(key, _IDS.sub(rb'"\1":"\2W"', event)) for key, event in first]


def templates(seed: int) -> list[bytes]:
    """Bills with a blank for the person's number, in their ids too, and one for which of a person's bills it is."""
    made = []
    for key, event in cold(TEMPLATES, seed):
        event = event.replace(key, b"Q" + BLANK)
        made.append(_IDS.sub(lambda found: b'"%s":"%s%s-%s"' % (found[1], _PREFIX[found[1]], BLANK, NTH), event))
    return made


def settlements(blank: list[bytes], persons: Iterable[int], nth: int) -> list[Keyed]:
    """A settlement of each of some persons, the `nth` of each: as many persons as are wanted from a few bills."""
    made = []
    for person in persons:
        number = b"%014d" % person
        made.append((b"Q" + number, blank[person % len(blank)].replace(BLANK, number).replace(NTH, b"%d" % nth)))
    return made


def outputs(seed: int) -> tuple[list[list[Outgoing]], list[Outgoing]]:
    """What the worker writes for settlements of known persons: its journal records of each, and its payouts."""
    books = Books(load_directory(), load_pack)
    fields: dict[str, bytes] = {}
    first = cold(SAMPLE, seed)
    for events in (first, warm(first)):
        journal, payouts = [], []
        for key, event in events:
            batch = Batch(books, 0, 1, [Incoming(DISCHARGES, 0, 0, key, event)])
            while names := batch.wanted():
                batch.supply({name: fields.get(name) for name in names})
            result = batch.settle()
            fields.update(result.fields)
            journal.append([Outgoing(name.encode(), value, []) for name, value in result.fields])
            payouts += result.payouts
    return journal, payouts
