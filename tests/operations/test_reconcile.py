"""Reconciliation: a hospital's totals and rows against what was settled, each difference with its name and its mend."""

import json
from typing import Any

import pytest

from contracts.discharge import Reversed, Voided
from tests.operations.payouts import made_of, reversed_, settled
from workers.contracts_book.examples import REVERSED, SETTLED
from workers.operations.reconcile import answer
from workers.operations.views import Views
from workers.settlement.validate import partition_of

P = 2
HOSPITAL = SETTLED["fixmedins_code"]
PERIOD = {"stmt_begndate": "2021-03-01", "stmt_enddate": "2021-04-30"}

A = settled(acct_pay="300.00")
B = settled(setl_id="S2021-0002", msgid="MB", mdtrt_id="MB", setl_time="2021-03-31T23:00:00+08:00", med_type="11")
C = settled(setl_id="S2021-0003", msgid="MC", mdtrt_id="MC", psn_no="P330000000009", insuplc_admdvs="331003")


def views_of(*events: dict[str, Any]) -> Views:
    views = Views(P)
    for offset, (payout, at) in enumerate(made_of(events)):
        views.take(partition_of(payout["psn_no"].encode(), P), offset, payout, at)
    return views


def asked(views: Views, kind: str, **claim: Any) -> Any:
    told = {"type": kind, "msgid": "Q1", "fixmedins_code": HOSPITAL, "setl_optins": "331000", **PERIOD, **claim}
    return answer(views, json.dumps(told).encode())


def row(event: dict[str, Any], fund: str, flag: str = "0", **changes: Any) -> dict[str, Any]:
    """A row of the hospital's file."""
    sign = "-" if flag == "1" else ""
    amounts = {"medfee_sumamt": event["medfee_sumamt"], "fund_pay_sumamt": fund, "acct_pay": event.get("acct_pay")}
    told = {name: sign + amount if amount else "0.00" for name, amount in amounts.items()}
    return {name: event[name] for name in ("setl_id", "mdtrt_id", "psn_no")} | told | {"refd_setl_flag": flag} | changes


ROW_A = row(A, "104000.00")


def sorts(answered: Any) -> list[tuple[str, str, str]]:
    return [(each["difference"], each["setl_id"], each["refd_setl_flag"]) for each in answered["differences"]]


# ── totals ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_totals_that_agree_are_even():
    said = asked(
        views_of(A),
        "totals_claimed",
        medfee_sumamt="120000.00",
        fund_pay_sumamt="104000.00",
        acct_pay="300.00",
        fixmedins_setl_cnt=1,
    )
    assert (said["stmt_rslt"], said["msgid"]) == ("0", "Q1")
    assert set(said["difference"].values()) == {"0.00", 0}


def test_a_fen_makes_totals_uneven_and_the_answer_says_which_way():
    said = asked(
        views_of(A),
        "totals_claimed",
        medfee_sumamt="120000.00",
        fund_pay_sumamt="104000.01",
        acct_pay="300.00",
        fixmedins_setl_cnt=2,
    )
    assert said["stmt_rslt"] == "1"
    assert said["difference"] == {
        "medfee_sumamt": "0.00",
        "fund_pay_sumamt": "0.01",
        "acct_pay": "0.00",
        "fixmedins_setl_cnt": 1,
    }


def test_a_refund_is_a_row_of_its_own_on_its_own_day():
    views = views_of(A, reversed_("S2021-0001", "2021-04-01T09:00:00+08:00"))
    nothing = {"medfee_sumamt": "0.00", "fund_pay_sumamt": "0.00", "acct_pay": 0}
    assert asked(views, "totals_claimed", **nothing, fixmedins_setl_cnt=2)["stmt_rslt"] == "0"
    refund = {"medfee_sumamt": "-120000.00", "fund_pay_sumamt": "-104000.00", "acct_pay": -300}
    april = {"stmt_begndate": "2021-04-01", "stmt_enddate": "2021-04-30"}
    assert asked(views, "totals_claimed", **april, **refund, fixmedins_setl_cnt=1)["stmt_rslt"] == "0"
    assert asked(views, "totals_claimed", refd_setl_flag="1", **refund, fixmedins_setl_cnt=1)["stmt_rslt"] == "0"


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        ({}, 3),
        ({"clr_type": "21"}, 2),
        ({"clr_type": "11"}, 1),
        ({"insutype": "390"}, 3),
        ({"insutype": "310"}, 0),
        ({"setl_optins": "331003"}, 1),
        ({"stmt_begndate": "2021-03-31"}, 1),
        ({"fixmedins_code": "H1"}, 0),
    ],
)
def test_a_claim_is_about_what_it_names(chosen, count):
    views = views_of(A, B, C)
    amounts = dict.fromkeys(("medfee_sumamt", "fund_pay_sumamt", "acct_pay"), "0")
    here = asked(views, "totals_claimed", **amounts, fixmedins_setl_cnt=0, **chosen)["here"]
    assert here["fixmedins_setl_cnt"] == count


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_that_agree_are_even():
    said = asked(views_of(A), "lines_claimed", lines=[ROW_A])
    assert (said["stmt_rslt"], said["differences"]) == ("0", [])


def test_what_only_the_hospital_has_is_to_be_sent_again():
    said = asked(views_of(A), "lines_claimed", lines=[ROW_A, row(C, "0.00")])
    assert sorts(said) == [("missing_here", "S2021-0003", "0")]
    assert said["differences"][0]["draft"] is None
    assert "settled" in said["differences"][0]["memo"]


def test_what_only_we_have_is_voided_by_its_message_if_it_never_came_about():
    said = asked(views_of(A), "lines_claimed", lines=[])
    assert sorts(said) == [("missing_there", "S2021-0001", "0")]
    draft = said["differences"][0]["draft"]
    assert (draft["type"], draft["omsgid"], draft["oinfno"]) == ("voided", A["msgid"], "2304")
    filled = {**draft, "msgid": "M7", "setl_time": "2021-05-01T00:00:00+08:00"}
    assert Voided.model_validate_json(json.dumps(filled)).omsgid == A["msgid"]


def test_another_amount_is_named_with_both():
    said = asked(views_of(A), "lines_claimed", lines=[{**ROW_A, "fund_pay_sumamt": "104000.01"}])
    assert sorts(said) == [("amount", "S2021-0001", "0")]
    (found,) = said["differences"]
    assert (found["there"]["fund_pay_sumamt"], found["here"]["fund_pay_sumamt"]) == ("104000.01", "104000.00")


def test_a_row_twice_is_a_duplicate_once():
    said = asked(views_of(A), "lines_claimed", lines=[ROW_A, ROW_A])
    assert sorts(said) == [("duplicate", "S2021-0001", "0")]


def test_a_refund_that_only_the_hospital_made_is_drafted_as_a_reversal_that_settles():
    views = views_of(A)
    said = asked(views, "lines_claimed", lines=[ROW_A, row(A, "104000.00", "1")])
    assert sorts(said) == [("refund_missing", "S2021-0001", "1")]
    filled = {**said["differences"][0]["draft"], "msgid": "M7", "setl_time": "2021-04-02T00:00:00+08:00"}
    assert Reversed.model_validate_json(json.dumps(filled)).setl_id == REVERSED["setl_id"]
    mended = views_of(A, filled)
    assert asked(mended, "lines_claimed", lines=[ROW_A, row(A, "104000.00", "1")])["stmt_rslt"] == "0"


def test_a_refund_that_only_we_made_is_told():
    views = views_of(A, reversed_("S2021-0001", "2021-04-01T09:00:00+08:00"))
    assert sorts(asked(views, "lines_claimed", lines=[ROW_A])) == [("refund_missing", "S2021-0001", "1")]


APRIL = {"stmt_begndate": "2021-04-01", "stmt_enddate": "2021-04-30"}
REFUNDED = (A, reversed_("S2021-0001", "2021-04-01T09:00:00+08:00"))


@pytest.mark.parametrize("claim", [APRIL, {"refd_setl_flag": "1"}])
def test_a_refund_is_missing_also_where_its_settlement_is_not_asked_for(claim):
    said = asked(views_of(*REFUNDED), "lines_claimed", lines=[], **claim)
    assert sorts(said) == [("refund_missing", "S2021-0001", "1")]


def test_what_has_been_refunded_is_not_drafted_to_be_taken_back_again():
    views, refund = views_of(*REFUNDED), row(A, "104000.00", "1")
    neither = asked(views, "lines_claimed", lines=[])
    wrong = asked(views, "lines_claimed", lines=[{**ROW_A, "fund_pay_sumamt": "1.00"}, refund])
    refund_wrong = asked(views, "lines_claimed", lines=[ROW_A, {**refund, "fund_pay_sumamt": "-1.00"}])
    assert sorts(neither) == [("missing_there", "S2021-0001", "0"), ("missing_there", "S2021-0001", "1")]
    assert sorts(wrong) == [("amount", "S2021-0001", "0")]
    assert sorts(refund_wrong) == [("amount", "S2021-0001", "1")]
    found = [each for said in (neither, wrong, refund_wrong) for each in said["differences"]]
    assert [each["draft"] for each in found] == [None] * 4


def test_of_a_row_twice_the_one_that_agrees_is_kept():
    wrong = {**ROW_A, "fund_pay_sumamt": "1.00"}
    said = asked(views_of(A), "lines_claimed", lines=[wrong, ROW_A])
    assert sorts(said) == [("duplicate", "S2021-0001", "0")]
    assert said["differences"][0]["there"]["fund_pay_sumamt"] == "1.00"


def test_a_hospital_is_shown_nothing_of_what_another_has_and_drafted_nothing_for_it():
    claimed = [row(A, "1.00", medfee_sumamt="1.00", mdtrt_id=None), row(A, "1.00", "1", medfee_sumamt="-1.00")]
    said = asked(views_of(*REFUNDED[:1]), "lines_claimed", fixmedins_code="H1", lines=claimed)
    assert sorts(said) == [("missing_here", "S2021-0001", "0"), ("missing_here", "S2021-0001", "1")]
    assert [(each["here"], each["msgid"], each["draft"]) for each in said["differences"]] == [(None, None, None)] * 2
    assert all("另一医药机构" in each["memo"] for each in said["differences"])
    assert "120000.00" not in json.dumps(said)


def test_an_answer_fits_into_a_record_however_much_differs():
    longest = "9" * 64
    lines = [row(A, "9" * 13, setl_id=f"S{n:063}", mdtrt_id=longest, psn_no=longest) for n in range(2_000)]
    said = asked(views_of(A), "lines_claimed", lines=[{**line, "acct_pay": "9" * 13} for line in lines])
    assert (len(said["differences"]), said["left_out"]) == (500, 1_501)
    assert "2001 行" in said["stmt_rslt_dscr"]
    assert len(json.dumps(said, ensure_ascii=False).encode()) < 500_000
    (whole,) = asked(views_of(A), "lines_claimed", lines=[])["differences"]
    assert 500 * (len(json.dumps(whole, ensure_ascii=False).encode()) + 6 * 64) < 1 << 20


def test_a_voided_settlement_never_was():
    voided = {
        "type": "voided",
        "msgid": "V1",
        "omsgid": A["msgid"],
        "oinfno": "2304",
        "psn_no": A["psn_no"],
        "setl_time": "2021-03-02T10:30:00+08:00",
    }
    views = views_of(A, voided)
    assert asked(views, "lines_claimed", lines=[])["stmt_rslt"] == "0"
    said = asked(views, "lines_claimed", lines=[ROW_A])
    assert sorts(said) == [("missing_here", "S2021-0001", "0")]
    assert "冲正" in said["differences"][0]["memo"]


# ── requests that cannot be answered ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (b"not json", "json_invalid", None),
        (b'{"type": "settled"}', "union_tag_invalid", None),
        (b"\xff\xfe", "json_invalid", None),
        (b"11010519491231002X", "card_number_in_identifier", None),
    ],
)
def test_what_is_no_request_is_refused_by_name(record, reason, field):
    said = answer(Views(1), record)
    assert said["type"] == "claim_refused"
    assert (said["reason"], said["field"]) == (reason, field)


def test_a_refusal_repeats_nothing_of_the_request():
    lines = [{**ROW_A, "setl_id": "11010519491231002X", "medfee_sumamt": "a secret"}]
    said = asked(views_of(A), "lines_claimed", lines=lines)
    assert said["type"] == "claim_refused"
    assert "11010519491231002X" not in json.dumps(said)
    assert "secret" not in json.dumps(said)


def test_days_are_bounded():
    said = asked(Views(1), "lines_claimed", lines=[], stmt_begndate="2000-01-01", stmt_enddate="2021-01-01")
    assert (said["type"], said["reason"]) == ("claim_refused", "too_many_days")


def test_views_that_are_behind_answer_nothing_and_what_cannot_be_read_is_refused_all_the_same():
    told = {"type": "lines_claimed", "msgid": "Q1", "fixmedins_code": HOSPITAL, "setl_optins": "331000", **PERIOD}
    said = [answer(views_of(A), json.dumps(each).encode(), behind=True) for each in ({**told, "lines": []}, told)]
    assert [(each["type"], each.get("reason")) for each in said] == [
        ("claim_refused", "views_are_behind"),
        ("claim_refused", "missing"),
    ]
