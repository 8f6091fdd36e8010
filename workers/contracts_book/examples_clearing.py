"""Clearing and reconciliation of the same story: the stay is cleared, taken back, and asked about by its hospital."""

from typing import Final

from contracts.vocabulary import ClrType
from workers.contracts_book.examples import PSN_NO, REVERSED, SETTLED, Example

CLEARED: Final[Example] = {
    "type": "clearing_statement",
    "statement_id": "331002:610100:H33010000001:202103:21",
    "revision": 1,
    "clr_optins": "331002",
    "region": "331000",
    "fund_pay_type": "610100",
    "carrier": None,
    "fixmedins_code": "H33010000001",
    "setlym": "202103",
    "clr_type": ClrType.INPATIENT.value,
    "fixmedins_setl_cnt": 1,
    "refd_setl_cnt": 0,
    "paid": "14000.00",
    "returned": "0.00",
    "fund_appy_sum": "14000.00",
}

CLEARED_BACK: Final[Example] = {
    **CLEARED,
    "statement_id": "331002:610100:H33010000001:202110:21",
    "setlym": "202110",
    "fixmedins_setl_cnt": 0,
    "refd_setl_cnt": 1,
    "paid": "0.00",
    "returned": "-14000.00",
    "fund_appy_sum": "-14000.00",
}

CARRIED: Final[Example] = {
    "type": "carrier_statement",
    "statement_id": "331002:supplementary:999997:2021:某保险公司",
    "revision": 3,
    "clr_optins": "331002",
    "region": "331000",
    "layer": "supplementary",
    "fund_pay_type": "999997",
    "carrier": "某保险公司",
    "year": 2021,
    "paid": "7000.00",
    "returned": "-5000.00",
    "topped_up": "0.00",
    "clawed_back": "0.00",
    "fund_appy_sum": "2000.00",
}

PAID: Final[Example] = {
    "type": "statement_paid",
    "payment_id": "331002-2021-04-000117",
    "statement_id": CLEARED["statement_id"],
    "revision": 1,
    "amount": "14000.00",
    "paid_on": "2021-04-12",
    "voucher": "记-2021-04-0117",
}

TAKEN_BACK: Final[Example] = {
    "type": "payment_taken_back",
    "payment_id": PAID["payment_id"],
    "why": "returned_by_bank",
    "taken_back_on": "2021-04-14",
    "voucher": "记-2021-04-0139",
}

PAYMENT_REFUSED: Final[Example] = {
    "type": "payment_refused",
    "payment_id": PAID["payment_id"],
    "partition": 3,
    "offset": 41,
    "reason": "payment_id_reused_with_other_content",
    "field": "amount",
    "detail": "this payment_id stands for another payment: send another one, or take the first back and pay anew",
}

_ASKED: Final[Example] = {
    "fixmedins_code": "H33010000001",
    "setl_optins": "331000",
    "stmt_begndate": "2021-03-01",
    "stmt_enddate": "2021-03-31",
    "insutype": "390",
    "clr_type": ClrType.INPATIENT.value,
}

TOTALS_CLAIMED: Final[Example] = {
    "type": "totals_claimed",
    "msgid": "H33010000001202104010900000011",
    **_ASKED,
    "medfee_sumamt": "120000.00",
    "fund_pay_sumamt": "99000.00",
    "acct_pay": "0.00",
    "fixmedins_setl_cnt": 1,
}

_AMOUNTS: Final[Example] = {"medfee_sumamt": "120000.00", "fund_pay_sumamt": "104000.00", "acct_pay": "0.00"}

TOTALS_ANSWERED: Final[Example] = {
    "type": "totals_answered",
    "msgid": TOTALS_CLAIMED["msgid"],
    "fixmedins_code": "H33010000001",
    "setl_optins": "331000",
    "stmt_rslt": "1",
    "stmt_rslt_dscr": "不平：请以 lines_claimed（3202）发送明细",
    "here": {**_AMOUNTS, "fixmedins_setl_cnt": 1},
    "difference": {
        "medfee_sumamt": "0.00",
        "fund_pay_sumamt": "-5000.00",
        "acct_pay": "0.00",
        "fixmedins_setl_cnt": 0,
    },
    "seen": [0, 2],
}

LINES_CLAIMED: Final[Example] = {
    "type": "lines_claimed",
    "msgid": "H33010000001202104010915000012",
    **_ASKED,
    "lines": [
        {
            "setl_id": SETTLED["setl_id"],
            "mdtrt_id": SETTLED["mdtrt_id"],
            "psn_no": PSN_NO,
            **_AMOUNTS,
            "fund_pay_sumamt": "99000.00",
            "refd_setl_flag": "0",
        }
    ],
}

LINES_ANSWERED: Final[Example] = {
    "type": "lines_answered",
    "msgid": LINES_CLAIMED["msgid"],
    "fixmedins_code": "H33010000001",
    "setl_optins": "331000",
    "stmt_rslt": "1",
    "stmt_rslt_dscr": "不平：1 行",
    "differences": [
        {
            "difference": "amount",
            "setl_id": SETTLED["setl_id"],
            "mdtrt_id": SETTLED["mdtrt_id"],
            "psn_no": PSN_NO,
            "refd_setl_flag": "0",
            "msgid": SETTLED["msgid"],
            "there": {**_AMOUNTS, "fund_pay_sumamt": "99000.00"},
            "here": _AMOUNTS,
            "memo": "金额不一致：此处有误的，撤销后按正确金额重新结算",
            "draft": {
                "type": "reversed",
                "msgid": None,
                "setl_time": None,
                "psn_no": PSN_NO,
                "setl_id": REVERSED["setl_id"],
                "mdtrt_id": REVERSED["mdtrt_id"],
                "insuplc_admdvs": "331002",
            },
        }
    ],
    "left_out": 0,
    "seen": [0, 2],
}

CLAIM_REFUSED: Final[Example] = {
    "type": "claim_refused",
    "msgid": None,
    "reason": "send_money_as_string",
    "field": "lines_claimed.lines.0.fund_pay_sumamt",
    "detail": 'send the amount as a JSON string such as "1200.50": JSON numbers lose fen',
}
