"""Days, times, codes and identifiers: each is read as it stands or refused by name; no card number passes."""

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from contracts.fields import (
    Code,
    Identifier,
    InsuranceTypeField,
    MedTypeField,
    MessageId,
    RegionCode,
    holds_card_number,
    moment,
    parse_day,
    parse_time,
    rfc3339,
)
from contracts.vocabulary import Refusal

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def reason(read, value) -> str:
    try:
        read(value)
    except PydanticCustomError as refused:
        return refused.type
    except ValidationError as refused:
        return refused.errors()[0]["type"]
    return "accepted"


@given(st.dates())
def test_every_day_of_the_calendar_is_kept_as_it_is(day):
    assert parse_day(day.isoformat()) == day.isoformat()


@pytest.mark.parametrize(
    "text",
    ["2021-02-30", "2021-13-01", "2021-2-3", "20210203", "2021/03/02", "2021-03-02T00:00:00", "", "２０２１-03-02"],
)
def test_a_day_that_is_none_is_refused(text):
    assert reason(parse_day, text) == Refusal.DATE_IS_IMPOSSIBLE


@pytest.mark.parametrize("value", [18688, None, True, ["2021-03-02"]])
def test_a_day_of_another_type_is_refused(value):
    assert reason(parse_day, value) == Refusal.FIELD_HAS_WRONG_TYPE
    assert reason(parse_time, value) == Refusal.FIELD_HAS_WRONG_TYPE


@given(st.datetimes(timezones=OFFSETS))
def test_every_moment_with_an_offset_is_kept_and_means_itself(time):
    text = time.isoformat()
    assert parse_time(text) == text
    assert moment(text) == time


@pytest.mark.parametrize("text", ["2021-03-02T10:15:00", "2021-03-02 10:15"])
def test_a_time_without_its_offset_is_refused(text):
    assert reason(parse_time, text) == Refusal.TIME_HAS_NO_OFFSET


@pytest.mark.parametrize("text", ["2021-03-02", "2021-03-02T25:00:00+08:00", "2021-02-30T10:00:00Z", "10:15+08:00", ""])
def test_a_time_that_never_was_is_refused(text):
    assert reason(parse_time, text) == Refusal.DATE_IS_IMPOSSIBLE


def test_moments_compare_across_offsets():
    assert moment("2021-03-02T10:15:00+08:00") == moment("2021-03-02T02:15:00Z")


@pytest.mark.parametrize("code", ["21", "2101", "11", "140104"])
def test_a_care_type_may_be_refined(code):
    assert TypeAdapter(MedTypeField).validate_python(code) == code


@pytest.mark.parametrize("code", ["77", "2", "21x", "2100000", "", "２１"])
def test_an_unknown_care_type_is_refused(code):
    assert reason(TypeAdapter(MedTypeField).validate_python, code) == Refusal.CODE_IS_UNKNOWN


def test_an_insurance_type_is_of_the_national_list():
    read = TypeAdapter(InsuranceTypeField).validate_python
    assert read("390") == "390"
    assert reason(read, "999") == Refusal.CODE_IS_UNKNOWN
    assert reason(read, 390) == Refusal.FIELD_HAS_WRONG_TYPE


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Identifier, ["P1", "a" * 64, "A_b.c~d/e+f=g@h#i-j"], ["", "a" * 65, "P|1", "P:1", "P 1", "P1\n", "人员1"]),
        (MessageId, ["H3310", "{a}:b!"], ["", "a b", "a|b", "a" * 65, "报文", "a\n"]),
        (RegionCode, ["331002"], ["33100", "3310020", "33100a", "331002\n", "３３１００２"]),
        (Code, ["2303", "230801", "A1"], ["", "2303 ", "1234567890123", "2303-1"]),
    ],
)
def test_identifiers_and_codes(kind, good, bad):
    read = TypeAdapter(kind).validate_python
    assert [read(text) for text in good] == good
    for text in bad:
        with pytest.raises(ValidationError):
            read(text)


def card_number(digits: str) -> str:
    return digits + "10X98765432"[sum(w * int(d) for w, d in zip(WEIGHTS, digits, strict=True)) % 11]


digits_17 = st.text("0123456789", min_size=17, max_size=17)


@given(digits_17, st.sampled_from(["", "P", "S-", "（"]), st.sampled_from(["", "x9", "号", "-1"]))
def test_a_number_with_its_right_check_digit_is_found_anywhere(digits, before, after):
    number = card_number(digits)
    assert holds_card_number(before + number + after)
    assert holds_card_number(before + number.lower() + after)


@given(digits_17, st.integers(1, 10))
def test_a_wrong_check_digit_is_no_card_number(digits, shift):
    right = "0123456789X".index(card_number(digits)[17])
    assert not holds_card_number(digits + "0123456789X"[(right + shift) % 11])


@given(digits_17, st.sampled_from("0123456789"))
def test_eighteen_digits_within_a_longer_number_are_none(digits, more):
    assert not holds_card_number(more + card_number(digits)[:17] + "0" + more)


def test_the_published_example_of_the_standard():
    assert holds_card_number("11010519491231002X")  # GB 11643-1999, annex A


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("2021-03-02T10:15+08:00", "2021-03-02T10:15:00+08:00"),
        ("2021-03-02 10:15:00+08:00", "2021-03-02T10:15:00+08:00"),
        ("2021-03-02t10:15:00.123456789z", "2021-03-02T10:15:00.123456789Z"),
    ],
)
def test_what_javas_clocks_write_is_accepted_and_said_again_as_rfc_3339(sent: str, said: str) -> None:
    assert parse_time(sent) == sent
    assert rfc3339(sent) == said
    assert moment(sent) == moment(said)
