"""A payout as a bill: the golden texts, every number, every reason, and no line that does not fit."""

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.pack_file import files_of, load_directory
from contracts.payout import READ_PAYOUT, CombinedPayout
from contracts.vocabulary import Reason
from contracts.words import REASON_TEXTS
from workers.adjudication.explain import ContradictoryPayoutError, Problem, explain, explain_lines
from workers.contracts_book import examples_payout as book
from workers.rehearsal.county import county
from workers.settlement.offline import Settler

GOLDEN = Path(__file__).parent / "explained"
PACKS = load_directory(None)


def payout(example: Any, **changed: Any) -> CombinedPayout:
    return READ_PAYOUT.validate_json(json.dumps({**example, **changed}))


def with_line(example: Any, position: int, **changed: Any) -> dict[str, Any]:
    """The example with some fields of one line changed; a field set to `...` is left out."""
    lines = [dict(line) for line in example["lines"]]
    lines[position] = {name: value for name, value in {**lines[position], **changed}.items() if value is not ...}
    return {**example, "lines": lines}


OUTPATIENT = {**book.SETTLEMENT["lines"][4]}
NOTHING = {
    **book.SETTLEMENT,
    "medfee_sumamt": "300.00",
    "fund_pay_sumamt": "0.00",
    "psn_part_amt": "300.00",
    "other_payments": {"hosp_part_amt": "0.00"},
    "lines": [
        {**OUTPATIENT, "seq": seq, "reason": reason.value, "fund_payamt": "0.00", "delta": "0.00"}
        for seq, reason in enumerate(Reason, 1)
        if reason is not Reason.REVERSED
    ],
    "left": {
        "fulamt_ownpay_amt": "10.00",
        "overlmt_selfpay": "20.00",
        "preselfpay_amt": "30.00",
        "inscp_scp_amt": "240.00",
    },
}
GOLDENS = {
    "settlement": book.SETTLEMENT,
    "reversal": book.REVERSAL,
    "readjudication": book.READJUDICATION,
    "pending": book.PENDING,
    "application": book.APPLICATION,
    "nothing": NOTHING,
}


@pytest.mark.parametrize("name", GOLDENS)
def test_the_golden_texts(name):
    """After a wanted change: write `explain(payout(GOLDENS[name]))` to the file and read the difference."""
    assert explain(payout(GOLDENS[name])) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def amounts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name != "ratio":
                yield from amounts(value)
    elif isinstance(node, list):
        for value in node:
            yield from amounts(value)
    elif isinstance(node, str) and re.fullmatch(r"-?[0-9]+\.[0-9]{2}", node):
        yield node


def columns(line: str) -> int:
    """As wide as a line can come out: signs that some terminals draw wide count as wide."""
    return sum({"W": 2, "F": 2, "A": 2}.get(unicodedata.east_asian_width(character), 1) for character in line)


def assert_readable(told: CombinedPayout, text: str) -> None:
    numbers = set(re.findall(r"-?[0-9]+\.[0-9]{2}(?![0-9])", text.replace(",", "")))
    missing = {amount for amount in amounts(told) if amount not in numbers}
    assert not missing
    for line in told["lines"]:
        assert line["label"] in text
        for tier in line.get("tiers", ()):
            assert f"{int(tier['ratio'].replace('.', ''))}%" in text
        for ground in (*line.get("clauses", ()), *line.get("readings", ())):
            assert re.sub(r"\s", "", ground) in re.sub(r"\s", "", text)
    assert max(map(columns, text.splitlines())) <= 100


@pytest.mark.parametrize("name", GOLDENS)
def test_every_number_clause_and_reading_is_printed(name):
    told = payout(GOLDENS[name])
    assert_readable(told, explain(told))


def test_whatever_a_county_is_paid_can_be_explained():
    settler = Settler(PACKS)
    kinds = set()
    for event in county(settlements=600, persons=60, seed=7, broken=True):
        for told in settler.take(event).payouts:
            assert_readable(told, explain(told, PACKS))
            kinds.add(str(told["kind"]))
    assert {"settlement", "reversal"} <= kinds


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_sentence(reason):
    example = with_line(book.SETTLEMENT, 4, reason=reason.value)
    text = explain(payout(example))
    assert REASON_TEXTS[reason] in text.replace("\n" + " " * 18, "")
    assert REASON_TEXTS[reason].endswith("。")


def test_a_reading_is_printed_with_its_question_and_answer_where_it_is_known():
    text = explain(payout(book.SETTLEMENT), {"TZ-06": "问：5 个百分点还是乘以 1.05？答：5 个百分点。"})
    assert "TZ-06     问：5 个百分点还是乘以 1.05？答：5 个百分点。" in text
    assert text.count("问：") == 1


def test_readings_come_from_the_pack_that_decided():
    pack = PACKS.for_region("331002")
    assert pack is not None
    told = payout(book.SETTLEMENT, pack={"region": pack.region, "digest": pack.digest})
    asked = {reading for line in told["lines"] if line["status"] == "paid" for reading in line.get("readings", ())}
    assert explain(told, PACKS).count("问：") == len(asked)
    assert "TZ-24、TZ-27" in explain(told, PACKS)  # a layer for other care shows ids only
    assert "331000 台州市" in explain(told, PACKS)
    assert "问：" not in explain(payout(book.SETTLEMENT), PACKS)  # a digest that no pack in use has


def test_a_payment_cut_by_the_cap_says_so():
    told = with_line(
        {**book.SETTLEMENT, "fund_pay_sumamt": "100000.00", "psn_part_amt": "20000.00"},
        3,
        crt_payb_lmt_amt="10000.00",
        cap_left="0.00",
        fund_payamt="10000.00",
        delta="10000.00",
    )
    told["left"] = {**told["left"], "inscp_scp_amt": "10000.00"}
    text = explain(payout(told))
    assert "10,000.00（按比例为 14,000.00，超过本次可支付限额，按限额支付）" in text


def test_a_payment_that_was_rounded_shows_both_amounts():
    tiers = [{"from": "0.00", "to": "0.01", "ratio": "0.70"}]
    told = with_line(
        {**book.SETTLEMENT, "medfee_sumamt": "106000.01", "fund_pay_sumamt": "90000.01"},
        3,
        inscp_scp_amt="0.01",
        base_after="0.01",
        tiers=tiers,
        fund_payamt="0.01",
        delta="0.01",
    )
    assert "0.01（按比例为 0.007，按年度累计额四舍五入到分）" in explain(payout(told))


def test_an_uncapped_layer_says_so():
    assert "不设封顶线" in explain(
        payout(with_line(book.SETTLEMENT, 3, cap=None, crt_payb_lmt_amt=None, cap_left=None))
    )


def test_a_payment_that_no_layer_names_and_the_hospitals_share_stand_apart():
    told = {
        **book.SETTLEMENT,
        "medfee_sumamt": "121500.00",
        "fund_pay_sumamt": "105000.00",
        "other_payments": {"cvlserv_pay": "1000.00", "hosp_part_amt": "500.00"},
    }
    text = explain(payout(told))
    assert "公务员医疗补助资金支出（政策包以外）" in text
    assert "医疗费总额 = 基金支付合计 + 个人负担 + 医院负担金额" in text
    assert "121,500.00 = 105,000.00 + 16,000.00 + 500.00" in text


def test_a_reversal_names_each_payee_and_may_owe_one_of_them():
    """The hospital had received 14,000.00; the person had returned 900.00 since and gets it back."""
    lines = [dict(line) for line in book.REVERSAL["lines"]]
    lines.insert(4, {**lines[3], "seq": 5, "delta": "900.00", "payee": "person"})
    text = explain(payout({**book.REVERSAL, "lines": lines})).replace("\n" + " " * 18, "")
    assert "【已冲销】" in text
    assert re.search(r"应退　定点医药机构 +19,000\.00", text)
    assert re.search(r"应付　个人 +900\.00", text)
    assert text.count("本层上一版合计 13,100.00，本版 0.00；其中本行差额 ") == 2
    assert "差额 900.00：应补，付给个人" in text
    assert "上一版 14,000.00" not in text


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        ("reversed", "前面的一笔结算已被撤销"),
        ("voided", "经报文冲正而撤销"),
        ("identity_changed", "获知人员身份变更"),
        ("carried_in", "结转的年度累计有变动"),
        ("application_decided", "申请审核结果有变动"),
        ("pack_changed", "政策包有变更"),
    ],
)
def test_a_correction_says_what_made_it(cause, says):
    text = explain(payout(book.READJUDICATION, cause={"type": cause}))
    assert says in text
    assert ("撤销" in text.split("更正：")[1].split("一、")[0]) == (cause in ("reversed", "voided"))


def test_a_first_version_says_nothing_of_corrections():
    assert "更正" not in explain(payout(book.SETTLEMENT))


def test_a_pending_amount_cut_by_the_cap_says_so():
    cut = {"crt_payb_lmt_amt": "10000.00", "cap_left": "10000.00", "pending_payamt": "10000.00"}
    first = explain(payout(with_line(book.PENDING, 3, **cut)))
    assert "10,000.00（按比例为 12,500.00，超过本次可支付限额，按限额计算）。这是" in first.replace("\n" + " " * 18, "")
    later = explain(payout(with_line(book.PENDING, 3, **cut, base_before="1.00", base_after="35001.00")))
    assert "10,000.00（已达本次可支付限额，按限额计算）。这是" in later.replace("\n" + " " * 18, "")
    assert "按限额" not in explain(payout(book.PENDING))


def test_a_reported_layer_that_paid_nothing_is_not_said_to_have_paid():
    (line,) = (line for line in explain(payout(book.READJUDICATION)).splitlines() if "大病保险" in line)
    assert line.endswith("0.00  平台未报告")


def test_a_later_application_of_the_year_pays_the_rest():
    line = {"fund_payamt": "2500.00", "delta": "2500.00", "crt_payb_lmt_amt": "90000.00", "cap_left": "87500.00"}
    text = explain(payout({**with_line(book.APPLICATION, 0, **line), "fund_pay_sumamt": "2500.00"}))
    assert "2,500.00（按比例全年为 12,500.00，扣除此前已付，只付余额）" in text


def test_no_field_name_stands_on_a_patients_bill():
    """Identifiers are the platform's and the pack's text is Chinese; what is left in lower case would be ours."""
    for pack in PACKS.packs:
        for entry in files_of(pack.texts)[0].interpretations:
            assert re.findall(r"[a-z]+_[a-z_]+", entry.question + entry.reading) == [], entry.id


def test_a_sum_in_words_closes_the_bill():
    assert "大写          壹万陆仟元整" in explain(payout(book.SETTLEMENT))


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("fund_pay_sumamt", {"fund_pay_sumamt": "104000.01"}),
        ("psn_part_amt", {"psn_part_amt": "16000.01"}),
        ("medfee_sumamt", {"medfee_sumamt": "120000.01"}),
        ("left", {"left": None}),
    ],
)
def test_a_payout_that_does_not_add_up_is_not_explained(field, changed):
    told = {name: value for name, value in {**book.SETTLEMENT, **changed}.items() if value is not None}
    with pytest.raises(ContradictoryPayoutError) as refused:
        explain(payout(told))
    assert refused.value.field == field


@pytest.mark.parametrize("ratio", ["1/3", "0.7", "nan", "", "0.70x"])
def test_a_ratio_that_is_no_decimal_is_not_explained(ratio):
    told = with_line(book.SETTLEMENT, 3, tiers=[{"from": "0.00", "to": "20000.00", "ratio": ratio}])
    with pytest.raises(ContradictoryPayoutError) as refused:
        explain(payout(told))
    assert refused.value.field == "lines.3.tiers"


def test_lines_that_are_no_payouts_are_named_by_line_and_field_and_the_rest_is_explained():
    good = json.dumps(book.SETTLEMENT).encode()
    lines = [
        good,
        b"\n",
        b"not json\n",
        b'{"type": "settled"}\n',
        json.dumps(with_line(book.SETTLEMENT, 3, delta="14000")).encode(),
        json.dumps({**book.SETTLEMENT, "fund_pay_sumamt": "1.00"}).encode(),
        good,
    ]
    answers = list(explain_lines(lines))
    assert [answer for answer in answers if isinstance(answer, str)] == [explain(payout(book.SETTLEMENT))] * 2
    problems = [answer for answer in answers if isinstance(answer, Problem)]
    assert [(problem.line, problem.field) for problem in problems] == [
        (3, None),
        (4, "type"),
        (5, "lines.3.delta"),
        (6, "fund_pay_sumamt"),
    ]
    assert str(problems[1]) == (
        "line 4, type: not a combined_payout: events are settled first, as in `yidan settle FILE | yidan explain -`"
    )
    assert str(problems[2]).startswith("line 5, lines.3.delta: not a combined_payout: ")


def test_a_problem_repeats_no_value():
    line = json.dumps({**book.SETTLEMENT, "psn_no": 11010519491231002}).encode()
    (problem,) = explain_lines([line])
    assert "11010519491231002" not in str(problem)


def test_a_message_cannot_command_the_terminal():
    text = explain(payout(with_line(book.SETTLEMENT, 3, label="救助\x1b[2J\r\n")))
    assert not [c for c in text if unicodedata.category(c)[0] == "C" and c != "\n"]
    assert explain(payout(book.SETTLEMENT)).count("\n") == text.count("\n")
