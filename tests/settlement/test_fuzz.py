"""Whatever comes in is settled or refused by name: the seeds of the fuzz campaign, and changes of them."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.vocabulary import Refusal
from workers.rehearsal.fuzz import CORPUS, Judge, mutated, seeds

JUDGE = Judge()
SEEDS = sorted(seeds().items())
ALONE = {"broken_setl_id_reused_with_other_content": "settled", "good_pack_adopted": Refusal.PACK_IS_NOT_IN_USE}
"""What depends on what came before: the settlement that it contradicts, the pack that is in use."""


def test_the_committed_seeds_are_what_the_contract_and_the_broken_events_give() -> None:
    assert {path.name: path.read_bytes() for path in CORPUS.iterdir()} == dict(SEEDS)


@pytest.mark.parametrize(("name", "value"), SEEDS, ids=[name for name, _ in SEEDS])
def test_a_seed_comes_to_what_its_name_says(name: str, value: bytes) -> None:
    outcome = JUDGE.judge(value)
    if name in ALONE:
        assert outcome == ALONE[name]
    else:
        assert (outcome in set(Refusal)) == name.startswith("broken_")


@settings(max_examples=1_500, deadline=None)
@given(st.sampled_from([value for _, value in SEEDS]), st.integers(0, 2**32))
def test_a_changed_document_is_settled_or_refused_by_name(value: bytes, seed: int) -> None:
    JUDGE.judge(mutated(mutated(value, Random(seed)), Random(seed + 1)))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_at_all_are_refused_by_name(value: bytes) -> None:
    assert JUDGE.judge(value) in set(Refusal)
