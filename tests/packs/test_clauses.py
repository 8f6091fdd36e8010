"""Where a quote stands: every shape of numbering that documents use, as scans write it."""

import pytest

from contracts.pack_clauses import Numbered, cited, written

SCANNED = Numbered(
    """某市文件

# 某市居民大病保险办法

各县（市、区）：

为做好大病保险，
现通知如下：

## 一、对象

城乡居民。

## 二、待遇

（一）起付线。为1万元，见
2.5万元一段。
(二) 比例。

1. 住院。甲为60%；
- (1) 乙为70%；
- （2）丙为80%。

2、门诊。甲为50%。

三、其他。有关部门要
各负其责。

本办法自2024年7月1日起施行。

抄送：市委各部门。
""",
    "某市居民大病保险办法",
)


@pytest.mark.parametrize(
    ("quote", "clause"),
    [
        ("城乡居民。", "一"),
        ("为1万元，见2.5万元一段", "二（一）"),
        ("甲为60%", "二（二）1"),
        ("乙为70%", "二（二）1（1）"),
        ("甲为60%；(1) 乙为70%；（2）丙为80%", "二（二）1"),
        ("乙为70%；（2）丙为80%", "二（二）1（1）、（2）"),
        ("丙为80%。2、门诊", "二（二）1（2）、2"),
        ("甲为50%", "二（二）2"),
        ("各负其责", "三"),
        ("为做好大病保险", "首段"),
        ("居民大病保险", "标题"),
        ("某市文件", "文首"),
        ("本办法自2024年7月1日起施行", "末条"),
        ("本办法自2024年7月1日起施行", "末段"),
    ],
)
def test_a_quote_stands_in_the_clause_that_encloses_it(quote: str, clause: str):
    assert SCANNED.says(clause, quote)


@pytest.mark.parametrize(
    ("quote", "clause"),
    [
        ("甲为60%", "二（二）"),
        ("甲为60%", "二（二）1（1）"),
        ("甲为60%", "二（二）1、2"),
        ("甲为60%", "首段"),
        ("甲为60%；(1) 乙为70%", "二（二）1（1）"),
        ("本办法自2024年7月1日起施行", "三"),
        ("各负其责", "末段"),
        ("为做好大病保险", "一"),
        ("甲为60%", "第二点"),
        ("甲为60%", ""),
    ],
)
def test_a_quote_stands_in_no_other_clause(quote: str, clause: str):
    assert not SCANNED.says(clause, quote)


def test_an_entry_about_a_whole_clause_may_quote_a_part_of_it():
    assert SCANNED.says("二", "甲为60%", wider=True)
    assert not SCANNED.says("一", "甲为60%", wider=True)


def test_words_that_stand_in_two_clauses_may_be_cited_for_both_and_for_either():
    twice = Numbered("一、甲。\n1. 由县设定。\n2. 由县设定。\n3. 由省设定。\n", "甲")
    assert twice.says("一1、2", "由县设定")
    assert twice.says("一2", "由县设定")
    assert not twice.says("一1、3", "由县设定")


def test_articles_and_their_items():
    law = Numbered("第一条 甲。\n第十二条 有下列情形的：\n（一）乙；\n（二）丙。\n", "甲")
    assert law.says("第十二条（二）", "丙")
    assert law.says("第十二条第一款第（二）项", "丙")
    assert law.says("末条", "有下列情形的")
    assert not law.says("末条", "甲")


def test_a_document_without_numbers_is_cited_as_a_whole():
    assert Numbered("甲。\n乙。\n", "甲乙").says("全文", "乙")


@pytest.mark.parametrize("clause", ["二（一）1（2）", "第三条", "六", "第十二条（二）"])
def test_a_clause_is_written_as_it_is_read(clause: str):
    (found,) = cited(clause) or []
    assert written(found) == clause


def test_of_each_numbered_stretch_it_is_known_whether_another_stands_within():
    innermost = [written(clause) for clause, _, _, inner in SCANNED.clauses() if inner]
    assert innermost == ["一", "二（一）", "二（二）1（1）", "二（二）1（2）", "二（二）2", "三"]
