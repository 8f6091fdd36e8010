"""Years that arrived out of order: what in-order arrival would have paid, and each reason by an example."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

from contracts.pack import Curve, Layer, PackSet
from contracts.vocabulary import LayerId
from tests.desk.year_events import PACKS, PERSON, Event, identities, settled
from tests.desk.years import application, bill, ledger_of
from workers.desk.order import TwoOrders, two_orders
from workers.desk.order_page import order_page, order_written
from workers.desk.order_why import LayerInTwoOrders, Same, Why, why


def audited(number: int, *events: Event, packs: PackSet = PACKS) -> tuple[TwoOrders, dict[str, LayerInTwoOrders]]:
    source = settled(*events, packs=packs)
    orders = two_orders(source.books, ledger_of(source, number))
    return orders, {told.layer.id: told for told in why(orders)}


def reasons(told: LayerInTwoOrders) -> dict[Why, int]:
    return {reason.why: reason.amount for reason in told.reasons}


def test_within_one_row_the_year_telescopes_and_only_single_settlements_differ():
    # 低保: 0.70 up to 50,000, 0.75 above. Whoever comes second crosses the tier.
    orders, told = audited(2021, bill("A", "2021-06-01", "2303", 40_000), bill("B", "2021-03-01", "2303", 30_000))
    layer = told["assistance_inpatient"]
    assert (layer.arrived, layer.in_order) == (5_000_000, 5_000_000)
    assert layer.same is Same.ONE_CURVE
    assert not layer.reasons
    assert [orders.arrived.of("assistance_inpatient")[entry].paid for entry in (0, 1)] == [2_800_000, 2_200_000]
    assert [orders.in_order.of("assistance_inpatient")[entry].paid for entry in (0, 1)] == [2_900_000, 2_100_000]


def test_a_slice_of_the_base_at_another_rows_share_is_named_with_both_rows():
    # 40,000 as 低保 arrives first; in order the 30,000 as 因病致贫 come first, and 特困 (1.00) takes the rest.
    events = (bill("A", "2021-06-01", "2304", 40_000), bill("B", "2021-03-01", "2303", 30_000))
    _, told = audited(2021, *events)
    layer = told["assistance_inpatient"]
    # As it arrived 40,000 × 1.00 + (10,000 × 0.70 + 20,000 × 0.75); in order 30,000 × 0.70 + 40,000 × 1.00.
    assert (layer.arrived, layer.in_order) == (6_200_000, 6_100_000)
    assert reasons(layer) == {Why.ANOTHER_ROW: -100_000}
    (reason,) = layer.reasons
    assert [
        (each.begin, each.end, each.arrived and each.arrived.who, each.in_order and each.in_order.who, each.because)
        for each in reason.slices
    ] == [
        (0, 3_000_000, "特困供养人员", "低保对象", "identity"),
        (4_000_000, 7_000_000, "低保对象", "特困供养人员", "identity"),
    ]


def test_a_cap_that_is_spent_by_another_row_takes_another_part():
    # Outpatient: 特困 1.00 up to 600, 低保 0.60 up to 400.
    first = bill("A", "2021-06-01", "2304", 500, med_type="11")
    second = bill("B", "2021-03-01", "2303", 500, med_type="11")
    _, told = audited(2021, first, second)
    layer = told["assistance_outpatient"]
    # As it arrived: 500 of 600, then nothing of 400. In order: 300 of 400, then 300 of 600 (500 owed).
    assert (layer.arrived, layer.in_order) == (50_000, 60_000)
    assert reasons(layer) == {Why.CAP: 10_000}
    assert [(cut.order, cut.name, cut.cut) for cut in layer.reasons[0].cuts] == [
        ("arrived", "B", 30_000),
        ("in_order", "A", 20_000),
    ]


def test_a_later_layer_differs_where_an_earlier_one_leaves_it_another_base():
    # Supplementary (自理, 0.50 up to 80,000) covers 390 only; assistance covers both, for 低保 only.
    cap = bill("A", "2021-06-01", "2303", 0, 170_000)
    other = bill("B", "2021-03-01", "2160", 0, 20_000)  # 重点优抚: supplementary only
    orders, told = audited(2021, cap, other)
    # As it arrived A takes the whole cap of 80,000; in order B takes 10,000 of it first.
    assert told["supplementary"].difference == 0
    assert told["supplementary"].same is Same.ONE_CURVE
    assistance = told["assistance_inpatient"]
    # A: 90,000 left, or 100,000: 10,000 × 0.75 more.
    assert (assistance.arrived, assistance.in_order) == (6_500_000, 7_250_000)
    assert reasons(assistance) == {Why.ANOTHER_BASE: 750_000}
    (reason,) = assistance.reasons
    assert reason.bases == (9_000_000, 10_000_000)
    assert (reason.earlier, reason.settlements) == (("补充医疗保险",), ("A",))
    assert "前面的补充医疗保险对 A 支付的金额不同" in order_page(orders, list(told.values()))


def test_a_reported_payment_that_fills_a_bill_leaves_no_room_for_more():
    # Taiyuan, 低保: serious illness from a deductible on; assistance reported all the rest of B.
    place: dict[str, Any] = {"insuplc_admdvs": "140105"}
    first = bill("A", "2019-06-01", "2303", 60_000, **place)
    alone = settled(first, bill("B", "2019-03-01", "2303", 20_000, **place))
    paid = ledger_of(alone, 2019).entries[1].shares[0].paid
    rest = f"{(2_000_000 - paid) // 100}.{(2_000_000 - paid) % 100:02d}"
    full = bill("B", "2019-03-01", "2303", 20_000, maf_pay=rest, **place)
    later = bill("C", "2019-09-01", "2302", 90_000, **place)
    orders, told = audited(2019, first, full, later)
    layer = told["serious_illness"]
    assert orders.arrived.order == (0, 1, 2)
    assert orders.in_order.order == (1, 0, 2)
    # In order B begins at nothing and is owed less than before, so it had room as it arrived and has it now.
    assert Why.NO_ROOM not in reasons(layer)
    # The other way round B would be owed more than its bill has room for.
    small = bill("B", "2019-09-01", "2303", 20_000, **place)
    owed = ledger_of(settled(small), 2019).entries[0].shares[0].paid
    rest = f"{(2_000_000 - owed) // 100}.{(2_000_000 - owed) % 100:02d}"
    orders, told = audited(2019, small | {"maf_pay": rest}, bill("A", "2019-03-01", "2303", 60_000, **place))
    layer = told["serious_illness"]
    assert Why.NO_ROOM in reasons(layer)
    assert sum(reasons(layer).values()) == layer.difference < 0
    no_room = next(reason for reason in layer.reasons if reason.why is Why.NO_ROOM)
    assert [(cut.order, cut.name) for cut in no_room.cuts] == [("in_order", "B")]


def test_an_application_that_was_decided_before_a_bill_came_saw_less():
    place: dict[str, Any] = {"insuplc_admdvs": "331127"}
    events = (
        bill("A", "2022-02-01", "2303", 20_000, **place),
        application("A1", "2023-03-01"),
        bill("B", "2022-11-01", "2303", 10_000, **place),
    )
    _, told = audited(2022, *events)
    layer = told["high_expense_subsidy"]
    # (20,000 − 10,000) × 0.50 as it arrived; (30,000 − 10,000) × 0.50 in order.
    assert (layer.arrived, layer.in_order) == (500_000, 1_000_000)
    assert reasons(layer) == {Why.APPLICATION: 500_000}
    assert [(grant.order, grant.counted) for grant in layer.reasons[0].grants] == [
        ("arrived", 2_000_000),
        ("in_order", 3_000_000),
    ]


def test_of_two_applications_the_last_makes_the_total():
    place: dict[str, Any] = {"insuplc_admdvs": "331127"}
    events = (
        bill("A", "2022-02-01", "2303", 20_000, **place),
        application("A1", "2022-12-01"),
        bill("B", "2022-11-01", "2303", 10_000, **place),
        application("A2", "2023-03-01"),
    )
    _, told = audited(2022, *events)
    layer = told["high_expense_subsidy"]
    assert (layer.difference, layer.same) == (0, Same.LAST_APPLICATION)


def test_what_the_platform_reported_may_stand_in_one_order_only():
    # Delegated at first, so maf_pay stood as reported; then the person turns out to be 低保, and the layer computes.
    events = (
        bill("A", "2021-06-01", "2360", 50_000),
        bill("B", "2021-03-01", "2360", 20_000, maf_pay="14500.00"),
        {
            "type": "identity_changed",
            "psn_no": PERSON,
            "psn_idet": identities("2303"),
            "known_at": "2021-12-01T00:00:00+08:00",
        },
    )
    orders, told = audited(2021, *events)
    layer = told["assistance_inpatient"]
    # As it arrived B's 20,000 lie above 50,000: 15,000 > 14,500, computed. In order 14,000 < 14,500, and that stands.
    assert [orders.arrived.of(layer.layer.id)[entry].paid for entry in (0, 1)] == [3_500_000, 1_500_000]
    assert [orders.in_order.of(layer.layer.id)[entry].paid for entry in (0, 1)] == [3_500_000, 1_450_000]
    assert reasons(layer) == {Why.ANOTHER_BASE: -1_500_000, Why.REPORTED_STOOD: 1_450_000}
    assert all(reason.stood == ("B",) for reason in layer.reasons)


def test_rounding_differs_only_at_the_border_between_two_rows():
    def halves(layer: Layer) -> Layer:
        """低保 and 低保边缘 at one share, apart by a deductible of one fen."""
        if layer.id != LayerId.ASSISTANCE_INPATIENT:
            return layer
        half = ((0, Fraction("0.5")),)
        rows = {"低保对象": Curve(0, half), "低保边缘对象": Curve(1, half)}
        return replace(layer, rows=tuple(replace(row, curve=rows.get(row.who, row.curve)) for row in layer.rows))

    taizhou = next(pack for pack in PACKS.packs if pack.region == "331000")
    packs = PackSet([replace(taizhou, layers=tuple(map(halves, taizhou.layers)), digest="sha256:halves")])
    fen = {"medfee_sumamt": "0.01", "inscp_scp_amt": "0.01"}
    _, told = audited(
        2021,
        bill("A", "2021-01-01", "2303", 1),
        bill("B", "2021-09-01", "2303", 0) | fen,
        bill("C", "2021-03-01", "236074", 0) | fen,
        packs=packs,
    )
    layer = told["assistance_inpatient"]
    # As it arrived B rises from 50 to 50.5 (51) and C from 50 to 50.5 (51). In order C stays at 49.5 to 50 (both 50),
    # and B rises from 50.5 (51) to 51.
    assert (layer.arrived, layer.in_order) == (52, 50)
    assert reasons(layer) == {Why.ROUNDING_BETWEEN_ROWS: -2}


def test_the_page_and_the_json_say_the_same_and_totals_add_up():
    first = bill("A", "2021-06-01", "2304", 500, med_type="11")
    second = bill("B", "2021-03-01", "2303", 500, med_type="11")
    orders, told = audited(2021, first, second)
    layers = list(told.values())
    page, written = order_page(orders, layers), json.loads(json.dumps(order_written(orders, layers)))
    assert "按出院次序多付 100.00" in page
    assert "按到达：B（低保对象，封顶线 400.00）应付 300.00，少付 300.00" in page
    assert written["totals"] == {"arrived": "500.00", "in_order": "600.00", "difference": "100.00"}
    assert [reason["why"] for layer in written["layers"] for reason in layer["reasons"]] == ["cap"]
    assert sum(float(each["layers"][-1]["difference"]) for each in written["entries"]) == 100


def test_within_a_day_the_time_of_settlement_counts_and_within_a_moment_the_arrival():
    day = "2021-06-01"
    # The last two are one moment, written in two offsets.
    times = (f"{day}T20:00:00+08:00", f"{day}T12:00:00+08:00", f"{day}T04:00:00+00:00")
    events = [bill(f"S{number}", day, "2303", 1, setl_time=time) for number, time in enumerate(times)]
    orders, _ = audited(2021, *events)
    assert orders.in_order.order == (1, 2, 0)


def test_a_reversed_settlement_takes_no_part():
    reversed_ = {"type": "reversed", "msgid": "R", "setl_id": "A", "psn_no": PERSON}
    events = (bill("A", "2021-06-01", "2303", 40_000), bill("B", "2021-03-01", "2303", 30_000))
    orders, _ = audited(2021, *events, reversed_ | {"setl_time": "2021-12-01T00:00:00+08:00"})
    assert orders.arrived.order == orders.in_order.order == (1,)
    assert "到达次序就是出院次序" in order_page(orders, why(orders))


def test_an_opening_balance_is_where_both_orders_begin():
    carried = {
        "type": "carried_in",
        "psn_no": PERSON,
        "insuplc_admdvs": "331002",
        "year": 2021,
        "known_at": "2021-01-01T00:00:00+08:00",
        "layers": {"assistance_inpatient": {"base": "50000.00", "paid": "35000.00"}},
    }
    _, told = audited(2021, carried, bill("A", "2021-06-01", "2303", 40_000), bill("B", "2021-03-01", "2306", 30_000))
    # All above 50,000: 40,000 × 0.75 + 30,000 × 0.55, whoever comes first.
    assert told["assistance_inpatient"].arrived == told["assistance_inpatient"].in_order == 4_650_000
