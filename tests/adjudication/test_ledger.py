"""A person's year as people would tell it: steps along the accounts, and corrections that move the rest."""

import json
from dataclasses import replace
from typing import Any

from contracts.journal import HISTORY_MAX, Entry, Revision
from contracts.money import yuan
from contracts.pack import PackSet
from contracts.pack_file import load_directory
from contracts.payout import CombinedPayout
from contracts.vocabulary import Care, LayerId, Refusal
from workers.settlement.offline import Settler


def bill(name: str, day: str, **said: Any) -> dict[str, Any]:
    """A stay in Taiyuan of a registered poor person; amounts in whole yuan, 自负 unless `said` otherwise."""
    event = {
        "type": "settled",
        "msgid": f"m-{name}",
        "setl_id": name,
        "mdtrt_id": f"M-{name}",
        "psn_no": "P1",
        "insutype": "390",
        "med_type": "21",
        "insuplc_admdvs": "140105",
        "fixmedins_code": "H1",
        "begndate": day,
        "enddate": day,
        "setl_time": f"{day}T10:00:00+08:00",
        "psn_idet": [{"psn_idet_type": "2303", "begntime": "2019-01-01"}],
        "medfee_sumamt": said.get("inscp_scp_amt", 0),
        "fulamt_ownpay_amt": 0,
        "overlmt_selfpay": 0,
        "preselfpay_amt": 0,
        "inscp_scp_amt": 0,
    }
    return {**event, **said}


def reversal(name: str, day: str) -> dict[str, Any]:
    return {"type": "reversed", "msgid": f"r-{name}", "setl_id": name, "psn_no": "P1", "setl_time": f"{day}T10:00:00Z"}


def take(settler: Settler, *events: dict[str, Any]) -> list[CombinedPayout]:
    payouts: list[CombinedPayout] = []
    for event in events:
        outcome = settler.take(json.dumps(event).encode())
        assert outcome.refusal is None, outcome.refusal
        payouts += outcome.payouts
    return payouts


def paid(payout: CombinedPayout, layer: str) -> tuple[str, str, str | None]:
    """What a layer pays now, what that changes, and who gets or gives it."""
    line = next(line for line in payout["lines"] if line["layer"] == layer)
    return line["fund_payamt"], line["delta"], line["payee"]


def test_a_freed_cap_pays_a_later_stay_more_and_the_person_gets_it() -> None:
    settler = Settler(load_directory())
    # 5,000 deductible, 78 %, cap 400,000: A (600,000 − 5,000) × 0.78 = 464,100 → 400,000; B: the cap is spent.
    first, second = take(
        settler,
        bill("A", "2019-03-01", inscp_scp_amt=600_000),
        bill("B", "2019-05-01", inscp_scp_amt=105_000),
    )
    assert paid(first, "serious_illness") == ("400000.00", "400000.00", "fixmedins")
    assert paid(second, "serious_illness") == ("0.00", "0.00", None)
    # Without A: B is (105,000 − 5,000) × 0.78 = 78,000.
    back, again = take(settler, reversal("A", "2019-06-01"))
    assert (back["kind"], again["kind"]) == ("reversal", "readjudication")
    assert paid(back, "serious_illness") == ("0.00", "-400000.00", "fixmedins")
    assert paid(again, "serious_illness") == ("78000.00", "78000.00", "person")
    # Reversed in turn, B returns to nobody but the person what the person had received.
    (last,) = take(settler, reversal("B", "2019-07-01"))
    assert paid(last, "serious_illness") == ("0.00", "-78000.00", "person")
    year = settler.shelf["y|P1|140100|2019"]
    assert {account[:2] for account in year.accounts.values()} == set()  # type: ignore[union-attr]


def test_a_payment_reported_after_ours_keeps_its_room_when_a_cap_is_freed() -> None:
    settler = Settler(load_directory())
    # A spends the cap. B: serious illness 0, then assistance reports the whole bill of 100,000.
    _, second = take(
        settler,
        bill("A", "2019-03-01", inscp_scp_amt=600_000),
        bill("B", "2019-05-01", inscp_scp_amt=100_000, maf_pay=90_000),
    )
    assert second["psn_part_amt"] == "10000.00"
    # Without A serious illness would owe (100,000 − 5,000) × 0.78 = 74,100, but 90,000 were paid by assistance: 10,000.
    _, again = take(settler, reversal("A", "2019-06-01"))
    assert paid(again, "serious_illness") == ("10000.00", "10000.00", "person")
    assert again["psn_part_amt"] == "0.00"
    assert again["fund_pay_sumamt"] == yuan(10_000_000)


def test_a_stay_that_a_layer_does_not_cover_leaves_its_account_alone() -> None:
    settler = Settler(load_directory())
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=20_000, med_type="14"))
    (second,) = take(settler, bill("B", "2019-04-01", inscp_scp_amt=6_000))
    # Only B counts: (6,000 − 5,000) × 0.78.
    assert paid(second, "serious_illness") == ("780.00", "780.00", "fixmedins")


def test_a_fund_field_that_two_layers_share_belongs_to_the_one_that_looks_at_the_settlement() -> None:
    city = next(pack for pack in load_directory().packs if pack.region == "331000")
    # Both assistance layers take inpatients and share maf_pay: one for residents, the other for employees.
    layers = tuple(
        replace(layer, cares=frozenset({Care.INPATIENT}), insutypes=frozenset({insutypes[layer.id]}))
        if layer.id in (insutypes := {LayerId.ASSISTANCE_INPATIENT: "390", LayerId.ASSISTANCE_OUTPATIENT: "310"})
        else layer
        for layer in city.layers
    )
    for insutype in ("390", "310"):
        settler = Settler(PackSet([replace(city, layers=layers)]))
        event = bill("A", "2021-03-01", inscp_scp_amt=1_000, insuplc_admdvs="331002", insutype=insutype, maf_pay=100)
        refusal = settler.take(json.dumps(event).encode()).refusal
        assert refusal is not None
        assert (refusal.reason, refusal.field) == (Refusal.LAYER_ALREADY_PAID, "maf_pay")


def known(code: str, at: str) -> dict[str, Any]:
    identity = {"psn_idet_type": code, "begntime": "2020-01-01"}
    return {"type": "identity_changed", "psn_no": "P1", "psn_idet": [identity], "known_at": f"{at}T00:00:00+08:00"}


def test_what_the_platform_paid_is_part_of_what_is_owed_when_a_delegated_layer_turns_out_to_be_ours() -> None:
    settler = Settler(load_directory())
    # 2360 is the county's to decide: its 500 stand. As 2303 the stay is owed 10,000 × 0.70 = 7,000, so 6,500 more.
    stay = bill("A", "2021-01-02", inscp_scp_amt=10_000, insuplc_admdvs="331002", maf_pay=500)
    stay["psn_idet"] = [{"psn_idet_type": "2360", "begntime": "2018-01-01"}]
    payouts = take(settler, stay, known("2303", "2021-05-01"), known("2360", "2021-06-01"))
    assert [paid(payout, "assistance_inpatient") for payout in payouts] == [
        ("500.00", "500.00", None),
        ("7000.00", "6500.00", "person"),
        ("500.00", "-6500.00", "person"),
    ]
    # Taken back, only what the platform had paid is left to name, and it is the platform's to take back.
    (back,) = take(settler, reversal("A", "2021-08-01"))
    assert paid(back, "assistance_inpatient") == ("0.00", "-500.00", None)


def test_a_payment_of_nothing_is_the_same_whether_it_is_written_or_left_out() -> None:
    settler = Settler(load_directory())
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=20_000, hifp_pay="100.0", exclusions=[]))
    again = bill("A", "2019-03-01", inscp_scp_amt="20000.00", hifp_pay=100, oth_pay="0.00", maf_pay=None, msgid="again")
    outcome = settler.take(json.dumps(again).encode())
    assert (outcome.effect, outcome.payouts) == ("repeated", [])


def test_a_refusal_in_the_middle_of_a_fold_leaves_the_year_as_it_was() -> None:
    settler = Settler(load_directory())
    take(settler, bill("A", "2019-03-01", inscp_scp_amt=8_000), bill("B", "2019-05-01", inscp_scp_amt=8_000))
    # B has been corrected as often as is kept. Taking A back would correct it once more, after A is already out.
    name = "e|P1|140100|2019|1"
    entry = settler.shelf[name]
    assert isinstance(entry, Entry)
    often = tuple(Revision(2 + n, {"type": "reversed", "msgid": f"m{n}"}, {}, {}) for n in range(HISTORY_MAX))
    settler.shelf[name] = replace(
        entry,
        revision=1 + HISTORY_MAX,
        revisions=tuple(each._replace(changes={"serious_illness": 1}) for each in often),
    )
    held = dict(settler.shelf)
    refusal = settler.take(json.dumps(reversal("A", "2019-06-01")).encode()).refusal
    assert refusal is not None
    assert refusal.reason == Refusal.HISTORY_IS_TOO_LONG
    assert settler.shelf == held


def test_a_grant_is_taken_back_whatever_the_withdrawal_says_about_the_applicant() -> None:
    settler = Settler(load_directory())
    stay = bill("A", "2022-03-01", inscp_scp_amt=30_000, insuplc_admdvs="331127")
    granted = {
        "type": "application_decided",
        "application_id": "A1",
        "psn_no": "P1",
        "insuplc_admdvs": "331127",
        "year": 2022,
        "applicant": "困难人员",
        "resident": True,
        "other_assistance": "0.00",
        "applied_on": "2023-01-01",
        "objections": False,
        "approved": True,
        "known_at": "2023-02-01T00:00:00+08:00",
    }
    withdrawn = {**granted, "applicant": "谁也不是", "approved": False, "known_at": "2023-03-01T00:00:00+08:00"}
    _, first, second = take(settler, stay, granted, withdrawn)
    # (30,000 − 10,000) × 0.50
    assert paid(first, "high_expense_subsidy") == ("10000.00", "10000.00", "person")
    assert paid(second, "high_expense_subsidy") == ("0.00", "-10000.00", "person")
