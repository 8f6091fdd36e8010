"""What the packs in use say of events that speak of the past, and what they do not touch."""

from typing import Any, Final

from contracts.pack import Pack, PackSet
from contracts.pack_file import load_directory
from contracts.vocabulary import LayerId
from tests.adjudication.pack_variants import for_another_applicant, halved, version, watching_more, with_rows
from tests.adjudication.stored_core import Said, StoredCore
from tests.adjudication.test_ledger import bill, reversal

JINGNING, TAIYUAN, TAIZHOU = (
    next(pack for pack in load_directory().packs if pack.region == region) for region in ("331127", "140100", "331000")
)
HALF: Final = version(JINGNING, "half", layers=tuple(with_rows(layer, halved) for layer in JINGNING.layers))
OTHER_WORDS: Final = version(JINGNING, "words", layers=tuple(map(for_another_applicant, JINGNING.layers)))
REPORTED_ONLY: Final = version(
    JINGNING, "reported only", layers=tuple(layer for layer in JINGNING.layers if layer.mode == "reported")
)


def stay(name: str, amount: int) -> dict[str, Any]:
    return bill(name, "2022-03-01", insuplc_admdvs="331127", inscp_scp_amt=amount, medfee_sumamt=amount)


def decided(day: int, **said: Any) -> dict[str, Any]:
    event = {
        "type": "application_decided",
        "application_id": "A1",
        "psn_no": "P1",
        "insuplc_admdvs": "331127",
        "year": 2022,
        "applicant": "困难人员",
        "resident": True,
        "other_assistance": "0.00",
        "applied_on": "2023-03-01",
        "objections": False,
        "approved": True,
        "known_at": f"2023-05-{day:02d}T00:00:00+08:00",
    }
    return {**event, **said}


def adopted(pack: Pack, place: str, year: int) -> dict[str, Any]:
    return {
        "type": "pack_adopted",
        "psn_no": "P1",
        "insuplc_admdvs": place,
        "year": year,
        "first_day": f"{year}-01-01",
        "digest": pack.digest,
        "known_at": "2024-01-10T09:00:00+08:00",
    }


def voiding(msgid: str, omsgid: str) -> dict[str, Any]:
    return {
        "type": "voided",
        "msgid": msgid,
        "omsgid": omsgid,
        "oinfno": "2304",
        "psn_no": "P1",
        "setl_time": "2024-01-10T09:00:00+08:00",
    }


def settled_by(pack: Pack, *events: dict[str, Any]) -> StoredCore:
    core = StoredCore(PackSet([pack]))
    for event in events:
        assert core.take(event).refusal is None
    return core


def by(core: StoredCore, pack: Pack, event: dict[str, Any]) -> Said:
    """What the event comes to with another pack in use."""
    core.use(PackSet([pack]))
    return core.take(event)


def signals(out: Said) -> list[tuple[str, str]]:
    return [(signal["kind"], signal["state"]) for signal in out.signals]


def test_a_later_decision_is_decided_by_the_pack_in_use_with_its_conditions_and_its_numbers() -> None:
    core = settled_by(JINGNING, stay("S1", 100_000), decided(1))
    (again,) = by(core, HALF, decided(2, other_assistance="0.01")).payouts
    assert again["pack"]["digest"] == HALF.digest
    assert again["lines"][0]["cap"] == "33333.33"


def test_an_applicant_that_only_the_pack_in_use_knows_can_be_decided_again() -> None:
    core = settled_by(JINGNING, stay("S1", 100_000), decided(1))
    out = by(core, OTHER_WORDS, decided(2, applicant="谁也不是"))
    assert (out.refusal, out.effect) == (None, "changed")
    assert by(core, JINGNING, decided(3, applicant="谁也不是")).refusal == "applicant_is_unknown"


def test_money_can_be_taken_back_where_nothing_is_paid_on_application_any_more() -> None:
    core = settled_by(JINGNING, stay("S1", 100_000), decided(1))
    assert by(core, REPORTED_ONLY, decided(2)).refusal == "nothing_is_paid_on_application_here"
    (back,) = by(core, REPORTED_ONLY, decided(3, approved=False)).payouts
    assert back["pack"]["digest"] == JINGNING.digest
    assert (back["fund_pay_sumamt"], back["lines"][0]["correction"]) == ("0.00", "clawback")


def test_an_application_holds_a_pack_without_a_row_for_it_back_until_it_is_withdrawn() -> None:
    core = settled_by(JINGNING, stay("S1", 100_000), decided(1))
    event = adopted(REPORTED_ONLY, "331127", 2022)
    assert by(core, REPORTED_ONLY, event).refusal == "nothing_is_paid_on_application_here"
    assert by(core, OTHER_WORDS, adopted(OTHER_WORDS, "331127", 2022)).refusal == "applicant_is_unknown"
    core.take(decided(2, approved=False))
    assert by(core, REPORTED_ONLY, event).effect == "changed"
    assert by(core, REPORTED_ONLY, event).effect == "repeated"


def test_what_was_known_already_is_a_repeat_whatever_the_pack_in_use_would_say_of_it() -> None:
    carried = {
        "type": "carried_in",
        "psn_no": "P1",
        "insuplc_admdvs": "331127",
        "year": 2022,
        "known_at": "2022-01-01T00:00:00+08:00",
        "layers": {"high_expense_subsidy": {"base": "1.00", "paid": "0.00"}},
    }
    core = settled_by(JINGNING, carried, decided(1))
    assert by(core, REPORTED_ONLY, carried).effect == "repeated"
    assert by(core, REPORTED_ONLY, decided(1)).effect == "repeated"


def test_whoever_decided_that_money_is_owed_needs_no_signal_and_a_correction_needs_one() -> None:
    # The second application counts more help than the first: it takes back what the first one paid too much.
    core = settled_by(JINGNING, stay("S1", 20_000), stay("S2", 30_000), decided(1))
    first = core.take(decided(2, application_id="A2", other_assistance="5000"))
    assert first.payouts[0]["revision"] == 1
    assert first.payouts[0]["lines"][0]["correction"] == "clawback"
    assert ("clawback_needs_decision", "raised") not in signals(first)
    again = core.take(decided(3, application_id="A2", other_assistance="10000"))
    assert again.payouts[0]["lines"][0]["correction"] == "clawback"
    assert signals(again) == []
    assert ("clawback_needs_decision", "raised") in signals(core.take(reversal("S1", "2024-02-01")))


def test_a_year_is_watched_by_the_pack_of_its_last_live_settlement() -> None:
    # 20,000 yuan are no large year by Taizhou's pack, and one by the version that looks at 10,000.
    watchful = version(TAIZHOU, "watchful", watches=tuple(map(watching_more, TAIZHOU.watches)))
    place = {"insuplc_admdvs": "331002", "insutype": "390", "psn_idet": []}
    one, other = (bill(name, "2021-03-01", **place, inscp_scp_amt=20_000) for name in ("S1", "S2"))
    core = settled_by(TAIZHOU, one, other, reversal("S2", "2021-05-01"))
    assert signals(by(core, watchful, adopted(watchful, "331002", 2021))) == [("large_bill", "raised")]


def test_a_layer_that_only_counted_is_not_shown_when_the_new_pack_no_longer_has_it() -> None:
    without = version(TAIYUAN, "no illness", layers=tuple(x for x in TAIYUAN.layers if x.id != LayerId.SERIOUS_ILLNESS))
    # 1,000 yuan lie below the deductible of 5,000: counted, nothing paid.
    core = settled_by(TAIYUAN, bill("S1", "2019-03-01", inscp_scp_amt=1_000))
    assert by(core, without, adopted(without, "140105", 2019)).payouts == []
    (back,) = core.take(reversal("S1", "2019-05-01")).payouts
    assert "serious_illness" not in [line["layer"] for line in back["lines"]]
    assert back["pack"]["digest"] == without.digest


def test_a_voiding_cannot_be_voided_even_where_it_changed_nothing() -> None:
    core = settled_by(TAIYUAN, bill("S1", "2019-03-01", inscp_scp_amt=1_000), reversal("S1", "2019-05-01"))
    assert core.take(voiding("V1", "m-S1")).effect == "repeated"
    assert core.take(voiding("V2", "V1")).refusal == "voiding_a_reversal"


def test_a_voiding_that_was_voided_before_it_came_does_nothing_when_it_comes() -> None:
    core = settled_by(TAIYUAN, bill("S1", "2019-03-01", inscp_scp_amt=6_000))
    assert core.take(voiding("V2", "V1")).effect == "remembered"
    assert core.take(voiding("V1", "m-S1")).refusal == "message_was_voided"
    assert core.take(bill("S1", "2019-03-01", inscp_scp_amt=6_000)).effect == "repeated"


def test_an_application_that_was_withdrawn_begins_anew_with_whatever_other_help_is_known_then() -> None:
    core = settled_by(JINGNING, stay("S1", 30_000), decided(1), decided(2, approved=False))
    assert signals(core.take(decided(3, other_assistance="5000"))) == []
    assert ("other_assistance_risen", "raised") in signals(core.take(decided(4, other_assistance="6000")))


def test_a_city_s_new_pack_does_not_reach_those_whom_a_county_s_own_decides_now() -> None:
    county = version(TAIZHOU, "county", county="331002")
    half = version(TAIZHOU, "half", layers=tuple(with_rows(layer, halved) for layer in TAIZHOU.layers))
    core = settled_by(TAIZHOU, bill("S1", "2021-03-01", insuplc_admdvs="331002", inscp_scp_amt=20_000))
    core.use(PackSet([half, county]))
    assert core.take(adopted(half, "331081", 2021)).effect == "repeated"
    assert core.take(adopted(county, "331002", 2021)).effect == "changed"


def test_what_others_have_paid_is_deducted_by_its_clause_and_its_reading() -> None:
    of_deduction, of_reading = "景政办发〔2021〕29号 二（三）2（2）", "JN-15"
    (alone,) = settled_by(JINGNING, stay("S1", 100_000)).take(decided(1)).payouts
    (beside,) = settled_by(JINGNING, stay("S1", 100_000)).take(decided(1, other_assistance="1000")).payouts
    assert (alone["fund_pay_sumamt"], beside["fund_pay_sumamt"]) == ("45000.00", "44500.00")
    assert of_deduction not in alone["lines"][0]["clauses"]
    assert of_deduction in beside["lines"][0]["clauses"]
    assert set(beside["lines"][0]["readings"]) - set(alone["lines"][0]["readings"]) == {of_reading}
