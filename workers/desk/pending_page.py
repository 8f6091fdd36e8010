"""Who has not applied, as a table for the office that writes to them."""

from collections.abc import Sequence

from contracts.vocabulary import Day
from workers.adjudication.explain_layer import printed
from workers.desk.pending import Pending
from workers.desk.table import aligned


def pending_table(found: Sequence[Pending], today: Day) -> str:
    """One row a person, the highest amounts first, and their sum."""
    heads = ["人员编号", "统筹区", "适用对象", "待申请金额", "年度累计费用", "截止日期", "剩余天数", "申请日期"]
    rows = [
        [
            each.psn_no,
            each.region,
            each.row.who,
            printed(each.amount),
            printed(each.base),
            each.deadline,
            str(left) if (left := each.days_left(today)) >= 0 else "已过",
            each.applied_on or "未申请",
        ]
        for each in found
    ]
    amount, base = sum(each.amount for each in found), sum(each.base for each in found)
    total = [f"合计 {len(found)} 人", "", "", printed(amount), printed(base), "", "", ""]
    return "".join(f"{line}\n" for line in aligned([heads, *rows, total], left=3, indent=0))
