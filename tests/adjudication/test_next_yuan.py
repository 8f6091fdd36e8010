"""The shares of the next yuan are what a slow evaluator finds at one fen, wherever the year stands.

The evaluator knows a row only by its own words: what each yuan between two points of the year's base is paid at.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.journal import Account
from contracts.pack import Layer, Pack, Row
from contracts.pack_file import load_directory
from contracts.vocabulary import BUCKETS, Bucket, Care, Reason
from tests.adjudication.pack_variants import with_county_and_editions
from tests.adjudication.person_years import CODES, PERSON_YEARS, thresholds
from workers.adjudication.next_yuan import Part, Standing, next_yuan

PACKS: Final = [*load_directory().packs, *with_county_and_editions(load_directory()).packs]
DAYS: Final = ("2018-12-31", "2019-06-30", "2019-07-01", "2020-01-01", "2020-07-01", "2021-06-01", "2022-03-01")
FEN: Final = Fraction(1)


# ── the slow evaluator ────────────────────────────────────────────────────────────────────────────────────────


def owed(row: Row, base: Fraction) -> Fraction:
    """What a row owes on a base, in fen and not rounded: the part of each tier that lies above the deductible."""
    assert row.curve is not None
    total = Fraction(0)
    for position, (start, ratio) in enumerate(row.curve.tiers):
        ends = [later for later, _ in row.curve.tiers[position + 1 :]]
        begin = Fraction(max(start, row.curve.deductible))
        end = min([base, *map(Fraction, ends)])
        if end > begin:
            total += (end - begin) * ratio
    return total


def half_up(exact: Fraction) -> int:
    return int(exact + Fraction(1, 2))


def who(layer: Layer, codes: Sequence[str]) -> Row | None:
    for row in layer.rows:
        if row.codes is None or set(row.codes) & set(codes):
            return row
    return layer.rows[-1] if layer.mode == "on_application" else None


def looks(layer: Layer, standing: Standing, care: Care) -> bool:
    ended = layer.last_day is not None and layer.last_day < standing.day
    insured = layer.insutypes is None or standing.insutype in layer.insutypes
    return layer.first_day <= standing.day and not ended and insured and care in layer.cares


def slowly(pack: Pack, standing: Standing, care: Care, bucket: int, accounts: dict[str, Account]) -> dict[str, Any]:
    """By layer: None for the platform's, else what it pays of one fen and what its pending amount grows by."""
    left = FEN
    found: dict[str, Any] = {}
    for name in dict.fromkeys(layer.id.value for layer in pack.layers):
        editions = [layer for layer in pack.layers if layer.id == name]
        layer = next((each for each in editions if looks(each, standing, care)), None)
        if all(each.mode == "reported" for each in editions):
            found[name] = None
            continue
        found[name] = (Fraction(0), Fraction(0))
        row = None if layer is None else who(layer, standing.codes)
        if layer is None or row is None or row.curve is None:
            continue
        if layer.needs_subsidised_premium and standing.premium_subsidised is False:
            continue
        account = accounts.get(name, Account())
        base = Fraction(account.base)
        more = owed(row, base + (left if bucket in layer.base else 0)) - owed(row, base)
        if layer.mode == "on_application":
            now = half_up(owed(row, base))
            if now >= account.paid and (row.cap is None or now < row.cap):
                found[name] = (Fraction(0), more)
            continue
        if row.cap is not None:
            more = min(more, max(Fraction(0), Fraction(row.cap - account.paid)))
        found[name] = (more, Fraction(0))
        left -= more
    return found


# ── where years stand ─────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def stands(draw: Any) -> tuple[Pack, Standing, Care, dict[str, Account]]:
    """A pack, a person and accounts that lie on a threshold or a fen beside it, with caps that are all but spent."""
    pack = draw(st.sampled_from(PACKS))
    codes = tuple(draw(st.lists(st.sampled_from(CODES), max_size=2)))
    accounts = {}
    for layer in pack.layers:
        if layer.mode == "reported":
            continue
        points = [0, *thresholds(layer)]
        base = max(0, draw(st.sampled_from(points)) + draw(st.sampled_from((0, 0, -1, 1, 2, 12_345))))
        row = who(layer, codes) or draw(st.sampled_from(layer.rows))
        paid = [0] if row.curve is None else [0, half_up(owed(row, Fraction(base))), base]
        if row.cap is not None:
            paid += [max(0, row.cap - left) for left in (0, 0, 1, 2, -1, 100)]
        accounts[layer.id.value] = Account(base, draw(st.sampled_from(paid)), row.cap)
    standing = Standing(
        draw(st.sampled_from(DAYS)),
        draw(st.sampled_from(("390", "390", "390", "310"))),
        draw(st.sampled_from((None, None, True, False))),
        codes,
    )
    return pack, standing, draw(st.sampled_from(list(Care))), accounts


@settings(max_examples=PERSON_YEARS, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(stands())
def test_the_shares_are_what_one_fen_more_is_paid(where: tuple[Pack, Standing, Care, dict[str, Account]]):
    pack, standing, care, accounts = where
    for bucket in range(len(BUCKETS)):
        parts = next_yuan(pack, standing, care, bucket, accounts)
        wanted = slowly(pack, standing, care, bucket, accounts)
        assert [part.layer.id.value for part in parts] == list(wanted)
        for part in parts:
            slow = wanted[part.layer.id.value]
            if slow is None:
                assert part[2:] == (None, None, None)
            else:
                assert (part.share, part.pending or 0) == slow, (part.layer.id, BUCKETS[bucket])
        assert sum(part.share or 0 for part in parts) <= 1


# ── by hand ───────────────────────────────────────────────────────────────────────────────────────────────────

TAIZHOU: Final = next(pack for pack in PACKS if pack.region == "331000")
JINGNING: Final = next(pack for pack in PACKS if pack.region == "331127")
POOR: Final = Standing("2021-06-01", "390", None, ("2303",))


def of(
    bucket: Bucket, accounts: dict[str, Account], standing: Standing = POOR, pack: Pack = TAIZHOU
) -> dict[str, Part]:
    found = next_yuan(pack, standing, Care.INPATIENT, BUCKETS.index(bucket), accounts)
    return {part.layer.id.value: part for part in found}


@pytest.mark.parametrize(
    ("bucket", "base", "supplementary", "assistance"),
    [
        (Bucket.POLICY, 0, "0", "0.7"),
        (Bucket.POLICY, 4_999_999, "0", "0.7"),
        (Bucket.POLICY, 5_000_000, "0", "0.75"),  # 5 万元以上(含 5 万元)部分
        (Bucket.CATALOGUE, 0, "0.5", "0.35"),  # half of it first, then 70 % of the other half
        (Bucket.CATALOGUE, 5_000_000, "0.5", "0.375"),
        (Bucket.OVER_LIMIT, 0, "0", "0"),
        (Bucket.OUTSIDE, 0, "0", "0"),
    ],
)
def test_layers_stack_each_on_what_the_one_before_it_leaves(bucket, base, supplementary, assistance):
    parts = of(bucket, {"assistance_inpatient": Account(base, 0, 10_000_000)})
    assert parts["supplementary"].share == Fraction(supplementary)
    assert parts["assistance_inpatient"].share == Fraction(assistance)
    assert parts["basic"].share is None


@pytest.mark.parametrize(("left", "share"), [(0, "0"), (1, "0.7"), (2, "0.7")])
def test_a_cap_with_a_fen_left_still_pays_the_next_fen_and_a_spent_one_does_not(left, share):
    part = of(Bucket.POLICY, {"assistance_inpatient": Account(0, 10_000_000 - left, 10_000_000)})[
        "assistance_inpatient"
    ]
    assert part.share == Fraction(share)
    assert part.reason is (None if left else Reason.CAP_SPENT)


def test_a_layer_whose_cap_is_spent_leaves_the_whole_yuan_to_the_next():
    parts = of(Bucket.CATALOGUE, {"supplementary": Account(16_000_000, 8_000_000, 8_000_000)})
    assert parts["supplementary"].reason is Reason.CAP_SPENT
    assert parts["assistance_inpatient"].share == Fraction("0.7")


@pytest.mark.parametrize(
    ("base", "paid", "pending", "reason"),
    [
        (999_999, 0, "0", Reason.BELOW_DEDUCTIBLE),
        (1_000_000, 0, "0.5", None),  # the deductible itself is used up: the next fen counts
        (21_000_000, 0, "0", Reason.CAP_SPENT),  # (210,000 − 10,000) × 50 % is the cap
        (20_999_999, 0, "0", Reason.CAP_SPENT),  # half a fen below it, which rounds up to the cap
        (20_999_998, 0, "0.5", None),
        (3_000_000, 1_000_001, "0", None),  # more was paid than is owed
    ],
)
def test_a_layer_paid_on_application_shows_how_its_pending_amount_grows(base, paid, pending, reason):
    accounts = {"high_expense_subsidy": Account(base, paid, 10_000_000)}
    part = of(Bucket.OUTSIDE, accounts, POOR._replace(day="2022-06-01"), JINGNING)["high_expense_subsidy"]
    assert (part.share, part.pending, part.reason) == (Fraction(0), Fraction(pending), reason)


def test_who_paid_the_premium_themselves_has_no_supplementary_share():
    parts = of(Bucket.CATALOGUE, {}, POOR._replace(premium_subsidised=False))
    assert parts["supplementary"].reason is Reason.NO_IDENTITY
    assert parts["assistance_inpatient"].share == Fraction("0.7")
