"""A pack adopted for the past: only the entries meant are priced again, and money moves only where it is ours."""

import json
from dataclasses import replace
from typing import Any

import pytest

from contracts.journal import Entry
from contracts.pack import Curve, Layer, Pack, PackSet
from contracts.pack_file import load_directory
from contracts.vocabulary import LayerId, Refusal
from tests.adjudication.test_ledger import bill, paid, reversal, take
from workers.settlement.offline import Settler

TAIYUAN = next(pack for pack in load_directory().packs if pack.region == "140100")


def pack_with(digest: str, *, deductible: int | None = None, **changes: Any) -> Pack:
    """Taiyuan's pack under another text: another deductible for everybody, or other layers."""

    def eased(layer: Layer) -> Layer:
        if deductible is None or layer.mode == "reported":
            return layer
        rows = [
            replace(row, curve=Curve(deductible * 100, row.curve.tiers)) for row in layer.rows if row.curve is not None
        ]
        return replace(layer, rows=tuple(rows))

    layers = changes.get("layers", tuple(eased(layer) for layer in TAIYUAN.layers))
    return replace(TAIYUAN, digest=f"sha256:{digest * 64}", layers=layers, texts=(f"text {digest}",))


def adopted(pack: Pack, first_day: str = "2019-01-01", year: int = 2019) -> dict[str, Any]:
    return {
        "type": "pack_adopted",
        "psn_no": "P1",
        "insuplc_admdvs": "140105",
        "year": year,
        "first_day": first_day,
        "digest": pack.digest,
        "known_at": "2020-01-10T09:00:00+08:00",
    }


def settled_under(*packs: Pack) -> Settler:
    """A settler that decides by the first pack and knows the others as packs of the past."""
    settler = Settler(PackSet([packs[0]]))
    for pack in packs[1:]:
        settler.books.packs.remember(pack)
    return settler


def use(settler: Settler, pack: Pack) -> None:
    """Another pack comes into use; those of before are remembered."""
    before = settler.books.packs
    settler.books.packs = PackSet([pack])
    for held in before.packs:
        settler.books.packs.remember(held)


def test_a_lower_deductible_pays_more_for_the_days_meant_and_nobody_else() -> None:
    settler = settled_under(TAIYUAN)
    # 5,000 deductible, 78 %: A (9,000 − 5,000) × 0.78 = 3,120; B 1,000 × 0.78 = 780.
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=9_000), bill("B", "2019-08-01", inscp_scp_amt=1_000))
    eased = pack_with("a", deductible=4_000)
    use(settler, eased)
    # A keeps its text; B moves along the new curve, where 9,000 to 10,000 is worth the same 780: nothing is said.
    assert take(settler, adopted(eased, "2019-07-01")) == []
    # From the year's first day on A is (9,000 − 4,000) × 0.78 = 3,900: 780 more, to the person.
    (again,) = take(settler, adopted(eased))
    assert (again["kind"], again["cause"]["type"], again["pack"]["digest"]) == (
        "readjudication",
        "pack_changed",
        eased.digest,
    )
    assert paid(again, "serious_illness") == ("3900.00", "780.00", "person")
    assert next(line for line in again["lines"] if line["payable"])["correction"] == "top_up"


def test_the_same_adoption_again_does_nothing() -> None:
    settler = settled_under(TAIYUAN)
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=9_000))
    eased = pack_with("a", deductible=4_000)
    use(settler, eased)
    take(settler, adopted(eased))
    held = dict(settler.shelf)
    outcome = settler.take(json.dumps(adopted(eased)).encode())
    assert (outcome.effect, outcome.payouts, settler.shelf) == ("repeated", [], held)


def test_a_higher_deductible_asks_back_and_says_that_somebody_must_decide() -> None:
    settler = settled_under(TAIYUAN)
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=9_000))
    stricter = pack_with("b", deductible=6_000)
    use(settler, stricter)
    outcome = settler.take(json.dumps(adopted(stricter)).encode())
    (again,) = outcome.payouts
    assert paid(again, "serious_illness") == ("2340.00", "-780.00", "person")
    assert next(line for line in again["lines"] if line["payable"])["correction"] == "clawback"
    assert [(signal["kind"], signal["state"]) for signal in outcome.signals] == [("clawback_needs_decision", "raised")]
    # The first text comes back: nothing is asked any more.
    use(settler, TAIYUAN)
    outcome = settler.take(json.dumps(adopted(TAIYUAN)).encode())
    assert [(signal["kind"], signal["state"]) for signal in outcome.signals] == [
        ("clawback_needs_decision", "withdrawn")
    ]


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        (pack_with("c", deductible=1), Refusal.PACK_IS_NOT_IN_USE),
        (
            # Assistance is no longer reported in maf_pay but by the basic fund's line.
            pack_with(
                "d",
                layers=tuple(
                    replace(layer, fund_fields=("hifp_pay", "maf_pay") if layer.id == LayerId.BASIC else ())
                    if layer.mode == "reported"
                    else layer
                    for layer in TAIYUAN.layers
                ),
            ),
            Refusal.PACK_MOVES_REPORTED_MONEY,
        ),
    ],
)
def test_a_pack_that_cannot_be_adopted_changes_nothing(pack: Pack, reason: Refusal) -> None:
    settler = settled_under(TAIYUAN)
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=9_000, maf_pay=500))
    if reason is not Refusal.PACK_IS_NOT_IN_USE:
        use(settler, pack)
    held = dict(settler.shelf)
    refusal = settler.take(json.dumps(adopted(pack)).encode()).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.field) == (reason, "digest")
    assert settler.shelf == held


def test_a_layer_that_the_new_pack_no_longer_has_pays_nothing_and_is_returned_by_whoever_received_it() -> None:
    settler = settled_under(TAIYUAN)
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=9_000))
    without = pack_with("e", layers=tuple(layer for layer in TAIYUAN.layers if layer.mode == "reported"))
    use(settler, without)
    (again,) = take(settler, adopted(without))
    assert paid(again, "serious_illness") == ("0.00", "-3120.00", "person")
    assert again["psn_part_amt"] == "9000.00"
    # Reversed, the hospital returns what it received, and the person gets back what was asked of them.
    (back,) = take(settler, reversal("A", "2020-02-01"))
    moved = {line["payee"]: line["delta"] for line in back["lines"] if line["layer"] == "serious_illness"}
    assert moved == {"fixmedins": "-3120.00", "person": "3120.00"}


def test_an_entry_tells_every_later_revision_with_its_cause() -> None:
    settler = settled_under(TAIYUAN)
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=9_000))
    stricter = pack_with("b", deductible=6_000)
    use(settler, stricter)
    take(settler, adopted(stricter), reversal("A", "2020-02-01"))
    entry = settler.shelf["e|P1|140100|2019|0"]
    assert isinstance(entry, Entry)
    assert [(each.revision, each.cause["type"], dict(each.changes)) for each in entry.revisions or ()] == [
        (2, "pack_changed", {"serious_illness": -78_000}),
        (3, "reversed", {"serious_illness": -234_000}),
    ]
