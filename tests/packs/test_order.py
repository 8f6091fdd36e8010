"""The order of rows is proved, not tried: what the chain accepts never pays less, what it refuses somewhere does."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from contracts.pack import Curve, Row
from contracts.pack_compile import at_least_as_good, place_of_filled


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Rows with few and close numbers, so that both answers are common; shares are never nought."""
    starts = [0, *sorted(draw(st.sets(st.integers(1, 6), max_size=2)))]
    ratios = draw(st.lists(st.integers(1, 4), min_size=len(starts), max_size=len(starts)))
    tiers = tuple((start, Fraction(ratio, 4)) for start, ratio in zip(starts, ratios, strict=True))
    return Row("some", None, Curve(draw(st.integers(0, 4)), tiers), draw(st.sampled_from((1, 2, 5, None))))


BASES = range(31)
YEARS = [(before, base, paid) for before in range(9) for base in range(1, 23) for paid in (0, 1, 3)]


def totals(row: Row) -> list[Fraction]:
    """What a row owes on each base, fen by fen: slow, obvious and unrounded."""
    assert row.curve is not None
    sums = [Fraction(0)]
    for fen in BASES:
        share = Fraction(0)
        for start, ratio in row.curve.tiers:
            if start <= fen and fen >= row.curve.deductible:
                share = ratio
        sums.append(sums[-1] + share)
    return sums


def payments(row: Row) -> list[Fraction]:
    """What a settlement is paid under a row in each of `YEARS`: base and payment before it, and its own base."""
    owed = totals(row)
    steps = [(owed[before + base] - owed[before], paid) for before, base, paid in YEARS]
    return [step if row.cap is None else max(Fraction(0), min(step, Fraction(row.cap - paid))) for step, paid in steps]


@given(rows(), rows())
def test_a_row_that_is_at_least_as_good_never_pays_less_and_another_does_somewhere(better: Row, worse: Row):
    less = any(one < other for one, other in zip(payments(better), payments(worse), strict=True))
    assert at_least_as_good(better, worse) is not less


@given(st.lists(rows(), max_size=4), rows())
def test_a_filled_row_goes_where_the_chain_holds(candidates: list[Row], filled: Row):
    chain: list[Row] = []
    for row in candidates:
        place = place_of_filled(chain, row)
        if place is not None:
            chain.insert(place, row)
    place = place_of_filled(chain, filled)
    if place is not None:
        chain.insert(place, filled)
        for position, row in enumerate(chain):
            assert all(at_least_as_good(row, later) for later in chain[position + 1 :])
    else:
        assert any(not at_least_as_good(row, filled) and not at_least_as_good(filled, row) for row in chain)
