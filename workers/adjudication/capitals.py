"""An amount in Chinese capitals, as it must stand on anything that a person signs."""

from collections.abc import Callable
from typing import Final

from contracts.money import Fen

_DIGITS: Final = "零壹贰叁肆伍陆柒捌玖"
_PLACES: Final = ("", "拾", "佰", "仟")


def in_capitals(fen: Fen) -> str:
    """`9877.52` as 玖仟捌佰柒拾柒元伍角贰分; below 10¹⁶ yuan.

    One 零 for zeros between two digits and none at an end, 整 where it ends in yuan, 负 in front of a negative amount.
    Source: 《支付结算办法》附一 (银发〔1997〕393号), without the 零 and 整 that it leaves to the writer.
    """
    if fen < 0:
        return "负" + in_capitals(-fen)
    yuan, rest = divmod(fen, 100)
    if not rest:
        return f"{_whole(yuan) or '零'}元整"
    jiao, last = divmod(rest, 10)
    text = f"{_whole(yuan)}元" if yuan else ""
    if jiao:
        text += f"{_DIGITS[jiao]}角"
    elif yuan:
        text += "零"
    return f"{text}{_DIGITS[last]}分" if last else text


def _whole(yuan: int) -> str:
    return _joined(yuan, 10**8, "亿", lambda part: _joined(part, 10**4, "万", _below_a_myriad))


def _joined(number: int, unit: int, word: str, spell: Callable[[int], str]) -> str:
    """The units above, their word, and what is below; 零 where the highest place below is empty."""
    above, below = divmod(number, unit)
    if not above:
        return spell(below)
    return spell(above) + word + ("零" if 0 < below < unit // 10 else "") + spell(below)


def _below_a_myriad(number: int) -> str:
    text = ""
    skipped = False
    for power in (3, 2, 1, 0):
        digit = number // 10**power % 10
        if digit:
            text += ("零" if skipped else "") + _DIGITS[digit] + _PLACES[power]
        skipped = bool(text) and not digit
    return text
