"""A combined payout as a bill that the person it is about can follow, line by line, with a calculator."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic import ValidationError

from contracts.money import Fen
from contracts.pack import Pack, PackSet
from contracts.payout import READ_PAYOUT, CombinedPayout
from contracts.vocabulary import BUCKET_FIELDS, BUCKETS, HOSPITAL_SHARE, Bucket, Kind, Payee
from contracts.words import CAUSE_TEXTS, FIELD_WORDS, PAYEE_TEXTS
from workers.adjudication.capitals import in_capitals
from workers.adjudication.explain_layer import INDENT, ReadingTexts, explain_layer, fen_of, printed, shown
from workers.adjudication.page import Page

_TITLES: Final = {
    Kind.SETTLEMENT: "一单制结算单",
    Kind.REVERSAL: "一单制结算单【已冲销】",
    Kind.READJUDICATION: "一单制结算单【更正】",
    Kind.APPLICATION: "依申请补助支付单",
}

_WHY_AGAIN: Final[Mapping[str, str]] = {
    "settled": "本年度的结算有增减，本结算按变动后的年度累计重新计算。",
    "reversed": "前面的一笔结算已被撤销，本结算按撤销后的年度累计重新计算。",
    "voided": "前面的一笔结算经报文冲正而撤销，本结算按撤销后的年度累计重新计算。",
    "identity_changed": "结算之后获知人员身份变更，本结算按出院当日有效的身份重新计算。",
    "carried_in": "结转的年度累计有变动，本结算按结转后的年度累计重新计算。",
    "application_decided": "申请审核结果有变动，按变动后的结果重新计算。",
    "pack_changed": "政策包有变更，本结算按变更后的政策包重新计算。",
}
"""What made Yidan decide about a bill again, by the event that did."""

_PARTS: Final = {
    Bucket.OUTSIDE: "医保目录以外的费用，各层按其范围支付后的余额",
    Bucket.OVER_LIMIT: "价格超过支付标准的部分",
    Bucket.CATALOGUE: "乙类药品、诊疗和材料中先由个人承担的部分",
    Bucket.POLICY: "符合政策范围、各层支付后的余额，含起付线",
}
"""What each part of a bill is, in the order in which a bill lists them."""


_SETTLE_FIRST: Final = "events are settled first, as in `yidan settle FILE | yidan explain -`"

_RATIO: Final = re.compile(r"[01]\.[0-9]{2,8}", re.ASCII)


class ContradictoryPayoutError(ValueError):
    """A payout whose sums do not add up; `field` says where. It is not explained, since it cannot be right."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of a file that is no payout: which line, which field, what is wrong. The value is not repeated."""

    line: int
    field: str | None
    text: str

    def __str__(self) -> str:
        return f"line {self.line}{f', {self.field}' if self.field else ''}: {self.text}"


def explain_lines(lines: Iterable[bytes], packs: PackSet | ReadingTexts | None = None) -> Iterator[str | Problem]:
    """Each payout of JSON lines explained, or what is wrong with the line. Empty lines are skipped."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield explain(READ_PAYOUT.validate_json(line), packs)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            field = ".".join(map(str, first["loc"])) or None
            yield Problem(number, field, f"not a combined_payout: {_SETTLE_FIRST if field == 'type' else first['msg']}")
        except ContradictoryPayoutError as error:
            yield Problem(number, error.field, str(error))


def explain(payout: CombinedPayout, packs: PackSet | ReadingTexts | None = None) -> str:
    """The payout as text in Chinese: its head, every layer with every number, what is left, what moves.

    With `packs` each reading is printed with its question and answer. Raises `ContradictoryPayoutError`.
    """
    _prove(payout)
    pack = packs.by_digest(payout["pack"]["digest"]) if isinstance(packs, PackSet) else None
    readings = _reading_texts(pack) if pack is not None else {} if isinstance(packs, PackSet) else packs or {}
    kind = Kind(payout["kind"])
    page = Page()
    _head(page, payout, kind, "" if pack is None else pack.name)
    page.section("各层待遇（按支付顺序）")
    before = _paid_before(payout)
    for line in payout["lines"]:
        page.blank()
        explain_layer(page, line, kind, readings, before[line["layer"]])
    if kind is not Kind.APPLICATION:
        page.section("合计")
        _totals(page, payout, kind)
    if "left" in payout and kind is not Kind.REVERSAL:
        page.section("个人仍需负担")
        _left(page, payout)
    page.section("本单收付")
    _moved(page, payout)
    page.rule("=")
    return str(page)


def _prove(payout: CombinedPayout) -> None:
    """Prove that the payout's sums add up, so that what is printed does too. Raises `ContradictoryPayoutError`."""
    for position, line in enumerate(payout["lines"]):
        if not all(_RATIO.fullmatch(each["ratio"]) for each in line.get("tiers", ())):
            raise ContradictoryPayoutError(f"lines.{position}.tiers", "a ratio is a decimal such as 0.70")
    others = {name: fen_of(amount) for name, amount in payout.get("other_payments", {}).items()}
    hospital = others.pop(HOSPITAL_SHARE, 0)
    funds = fen_of(payout["fund_pay_sumamt"])
    if sum(fen_of(line["fund_payamt"]) for line in payout["lines"]) + sum(others.values()) != funds:
        raise ContradictoryPayoutError("fund_pay_sumamt", "the layers do not add up to it")
    if payout["kind"] in (Kind.APPLICATION, Kind.REVERSAL):
        return
    for name in ("medfee_sumamt", "psn_part_amt", "left"):
        if name not in payout:
            raise ContradictoryPayoutError(name, f"a {payout['kind']} must say it")
    person = fen_of(payout["psn_part_amt"])
    if sum(map(fen_of, _left_by_field(payout).values())) != person:
        raise ContradictoryPayoutError("psn_part_amt", "the parts in left do not add up to it")
    if funds + person + hospital != fen_of(payout["medfee_sumamt"]):
        raise ContradictoryPayoutError("medfee_sumamt", "it is not fund_pay_sumamt + psn_part_amt + hosp_part_amt")


def _paid_before(payout: CombinedPayout) -> Mapping[str, Fen]:
    """What the previous version said that each layer pays, whoever received it; a reversal may part it over lines."""
    before: dict[str, Fen] = {}
    for line in payout["lines"]:
        before[line["layer"]] = before.get(line["layer"], 0) + fen_of(line["fund_payamt"]) - fen_of(line["delta"])
    return before


def _left_by_field(payout: CombinedPayout) -> Mapping[str, str]:
    return {name: amount for name, amount in payout["left"].items() if isinstance(amount, str)}


@lru_cache(maxsize=64)
def _reading_texts(pack: Pack) -> ReadingTexts:
    """What each reading of a pack asks and answers, from the pack's own text."""
    found: dict[str, str] = {}
    for text in pack.texts:
        for reading in tomllib.loads(text, parse_float=str).get("interpretations", ()):
            found[reading["id"]] = f"问：{reading['question']}答：{reading['reading']}"
    return found


# ── head ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _head(page: Page, payout: CombinedPayout, kind: Kind, region_name: str) -> None:
    page.rule("=")
    page.text(f"{_TITLES[kind]}　第 {payout['revision']} 版")
    page.rule("=")
    page.term("支付单号", payout["payout_id"])
    for name in ("setl_id", "mdtrt_id", "application_id", "psn_no", "fixmedins_code", "insuplc_admdvs"):
        value = payout.get(name)
        if isinstance(value, str):
            page.term(_NAMES.get(name) or FIELD_WORDS[name].zh, value)
    page.term("统筹区", f"{payout['pack']['region']} {region_name}".rstrip())
    page.term("年度", f"{payout['year']} 年")
    cause = payout["cause"]
    told_by = cause.get("msgid") or cause.get("application_id") or cause.get("known_at")
    page.term("起因", CAUSE_TEXTS[cause["type"]] + (f"（{told_by}）" if told_by else ""))
    page.term("政策文本", payout["pack"]["digest"])
    if fen_of(payout.get("other_assistance", "0.00")):
        page.term("其他救助", f"{shown(payout['other_assistance'])}，已先从年度累计费用中扣减")
    if "medfee_sumamt" in payout:
        page.blank()
        page.amount("医疗费总额", shown(payout["medfee_sumamt"]))
        if "acct_pay" in payout:
            page.amount("其中个人账户支付（本人资金，各层不作扣减）", shown(payout["acct_pay"]))
        page.text("由自费、超限价、自理（先行自付）、符合政策范围四部分组成，各层依次支付前面各层付剩的费用。", 4)
    if kind is Kind.REVERSAL:
        page.blank()
        page.text("本结算已冲销：以下各层归零，已付金额按所列退回，年度累计恢复到本结算从未发生的状态。")
    elif kind is Kind.READJUDICATION or payout["revision"] > 1:
        page.blank()
        same = "与上一版相同的各层不再列示差额。" if kind is Kind.READJUDICATION else ""
        page.text(f"更正：{_WHY_AGAIN[cause['type']]}{same}")


_NAMES: Final = {
    "setl_id": "结算流水号",
    "mdtrt_id": "就诊流水号",
    "fixmedins_code": "定点医药机构",
    "insuplc_admdvs": "参保地",
}


# ── sums ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _totals(page: Page, payout: CombinedPayout, kind: Kind) -> None:
    others = dict(payout.get("other_payments", {}))
    hospital = others.pop(HOSPITAL_SHARE, None)
    layers = sum(fen_of(line["fund_payamt"]) for line in payout["lines"])
    page.amount("各层待遇", printed(layers), indent=INDENT)
    for name, amount in others.items():
        page.amount(
            f"{FIELD_WORDS[name].zh if name in FIELD_WORDS else name}（政策包以外）", shown(amount), indent=INDENT
        )
    page.amount("基金支付合计", shown(payout["fund_pay_sumamt"]), indent=INDENT)
    if kind is Kind.REVERSAL:
        page.amount("个人负担", shown(payout.get("psn_part_amt", "0.00")), indent=INDENT)
        page.text("已冲销：本结算不再构成任何支付或负担。", INDENT)
        return
    terms = [payout["fund_pay_sumamt"], payout["psn_part_amt"]]
    names = ["基金支付合计", "个人负担"]
    page.amount("个人负担", shown(payout["psn_part_amt"]), indent=INDENT)
    if hospital is not None:
        terms.append(hospital)
        names.append(FIELD_WORDS[HOSPITAL_SHARE].zh)
        page.amount(FIELD_WORDS[HOSPITAL_SHARE].zh, shown(hospital), indent=INDENT)
    page.text(f"医疗费总额 = {' + '.join(names)}", INDENT)
    page.text(f"{shown(payout['medfee_sumamt'])} = {' + '.join(map(shown, terms))}", INDENT)


def _left(page: Page, payout: CombinedPayout) -> None:
    left = _left_by_field(payout)
    for bucket, says in _PARTS.items():
        page.amount(bucket.value, shown(left[BUCKET_FIELDS[BUCKETS.index(bucket)]]), indent=INDENT)
        page.text(says, INDENT * 2)
    page.amount("合计", shown(payout["psn_part_amt"]), indent=INDENT)
    page.term("大写", in_capitals(fen_of(payout["psn_part_amt"])), INDENT)


def _moved(page: Page, payout: CombinedPayout) -> None:
    """What is to be paid or returned because of this payout, by payee."""
    moved: dict[Payee, Fen] = {}
    for line in payout["lines"]:
        if line["payable"] and line["payee"] is not None:
            payee = Payee(line["payee"])
            moved[payee] = moved.get(payee, 0) + fen_of(line["delta"])
    for payee, amount in moved.items():
        verb = "应退" if amount < 0 else "应付" if amount else "相抵"
        page.amount(f"{verb}　{PAYEE_TEXTS[payee]}", printed(abs(amount)), indent=INDENT)
        page.term("大写", in_capitals(abs(amount)), INDENT)
    if not moved:
        page.text("本单没有应付或应退的金额。", INDENT)
