"""A pack on a page that an officer can check against the documents and sign, and the list of packs in use.

The numbers come from the compiled pack, which is what settles money; the words around them from the file. The first
sheet fits a page of A4; the readings and what is left out follow as annexes, and the signature is for all three.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Final

from contracts.money import Fen, yuan
from contracts.pack import BEGINNING, Layer, Pack, PackSet, Row, Watch, ratio_text
from contracts.pack_file import files_of
from contracts.pack_format import CountyFile, Interpretation, PackFile
from contracts.vocabulary import BUCKETS, EXCLUSION_WORDS, Care, Exclusion, InsuranceType, SignalKind
from workers.adjudication.page import COLUMNS, Page, width

_WORD_OF_EXCLUSION: Final[dict[Exclusion, str]] = {exclusion: word for word, exclusion in EXCLUSION_WORDS.items()}
_INSURANCE: Final = {InsuranceType.EMPLOYEES.value: "职工", InsuranceType.RESIDENTS.value: "居民"}
_STATUS: Final = {"assumed": "待确认", "confirmed": "已确认", "overruled": "已改判"}
_CORRECTIONS: Final = {"cascade": "冲销后重算其后各笔", "last_first": "须先冲销其后各笔"}
_TOLD: Final = {
    SignalKind.INSURED_TWICE: "同一年度在两地或以两种险种结算的；",
    SignalKind.OTHER_ASSISTANCE_RISEN: "批准付款后核实的其他补助增加的；",
}
"""What is told where a watch measures nothing and only lends its clause."""
_CARES: Final = {Care.OUTPATIENT: "门诊（含急诊）"}
"""Care that takes in more than its word says."""
_WHO, _CODES, _DEDUCTIBLE, _CAP = 31, 32, 6, 7
"""Columns of a benefit table; the shares take the rest of the line."""
_TERM: Final = 6


def card(pack: Pack) -> str:
    """The pack in Chinese: layers, rows, clauses, signatures; readings with their price; what is left out."""
    city, county = files_of(pack.texts)
    page = Page()
    page.rule("=")
    page.text(_centred(f"{pack.name} · 一站式结算政策包核对表"))
    page.rule("=")
    _heading(page, pack, city, county)
    for seq, layer in enumerate(pack.layers, 1):
        if layer.mode == "reported":
            fields = "、".join(layer.fund_fields)
            page.text(f"{seq} {layer.label}：平台已结算，照报（{fields}）；基金代码 {_fund_codes(layer)}")
        else:
            page.rule()
            _layer(page, seq, layer)
    page.rule()
    for watch in pack.watches:
        concerned = _concerning(watch, city.interpretations)
        readings = f"；读法 {'、'.join(concerned)}" if concerned else ""
        at_least = f"年度累计达到 {_amount(watch.at_least)}元；" if watch.kind is SignalKind.LARGE_BILL else ""
        codes = f"身份 {_codes(watch.codes)}；" if watch.codes else ""
        since = f"{watch.first_day} 起；" if watch.first_day != BEGINNING else _TOLD[watch.kind]
        text = f"{watch.label}：{at_least}{codes}{since}不付款；{watch.clause}{readings}"
        page.term("提示", text, columns=_TERM)
    _signatures(page, city, county)
    _readings(page, city.interpretations)
    _left_out(page, city)
    return str(page)


def _concerning(watch: Watch, readings: Iterable[Interpretation]) -> list[str]:
    """The readings that concern a watch, as those of a layer stand at the layer."""
    return sorted(entry.id for entry in readings if any(c.split(".")[0] == watch.kind for c in entry.concerns))


def _centred(title: str) -> str:
    return " " * max(0, COLUMNS - width(title) >> 1) + title


def _heading(page: Page, pack: Pack, city: PackFile, county: CountyFile | None) -> None:
    region = f"{pack.county}（账户归 {pack.region} {city.name}）" if county else pack.region
    carrier = f"；承办 {county.carrier}" if county and county.carrier else ""
    conventions = f"自然年，一切看出院日；个人账户不扣除；四舍五入到分；{_CORRECTIONS[city.corrections]}"
    page.term("地区", f"{region}{carrier}", columns=_TERM)
    page.term("约定", conventions, columns=_TERM)
    for document in (*city.documents.values(), *(county.documents.values() if county else ())):
        page.term("文件", f"{document.number} {document.title}（{document.effective} 施行）", columns=_TERM)
    page.term("指纹", pack.digest, columns=_TERM)
    page.rule()


def _fund_codes(layer: Layer) -> str:
    codes = [f"{_INSURANCE.get(insutype, insutype)} {code}" for insutype, code in layer.fund_pay_types.items()]
    return "、".join(codes) or layer.fund_pay_type


def _layer(page: Page, seq: int, layer: Layer) -> None:
    days = f"{layer.first_day} 起" if layer.last_day is None else f"{layer.first_day} 至 {layer.last_day}"
    how = "依申请支付给本人" if layer.mode == "on_application" else "出院结算时支付"
    page.text(f"{seq} {layer.label}：{days}（出院日）；{how}；基金代码 {_fund_codes(layer)}")
    insured = (
        "不分险种" if layer.insutypes is None else "、".join(_INSURANCE.get(i, i) for i in sorted(layer.insutypes))
    )
    subsidised = "；须个人缴费由财政承担（免缴）" if layer.needs_subsidised_premium else ""
    cares = "、".join(_CARES.get(care, care.value) for care in Care if care in layer.cares)
    base = "、".join(BUCKETS[bucket].value for bucket in layer.base)
    page.term("范围", f"{cares}；{insured}{subsidised}；基数 {base}，按年累计", indent=2, columns=_TERM)
    excluded = "、".join(_WORD_OF_EXCLUSION[exclusion] for exclusion in Exclusion if exclusion in layer.excludes)
    page.term("不付", excluded or "无", indent=2, columns=_TERM)
    if layer.application is not None:
        rule = layer.application
        month, day = rule.deadline
        first = f"；{'、'.join(sorted(rule.hardship_first))}须先申请困难身份" if rule.hardship_first else ""
        text = f"次年 {month} 月 {day} 日前；本县户籍，或连续参保满 {rule.insured_years_least} 年{first}"
        page.term("申请", text, indent=2, columns=_TERM)
    page.text(_columns("人员（从高到低，就高不重复）", "身份编码", "起付线", "年封顶", "比例（年度基数）"), indent=2)
    for row in layer.rows:
        page.text(_row(row), indent=2)
    page.term("依据", _clauses(layer), indent=2, columns=_TERM)
    readings = sorted({reading for found in layer.readings.values() for reading in found})
    page.term("读法", "、".join(readings) or "无", indent=2, columns=_TERM)


def _row(row: Row) -> str:
    if row.curve is None:
        return _columns(row.who, _codes(row.codes), "", "", "由县定，未定前 0")
    first, *more = row.curve.tiers
    shares = [_percent(first[1]), *(f"{_amount(start)}以上 {_percent(ratio)}" for start, ratio in more)]
    cap = "不封顶" if row.cap is None else _amount(row.cap)
    return _columns(row.who, _codes(row.codes), _amount(row.curve.deductible), cap, "，".join(shares))


def _columns(who: str, codes: str, deductible: str, cap: str, shares: str) -> str:
    left = _padded(who, _WHO) + _padded(codes, _CODES)
    return left + " " * (_DEDUCTIBLE - width(deductible)) + deductible + " " * (_CAP - width(cap)) + cap + "  " + shares


def _padded(text: str, columns: int) -> str:
    return text + " " * max(1, columns - width(text))


def _clauses(layer: Layer) -> str:
    """The clauses behind a layer, each document's number once."""
    clauses: dict[str, dict[str, None]] = {}
    own = (clauses for row in layer.rows for clauses in row.clauses.values())
    for found in (*layer.clauses.values(), *own):
        for clause in found:
            number, _, place = clause.partition(" ")
            clauses.setdefault(number, {})[place] = None
    return "；".join(f"{number} {'、'.join(sorted(places, key=_in_order))}" for number, places in clauses.items())


def _in_order(place: str) -> str:
    """By which clauses stand in the order of their document: its numerals do not sort by themselves."""
    return place.translate(str.maketrans("一二三四五六七八九", "123456789"))


def _codes(codes: frozenset[str] | None) -> str:
    return "不限" if codes is None else " ".join(sorted(codes))


def _amount(fen: Fen | None) -> str:
    """Yuan as officers write it: whole 万 as 万, else with thousands and without `.00`."""
    if fen is None:
        return ""
    if fen and fen % 1_000_000 == 0:
        return f"{fen // 1_000_000}万"
    whole, _, decimals = yuan(fen).partition(".")
    return f"{int(whole):,}" if decimals == "00" else f"{int(whole):,}.{decimals}"


def _percent(ratio: Fraction) -> str:
    return ratio_text(ratio * 100).removesuffix(".00") + "%"


def _signatures(page: Page, city: PackFile, county: CountyFile | None) -> None:
    """Whoever issued a document of the pack signs, and whoever pays by it.

    The page is held against the readings too: codes, the calendar year and much else stand in no document.
    """
    page.text(
        f"以上与文件原文及附一读法一致；同意附一读法 {len(city.interpretations)} 条和附二未入包条款 "
        f"{len(city.left_out)} 条。不同意的编号：______________"
    )
    documents = (*city.documents.values(), *(county.documents.values() if county else ()))
    signing = [*dict.fromkeys(issuer for document in documents for issuer in document.issuer), "经办机构"]
    lines = [f"{who} {'_' * 16}" for who in signing] + ["日期 ______ 年 ____ 月 ____ 日"]
    for left, right in zip_longest(lines[::2], lines[1::2], fillvalue=""):
        page.blank()
        page.text(_padded(left, COLUMNS // 2) + right)


def _readings(page: Page, readings: Sequence[Interpretation]) -> None:
    assumed = sum(reading.status == "assumed" for reading in readings)
    page.blank()
    page.rule("=")
    page.text(
        f"附一  读法 {len(readings)} 条，其中 {assumed} 条待确认（文件未明或可作两读之处，我方怎样处理，差多少钱）"
    )
    page.rule("=")
    for reading in readings:
        answer = f"，{reading.answered_by} {reading.answered_on}" if reading.answered_by else ""
        page.term(reading.id, reading.question, columns=8)
        page.term("", f"{reading.reading}〔{_STATUS[reading.status]}{answer}〕", columns=8)
        page.term("", f"金额：{reading.stakes}", columns=8)


def _left_out(page: Page, city: PackFile) -> None:
    page.blank()
    page.rule("=")
    page.text(f"附二  未入包的条款 {len(city.left_out)} 条")
    page.rule("=")
    for entry in city.left_out:
        number = city.documents[entry.document].number
        page.term(f"{number} {entry.clause}", entry.because, columns=40)


# ── The list of packs ────────────────────────────────────────────────────────────────────────────────────────


def overview(packs: PackSet) -> list[str]:
    """One line a pack, aligned: region, name, computed layers since when, readings still assumed, digest."""
    rows = [("region", "name", "computed layers", "assumed", "digest")]
    for pack in sorted(packs.packs, key=lambda pack: pack.county or pack.region):
        readings = files_of(pack.texts)[0].interpretations
        assumed = f"{sum(reading.status == 'assumed' for reading in readings)} of {len(readings)}"
        rows.append((pack.county or pack.region, pack.name, _computed(pack.layers), assumed, pack.digest[:19]))
    columns = [max(width(row[column]) for row in rows) + 2 for column in range(len(rows[0]))]
    return ["".join(map(_padded, row, columns)).rstrip() for row in rows]


def _computed(layers: Iterable[Layer]) -> str:
    """The computed layers, each with its first day of all."""
    first: dict[str, str] = {}
    for layer in layers:
        if layer.mode != "reported":
            first[layer.id] = min(layer.first_day, first.get(layer.id, layer.first_day))
    return ", ".join(f"{name} {day}" for name, day in first.items())
