"""Payouts of the same story: a settlement, its reversal, what that corrects, and a subsidy paid on application.

The sums, so that a calculator can follow: 自理 10,000 × 0.50 = 5,000 supplementary; (5,000 + 15,000) × 0.70 = 14,000
assistance; 16,000 are left. The later stay had moved from 20,000 to 54,000 of the year, 30,000 × 0.70 + 4,000 × 0.75 =
24,000; once the first is gone it moves from 0 to 34,000, × 0.70 = 23,800. Jingning: (35,000 − 10,000) × 0.50 = 12,500.
A test settles the events of the story for real and finds these payouts.
"""

from typing import Any, Final

from workers.contracts_book.examples import (
    APPLICATION_DECIDED,
    DIGEST,
    PSN_NO,
    REVERSED,
    SETTLED,
    SETTLED_IN_JINGNING,
    Example,
)

_ASSISTANCE: Final = "台医保联发〔2020〕8号"
_SUPPLEMENTARY: Final = "台政办发〔2019〕23号"
_SUBSIDY: Final = "景政办发〔2021〕29号"


def _reported(seq: int, layer: str, label: str, fund: str, amount: str, delta: str | None = None) -> dict[str, Any]:
    return {
        "seq": seq,
        "layer": layer,
        "label": label,
        "fund_pay_type": fund,
        "status": "reported",
        "reason": None,
        "fund_payamt": amount,
        "delta": amount if delta is None else delta,
        "payable": False,
        "payee": None,
    }


def _computed(seq: int, layer: str, label: str, fund: str, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "layer": layer, "label": label, "fund_pay_type": fund, **more}


def _nothing(seq: int, layer: str, label: str, fund: str, **more: Any) -> dict[str, Any]:
    none = {"fund_payamt": "0.00", "delta": "0.00", "payable": False, "payee": None}
    return _computed(seq, layer, label, fund, status="nothing", **{**none, **more})


def _taken_back(seq: int, layer: str, label: str, fund: str, delta: str) -> dict[str, Any]:
    return _nothing(
        seq, layer, label, fund, reason="reversed", delta=delta, payable=delta != "0.00",
        payee=None if delta == "0.00" else "fixmedins",
    )  # fmt: skip


_OUTPATIENT: Final = _nothing(
    5,
    "assistance_outpatient",
    "医疗救助·门诊",
    "610100",
    reason="care_not_covered",
    clauses=[f"{_ASSISTANCE} 二（二）2"],
    readings=["TZ-24", "TZ-27"],
)

SETTLEMENT: Final[Example] = {
    "type": "combined_payout",
    "payout_id": f"{PSN_NO}:S2021-0001:1",
    "kind": "settlement",
    "setl_id": "S2021-0001",
    "mdtrt_id": "M2021-0001",
    "psn_no": PSN_NO,
    "insuplc_admdvs": "331002",
    "fixmedins_code": "H33010000001",
    "insutype": "390",
    "clr_type": "21",
    "year": 2021,
    "revision": 1,
    "cause": {"type": "settled", "msgid": SETTLED["msgid"]},
    "pack": {"region": "331000", "digest": DIGEST},
    "medfee_sumamt": "120000.00",
    "fund_pay_sumamt": "104000.00",
    "psn_part_amt": "16000.00",
    "lines": [
        _reported(1, "basic", "基本医疗保险", "390100", "70000.00"),
        _reported(2, "serious_illness", "大病保险", "390200", "15000.00"),
        _computed(
            3,
            "supplementary",
            "补充医疗保险",
            "999997",
            status="paid",
            reason=None,
            who="最低生活保障家庭成员",
            inscp_scp_amt="10000.00",
            base_before="0.00",
            base_after="10000.00",
            tiers=[{"from": "0.00", "to": "10000.00", "ratio": "0.50"}],
            cap="80000.00",
            crt_payb_lmt_amt="80000.00",
            cap_left="75000.00",
            fund_payamt="5000.00",
            delta="5000.00",
            payable=True,
            payee="fixmedins",
            clauses=[f"{_SUPPLEMENTARY} 二（二）"],
            readings=["TZ-19"],
        ),
        _computed(
            4,
            "assistance_inpatient",
            "医疗救助·住院",
            "610100",
            status="paid",
            reason=None,
            who="低保对象",
            inscp_scp_amt="20000.00",
            base_before="0.00",
            base_after="20000.00",
            tiers=[{"from": "0.00", "to": "20000.00", "ratio": "0.70"}],
            cap="100000.00",
            crt_payb_lmt_amt="100000.00",
            cap_left="86000.00",
            fund_payamt="14000.00",
            delta="14000.00",
            payable=True,
            payee="fixmedins",
            clauses=[f"{_ASSISTANCE} 二（二）1"],
            readings=["TZ-04", "TZ-05", "TZ-06"],
        ),
        _OUTPATIENT,
    ],
    "left": {
        "fulamt_ownpay_amt": "8000.00",
        "overlmt_selfpay": "2000.00",
        "preselfpay_amt": "0.00",
        "inscp_scp_amt": "6000.00",
    },
}

_NOTHING_LEFT: Final = dict.fromkeys(SETTLEMENT["left"], "0.00")

REVERSAL: Final[Example] = {
    **SETTLEMENT,
    "payout_id": f"{PSN_NO}:S2021-0001:2",
    "kind": "reversal",
    "revision": 2,
    "cause": {"type": "reversed", "msgid": REVERSED["msgid"]},
    "fund_pay_sumamt": "0.00",
    "psn_part_amt": "0.00",
    "lines": [
        {**_reported(1, "basic", "基本医疗保险", "390100", "0.00", "-70000.00"), "reason": "reversed"},
        {**_reported(2, "serious_illness", "大病保险", "390200", "0.00", "-15000.00"), "reason": "reversed"},
        _taken_back(3, "supplementary", "补充医疗保险", "999997", "-5000.00"),
        _taken_back(4, "assistance_inpatient", "医疗救助·住院", "610100", "-14000.00"),
        _taken_back(5, "assistance_outpatient", "医疗救助·门诊", "610100", "0.00"),
    ],
    "left": _NOTHING_LEFT,
}

READJUDICATION: Final[Example] = {
    **SETTLEMENT,
    "payout_id": f"{PSN_NO}:S2021-0002:2",
    "kind": "readjudication",
    "setl_id": "S2021-0002",
    "mdtrt_id": "M2021-0002",
    "revision": 2,
    "cause": {"type": "reversed", "msgid": REVERSED["msgid"]},
    "medfee_sumamt": "104000.00",
    "fund_pay_sumamt": "93800.00",
    "psn_part_amt": "10200.00",
    "lines": [
        _reported(1, "basic", "基本医疗保险", "390100", "68000.00", "0.00"),
        _reported(2, "serious_illness", "大病保险", "390200", "0.00"),
        {
            **SETTLEMENT["lines"][2],
            "inscp_scp_amt": "4000.00",
            "base_after": "4000.00",
            "tiers": [{"from": "0.00", "to": "4000.00", "ratio": "0.50"}],
            "cap_left": "78000.00",
            "fund_payamt": "2000.00",
            "delta": "0.00",
            "payable": False,
            "payee": None,
        },
        {
            **SETTLEMENT["lines"][3],
            "inscp_scp_amt": "34000.00",
            "base_after": "34000.00",
            "tiers": [{"from": "0.00", "to": "34000.00", "ratio": "0.70"}],
            "cap_left": "76200.00",
            "fund_payamt": "23800.00",
            "delta": "-200.00",
            "payee": "person",
            "correction": "clawback",
        },
        _OUTPATIENT,
    ],
    "left": {**_NOTHING_LEFT, "inscp_scp_amt": "10200.00"},
}

_SUBSIDY_LINE: Final = _computed(
    4,
    "high_expense_subsidy",
    "困难群众高额医疗费补助",
    "999997",
    who="困难人员",
    inscp_scp_amt="35000.00",
    base_before="0.00",
    base_after="35000.00",
    tiers=[
        {"from": "0.00", "to": "10000.00", "ratio": "0.00"},
        {"from": "10000.00", "to": "35000.00", "ratio": "0.50"},
    ],
    cap="100000.00",
    crt_payb_lmt_amt="100000.00",
    clauses=[f"{_SUBSIDY} 二（二）2（1）"],
    readings=["JN-03", "JN-04"],
)

PENDING: Final[Example] = {
    **SETTLEMENT,
    "payout_id": "P331100000002:S2022-0001:1",
    "setl_id": "S2022-0001",
    "mdtrt_id": "M2022-0001",
    "psn_no": "P331100000002",
    "insuplc_admdvs": "331127",
    "fixmedins_code": "H33112700001",
    "year": 2022,
    "cause": {"type": "settled", "msgid": SETTLED_IN_JINGNING["msgid"]},
    "pack": {"region": "331127", "digest": DIGEST},
    "medfee_sumamt": "100000.00",
    "fund_pay_sumamt": "65000.00",
    "psn_part_amt": "35000.00",
    "lines": [
        _reported(1, "basic", "基本医疗保险", "390100", "50000.00"),
        _reported(2, "serious_illness", "大病保险", "390200", "10000.00"),
        _reported(3, "assistance", "医疗救助", "610100", "5000.00"),
        {
            **_SUBSIDY_LINE,
            "status": "pending_application",
            "reason": None,
            "cap_left": "100000.00",
            "pending_payamt": "12500.00",
            "fund_payamt": "0.00",
            "delta": "0.00",
            "payable": False,
            "payee": None,
        },
    ],
    "left": {
        "fulamt_ownpay_amt": "8000.00",
        "overlmt_selfpay": "2000.00",
        "preselfpay_amt": "10000.00",
        "inscp_scp_amt": "15000.00",
    },
}

APPLICATION: Final[Example] = {
    "type": "combined_payout",
    "payout_id": "P331100000002:application:A2023-0001:1",
    "kind": "application",
    "application_id": "A2023-0001",
    "psn_no": "P331100000002",
    "insuplc_admdvs": "331127",
    "year": 2022,
    "revision": 1,
    "cause": {
        "type": "application_decided",
        "application_id": "A2023-0001",
        "known_at": APPLICATION_DECIDED["known_at"],
    },
    "pack": {"region": "331127", "digest": DIGEST},
    "fund_pay_sumamt": "12500.00",
    "lines": [
        {
            **_SUBSIDY_LINE,
            "seq": 1,
            "status": "paid",
            "reason": None,
            "cap_left": "87500.00",
            "fund_payamt": "12500.00",
            "delta": "12500.00",
            "payable": True,
            "payee": "person",
        }
    ],
}

PAYOUTS: Final = (SETTLEMENT, REVERSAL, READJUDICATION, PENDING, APPLICATION)
