"""The pages as a desk asks them: filters, what a parameter must look like, and who is named where."""

import json
from typing import Any

import pytest

from tests.operations.payouts import made_of
from workers.contracts_book.examples import REVERSED, SETTLED, SETTLED_LATER
from workers.operations.pages import Page
from workers.operations.payments import Payments
from workers.operations.views import Views

STORY = made_of([SETTLED, SETTLED_LATER, REVERSED])
"""A stay is settled, a later one too; the first is taken back, which takes 200.00 of the second's back."""


def until(path: str) -> dict[str, Any]:
    """The day that one page cannot do without."""
    return {"until": "2021-12-31"} if path == "/owed" else {}


def asked(path: str, level_at: float | None = None, **query: str) -> tuple[int, Any]:
    views = Views(1)
    for offset, (payout, at) in enumerate(STORY):
        views.take(0, offset, payout, at)
    status, body = Page(views, Payments(1), lambda: level_at).paths()[path](query)
    return status, json.loads(body)


def test_a_hospital_looks_at_its_month():
    status, body = asked("/clearing", fixmedins_code="H33010000001", setlym="202110", fund_pay_type="610100")
    assert status == 200
    assert [(each["returned"], each["fund_appy_sum"]) for each in body["statements"]] == [("-14000.00", "-14000.00")]
    assert asked("/clearing", fixmedins_code="H1")[1]["statements"] == []


@pytest.mark.parametrize(("path", "row"), [("/clearing", "statements"), ("/owed", "owed")])
def test_an_insurer_is_asked_for_by_name_and_none_by_null(path, row):
    query = until(path)
    everything = asked(path, **query)[1][row]
    assert asked(path, carrier="null", **query)[1][row] == everything != []
    assert asked(path, carrier="某保险公司", **query)[1][row] == []


def test_finance_looks_at_what_a_layer_has_spent_for_the_year():
    _, body = asked("/clearing", layer="supplementary", year="2021")
    (spent,) = body["spent"]
    assert {name: spent[name] for name in ("paid", "returned", "fund_appy_sum", "booked")} == {
        "paid": "7000.00",
        "returned": "-5000.00",
        "fund_appy_sum": "2000.00",
        "booked": {"2021": "2000.00"},
    }


def test_a_desk_looks_at_who_owes():
    _, body = asked("/corrections", setlym="202110", direction="应退")
    assert [(row["setl_id"], row["amount"], row["correction"]) for row in body["corrections"]] == [
        ("S2021-0002", "-200.00", "clawback")
    ]
    assert asked("/corrections", direction="应补")[1]["corrections"] == []


def test_statistics_are_by_day_or_by_hour_and_settlements_stand_where_no_layer_does():
    _, by_day = asked("/statistics", layer="null", day="2021-03")
    assert [(row["day"], row["settlements"]) for row in by_day["statistics"]] == [("2021-03-02", 1)]
    _, by_hour = asked("/statistics", by="hour", layer="assistance_inpatient")
    assert [(row["day"], row["hour"], row["paid"], row["clawed_back"]) for row in by_hour["statistics"]] == [
        ("2021-03-02", "10", "14000.00", "0.00"),
        ("2021-09-10", "10", "24000.00", "0.00"),
        ("2021-10-08", "09", "0.00", "-200.00"),
    ]


def test_what_is_owed_is_asked_for_up_to_a_day():
    before, after = [
        asked("/owed", until=day, fund_pay_type="610100")[1]["owed"] for day in ("2021-10-07", "2021-12-31")
    ]
    assert [row["fund_appy_sum"] for row in (*before, *after)] == ["38000.00", "24000.00"]
    (later,) = asked("/owed", until="2022-12-31", fund_pay_type="610100")[1]["owed"]
    assert (later["fund_appy_sum"], later["months"], later["other_years_open"]) == ("0.00", {}, "24000.00")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/owed", {}),
        ("/owed", {"until": "31.12.2021"}),
        ("/owed", {"until": "2021-02-30"}),
        ("/statistics", {"by": "minute"}),
        ("/statistics", {"day": "today"}),
        ("/corrections", {"setlym": "2021-10"}),
        ("/clearing", {"setlmy": "202110"}),
        ("/owed", {"until": "2021-12-31", "month": "202110"}),
        ("/payments", {"clr_optins": "331002"}),
        ("/reconciliations", {"psn_no": "P330000000001"}),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_with_how_to_write_it(path, query):
    status, body = asked(path, **query)
    assert status == 400
    assert body["write"]


@pytest.mark.parametrize("path", ["/statistics", "/clearing", "/corrections", "/owed", "/payments", "/reconciliations"])
def test_every_page_says_until_when_it_is_complete_and_that_it_is_not(path):
    _, body = asked(path, level_at=1_640_911_530.7, **until(path))
    assert body["complete_until"] == "2021-12-31T08:45:30+08:00"
    assert asked(path, **until(path))[1]["complete_until"] is None


def test_only_corrections_name_persons():
    for path, names in (("/corrections", True), ("/statistics", False), ("/clearing", False), ("/owed", False)):
        status, body = asked(path, **until(path))
        assert status == 200
        assert (SETTLED["psn_no"] in json.dumps(body)) == names, path
