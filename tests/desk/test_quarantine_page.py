"""Refused records as people and machines read them."""

from datetime import datetime
from random import Random

import pytest
from typer.testing import CliRunner

from contracts.vocabulary import Refusal
from tests.desk.quarantine_topic import NOON, Topic
from workers.cli import app
from workers.desk.quarantine import Came, Replay
from workers.desk.quarantine_page import age, listed, mend_of, page, read_time, shown_time, told_page, told_row
from workers.rehearsal.broken import card_number


def ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("90m", NOON - 90 * 60_000, NOON - 90 * 60_000),
        ("7d", NOON - 7 * 86_400_000, NOON - 7 * 86_400_000),
        ("2021-03-02", ms("2021-03-02T00:00:00+08:00"), ms("2021-03-03T00:00:00+08:00")),
        ("2021-03-02T10:15:00+09:00", ms("2021-03-02T09:15:00+08:00"), ms("2021-03-02T09:15:00+08:00")),
        ("2021-03-02T01:15Z", ms("2021-03-02T09:15:00+08:00"), ms("2021-03-02T09:15:00+08:00")),
    ],
)
def test_a_time_is_a_span_a_day_or_a_moment(text: str, begins: int, ends: int):
    assert read_time(text, NOON) == begins
    assert read_time(text, NOON, ends=True) == ends


@pytest.mark.parametrize("text", ["", "yesterday", "7", "2021-02-30", "2021-03-02T10:15:00", "-1d"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(ValueError):
        read_time(text, NOON)


def test_times_and_ages_are_shown_as_a_person_reads_them():
    assert shown_time(NOON) == "2021-03-02T14:00:00+08:00"
    assert [age(n * 1_000) for n in (5, 65, 7_260, 273_600)] == ["0 min 5 s", "1 min 5 s", "2 h 1 min", "3 d 4 h"]


def test_a_list_names_the_record_its_reason_and_what_came_of_it():
    topic = Topic()
    topic.replay(topic.refuse("discharges/3/117", value=b"x" * 1_200), "discharges/5/200")

    def fate(replay: Replay) -> tuple[Came, str | None]:
        return Came.REFUSED_AGAIN, "setl_id_was_reversed"

    rows = topic.book(closed=True).rows()
    head, line = listed(rows, fate)
    assert head.split("  ")[0] == "id"
    assert " ".join(line.split()) == (
        "onestop.discharges.v1/3/117 2021-03-02T14:00:00+08:00 no_pack_for_region insuplc_admdvs 1,200 "
        "2021-03-03T09:00:00+08:00 refused again as onestop.discharges.v1/5/200 for setl_id_was_reversed"
    )
    assert told_row(rows[0], fate)["replays"] == [
        {
            "at": "2021-03-03T09:00:00+08:00",
            "by": "operator",
            "sent": "onestop.discharges.v1/5/200",
            "came_of": "refused_again",
            "reason": "setl_id_was_reversed",
        }
    ]


@pytest.mark.parametrize("reason", Refusal)
def test_a_page_says_what_every_reason_means_in_both_languages(reason: Refusal):
    topic = Topic()
    filed = topic.refuse("discharges/3/117", reason, value=b"x")
    (row,) = topic.book().open()
    told = page(row, filed, lambda _: (Came.WAITING, None), None)
    mend = mend_of(reason)
    assert mend is not None
    assert mend.zh in told
    assert mend.en in told


def test_what_somebody_sent_does_not_steer_the_terminal():
    topic = Topic()
    filed = topic.refuse(
        "discharges/3/117", value="{\n\t中\x1b[2J\x9b".encode(), key=b"\xff\xfe", headers=(("tr\x1bace", b"\x1b[2J"),)
    )
    (row,) = topic.book().open()
    told = page(row, filed, lambda _: (Came.WAITING, None), None)
    assert not {"\x1b", "\x9b"} & set(told)
    assert "{\n\t中\\x1b[2J\\x9b" in told
    assert "0xfffe" in told
    machine = told_page(row, filed, lambda _: (Came.WAITING, None), None)
    assert machine["key"] == {"hex": "fffe"}
    assert machine["refused"]["original"] == "{\n\t中\x1b[2J\x9b"


def test_a_reason_of_a_later_version_has_no_mend_and_stops_nothing():
    assert mend_of("added_later") is None


# ── what is asked for wrongly ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["replay"], "say --all"),
        (["replay", "--all"], "say --yes"),
        (["replay", "discharges/3"], "discharges/3/117"),
        (["replay", "discharges/3/1", "--topic", "discharges", "--yes"], "not both"),
        (["replay", "--all", "--yes", "--by", "zhang san"], "--by"),
        (["replay", "--all", "--yes", "--by", card_number(Random(3))], "--by"),
        (["list", "--reason", "wrong_partion"], "did you mean wrong_partition?"),
        (["list", "--topic", "payouts"], "payouts is none of"),
        (["list", "--since", "yesterday"], "--since"),
        (["list", "--until", "2021-03-02T10:15:00"], "offset"),
        (["show", "payouts/3/1"], "discharges/3/117"),
    ],
)
def test_what_cannot_be_meant_ends_with_2_before_anything_is_reached(words: list[str], says: str):
    done = CliRunner().invoke(app, ["quarantine", *words])
    assert done.exit_code == 2, done.output
    assert says in " ".join(done.output.replace("│", "").split())
    assert card_number(Random(3)) not in done.output
