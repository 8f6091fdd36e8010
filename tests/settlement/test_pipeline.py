"""The batch pipeline against the run without a store: the same payouts, whatever the batches."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events import TOPIC_OF_TYPE
from contracts.journal import read_field
from contracts.pack_file import load_directory, load_pack
from contracts.payout import READ_PAYOUT
from contracts.signals import READ_SIGNAL
from contracts.topics import DISCHARGES, INPUTS
from tests.adjudication.corrected_years import corrected_years
from workers.adjudication.books import Books
from workers.adjudication.refuse import BrokenInvariantError
from workers.rehearsal.county import county, partition_key
from workers.settlement.loaded import LoadedShelf
from workers.settlement.offline import Settler
from workers.settlement.pipeline import Batch
from workers.settlement.records import Incoming

SETTLEMENTS, PERSONS = 3_000, 250


@pytest.fixture(scope="module")
def events() -> list[bytes]:
    return list(county(settlements=SETTLEMENTS, persons=PERSONS, seed=11))


class Store:
    """A partition's fields as the keeper would hold them: bytes by name."""

    def __init__(self) -> None:
        self.fields: dict[str, bytes] = {}
        self.n = 0
        self.rounds = 0

    def run(self, books: Books, records: list[Incoming]) -> tuple[list[bytes], list[bytes]]:
        batch = Batch(books, 0, 1, records)
        rounds = 0
        while names := batch.wanted():
            rounds += 1
            batch.supply({name: self.fields.get(name) for name in names})
        result = batch.settle()
        self.rounds = max(self.rounds, rounds)
        assert len({name for name, _ in result.fields}) == len(result.fields)
        self.fields.update(result.fields)
        self.n += result.fresh
        assert self.n == len(self.fields)
        return [out.value for out in result.payouts], [out.value for out in result.signals]


def in_batches(events: list[bytes], rng: Random) -> Iterator[list[Incoming]]:
    offset = 0
    while offset < len(events):
        size = rng.choice((1, 2, 7, 50, 400))
        yield [
            Incoming(DISCHARGES, 0, offset + i, partition_key(event), event)
            for i, event in enumerate(events[offset : offset + size])
        ]
        offset += size


@pytest.mark.parametrize("seed", [1, 2])
def test_batches_emit_what_the_file_command_emits(events: list[bytes], seed: int) -> None:
    settler = Settler(load_directory())
    expected_payouts: list[object] = []
    expected_signals: list[object] = []
    for event in events:
        taken = settler.take(event)
        expected_payouts += taken.payouts
        expected_signals += taken.signals
    store = Store()
    books = Books(load_directory(), load_pack)
    payouts: list[bytes] = []
    signals: list[bytes] = []
    for records in in_batches(events, Random(seed)):
        made = store.run(books, records)
        payouts += made[0]
        signals += made[1]
    assert [json.loads(payout) for payout in payouts] == expected_payouts
    assert [json.loads(signal) for signal in signals] == expected_signals
    assert store.rounds <= 3
    assert {name: read_field(name, text) for name, text in store.fields.items()} == dict(settler.shelf)


def test_every_output_of_a_county_meets_its_strict_schema(events: list[bytes]) -> None:
    store = Store()
    books = Books(load_directory(), load_pack)
    for records in in_batches(events, Random(3)):
        payouts, signals = store.run(books, records)
        for payout in payouts:
            READ_PAYOUT.validate_json(payout)
        for signal in signals:
            READ_SIGNAL.validate_json(signal)


def test_a_settlement_and_its_reversal_may_share_a_batch_or_not(events: list[bytes]) -> None:
    together, apart = Store(), Store()
    books = Books(load_directory(), load_pack)
    records = [Incoming(DISCHARGES, 0, i, partition_key(event), event) for i, event in enumerate(events[:600])]
    one = together.run(books, records)
    each = [apart.run(books, [record]) for record in records]
    assert one[0] == [payout for payouts, _ in each for payout in payouts]
    assert one[1] == [signal for _, signals in each for signal in signals]
    assert together.fields == apart.fields


def test_history_is_folded_under_the_pack_it_was_decided_under_even_when_the_file_is_gone(events: list[bytes]) -> None:
    settled = json.loads(next(e for e in events if b'"331' in e and b'"settled"' in e and partition_key(e)))
    store = Store()
    store.run(Books(load_directory(), load_pack), [_record(settled, 0)])
    reversal = {
        "type": "reversed",
        "msgid": "R1",
        "setl_id": settled["setl_id"],
        "psn_no": settled["psn_no"],
        "setl_time": "2023-01-01T00:00:00+08:00",
    }
    from contracts.pack import PackSet

    payouts, _ = store.run(Books(PackSet([]), load_pack), [_record(reversal, 1)])
    assert [json.loads(payout)["kind"] for payout in payouts] == ["reversal"]


def _record(event: dict[str, object], offset: int) -> Incoming:
    topic = TOPIC_OF_TYPE[str(event["type"])]
    return Incoming(topic, 0, offset, str(event["psn_no"]).encode(), json.dumps(event).encode())


def test_a_field_that_was_not_read_can_be_neither_used_nor_written() -> None:
    shelf = LoadedShelf()
    with pytest.raises(BrokenInvariantError):
        shelf.get("p|P1")
    from contracts.journal import Person

    with pytest.raises(BrokenInvariantError):
        shelf.put("p|P1", Person())


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(corrected_years(load_directory()), st.data())
def test_every_kind_of_event_meets_in_a_batch_what_it_would_meet_alone(
    year: list[dict[str, Any]], data: st.DataObject
) -> None:
    settler = Settler(load_directory())
    books = Books(load_directory(), load_pack)
    store = Store()
    offset = 0
    while year:
        size = data.draw(st.sampled_from((1, 2, 5, 30)))
        chunk, year = year[:size], year[size:]
        records = [_record(event, offset + place) for place, event in enumerate(chunk)]
        offset += size
        payouts, signals = store.run(books, records)
        chunk.sort(key=lambda event: INPUTS.index(TOPIC_OF_TYPE[str(event["type"])]))
        taken = [settler.take(json.dumps(event).encode()) for event in chunk]
        assert [json.loads(payout) for payout in payouts] == [payout for each in taken for payout in each.payouts]
        assert [json.loads(signal) for signal in signals] == [signal for each in taken for signal in each.signals]
    assert store.rounds <= 3
    assert {name: read_field(name, text) for name, text in store.fields.items()} == dict(settler.shelf)


def test_a_later_decision_that_names_another_year_meets_the_one_that_was_booked() -> None:
    decided = {
        "type": "application_decided",
        "application_id": "A1",
        "psn_no": "P1",
        "insuplc_admdvs": "331127",
        "year": 2022,
        "applicant": "困难人员",
        "resident": True,
        "other_assistance": "0.00",
        "applied_on": "2023-01-01",
        "objections": False,
        "approved": True,
        "known_at": "2023-02-01T00:00:00+08:00",
    }
    store = Store()
    books = Books(load_directory(), load_pack)
    store.run(books, [_record(decided, 0)])
    before = dict(store.fields)
    assert store.run(books, [_record({**decided, "year": 2021, "known_at": "2023-03-01T00:00:00+08:00"}, 1)]) == (
        [],
        [],
    )
    assert store.fields == before
