"""Payments as desks tell them: paid and open are what is due, whatever came how often and in which order."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from contracts.reconciliation import parse_signed
from tests.operations.payouts import made_of, reversed_, settled
from workers.contracts_book.examples import REVERSED, SETTLED, SETTLED_LATER
from workers.contracts_book.examples_clearing import CLEARED, PAID, TAKEN_BACK
from workers.contracts_book.messages import MESSAGES
from workers.contracts_book.schema import schema_of
from workers.metrics.words import OpenAge
from workers.operations.owed import accounts, dues_until, open_by_age, owed, paid_out, set_off
from workers.operations.pages import Page
from workers.operations.payments import Payments
from workers.operations.views import Views
from workers.settlement.validate import partition_of

P = 3
MARCH, OCTOBER = CLEARED["statement_id"], CLEARED["statement_id"].replace("202103", "202110")
SEPTEMBER = CLEARED["statement_id"].replace("202103", "202109")
STORY = made_of([SETTLED, SETTLED_LATER, REVERSED])
"""A stay is settled in March, a later one in September; the first is taken back in October."""


def views_of(payouts: list[Any]) -> Views:
    views = Views(1)
    for offset, (payout, at) in enumerate(payouts):
        views.take(0, offset, payout, at)
    return views


VIEWS = views_of(STORY)


def paid(payment_id: str = "V1", **changes: Any) -> dict[str, Any]:
    return {**PAID, "payment_id": payment_id, **changes}


def taken_back(payment_id: str = "V1", **changes: Any) -> dict[str, Any]:
    return {**TAKEN_BACK, "payment_id": payment_id, **changes}


class Log:
    """The topic, as Kafka's default partitioner fills it."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.records: list[tuple[int, int, bytes | None, bytes]] = []
        for event in events:
            self.put(event)

    def put(self, event: dict[str, Any]) -> None:
        key = event["payment_id"].encode()
        self.put_raw(partition_of(key, P), key, json.dumps(event).encode())

    def put_raw(self, partition: int, key: bytes | None, value: bytes) -> None:
        self.records.append((partition, sum(each[0] == partition for each in self.records), key, value))

    def read(self) -> Payments:
        payments = Payments(P)
        for record in self.records:
            payments.take(*record)
        return payments


def asked(path: str, *events: dict[str, Any], views: Views = VIEWS, **query: str) -> Any:
    status, body = Page(views, Log(*events).read(), lambda: None).paths()[path](query)
    assert status == 200, body
    return json.loads(body)


def statement(statement_id: str, *events: dict[str, Any]) -> dict[str, str]:
    (found,) = asked("/clearing", *events, statement_id=statement_id)["statements"]
    return {name: found[name] for name in ("fund_appy_sum", "paid_out", "open", "overpaid")}


def owing(until: str, *events: dict[str, Any], views: Views = VIEWS) -> dict[str, Any]:
    (row,) = asked("/owed", *events, views=views, until=until, fund_pay_type="610100")["owed"]
    return dict(row)


# ── a statement and its payments ──────────────────────────────────────────────────────────────────────────────


def test_a_statement_that_is_paid_in_parts_shows_what_is_open_of_it():
    parts = [paid("V1", amount="4000.00"), paid("V2", amount="9999.99")]
    assert statement(MARCH)["open"] == "14000.00"
    shown = {"fund_appy_sum": "14000.00", "paid_out": "13999.99", "open": "0.01", "overpaid": "0.00"}
    assert statement(MARCH, *parts) == shown


def test_a_payment_sent_again_counts_once():
    assert statement(MARCH, paid(), paid(), paid())["paid_out"] == "14000.00"


def test_what_is_paid_beyond_a_statement_is_shown_as_such():
    assert statement(MARCH, paid(), paid("V2", amount="0.50"))["overpaid"] == "0.50"
    # October only takes back: nothing is due of it, and whatever is paid on it is too much.
    october = {"fund_appy_sum": "-14000.00", "paid_out": "1.00", "open": "-14001.00", "overpaid": "1.00"}
    assert statement(OCTOBER, paid(statement_id=OCTOBER, amount="1.00")) == october


def test_a_payment_that_came_back_is_open_again_and_may_be_made_anew():
    assert statement(MARCH, paid(), taken_back())["open"] == "14000.00"
    assert statement(MARCH, paid(), taken_back(), paid("V2"))["open"] == "0.00"


def test_a_taking_back_may_come_before_its_payment_and_is_shown_until_then():
    (shown,) = asked("/payments", taken_back())["payments"]
    assert (shown["payment_id"], shown["state"]) == ("V1", "unseen")
    assert statement(MARCH, taken_back(), paid())["paid_out"] == "0.00"


def test_an_insurer_is_paid_by_the_year():
    carried = made_of([settled()])
    for payout, _ in carried:
        payout["pack"]["carrier"] = "某保险公司"
    statement_id = "331002:supplementary:999997:2021:某保险公司"
    views, part = views_of(carried), paid(statement_id=statement_id, amount="1500")
    (shown,) = asked("/clearing", part, views=views)["carriers"]
    assert (shown["statement_id"], shown["paid_out"], shown["open"]) == (statement_id, "1500.00", "3500.00")
    (row,) = asked("/owed", part, views=views, until="2021-12-31")["carriers"]
    assert (row["fund_appy_sum"], row["paid_out"], row["open"]) == ("5000.00", "1500.00", "3500.00")


def test_a_payment_of_a_statement_that_is_not_here_is_kept_shown_and_counted_when_it_comes():
    empty = views_of([])
    (unknown,) = asked("/owed", paid(), views=empty, until="2021-12-31")["unknown"]
    assert (unknown["payment_id"], unknown["statement_id"], unknown["amount"]) == ("V1", MARCH, "14000.00")
    assert asked("/payments", paid(), views=empty, statement_known="false")["payments"]
    body = asked("/owed", paid(), until="2021-12-31")
    assert body["unknown"] == []
    assert statement(MARCH, paid())["open"] == "0.00"


# ── what is owed up to a day ──────────────────────────────────────────────────────────────────────────────────


def test_what_is_owed_counts_what_was_paid_up_to_that_day():
    before, after = owing("2021-04-11", paid()), owing("2021-04-12", paid())
    assert (before["paid_out"], before["open"]) == ("0.00", "14000.00")
    assert (after["paid_out"], after["open"], after["oldest_open"]) == ("14000.00", "0.00", None)


def test_a_payer_that_has_never_told_of_a_payment_can_be_told_from_one_that_does_not_pay():
    until: dict[str, Any] = {"until": "2021-12-31"}
    assert {row["payments_told"] for row in asked("/owed", **until)["owed"]} == {False}
    told = {row["fund_pay_type"]: row["payments_told"] for row in asked("/owed", paid(), **until)["owed"]}
    assert told.pop("610100") is True
    assert set(told.values()) == {False}
    silent = asked("/owed", paid(), **until, payments_told="false")["owed"]
    assert {row["fund_pay_type"] for row in silent} == set(told) != set()


def test_what_is_paid_before_its_month_shows_as_paid_too_early():
    row = owing("2021-04-30", paid(statement_id=SEPTEMBER))
    assert row["months"]["202109"] == {"fund_appy_sum": "0.00", "paid_out": "14000.00", "open": "-14000.00"}
    assert (row["open"], row["overpaid"], row["oldest_open"]) == ("0.00", "14000.00", None)


def test_money_that_came_back_counts_until_it_did_and_a_mistake_never():
    for why, on_the_day_before in (("returned_by_bank", "14000.00"), ("recorded_by_mistake", "0.00")):
        events = [paid(), taken_back(why=why)]
        assert owing("2021-04-13", *events)["paid_out"] == on_the_day_before
        assert owing("2021-04-14", *events)["paid_out"] == "0.00"


def test_each_month_says_what_is_open_of_it_and_the_oldest_says_how_old_it_is():
    row = owing("2021-09-30", paid(amount="10000"))
    assert row["months"] == {
        "202103": {"fund_appy_sum": "14000.00", "paid_out": "10000.00", "open": "4000.00"},
        "202109": {"fund_appy_sum": "24000.00", "paid_out": "0.00", "open": "24000.00"},
    }
    assert row["oldest_open"] == {"setlym": "202103", "open": "4000.00", "days": 183}


def test_what_was_taken_back_is_set_off_against_the_oldest_open_month():
    assert owing("2021-12-31")["oldest_open"] == {"setlym": "202109", "open": "24000.00", "days": 92}
    row = owing("2021-12-31", paid(), paid("V2", statement_id=SEPTEMBER, amount="10000"))
    assert (row["open"], row["oldest_open"]) == ("0.00", None)
    assert set_off({"1": 5, "2": -7, "3": 4}) == {"3": 2}


def test_what_is_open_of_a_year_is_not_forgotten_on_the_first_of_january():
    row = owing("2022-01-01", paid(amount="13000"))
    assert (row["fund_appy_sum"], row["other_years_open"]) == ("0.00", "11000.00")
    assert row["oldest_open"]["setlym"] == "202109"


def test_what_is_open_is_told_by_region_fund_and_age_and_one_hospitals_surplus_is_not_anothers():
    other = made_of([settled(fixmedins_code="H2", setl_id="S9", msgid="M9", psn_no="P330000000002")])
    views = views_of([*made_of([SETTLED]), *other])
    payments = Log(paid(amount="20000")).read()
    ages = {"2021-03-31": OpenAge.RUNNING, "2021-05-30": OpenAge.DUE, "2021-05-31": OpenAge.OVERDUE}
    for today, age in ages.items():
        pairs = accounts(dues_until(views, today), payments, today)
        found = open_by_age(pairs, today)
        assert paid_out(pairs)["331000", "610100"] == (20_000_00 if today > "2021-04-12" else 0)
        of_fund = {key[2]: fen for key, fen in found.items() if key[:2] == ("331000", "610100") and fen}
        assert of_fund == {age: 14_000_00 if today > "2021-04-12" else 28_000_00}


# ── the same whatever comes ───────────────────────────────────────────────────────────────────────────────────

EVENTS = st.one_of(
    st.builds(
        paid,
        st.sampled_from(["V1", "V2", "V3", "V4"]),
        statement_id=st.sampled_from([MARCH, SEPTEMBER, OCTOBER, MARCH.replace("202103", "202112")]),
        amount=st.sampled_from(["0.01", "14000", "999999999999.99"]),
        paid_on=st.sampled_from(["2021-04-12", "2021-12-31", "2022-01-01"]),
    ),
    st.builds(
        taken_back,
        st.sampled_from(["V1", "V2", "V3", "V4"]),
        why=st.sampled_from(["cancelled", "recorded_by_mistake"]),
        taken_back_on=st.sampled_from(["2021-04-12", "2022-02-01"]),
    ),
)


@settings(deadline=None)
@given(events=st.lists(EVENTS, max_size=12), taken=st.integers(0, len(STORY)), dice=st.randoms(use_true_random=False))
def test_paid_and_open_are_what_is_due_over_any_interleaving_replay_and_duplicate(events, taken, dice):
    log = Log(*events)
    once, often = log.read(), Payments(P)
    views = Views(1)
    # Within a partition the order is Kafka's; between partitions and topics it is anybody's. Some come again.
    whose = [*("payment" for _ in log.records), *("payout" for _ in range(taken))]
    dice.shuffle(whose)
    logs = [[record for record in log.records if record[0] == partition] for partition in range(P)]
    payouts = iter(enumerate(STORY))
    for kind in whose:
        if kind == "payment":
            often.take(*dice.choice([each for each in logs if each]).pop(0))
            for record in dice.sample(log.records, min(2, len(log.records))):
                if record[1] < often.positions[record[0]]:
                    often.take(*record)
        else:
            offset, (payout, at) = next(payouts)
            for _ in range(2):
                views.take(0, offset, payout, at)
    assert often.positions == once.positions
    assert often.refused == once.refused
    for until in ("2021-04-30", "2021-12-31", "2022-12-31"):
        assert owed(views, often, until) == owed(views, once, until)
        for row in owed(views, often, until):
            for sums in (row, *row["months"].values()):
                due, out, left = [parse_signed(sums[name]) for name in ("fund_appy_sum", "paid_out", "open")]
                assert out + left == due
                assert out >= 0
    counted: dict[str, Any] = {}
    backs = {event["payment_id"] for event in events if event["type"] == "payment_taken_back"}
    for event in events:
        if event["type"] == "statement_paid":
            counted.setdefault(event["payment_id"], event)
    total = sum(parse_signed(event["amount"]) for name, event in counted.items() if name not in backs)
    assert sum(once.paid(statement_id) for statement_id in once.statements()) == total


# ── what counts for nothing ───────────────────────────────────────────────────────────────────────────────────

BROKEN: list[tuple[dict[str, Any], str, str | None]] = [
    ({"amount": "-1.00"}, "amount_is_not_yuan_and_fen", "amount"),
    ({"amount": "0.00"}, "amount_is_not_yuan_and_fen", "amount"),
    ({"amount": 0}, "amount_is_not_yuan_and_fen", "amount"),
    ({"amount": "1.005"}, "amount_is_not_yuan_and_fen", "amount"),
    ({"amount": 14000.5}, "send_money_as_string", "amount"),
    ({"amount": None}, "field_has_wrong_type", "amount"),
    ({"statement_id": "331002:610100:H33010000001:202103"}, "identifier_is_malformed", "statement_id"),
    ({"statement_id": None}, "field_has_wrong_type", "statement_id"),
    ({"payment_id": "V 1"}, "identifier_is_malformed", "payment_id"),
    ({"voucher": ""}, "identifier_is_malformed", "voucher"),
    ({"revision": 0}, "field_has_wrong_type", "revision"),
    ({"paid_on": "2021-02-30"}, "date_is_impossible", "paid_on"),
    ({"type": "statement_payed"}, "event_type_is_unknown", "type"),
    ({"voucher": "11010519491231002X"}, "card_number_in_identifier", None),
]


@pytest.mark.parametrize(("change", "reason", "field"), BROKEN, ids=lambda value: json.dumps(value))
def test_what_cannot_be_counted_is_refused_by_field_with_the_mend_and_never_with_the_value(change, reason, field):
    log = Log(paid(**change))
    (refused,) = log.read().refused.values()
    assert (refused["reason"], refused["field"]) == (reason, field)
    assert refused["detail"]
    for value in change.values():
        assert not isinstance(value, str) or len(value) < 6 or value not in json.dumps(refused)
    assert not list(log.read().statements())
    if reason != "card_number_in_identifier" and field not in ("paid_on",):
        schemas = {message.name: schema_of(message) for message in MESSAGES}
        assert not Draft202012Validator(schemas["statement_paid"]).is_valid(paid(**change))


def test_the_same_name_for_another_payment_is_refused_by_the_field_that_differs_and_the_first_counts():
    payments = Log(paid(), paid(amount="1.00"), taken_back(), taken_back(why="cancelled")).read()
    assert payments.paid(MARCH) == 0
    assert [(each["reason"], each["field"], each["payment_id"]) for each in payments.refused.values()] == [
        ("payment_id_reused_with_other_content", "amount", "V1"),
        ("payment_id_reused_with_other_content", "why", "V1"),
    ]
    assert payments.paid(MARCH, "2021-04-13") == 14_000_00


@pytest.mark.parametrize(
    ("partition", "key", "value", "reason"),
    [
        (0, b"V2", json.dumps(paid()).encode(), "key_is_not_payment_id"),
        (0, None, json.dumps(paid()).encode(), "key_is_not_payment_id"),
        ((partition_of(b"V1", P) + 1) % P, b"V1", json.dumps(paid()).encode(), "wrong_partition"),
        (0, b"V1", b"", "message_is_not_json"),
        (0, b"V1", '{"type": "记"'.encode("gbk"), "message_is_not_json"),
        (0, b"V1", b"[]", "message_is_not_an_object"),
        (0, b"V1", b"{}", "field_is_missing"),
        (0, b"V1", b'{"type": "payment_refused", "offset": "nowhere"}', "event_type_is_unknown"),
    ],
)
def test_a_record_under_another_key_elsewhere_or_of_no_form_is_refused(partition, key, value, reason):
    log = Log()
    log.put_raw(partition, key, value)
    (refused,) = log.read().refused.values()
    assert (refused["reason"], refused["partition"], refused["offset"]) == (reason, partition, 0)


def test_a_refusal_is_said_once_by_whoever_holds_its_partition_and_is_no_payment_itself():
    log = Log(paid(amount="0.00"))
    partition = log.records[0][0]
    payments = log.read()
    assert payments.unsaid({p for p in range(P) if p != partition}) == []
    (said,) = payments.unsaid({partition})
    log.put_raw(partition, b"V1", json.dumps(said).encode())
    again = log.read()
    assert again.unsaid(range(P)) == []
    assert list(again.refused.values()) == [said]
    assert asked("/payments", paid(amount="0.00"))["refused"] == [said]


def test_late_events_open_a_paid_month_again():
    late = settled(setl_id="S2021-0009", msgid="M9", setl_time="2021-03-30T08:00:00+08:00")
    views = views_of(made_of([settled(), late, reversed_("S2021-0001", "2021-04-01T09:00:00+08:00")]))
    row = owing("2021-12-31", paid(), views=views)
    assert parse_signed(row["months"]["202103"]["open"]) > 0
