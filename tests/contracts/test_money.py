"""Money: what is written is what is read, to the fen, and everything else is refused by name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from contracts.money import YUAN_MAX, Amount, Yuan, parse_yuan, yuan
from contracts.vocabulary import Refusal

FEN_MAX = YUAN_MAX * 100 + 99
READ_AMOUNT = TypeAdapter(Amount)
READ_WRITTEN = TypeAdapter(Yuan)

amounts = st.integers(0, FEN_MAX)


def refusal(value: object) -> str:
    with pytest.raises(PydanticCustomError) as refused:
        parse_yuan(value)
    return refused.value.type


@given(amounts)
def test_what_is_written_is_what_is_read(fen):
    assert parse_yuan(yuan(fen)) == fen


@given(amounts)
def test_an_amount_survives_json_in_both_directions(fen):
    text = json.dumps(yuan(fen)).encode()
    assert READ_AMOUNT.validate_json(text) == fen
    assert READ_AMOUNT.dump_json(fen) == text


@given(st.integers(-FEN_MAX, FEN_MAX))
def test_every_written_amount_has_two_decimals_and_its_sign(fen):
    written = yuan(fen)
    assert READ_WRITTEN.validate_python(written) == written
    assert written.startswith("-") == (fen < 0)
    assert int(written.replace(".", "")) == fen


@given(st.integers(0, YUAN_MAX))
def test_whole_yuan_may_come_as_a_number_or_a_string(whole):
    assert parse_yuan(whole) == parse_yuan(str(whole)) == parse_yuan(f"{whole}.0") == whole * 100


@given(amounts, amounts)
def test_written_amounts_are_equal_only_where_amounts_are(one, other):
    assert (yuan(one) == yuan(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "fen"),
    [("0", 0), ("0.5", 50), ("0.05", 5), ("1200.50", 120_050), ("007", 700), ("9999999999999.99", FEN_MAX)],
)
def test_forms_of_an_amount(text, fen):
    assert parse_yuan(text) == fen


@given(st.floats())
def test_a_json_number_with_a_point_is_refused_even_where_it_looks_right(number):
    assert refusal(number) == Refusal.SEND_MONEY_AS_STRING


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "1\n", "1.", ".5", "1.005", "-1", "-0.01", "+1", "1e3", "1,000.00", "¥1", "１２", "٣", "NaN"],
)
def test_a_string_that_is_not_yuan_and_fen_is_refused(value):
    assert refusal(value) == Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN


@pytest.mark.parametrize("value", ["10000000000000", -1, YUAN_MAX + 1])
def test_an_amount_out_of_range_is_refused(value):
    assert refusal(value) == Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN


@pytest.mark.parametrize("value", [True, None, [], {"yuan": 1}, b"1.00"])
def test_an_amount_of_another_type_is_refused(value):
    assert refusal(value) == Refusal.FIELD_HAS_WRONG_TYPE


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_whatever_comes_is_either_an_amount_or_refused_by_name(value):
    try:
        fen = parse_yuan(value)
    except PydanticCustomError as refused:
        fen, _ = 0, Refusal(refused.type)
    assert 0 <= fen <= FEN_MAX


@pytest.mark.parametrize("text", ["1", "1.0", "1.000", "+1.00", "1,000.00", "", " 1.00", "1.00\n", 1])
def test_what_we_write_has_exactly_two_decimals(text):
    with pytest.raises(ValidationError):
        READ_WRITTEN.validate_python(text)
