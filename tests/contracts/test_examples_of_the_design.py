"""The wire format as the design writes it down is what the models read."""

import json

import pytest

from contracts.discharge import Settled
from contracts.events import READ_EVENT
from contracts.payout import READ_PAYOUT
from contracts.vocabulary import Care
from workers.contracts_book.examples_payout import PAYOUTS, SETTLEMENT

DESIGN = """
{"type": "settled", "msgid": "H3310-0001", "setl_id": "S2021-0001", "mdtrt_id": "M2021-0001", "psn_no": "P330000000001", "insutype": "390", "med_type": "21", "insuplc_admdvs": "331002", "mdtrtarea_admvs": "330100", "fixmedins_code": "H33010000001", "begndate": "2021-02-20", "enddate": "2021-03-02", "setl_time": "2021-03-02T10:15:00+08:00", "psn_idet": [{"psn_idet_type": "2303", "begntime": "2020-01-01", "endtime": null}], "premium_subsidised": null, "exclusions": [], "medfee_sumamt": "120000.00", "fulamt_ownpay_amt": "8000.00", "overlmt_selfpay": "2000.00", "preselfpay_amt": "10000.00", "inscp_scp_amt": "100000.00", "hifp_pay": "70000.00", "hifmi_pay": "15000.00", "maf_pay": null, "oth_pay": null}
{"type": "reversed", "msgid": "H3310-0007", "setl_id": "S2021-0001", "mdtrt_id": "M2021-0001", "psn_no": "P330000000001", "insuplc_admdvs": "331002", "setl_time": "2021-04-01T09:00:00+08:00"}
{"type": "voided", "msgid": "H3310-0008", "omsgid": "H3310-0001", "oinfno": "2304", "psn_no": "P330000000001", "setl_time": "2021-04-01T09:00:00+08:00"}
{"type": "identity_changed", "psn_no": "P330000000001", "psn_idet": [{"psn_idet_type": "2303", "begntime": "2021-02-01", "endtime": null}], "known_at": "2021-05-01T00:00:00+08:00"}
{"type": "carried_in", "psn_no": "P330000000001", "insuplc_admdvs": "331002", "year": 2021, "known_at": "2021-01-01T00:00:00+08:00", "layers": {"assistance_inpatient": {"base": "30000.00", "paid": "21000.00"}}}
{"type": "application_decided", "application_id": "A1", "psn_no": "P330000000001", "insuplc_admdvs": "331127", "year": 2021, "applicant": "其他因病困难人员", "hardship_application": "refused", "resident": true, "insured_years": 5, "other_assistance": "0.00", "applied_on": "2022-03-01", "objections": false, "approved": true, "known_at": "2022-03-20T00:00:00+08:00", "account_token": "T1"}
""".strip().splitlines()  # noqa: E501


@pytest.mark.parametrize("line", DESIGN, ids=lambda line: json.loads(line)["type"])
def test_an_event_of_the_design_is_read(line):
    assert READ_EVENT.validate_json(line).type == json.loads(line)["type"]


def test_a_settled_bill_is_read_in_fen():
    bill = READ_EVENT.validate_json(DESIGN[0])
    assert isinstance(bill, Settled)
    assert (bill.medfee_sumamt, bill.hifp_pay, bill.maf_pay) == (120_000_00, 70_000_00, None)
    assert (bill.care, bill.year) == (Care.INPATIENT, 2021)


def test_the_payout_of_the_design_is_the_published_example():
    assert SETTLEMENT["medfee_sumamt"] == "120000.00"
    assert SETTLEMENT["fund_pay_sumamt"] == "104000.00"
    assert SETTLEMENT["left"] == {
        "fulamt_ownpay_amt": "8000.00",
        "overlmt_selfpay": "2000.00",
        "preselfpay_amt": "0.00",
        "inscp_scp_amt": "6000.00",
    }
    inpatient = SETTLEMENT["lines"][3]
    assert (inpatient["fund_payamt"], inpatient["cap_left"], inpatient["payee"]) == (
        "14000.00",
        "86000.00",
        "fixmedins",
    )


@pytest.mark.parametrize("payout", PAYOUTS, ids=lambda payout: payout["payout_id"])
def test_a_payout_of_the_book_is_read(payout):
    assert READ_PAYOUT.validate_json(json.dumps(payout)) == payout
