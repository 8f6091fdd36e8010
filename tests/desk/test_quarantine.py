"""What is open in quarantine, since when, in which order, and what came of what was sent again."""

import json
from random import Random
from typing import Any

import pytest

from contracts.pack_file import load_directory
from contracts.quarantine import ORIGINAL_BYTES_MAX, READ_REPLAYED, REPLAYED_FROM, RecordId, Source
from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS, QUARANTINE
from contracts.vocabulary import Refusal
from tests.desk.quarantine_topic import NOON, P, Topic, names
from workers.desk.quarantine import Came, Depth, Wanted, chunks, row_of, sent_again
from workers.desk.quarantine_page import page, summed
from workers.desk.source import FileSource
from workers.desk.trial import TriedSource
from workers.rehearsal.broken import card_number, encoded, whole
from workers.settlement.records import Filed, Incoming
from workers.settlement.validate import partition_of

# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_has_a_short_name_and_a_whole_one():
    assert str(RecordId.read("discharges/3/117")) == "onestop.discharges.v1/3/117"
    assert RecordId.read("onestop.persons.v1/0/0") == RecordId(PERSONS, 0, 0)


@pytest.mark.parametrize(
    "text", ["", "discharges", "discharges/3", "discharges/3/x", "payouts/3/1", "discharges/3/1/1", "discharges/-3/1"]
)
def test_what_names_no_record_is_said_to_name_none(text: str):
    with pytest.raises(ValueError, match="discharges/3/117"):
        RecordId.read(text)


# ── what is open ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_refused_is_open_until_it_is_sent_again():
    topic = Topic()
    first = topic.refuse("discharges/3/117")
    topic.refuse("persons/3/2")
    assert names(topic.book().open()) == ["discharges/3/117", "persons/3/2"]
    topic.replay(first, "discharges/3/200")
    assert names(topic.book().open()) == ["persons/3/2"]
    assert names(topic.book().rows()) == ["persons/3/2"], "a closed row is not kept"
    assert names(topic.book(closed=True).rows()) == ["discharges/3/117", "persons/3/2"]


def test_what_is_refused_again_is_open_under_its_new_name():
    topic = Topic()
    first = topic.refuse("discharges/3/117")
    topic.replay(first, "discharges/5/200")
    topic.refuse_again("discharges/5/200", of="discharges/3/117")
    assert names(topic.book().open()) == ["discharges/5/200"]


def test_only_what_is_meant_is_kept():
    topic = Topic()
    topic.refuse("discharges/3/1", Refusal.WRONG_PARTITION, at_ms=NOON)
    topic.refuse("persons/3/1", Refusal.WRONG_PARTITION, at_ms=NOON + 1)
    topic.refuse("applications/4/1", Refusal.APPLICANT_IS_UNKNOWN, at_ms=NOON + 2)

    def kept(**wanted: Any) -> list[str]:
        return names(topic.book(Wanted(**wanted)).open())

    assert kept(reasons=frozenset({"wrong_partition"})) == ["discharges/3/1", "persons/3/1"]
    assert kept(topics=frozenset({PERSONS, APPLICATIONS})) == ["persons/3/1", "applications/4/1"]
    assert kept(since_ms=NOON + 1) == ["persons/3/1", "applications/4/1"]
    assert kept(until_ms=NOON + 1) == ["discharges/3/1"]
    assert kept(ids=frozenset({RecordId(PERSONS, 3, 1)})) == ["persons/3/1"]
    assert kept(reasons=frozenset({"wrong_partition"}), since_ms=NOON + 1) == ["persons/3/1"]


def test_a_message_of_a_later_version_is_counted_and_hides_nothing():
    topic = Topic()
    topic.refuse("discharges/3/1")
    for value in (b'{"type": "resolved"}', b'{"type": "refused"}', b"[]", b"", b"\xff"):
        topic.records.append(Filed(Incoming(QUARANTINE, 3, 9, None, value), NOON))
    book = topic.book()
    assert names(book.open()) == ["discharges/3/1"]
    assert book.strange == 5


def test_depth_and_age_are_of_what_is_open():
    topic = Topic()
    oldest = topic.refuse("discharges/3/1", at_ms=NOON - 1_000)
    topic.refuse("discharges/3/2", at_ms=NOON)
    topic.refuse("persons/1/1", Refusal.WRONG_PARTITION, at_ms=NOON)
    topic.refuse("discharges/3/3", at_ms=NOON)
    topic.replay(oldest, "discharges/3/4")
    depth = Depth.of(topic.book(closed=True).rows())
    assert (depth.open, depth.oldest_ms) == (3, NOON)
    assert depth.by_reason == {("no_pack_for_region", DISCHARGES): 2, ("wrong_partition", PERSONS): 1}
    assert list(summed(depth, NOON + 3 * 86_400_000 + 4 * 3_600_000)) == [
        "open: 3, the oldest for 3 d 4 h",
        "open  reason              topic",
        "2     no_pack_for_region  onestop.discharges.v1",
        "1     wrong_partition     onestop.persons.v1",
    ]
    assert list(summed(Depth.of([]), NOON)) == ["open: 0"]


# ── the order, and how much at once ───────────────────────────────────────────────────────────────────────────


def test_the_oldest_comes_first_and_a_partition_keeps_its_order_whatever_its_clocks_say():
    topic = Topic()
    topic.refuse("discharges/3/1", at_ms=NOON + 50)
    topic.refuse("discharges/3/2", at_ms=NOON + 10)  # by another worker, whose clock is behind
    topic.refuse("discharges/4/9", at_ms=NOON + 20)
    topic.refuse("discharges/4/10", at_ms=NOON + 60)
    assert names(topic.book().open()) == ["discharges/4/9", "discharges/3/1", "discharges/3/2", "discharges/4/10"]


def test_rows_are_sent_in_chunks_of_so_many_records_and_bytes():
    topic = Topic()
    for offset, length in enumerate([10, 10, 10, 500, 10, 90, 10]):
        topic.refuse(f"discharges/3/{offset}", value=b"x" * length)
    rows = topic.book().open()
    sizes = [[row.length for row in chunk] for chunk in chunks(rows, records_max=2, bytes_max=100)]
    assert sizes == [[10, 10], [10], [500], [10, 90], [10]]
    assert list(chunks([])) == []


# ── what is sent ──────────────────────────────────────────────────────────────────────────────────────────────


def again(topic: Topic, filed: Filed) -> Any:
    return sent_again(row_of(json.loads(filed.record.value or b""), filed), filed, P)


@pytest.mark.parametrize(
    "value", [b'{"a": 1}', "中文 \u0000".encode(), "中文".encode("gbk"), b"", b" " * ORIGINAL_BYTES_MAX]
)
def test_the_bytes_key_and_headers_are_those_that_came(value: bytes):
    topic = Topic()
    sent = again(topic, topic.refuse("discharges/3/1", value=value, headers=(("trace", b"7"), ("raw", b"\xff"))))
    assert sent.topic == DISCHARGES
    assert sent.record.value == value
    assert sent.record.key == b"P1"
    assert sent.record.headers == [
        ("trace", b"7"),
        ("raw", b"\xff"),
        (REPLAYED_FROM, b"onestop.discharges.v1/3/1"),
    ]


def test_it_goes_where_its_key_belongs_and_without_a_key_where_it_came_from():
    topic = Topic()
    home = partition_of(b"P1", P)
    strange = (home + 1) % P
    assert again(topic, topic.refuse(f"discharges/{strange}/1", Refusal.WRONG_PARTITION)).partition == home
    assert again(topic, topic.refuse(f"discharges/{strange}/2", key=None)).partition == strange


def test_a_record_that_was_sent_again_before_names_the_last_refusal_only():
    topic = Topic()
    sent = again(topic, topic.refuse_again("discharges/5/200", of="discharges/3/117"))
    assert sent.record.headers == [(REPLAYED_FROM, b"onestop.discharges.v1/5/200")]


@pytest.mark.parametrize(
    ("value", "reason", "why"),
    [
        (b"x" * (ORIGINAL_BYTES_MAX + 1), Refusal.MESSAGE_IS_TOO_LARGE, "262,145 bytes"),
        (b"{}", Refusal.CARD_NUMBER_IN_IDENTIFIER, "identity-card number"),
        (card_number(Random(1)).encode(), Refusal.MESSAGE_IS_NOT_AN_OBJECT, "identity-card number"),
    ],
)
def test_what_is_not_kept_cannot_be_sent_and_says_why(value: bytes, reason: Refusal, why: str):
    topic = Topic()
    filed = topic.refuse("discharges/3/1", reason, value=value)
    (row,) = topic.book().open()
    assert not row.whole
    assert row.why_not_whole is not None
    assert why in row.why_not_whole
    with pytest.raises(ValueError, match=why):
        again(topic, filed)
    assert why in page(row, filed, lambda _: (Came.WAITING, None), None)


def test_an_original_that_is_not_what_was_refused_is_not_sent():
    topic = Topic()
    filed = topic.refuse("discharges/3/1", value=b'{"a": 1}')
    message = json.loads(filed.record.value or b"")
    forged = Filed(filed.record._replace(value=json.dumps({**message, "original": '{"a": 2}'}).encode()), NOON)
    with pytest.raises(ValueError, match="SHA-256"):
        again(topic, forged)


@pytest.mark.parametrize("key", [b"P1", None, b"\xff", b""])
def test_the_record_of_a_replay_is_valid_and_lies_under_the_key_of_what_was_refused(key: bytes | None):
    topic = Topic()
    note = topic.replay(topic.refuse("discharges/3/1", key=key), "discharges/4/9", by="desk-1")
    message = READ_REPLAYED.validate_json(note.record.value or b"")
    assert message["source"] == Source(topic=DISCHARGES, partition=3, offset=1)
    assert (message["reason"], message["by"]) == (Refusal.NO_PACK_FOR_REGION, "desk-1")
    assert note.record.key == key
    headers = dict(note.record.headers)
    assert headers["ce_id"] == b"onestop.discharges.v1/3/1>onestop.discharges.v1/4/9"
    assert headers["ce_time"] == b"2021-03-03T09:00:00+08:00"
    assert headers.get("ce_partitionkey") == (key if key == b"P1" else None)


# ── what came of it ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("passed", "refused_again", "unreached", "came"),
    [
        ({}, False, (), Came.WAITING),
        ({(DISCHARGES, 5): 200}, False, (), Came.WAITING),
        ({(DISCHARGES, 5): 201}, False, (), Came.ACCEPTED),
        ({(DISCHARGES, 5): 201}, False, (5,), Came.UNKNOWN),
        ({(DISCHARGES, 5): 201}, False, (3,), Came.ACCEPTED),
        ({(DISCHARGES, 5): 201}, True, (), Came.REFUSED_AGAIN),
        ({(PERSONS, 5): 201}, False, (), Came.WAITING),
    ],
)
def test_what_came_of_a_replay(passed: Any, refused_again: bool, unreached: Any, came: Came):
    topic = Topic()
    if refused_again:  # read before the record that was replayed: it lies in another partition
        topic.refuse_again("discharges/5/200", of="discharges/3/117", reason=Refusal.SETL_ID_WAS_REVERSED)
    topic.replay(topic.refuse("discharges/3/117"), "discharges/5/200")
    book = topic.book(closed=True)
    row = book.find(RecordId(DISCHARGES, 3, 117))
    assert row is not None
    (replay,) = row.replays
    assert book.came_of(replay, passed, unreached) is came
    assert book.refused_again_for(replay) == ("setl_id_was_reversed" if refused_again else None)


def test_a_refusal_at_that_place_that_is_no_replay_is_not_taken_for_one():
    topic = Topic()
    topic.replay(topic.refuse("discharges/3/117"), "discharges/5/200")
    topic.refuse("discharges/5/201")
    (row, _) = topic.book(closed=True).rows()
    assert topic.book().came_of(row.replays[0], {(DISCHARGES, 5): 300}, ()) is Came.ACCEPTED


# ── a trial ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_records_are_tried_one_after_the_other():
    state = TriedSource(FileSource(load_directory()))

    def record(event: dict[str, Any]) -> Incoming:
        return Incoming(DISCHARGES, 0, 0, event["psn_no"].encode(), encoded(event))

    assert (await state.try_record(record(whole(1)))).effect == "settled"
    assert (await state.try_record(record(whole(1)))).effect == "repeated"
    assert (await state.try_record(record(whole(2)))).effect == "settled"
    other = await state.try_record(record({**whole(1), "begndate": "2021-02-21"}))
    assert [refused["reason"] for refused in other.refused] == ["setl_id_reused_with_other_content"]
    later = {**whole(1), "setl_id": "S2", "msgid": "M2"}
    (payout,) = (await state.try_record(record(later))).payouts
    assistance = next(line for line in payout["lines"] if line["layer"] == "assistance_inpatient")
    assert assistance["base_before"] != "0.00", "the year goes on from what was tried before"
    names = {name async for name, _ in state.scan(0, "p")}
    assert names == {f"p|{whole(1)['psn_no']}", f"p|{whole(2)['psn_no']}"}
