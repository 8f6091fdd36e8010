"""Every refusal tells the sender what to do."""

import pytest

from contracts.refusals import MENDS
from contracts.vocabulary import Reason, Refusal
from contracts.words import KIND_TEXTS, PAYEE_TEXTS, REASON_TEXTS, STATUS_TEXTS


def test_every_refusal_has_a_mend():
    assert MENDS.keys() == set(Refusal)


@pytest.mark.parametrize("refusal", Refusal)
def test_a_mend_speaks_both_languages_in_whole_sentences(refusal):
    mend = MENDS[refusal]
    assert mend.zh.endswith("。")
    assert mend.en.endswith(".")
    assert any("一" <= character <= "鿿" for character in mend.zh)
    assert mend.en.isascii()


def test_no_two_refusals_give_the_same_advice():
    assert len({mend.zh for mend in MENDS.values()}) == len({mend.en for mend in MENDS.values()}) == len(MENDS)


def test_every_code_of_a_payout_has_a_text():
    assert list(REASON_TEXTS) == list(Reason)
    for texts in (KIND_TEXTS, STATUS_TEXTS, PAYEE_TEXTS):
        codes = list(texts)
        assert codes == list(type(codes[0]))
