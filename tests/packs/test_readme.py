"""The page for officers comes true: its unheard-of region, written out as told, has no problem and pays its cases."""

import re
from pathlib import Path

from contracts.pack_check import check
from contracts.pack_file import SHIPPED, load_directory, load_otherwise
from contracts.pack_format import (
    BenefitRow,
    Citation,
    ComputedLayer,
    Interpretation,
    LargeBill,
    LentClause,
    PackFile,
    ReportedLayer,
    ZeroSelfPay,
)
from contracts.vocabulary import EXCLUSION_WORDS, LayerId, SignalKind
from workers.adjudication.card import card
from workers.rehearsal.case_answers import NO_EFFECT
from workers.rehearsal.case_format import ACTS, Adoption, Balance, Case, Step
from workers.rehearsal.cases import cases_of, rehearse, run

README = (SHIPPED / "README.md").read_text("utf-8")

TEXT = """云岭市医疗保障局文件
云医保〔2024〕3号
云岭市城乡居民大病保险办法
第三条 城乡居民参保人员在定点医疗机构住院，年度自负费用超过8000元的部分支付60%，
超过30000元的部分支付70%；应由第三人负担的除外。低保对象起付线为4000元，各段支付比例提高10%。
第四条 年度最高支付限额20万元。
第九条 本办法自2024年7月1日起施行。
"""


def blocks() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


def test_the_worked_example_is_a_pack(tmp_path: Path):
    pack, cases = (block for block in blocks() if "539900" in block or "poor_cross_30000" in block)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "yunling-2024.txt").write_text(TEXT, "utf-8")
    (tmp_path / "yunling.toml").write_text(pack, "utf-8")
    (tmp_path / "yunling.cases.toml").write_text(cases, "utf-8")
    assert list(map(str, check(tmp_path))) == []
    assert rehearse(tmp_path) == (3, [])
    (yunling,) = load_directory(tmp_path).packs
    assert "云岭市" in card(yunling)
    near_poor = next(case for case in cases_of(yunling, tmp_path) if case.name == "near_poor_is_a_resident")
    (difference,) = run(near_poor, load_otherwise(yunling.texts, "YL-02"))
    assert difference.found == "11200.00"


def test_every_key_of_the_format_is_on_the_page():
    watches = (LargeBill, ZeroSelfPay, LentClause)
    cases = (Case, Step, Balance, Adoption)
    for model in (PackFile, ReportedLayer, ComputedLayer, BenefitRow, Citation, Interpretation, *watches, *cases):
        for name, field in model.model_fields.items():
            key = field.alias or name
            assert re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`|(?m:^{key} +=)", README), f"{model.__name__}.{key}"


def test_every_word_of_the_format_is_on_the_page():
    for word in (*EXCLUSION_WORDS, *LayerId, *NO_EFFECT):
        assert f"`{word}`" in README
    for kind in SignalKind:
        assert re.search(rf"`{kind}[.`]", README), kind
    for act in ACTS:
        assert f"| `{act} = " in README
