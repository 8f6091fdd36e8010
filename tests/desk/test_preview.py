"""A reversal tried before it is sent: what would move, for whom, and why it might be refused."""

import asyncio
import json

import pytest
from hypothesis import given, settings

from contracts.payout import READ_PAYOUT
from contracts.vocabulary import Payee
from tests.adjudication.corrected_years import corrected_years
from tests.adjudication.pack_variants import corrected_from_the_last
from tests.adjudication.person_years import PERSON_YEARS
from tests.adjudication.test_two_models import look
from tests.desk.year_events import PACKS, PERSON, Event, encoded, reversal, settled
from tests.desk.years import bill
from workers.desk.preview import Flow, Totals, summary
from workers.desk.preview_page import reversal_page
from workers.desk.reversal import TriedReversal, refusal_text, reversed_event, try_reversal
from workers.desk.source import FileSource
from workers.settlement.offline import Settler
from workers.settlement.pipeline import Movement

YEAR = (
    bill("A", "2021-03-02", "2303", 0, 10_000),  # supplementary 5,000, assistance 5,000 × 0.70 = 3,500
    bill("B", "2021-06-10", "2303", 60_000, fixmedins_code="H2"),  # 45,000 × 0.70 + 15,000 × 0.75 = 42,750
)


def tried(source: FileSource, setl_id: str) -> TriedReversal:
    event = reversed_event(PERSON, setl_id, msgid="R1", setl_time="2021-12-01T00:00:00+08:00")
    return asyncio.run(try_reversal(source, event, PERSON))


def test_a_reversal_shows_each_layer_that_changes_and_who_pays_whom():
    found = tried(settled(*YEAR), "A")
    assert found.trial.effect == "reversed"
    # B moves 5,000 down the curve: 50,000 × 0.70 + 10,000 × 0.75 = 42,500.
    assert [
        (change.setl_id, change.fixmedins_code, layer.layer, layer.before, layer.after, layer.way, layer.payee)
        for change in found.moved.changes
        for layer in change.layers
    ] == [
        ("A", "H1", "supplementary", 500_000, 0, Movement.RETURNED, Payee.INSTITUTION),
        ("A", "H1", "assistance_inpatient", 350_000, 0, Movement.RETURNED, Payee.INSTITUTION),
        ("B", "H2", "assistance_inpatient", 4_275_000, 4_250_000, Movement.CLAWBACK, Payee.PERSON),
    ]


def test_totals_keep_what_comes_back_from_hospitals_and_from_persons_apart():
    totals = tried(settled(*YEAR), "A").moved.totals
    assert totals.all == Flow(returned=850_000, clawback=25_000)
    assert totals.all.net == -875_000
    assert totals.by_fund == {
        ("999997", "补充医疗保险"): Flow(returned=500_000),
        ("610100", "医疗救助·住院"): Flow(returned=350_000, clawback=25_000),
    }
    assert totals.by_hospital == {
        ("H1", Payee.INSTITUTION): Flow(returned=850_000),
        ("H2", Payee.PERSON): Flow(clawback=25_000),
    }
    assert totals.by_payee == {Payee.INSTITUTION: Flow(returned=850_000), Payee.PERSON: Flow(clawback=25_000)}


def test_what_the_platform_itself_paid_is_shown_and_is_in_no_total():
    found = tried(settled(bill("A", "2021-03-02", "2303", 30_000, hifp_pay="20000.00")), "A")
    basic, assistance = found.moved.changes[0].layers
    assert (basic.layer, basic.change, basic.way) == ("basic", -2_000_000, None)
    assert found.moved.totals.all == Flow(returned=-assistance.change)


def test_a_top_up_and_a_clawback_are_not_set_off_against_each_other():
    # Outpatient assistance: 60 % up to 400. A takes it all; without A, B and C get it.
    events = [bill(name, f"2021-0{n}-01", "2303", 600, med_type="11") for n, name in ((1, "A"), (2, "B"), (3, "C"))]
    totals = tried(settled(*events), "A").moved.totals
    assert totals.all == Flow(returned=36_000, top_up=36_000)
    assert totals.all.net == 0


def test_a_reversal_gives_a_person_back_what_a_correction_had_asked_back():
    stripped = {
        "type": "identity_changed",
        "psn_no": PERSON,
        "psn_idet": [],
        "known_at": "2022-01-01T00:00:00+08:00",
    }
    found = tried(settled(bill("A", "2021-03-02", "2303", 10_000), stripped), "A")
    # The hospital received 7,000; the identity turned out to be wrong and 7,000 were asked of the person.
    assert found.moved.totals.by_payee == {Payee.INSTITUTION: Flow(returned=700_000), Payee.PERSON: Flow(paid=700_000)}
    assert found.moved.totals.all.net == 0
    assert found.trial.counts.moved == {
        ("331000", "assistance_inpatient", "610100", Payee.INSTITUTION, Movement.RETURNED): 700_000,
        ("331000", "assistance_inpatient", "610100", Payee.PERSON, Movement.PAID): 700_000,
    }
    assert "付给个人" in reversal_page("A", PERSON, "reversed", found.moved, [])


def test_signals_that_would_be_withdrawn_are_told():
    # 142,000 in scope: 50,000 × 0.70 + 92,000 × 0.75 is more than the cap of 100,000.
    source = settled(bill("A", "2021-03-02", "2303", 142_000), bill("B", "2021-04-02", "2303", 1_000))
    found = tried(source, "A")
    assert [(signal["kind"], signal["state"]) for signal in found.trial.signals] == [("cap_reached", "withdrawn")]
    page = reversal_page("A", PERSON, "reversed", found.moved, found.trial.signals)
    assert "撤回  达到年度封顶线" in page
    assert "医疗救助·住院" in page.partition("提示的变动")[2]


def test_an_unknown_settlement_would_be_remembered_and_a_reversed_one_repeated():
    source = settled(*YEAR, reversal("A", "2021-12-31"))
    unknown, again = tried(source, "Z"), tried(source, "A")
    assert (unknown.trial.effect, again.trial.effect) == ("remembered", "repeated")
    assert not unknown.moved.changes
    assert not again.moved.changes
    assert "没有收到过该结算号" in reversal_page("Z", None, "remembered", unknown.moved, [])
    assert "此前已经收到" in reversal_page("A", None, "repeated", again.moved, [])


def test_a_region_that_reverses_from_the_last_is_refused_by_name_with_the_mend():
    source = settled(*YEAR, packs=corrected_from_the_last(PACKS))
    found = tried(source, "A")
    assert found.refused is not None
    assert found.trial.effect == "refused"
    assert refusal_text(found.refused).startswith("later_settlements_exist (setl_id)：该统筹区要求后结先撤")
    assert tried(source, "B").refused is None


def test_a_card_number_is_refused_and_repeated_nowhere():
    card = "11010519491231002X"
    event = reversed_event(card, "A", msgid="R1", setl_time="2021-12-01T00:00:00+08:00")
    found = asyncio.run(try_reversal(settled(), event, card))
    assert found.refused is not None
    assert card not in json.dumps(found.written(sent=False)) + refusal_text(found.refused)


def test_columns_line_up_where_chinese_and_latin_letters_mix():
    found = tried(settled(*YEAR), "A")
    page = reversal_page("A", PERSON, "reversed", found.moved, found.trial.signals)
    assert (
        "    基金    名称               退回  应退待定  基金净支出\n"
        "    610100  医疗救助·住院  3,500.00    250.00   -3,750.00\n"
        "    999997  补充医疗保险   5,000.00      0.00   -5,000.00\n"
        "    合计                   8,500.00    250.00   -8,750.00\n"
    ) in page


@settings(look, max_examples=PERSON_YEARS // 6)
@given(corrected_years(PACKS))
def test_what_is_shown_is_what_the_worker_says_and_the_sums_are_its_lines(events: list[Event]):
    """Each settlement of a year in turn: tried with nothing written, then taken by a settler that goes on."""
    totals = Totals()
    moved = 0
    for setl_id in ("S1", "S2", "S3"):
        source = FileSource(PACKS, encoded(events))
        found = tried(source, setl_id)
        settler = Settler(PACKS)
        for line in encoded(events):
            settler.take(line)
        outcome = settler.take(found.event)
        assert found.trial.payouts == json.loads(json.dumps(outcome.payouts))
        assert found.trial.signals == json.loads(json.dumps(outcome.signals))
        assert (found.refused is None) == (outcome.refusal is None)
        summary((READ_PAYOUT.validate_json(json.dumps(payout)) for payout in outcome.payouts), totals)
        for payout in outcome.payouts:
            for each in payout["lines"]:
                moved += int(each["delta"].replace(".", "")) if each["payable"] else 0
    assert totals.all.net == moved
    for sums in (totals.by_fund, totals.by_hospital, totals.by_payee):
        for way in Movement:
            assert sum(flow.of(way) for flow in sums.values()) == totals.all.of(way)


@pytest.mark.parametrize("setl_id", ["", "A|B", "单号"])
def test_an_identifier_that_cannot_be_one_is_refused_by_name(setl_id: str):
    found = tried(settled(*YEAR), setl_id)
    assert found.refused is not None
    assert found.refused["reason"] == "identifier_is_malformed"
