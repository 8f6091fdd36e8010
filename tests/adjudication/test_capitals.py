"""Amounts in Chinese capitals: read back they are the amount, and they are written as the rules say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import parse_yuan
from workers.adjudication.capitals import in_capitals

DIGITS = {digit: value for value, digit in enumerate("零壹贰叁肆伍陆柒捌玖")}
PLACES = {"拾": 10, "佰": 100, "仟": 1000}


def read_back(text: str) -> int:
    """The amount in fen that capitals name, by a reader that knows nothing of the writer."""
    sign = -1 if text.startswith("负") else 1
    form = re.fullmatch(r"(?:(.*)元)?整?零?(?:(.)角)?(?:(.)分)?", text.removeprefix("负").replace("元整", "元"))
    assert form is not None, text
    whole, jiao, last = form.groups()
    return sign * (read_whole(whole or "零") * 100 + DIGITS[jiao or "零"] * 10 + DIGITS[last or "零"])


def read_whole(text: str) -> int:
    for word, unit in (("亿", 10**8), ("万", 10**4)):
        above, found, below = text.rpartition(word)
        if found:
            return read_whole(above) * unit + read_whole(below)
    total, digit = 0, 0
    for character in text:
        if character in PLACES:
            total, digit = total + digit * PLACES[character], 0
        else:
            digit = DIGITS[character]
    return total + digit


@given(st.integers(-(10**18) + 1, 10**18 - 1) | st.integers(0, 10**7))
def test_read_back_it_is_the_amount(fen):
    assert read_back(in_capitals(fen)) == fen


@given(st.integers(1, 10**18 - 1))
def test_zeros_stand_alone_between_digits_and_never_at_an_end(fen):
    text = in_capitals(fen)
    assert "零零" not in text
    assert not re.search(r"零[元角整万亿]", text)
    assert not text.startswith(("零", "元"))


@given(st.integers(0, 10**18 - 1))
def test_it_ends_in_whole_yuan_or_says_how_much_more(fen):
    text = in_capitals(fen)
    assert text.endswith("元整") == (fen % 100 == 0)
    assert text.endswith("分") == (fen % 10 != 0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("9877.52", "玖仟捌佰柒拾柒元伍角贰分"),
        ("0.00", "零元整"),
        ("0.05", "伍分"),
        ("0.50", "伍角"),
        ("10.05", "壹拾元零伍分"),
        ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("1409.50", "壹仟肆佰零玖元伍角"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("107000.53", "壹拾万柒仟元伍角叁分"),
        ("100005.00", "壹拾万零伍元整"),
        ("100000000.01", "壹亿元零壹分"),
        ("100050000.00", "壹亿零伍万元整"),
        ("1234567890123.00", "壹万贰仟叁佰肆拾伍亿陆仟柒佰捌拾玖万零壹佰贰拾叁元整"),
    ],
)
def test_amounts_as_the_rules_write_them(amount, text):
    assert in_capitals(parse_yuan(amount)) == text


def test_a_negative_amount_says_so():
    assert in_capitals(-90_000) == "负玖佰元整"
