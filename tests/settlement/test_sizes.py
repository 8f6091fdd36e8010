"""No record that a worker writes is larger than the broker takes: the worst of each kind, made and measured."""

import json
from typing import Any

import pytest

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.events import READ_EVENT
from contracts.journal import (
    HISTORY_MAX,
    Account,
    Deed,
    Entry,
    MessageMark,
    Opening,
    Person,
    Revision,
    Share,
    SignalState,
    Year,
    entry_field,
    message_field,
    write_field,
)
from contracts.pack_file import TEXT_BYTES_MAX, load_directory
from contracts.payout import Cause
from contracts.quarantine import HEADERS_BYTES_MAX, KEY_BYTES_MAX, ORIGINAL_BYTES_MAX
from contracts.topics import DISCHARGES, JOURNAL, JOURNAL_BYTES_MAX, TOPICS
from contracts.vocabulary import Exclusion, LayerId, Refusal
from workers.adjudication.marks import note_message
from workers.adjudication.refuse import RefusedError
from workers.rehearsal.broken import encoded, whole
from workers.settlement.decode import decode
from workers.settlement.quarantine import original_of, quarantined
from workers.settlement.records import Incoming

BROKER_BYTES_MAX = 1_048_588
"""`message.max.bytes` as Kafka ships it: of a record batch, its own header included."""

AROUND = 1_024
"""A record batch around one record, and what the record itself adds."""

MOST = 999_999_999_999_999
LONGEST = "Z" * 64


def largest_settlement() -> Settled:
    """Every field as long as its model allows."""
    event: dict[str, Any] = {**whole(1), "msgid": LONGEST, "setl_id": LONGEST, "mdtrt_id": LONGEST, "psn_no": LONGEST}
    period = {"psn_idet_type": "9" * 12, "begntime": "2020-01-01", "endtime": "2199-12-31"}
    event |= {"setl_time": "2021-03-02T10:15:00.123456789+08:00", "exclusions": [max(Exclusion, key=len)] * 32}
    read = READ_EVENT.validate_json(encoded({**event, "psn_idet": [period] * 64}))
    assert isinstance(read, Settled)
    return read


def longest_history() -> tuple[Revision, ...]:
    cause: Cause = {"type": "application_decided", "msgid": LONGEST, "application_id": LONGEST, "known_at": "x" * 35}
    every = dict.fromkeys(map(str, LayerId), -MOST)
    return (Revision(HISTORY_MAX, cause, every, every),) * HISTORY_MAX


def test_the_longest_entry_fits_in_the_journal():
    shares = tuple(Share(layer, MOST, MOST, MOST, MOST) for layer in LayerId)
    fact, digest = largest_settlement(), "sha256:" + "f" * 64
    entry = Entry(fact, digest, ("9" * 12,) * 64, shares, HISTORY_MAX, False, longest_history(), MOST)
    name = entry_field(LONGEST, "331002", 2199, 99_999)
    written = len(name) + len(write_field(name, entry)) + AROUND
    assert written <= JOURNAL_BYTES_MAX
    assert written > JOURNAL_BYTES_MAX // 2  # the bound is no idle one


def test_a_message_mark_with_every_deed_that_is_kept_fits_in_the_journal():
    deed = Deed("repeated", LONGEST, "331002", 2199)
    name = message_field(LONGEST, LONGEST)
    assert len(name) + len(write_field(name, MessageMark((deed,) * HISTORY_MAX))) + AROUND <= JOURNAL_BYTES_MAX


def test_one_deed_or_correction_more_is_refused_by_name():
    class Full(dict[str, Any]):
        def put(self, name: str, value: Any) -> None:
            self[name] = value

    deeds = tuple(Deed("settled", f"S{number}", "331002", 2021) for number in range(HISTORY_MAX))
    shelf: Any = Full({message_field("P1", "M1"): MessageMark(deeds)})
    note_message(shelf, "P1", "M1", deeds[0])  # nothing new
    with pytest.raises(RefusedError) as refused:
        note_message(shelf, "P1", "M1", Deed("settled", "another", "331002", 2021))
    assert refused.value.reason is Refusal.HISTORY_IS_TOO_LONG


def test_a_year_and_a_person_stay_small():
    """They grow with layers, packs and years, not with what happens."""
    every = {str(layer): Account(MOST, MOST, MOST) for layer in LayerId}
    signals = {f"{kind}:{layer}": SignalState(True, HISTORY_MAX) for kind in "abcdefgh" for layer in LayerId}
    packs = tuple(f"sha256:{number:064d}" for number in range(1_000))
    year = Year(99_999, packs, every, dict.fromkeys(map(str, LayerId), MOST), signals, Opening("x" * 35, every))
    person = Person(tuple((f"{region:06d}", year) for region in range(100) for year in range(2000, 2200)), None, None)
    for name, value in (("y|x", year), ("p|x", person)):
        assert len(write_field(name, value)) + AROUND < BROKER_BYTES_MAX


def test_the_texts_of_two_files_fit_in_one_record_of_the_journal():
    """As JSON a quote or a line break takes two bytes."""
    assert 2 * 2 * TEXT_BYTES_MAX + AROUND <= JOURNAL_BYTES_MAX
    assert all(len(text.encode()) * 4 < TEXT_BYTES_MAX for pack in load_directory().packs for text in pack.texts)


@pytest.mark.parametrize(
    "value",
    [b"\x01" * ORIGINAL_BYTES_MAX, b"\\" * ORIGINAL_BYTES_MAX, b"\xff" * ORIGINAL_BYTES_MAX, b"{" * ORIGINAL_BYTES_MAX],
    ids=["control characters", "backslashes", "no UTF-8", "text"],
)
def test_whatever_is_refused_fits_in_quarantine_and_comes_back_byte_for_byte(value: bytes):
    headers = (("h", b"x" * (HEADERS_BYTES_MAX - 1)),)
    record = Incoming(DISCHARGES, 0, 0, b"k" * KEY_BYTES_MAX, value, headers)
    with pytest.raises(RefusedError) as refused:
        decode(value)
    kept = quarantined(refused.value, record)
    assert kept.value is not None
    assert (kept.key, tuple(kept.headers)) == (record.key, headers)
    assert len(kept.value) + KEY_BYTES_MAX + HEADERS_BYTES_MAX + AROUND < BROKER_BYTES_MAX // 2
    assert original_of(json.loads(kept.value)) == value


def test_a_key_or_headers_that_would_not_fit_are_left_out():
    with pytest.raises(RefusedError) as refused:
        decode(b"x")
    long = Incoming(DISCHARGES, 0, 0, b"k" * 900_000, b"x", (("h", b"x" * 900_000),))
    kept = quarantined(refused.value, long)
    assert (kept.key, kept.headers) == (None, [])


def test_a_larger_message_than_is_read_is_refused_by_name():
    with pytest.raises(RefusedError) as refused:
        decode(encoded(whole(1)) + b" " * ORIGINAL_BYTES_MAX)
    assert refused.value.reason is Refusal.MESSAGE_IS_TOO_LARGE


def test_topics_take_what_is_measured_here():
    settings = {topic.name: topic.settings.get("max.message.bytes") for topic in TOPICS}
    assert settings[JOURNAL] == str(JOURNAL_BYTES_MAX)
    assert settings[DISCHARGES] == str(1 << 20)


assert ApplicationDecided.model_fields["applicant"].metadata  # bounded too, and far smaller than a settlement
