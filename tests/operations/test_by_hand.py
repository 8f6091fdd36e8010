"""A small county worked out with pencil and paper: an insurer, two hospitals, corrections, the turn of a year.

Who lives on a minimum income is paid half of 自理 by the supplementary layer, and 70 % of the first 50 000.00 of a year
and 75 % of what is above by the assistance for inpatients. All amounts below follow from these three numbers.

| day | what | 自理 | supplementary | base | assistance |
| --- | --- | --- | --- | --- | --- |
| 5 March | P1 stays in H1 | 40 000 | 20 000 | 0 to 40 000 | 28 000 |
| 10 April | P1 stays in H2 | 60 000 | 30 000 | 40 000 to 100 000 | 7 000 + 37 500 |
| 20 April | P3 stays in H2, not known to be entitled | 30 000 | 0 | | 0 |
| 8 October | P3 is entitled since January | 30 000 | 15 000 to P3 | 0 to 35 000 | 24 500 to P3 |
| 31 December | P1's stay in H1 is taken back | | -20 000 | | -28 000 |
| | so P1's stay in H2 | 60 000 | 30 000 | 0 to 60 000 | 35 000 + 7 500, 2 000 too much |
| 10 January | P1 stayed in H1 until 29 December | 20 000 | 10 000 | 60 000 to 80 000 | 15 000 |
| 10 January | P2 stays in H1 | 20 000 | 10 000 | 0 to 20 000 | 14 000 |
| 1 February | P3's stay is taken back | | -15 000 from P3 | | -24 500 from P3 |
"""

import json
from typing import Any

import pytest

from contracts.pack import PackSet
from contracts.pack_file import SHIPPED, load_pack
from tests.operations.payouts import made_of, reversed_, settled
from tests.packs.shelves import COUNTIES
from workers.operations.pages import Page
from workers.operations.payments import Payments
from workers.operations.views import Views
from workers.settlement.validate import partition_of

P = 3
ENTITLED = [{"psn_idet_type": "2303", "begntime": "2020-01-01", "endtime": None}]
SINCE_JANUARY = [{"psn_idet_type": "2303", "begntime": "2021-01-01", "endtime": None}]


def stay(setl_id: str, psn_no: str, hospital: str, day: str, amounts: str, **changes: Any) -> dict[str, Any]:
    """A stay that ends on the day it is settled; amounts are in all, in scope, 自理, and the basic fund's share."""
    whole, scope, own, basic = (f"{amount}000.00" for amount in amounts.split())
    rest = f"{int(whole[:-6]) - int(scope[:-6]) - int(own[:-6])}000.00"
    return settled(
        **{
            "setl_id": setl_id,
            "msgid": f"M-{setl_id}",
            "mdtrt_id": f"T-{setl_id}",
            "psn_no": psn_no,
            "fixmedins_code": hospital,
            "insuplc_admdvs": "331099",
            "psn_idet": ENTITLED,
            "begndate": day,
            "enddate": day,
            "setl_time": f"{day}T10:00:00+08:00",
            "medfee_sumamt": whole,
            "inscp_scp_amt": scope,
            "preselfpay_amt": own,
            "hifp_pay": basic,
            "fulamt_ownpay_amt": rest,
            "overlmt_selfpay": "0.00",
            "hifmi_pay": None,
            **changes,
        }
    )


def back(setl_id: str, psn_no: str, at: str) -> dict[str, Any]:
    return reversed_(setl_id, at, psn_no=psn_no, mdtrt_id=f"T-{setl_id}", insuplc_admdvs="331099")


EVENTS = [
    stay("S1", "P1", "H1", "2021-03-05", "120 60 40 40"),
    stay("S2", "P1", "H2", "2021-04-10", "140 80 60 50"),
    stay("S3", "P3", "H2", "2021-04-20", "90 60 30 40", psn_idet=[]),
    {
        "type": "identity_changed",
        "psn_no": "P3",
        "psn_idet": SINCE_JANUARY,
        "known_at": "2021-10-08T00:00:00+08:00",
    },
    back("S1", "P1", "2021-12-31T23:59:00+08:00"),
    stay("S4", "P1", "H1", "2022-01-10", "60 40 20 30", begndate="2021-12-20", enddate="2021-12-29"),
    stay("S5", "P2", "H1", "2022-01-10", "60 40 20 30"),
    back("S3", "P3", "2022-02-01T09:00:00+08:00"),
]


@pytest.fixture(scope="module")
def page() -> Page:
    texts = [path.read_text(encoding="utf-8") for path in (SHIPPED / "taizhou.toml", COUNTIES / "wanghai.toml")]
    views = Views(P)
    for offset, (payout, at) in enumerate(made_of(EVENTS, PackSet([load_pack(texts)]))):
        views.take(partition_of(payout["psn_no"].encode(), P), offset, payout, at)
    return Page(views, Payments(P), lambda: None)


def asked(page: Page, path: str, **query: str) -> Any:
    status, body = page.paths()[path](query)
    assert status == 200, body
    return json.loads(body)


def table(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in names) for row in rows)


def test_each_fund_and_the_insurer_clear_with_each_hospital_month_by_month(page: Page):
    names = ("fund_pay_type", "fixmedins_code", "setlym", "fixmedins_setl_cnt", "refd_setl_cnt", "fund_appy_sum")
    assert table(asked(page, "/clearing")["statements"], *names) == [
        ("610100", "H1", "202103", 1, 0, "28000.00"),
        ("610100", "H1", "202112", 0, 1, "-28000.00"),
        ("610100", "H1", "202201", 2, 0, "29000.00"),
        ("610100", "H2", "202104", 1, 0, "44500.00"),
        ("999997", "H1", "202103", 1, 0, "20000.00"),
        ("999997", "H1", "202112", 0, 1, "-20000.00"),
        ("999997", "H1", "202201", 2, 0, "20000.00"),
        ("999997", "H2", "202104", 1, 0, "30000.00"),
    ]
    (county_fund,) = {row["carrier"] for row in asked(page, "/clearing", fund_pay_type="610100")["statements"]}
    assert county_fund is None


def test_the_insurer_clears_with_the_county_by_the_year_of_the_discharges(page: Page):
    names = ("year", "paid", "returned", "topped_up", "clawed_back", "fund_appy_sum")
    assert table(asked(page, "/clearing")["carriers"], *names) == [
        (2021, "60000.00", "-35000.00", "15000.00", "0.00", "40000.00"),
        (2022, "10000.00", "0.00", "0.00", "0.00", "10000.00"),
    ]


def test_what_a_year_has_cost_is_told_with_the_year_in_which_it_was_booked(page: Page):
    spent = asked(page, "/clearing")["spent"]
    assert [(row["layer"], row["year"], row["fund_appy_sum"], row["booked"]) for row in spent] == [
        ("assistance_inpatient", 2021, "57500.00", {"2021": "67000.00", "2022": "-9500.00"}),
        ("assistance_inpatient", 2022, "14000.00", {"2022": "14000.00"}),
        ("supplementary", 2021, "40000.00", {"2021": "45000.00", "2022": "-5000.00"}),
        ("supplementary", 2022, "10000.00", {"2022": "10000.00"}),
    ]


def test_persons_are_given_and_asked_what_hospitals_are_not(page: Page):
    names = ("setlym", "psn_no", "layer", "direction", "amount", "correction")
    rows = asked(page, "/corrections")["corrections"]
    assert sorted(tuple(str(row[name]) for name in names) for row in rows) == [
        ("202110", "P3", "assistance_inpatient", "应补", "24500.00", "top_up"),
        ("202110", "P3", "supplementary", "应补", "15000.00", "top_up"),
        ("202112", "P1", "assistance_inpatient", "应退", "-2000.00", "clawback"),
        ("202202", "P3", "assistance_inpatient", "应退", "-24500.00", "None"),
        ("202202", "P3", "supplementary", "应退", "-15000.00", "None"),
    ]


def test_on_the_last_day_of_the_year_one_hospital_is_owed_and_the_other_is_even(page: Page):
    names = ("fund_pay_type", "fixmedins_code", "fund_appy_sum", "open", "other_years_open")
    assert table(asked(page, "/owed", until="2021-12-31")["owed"], *names) == [
        ("610100", "H1", "0.00", "0.00", "0.00"),
        ("610100", "H2", "44500.00", "44500.00", "0.00"),
        ("999997", "H1", "0.00", "0.00", "0.00"),
        ("999997", "H2", "30000.00", "30000.00", "0.00"),
    ]
    assert table(asked(page, "/owed", until="2021-12-30")["owed"], *names)[0][2] == "28000.00"
    assert table(asked(page, "/owed", until="2022-01-10")["owed"], *names) == [
        ("610100", "H1", "29000.00", "29000.00", "0.00"),
        ("610100", "H2", "0.00", "0.00", "44500.00"),
        ("999997", "H1", "20000.00", "20000.00", "0.00"),
        ("999997", "H2", "0.00", "0.00", "30000.00"),
    ]


def test_statistics_of_the_last_day_say_what_was_returned_and_asked_back(page: Page):
    names = ("layer", "fixmedins_code", "returned", "clawed_back")
    rows = asked(page, "/statistics", day="2021-12-31", fund_pay_type="610100")["statistics"]
    assert table(rows, *names) == [
        ("assistance_inpatient", "H1", "-28000.00", "0.00"),
        ("assistance_inpatient", "H2", "0.00", "-2000.00"),
    ]
