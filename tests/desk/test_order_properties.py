"""What an audit of the arrival order says holds of every year, and each reason it gives can be seen in the facts."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import assume, given, settings

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.vocabulary import FUND_FIELDS
from tests.adjudication.corrected_years import corrected_years
from tests.adjudication.pack_variants import with_county_and_editions
from tests.adjudication.person_years import PERSON, PERSON_YEARS, Event
from tests.adjudication.test_two_models import PACKS, look
from tests.desk.unordered_years import unordered_years
from workers.desk.order import TwoOrders, day_of, two_orders
from workers.desk.order_why import LayerInTwoOrders, Same, Why, why
from workers.desk.person_year import person_years as read_years
from workers.desk.source import FileSource
from workers.settlement.offline import Settler

COUNTY = with_county_and_editions(PACKS)

few = settings(look, max_examples=PERSON_YEARS // 6)


def audits(events: list[Event], packs: Any = PACKS) -> Iterator[tuple[TwoOrders, list[LayerInTwoOrders]]]:
    """Every ledger of the person, in both orders."""
    source = FileSource(packs, [json.dumps(event).encode() for event in events])
    for number in range(2018, 2024):
        for ledger in asyncio.run(read_years(source, PERSON, number)):
            orders = two_orders(source.books, ledger)
            yield orders, why(orders)


def held_by(orders: TwoOrders, told: LayerInTwoOrders) -> set[str]:
    """What could make a layer's total depend on the order, looked for in the facts of its year."""
    found: set[str] = set()
    layer = told.layer.id
    rows = {}
    for fold in (orders.arrived, orders.in_order):
        for each in fold.layers[layer]:
            if each.row is not None and each.row.curve is not None:
                rows[each.row.curve.deductible, each.row.curve.tiers, each.row.cap] = each
    if len({row[:2] for row in rows}) > 1:
        found.add("curves")
    if len({row[2] for row in rows}) > 1:
        found.add("caps")
    for other in orders.layers:
        if other is told.layer:
            break
        one, two = orders.arrived.of(other.id), orders.in_order.of(other.id)
        if any(one[entry].paid != two[entry].paid for entry in one):
            found.add("earlier")
    live = {index: entry.fact for index, entry in enumerate(orders.ledger.entries) if entry.live}
    if any(isinstance(fact, ApplicationDecided) and fact.approved for fact in live.values()):
        found.add("application")
    if any(isinstance(fact, Settled) and paid_in_full(orders, index) for index, fact in live.items()):
        found.add("room")
    if any(getattr(fact, name, None) for fact in live.values() for name in told.layer.fund_fields):
        found.add("reported")
    return found


def paid_in_full(orders: TwoOrders, index: int) -> bool:
    """Whether a bill of which others have reported payments leaves the person nothing in one of the orders."""
    bill = orders.ledger.entries[index].fact
    assert isinstance(bill, Settled)
    reported = sum(getattr(bill, name) or 0 for name in FUND_FIELDS)
    for fold in (orders.arrived, orders.in_order):
        paid = sum(taken.paid for layer in fold.layers for taken in fold.layers[layer] if taken.entry == index)
        if reported and paid >= bill.medfee_sumamt - reported:
            return True
    return False


NEEDS = {
    Why.ANOTHER_ROW: {"curves"},
    Why.ROUNDING_BETWEEN_ROWS: {"curves"},
    Why.ANOTHER_BASE: {"earlier", "reported"},
    Why.CAP: {"curves", "caps", "earlier", "reported", "room"},
    Why.NO_ROOM: {"room"},
    Why.REPORTED_STOOD: {"reported"},
    Why.APPLICATION: {"application"},
}
"""Each reason holds only where one of these can be seen."""


def judge(orders: TwoOrders, layers: list[LayerInTwoOrders]) -> None:
    for told in layers:
        held = held_by(orders, told)
        assert sum(reason.amount for reason in told.reasons) == told.difference
        for reason in told.reasons:
            assert reason.amount or told.same is Same.OFFSET
            assert held & NEEDS[reason.why], f"{reason.why} is given, and nothing of the kind is there"
        if not held:
            assert told.difference == 0
            assert told.same in (None, Same.ONE_CURVE)
        one, two = (fold.of(told.layer.id) for fold in (orders.arrived, orders.in_order))
        differs = any(one[entry].paid != two[entry].paid for entry in one)
        assert (told.same is not None) == (told.difference == 0 and differs)
        if told.same is Same.ONE_CURVE:
            assert not held & {"curves", "caps"}


def as_kept(orders: TwoOrders) -> None:
    """The fold as it arrived is what the ledger holds."""
    for index, entry in enumerate(orders.ledger.entries):
        for share in entry.shares if entry.live else ():
            assert orders.arrived.of(share.layer)[index].paid == share.paid


@few
@given(unordered_years(PACKS))
def test_totals_differ_only_with_a_reason_that_is_there_and_never_without(events: list[Event]):
    for orders, layers in audits(events):
        as_kept(orders)
        judge(orders, layers)


@few
@given(corrected_years(PACKS))
def test_the_same_where_identities_balances_and_applications_come_late(events: list[Event]):
    for orders, layers in audits(events):
        as_kept(orders)
        judge(orders, layers)


@few
@given(unordered_years(COUNTY))
def test_the_same_where_a_county_and_two_editions_decide_beside_each_other(events: list[Event]):
    for orders, layers in audits(events, COUNTY):
        judge(orders, layers)


@few
@given(unordered_years(PACKS))
def test_the_totals_in_order_are_those_of_a_year_that_came_in_order(events: list[Event]):
    """Sent again in order of discharge to a settler that knows nothing, each with the identities that counted."""
    for orders, _ in audits(events):
        settler = Settler(PACKS)
        assume(orders.ledger.year.opening is None)
        paid: dict[tuple[int, str], int] = {}
        for index in orders.in_order.order:
            entry = orders.ledger.entries[index]
            event = json.loads(entry.fact.model_dump_json())
            if isinstance(entry.fact, Settled):
                day = day_of(entry)
                event["psn_idet"] = [{"psn_idet_type": code, "begntime": day} for code in entry.codes]
            taken = settler.take(json.dumps(event).encode())
            assume(taken.refusal is None)
            for line in taken.payouts[0]["lines"]:
                paid[index, line["layer"]] = int(line["fund_payamt"].replace(".", ""))
        for layer in orders.layers:
            for index, taken_ in orders.in_order.of(layer.id).items():
                assert paid[index, layer.id] == taken_.paid
