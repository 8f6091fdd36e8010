"""Batches of several events while packs change, against one event a batch: the same outputs and the same fields."""

import json
from itertools import groupby

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events import TOPIC_OF_TYPE
from contracts.pack import PackSet
from contracts.pack_file import load_directory
from contracts.topics import INPUTS
from tests.adjudication.changing_packs import ChangingYear, Versions, adopted_applied_years, adopted_years
from tests.adjudication.pack_variants import load_version
from tests.adjudication.stored_core import StoredCore
from workers.adjudication.books import Books
from workers.settlement.pipeline import Batch, BatchResult
from workers.settlement.records import Incoming

PACKS = load_directory()
VERSIONS = Versions(PACKS)


def settled(books: Books, fields: dict[str, bytes], records: list[Incoming]) -> BatchResult:
    """A batch over fields, which hold only what it was given afterwards."""
    batch = Batch(books, 0, 1, records)
    while names := batch.wanted():
        batch.supply({name: fields.get(name) for name in names})
    result = batch.settle()
    assert result.fresh == sum(name not in fields for name, _ in result.fields)
    fields.update(result.fields)
    return result


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(adopted_years(PACKS, VERSIONS), adopted_applied_years(PACKS, VERSIONS)), st.data())
def test_events_of_one_person_in_one_batch_meet_what_they_would_meet_alone_while_packs_change(
    year: ChangingYear, data: st.DataObject
) -> None:
    alone = StoredCore(PACKS)
    fields: dict[str, bytes] = {}
    offset = 0
    told = list(zip(year.events, year.in_use, strict=True))
    for _, run in groupby(told, key=lambda each: id(each[1])):
        pairs = list(run)
        packs, events = pairs[0][1], [event for event, _ in pairs]
        alone.use(packs)
        while events:
            size = data.draw(st.sampled_from((1, 2, 5, 30)))
            chunk, events = events[:size], events[size:]
            records = [
                Incoming(TOPIC_OF_TYPE[e["type"]], 0, offset + i, str(e["psn_no"]).encode(), json.dumps(e).encode())
                for i, e in enumerate(chunk)
            ]
            offset += size
            result = settled(Books(PackSet(packs.packs), load_version), fields, records)
            chunk.sort(key=lambda event: INPUTS.index(TOPIC_OF_TYPE[event["type"]]))
            said = [alone.take(event) for event in chunk]
            assert [json.loads(out.value) for out in result.payouts] == [p for each in said for p in each.payouts]
            assert [json.loads(out.value) for out in result.signals] == [s for each in said for s in each.signals]
            assert fields == alone.fields
