"""What a person reads for each name on the wire: Chinese first, English beside it.

Field names are the national interface's; their Chinese names are those of its tables 10, 98, 99, 100, 127. A name that
means something else in one message has its own entry, `Message.field`.
"""

from typing import Final, NamedTuple

from contracts.clearing_payment import TakenBackFor
from contracts.reconciliation import Difference
from contracts.vocabulary import ClrType, Correction, Kind, Payee, Reason, SignalKind, Status


class Words(NamedTuple):
    """A name in both languages."""

    zh: str
    en: str


FIELD_WORDS: Final[dict[str, Words]] = {
    "type": Words("消息类型", "what kind of message this is"),
    # identifiers
    "msgid": Words("发送方报文ID", "the sender's message id"),
    "omsgid": Words("原发送方报文ID", "the message id that is undone"),
    "oinfno": Words("原交易编号", "the transaction number of that message, such as 2304"),
    "setl_id": Words("结算ID", "the settlement, unique for the person"),
    "mdtrt_id": Words("就诊ID", "the visit"),
    "psn_no": Words("人员编号", "the platform's opaque person number, never an identity-card number"),
    "application_id": Words("申请编号", "the application"),
    "payout_id": Words("支付单号", "`psn_no:setl_id:revision`; also `ce_id`"),
    "signal_id": Words("提示编号", "`psn_no:year:region:kind:layer:revision`; also `ce_id`"),
    "account_token": Words("收款账户标记", "stands for the account that is paid, which never travels"),
    # where, when, what kind
    "insutype": Words("险种类型", "insurance type: 310 employees, 390 residents"),
    "med_type": Words("医疗类别", "care type: 11 outpatient, 14 special outpatient, 21 inpatient; longer codes refine"),
    "insuplc_admdvs": Words("参保地医保区划", "the division where the person is insured: it selects the policy pack"),
    "mdtrtarea_admvs": Words("就医地医保区划", "the division where the care took place"),
    "fixmedins_code": Words("定点医药机构编号", "the hospital or pharmacy"),
    "begndate": Words("开始日期", "first day of the stay"),
    "enddate": Words("结束日期", "day of discharge: it selects year, edition and identity"),
    "setl_time": Words("结算时间", "when the event happened, with its offset from UTC"),
    "known_at": Words("知悉时间", "when the fact became known, with its offset from UTC"),
    "year": Words("年度", "the benefit year, that of the discharge"),
    # the person
    "psn_idet": Words("人员身份信息", "the whole list of identities: empty means none, absent says nothing"),
    "psn_idet_type": Words("人员身份类别", "identity, such as 2303 for subsistence allowance"),
    "begntime": Words("开始时间", "first day of validity"),
    "endtime": Words("结束时间", "last day of validity, included; absent while it is valid"),
    "premium_subsidised": Words(
        "参保缴费由财政补贴", "whether public money pays the contribution; absent: by identity"
    ),
    "exclusions": Words("不予支付情形", "why computed layers pay nothing; one is enough"),
    # the bill
    "medfee_sumamt": Words("医疗费总额", "the whole bill"),
    "fulamt_ownpay_amt": Words("全自费金额", "outside the catalogue"),
    "overlmt_selfpay": Words("超限价自费费用", "above a price ceiling"),
    "preselfpay_amt": Words("先行自付金额", "the share of class B borne first (自理)"),
    "inscp_scp_amt": Words("符合政策范围金额", "in scope of basic insurance"),
    "hifp_pay": Words("基本医疗保险统筹基金支出", "paid by basic insurance"),
    "cvlserv_pay": Words("公务员医疗补助资金支出", "paid by the civil servants' subsidy"),
    "hifes_pay": Words("企业补充医疗保险基金支出", "paid by enterprise supplementary insurance"),
    "hifmi_pay": Words("居民大病保险资金支出", "paid by serious illness insurance"),
    "hifob_pay": Words("职工大额医疗费用补助基金支出", "paid by the employees' large-expense fund"),
    "hifdm_pay": Words("伤残人员医疗保障基金支出", "paid by the fund for the disabled"),
    "maf_pay": Words("医疗救助基金支出", "paid by medical assistance"),
    "oth_pay": Words("其他支出", "paid by other funds, local layers among them"),
    "hosp_part_amt": Words("医院负担金额", "borne by the hospital; no fund"),
    "acct_pay": Words("个人账户支出", "the person's own account; never deducted"),
    # balances carried in
    "layers": Words("各层累计", "the year so far, by layer"),
    "base": Words("已计入费用", "what the layer has counted"),
    "paid": Words("已支付", "what the layer has paid"),
    # a pack that is adopted for the past
    "first_day": Words("重算起始出院日", "first day of discharge that is priced again"),
    # applications
    "applicant": Words("申请人类别", "the kind of applicant, in the document's words"),
    "hardship_application": Words("困难身份申请结果", "what became of the application for a hardship identity"),
    "resident": Words("本地户籍", "whether the person is registered as resident"),
    "insured_years": Words("连续参保年数", "years insured here without a gap"),
    "other_assistance": Words("其他部门救助金额", "paid by others for the same costs"),
    "applied_on": Words("申请日期", "day of the application"),
    "objections": Words("公示异议", "whether the publication met objections"),
    "approved": Words("审核通过", "whether it is approved"),
    # the payout
    "kind": Words("支付单类型", "why it was written"),
    "revision": Words("版次", "1 for the first, then without gaps"),
    "cause": Words("起因", "the event that made Yidan write it"),
    "pack": Words("政策包", "the policy text that decided"),
    "fund_pay_sumamt": Words("基金支付总额", "everything that funds pay"),
    "psn_part_amt": Words("个人负担总金额", "everything that the person still pays"),
    "other_payments": Words("政策包以外的支付", "what funds that no layer names, and the hospital, have paid"),
    "lines": Words("各层待遇", "every layer of the pack, in order"),
    "left": Words("个人仍需负担", "what the person still pays, by part of the bill"),
    "seq": Words("序号", "position"),
    "layer": Words("待遇层", "the layer's id"),
    "label": Words("待遇名称", "the layer's name"),
    "fund_pay_type": Words("基金支付类型", "fund code"),
    "status": Words("处理结果", "what the layer did"),
    "reason": Words("未支付原因", "why it paid nothing"),
    "who": Words("适用对象", "the row of the benefit table that counted"),
    "base_before": Words("年度累计（前）", "the year's base before this settlement"),
    "base_after": Words("年度累计（后）", "the year's base after this settlement"),
    "tiers": Words("分段", "the slices of the year's base that this settlement moved through"),
    "from": Words("自", "where the slice begins"),
    "to": Words("至", "where the slice ends"),
    "ratio": Words("支付比例", "share paid of the slice; 0.00 below the deductible"),
    "cap": Words("年度封顶线", "yearly cap; null: none"),
    "crt_payb_lmt_amt": Words("本次可支付限额金额", "what the cap left before this settlement"),
    "cap_left": Words("封顶线剩余", "what the cap leaves after this settlement"),
    "pending_payamt": Words("待申请金额", "what an application could be paid as of now; not paid"),
    "fund_payamt": Words("基金支付金额", "what the layer pays"),
    "delta": Words("与上一版差额", "minus what the previous revision said"),
    "payable": Words("应付标志", "whether `delta` is to be moved because of this line"),
    "correction": Words("更正方向", "whether a correction gives the person more, `top_up`, or asks back, `clawback`"),
    "payee": Words("收付款方", "who receives `delta`, or returns it where it is negative"),
    "clr_type": Words("清算类别", "how hospital and office sort it: 11 outpatient, 21 inpatient, 99 other"),
    "carrier": Words("承办机构", "the insurer that a county's file names for its supplementary insurance"),
    "clauses": Words("依据", "the clauses behind the numbers"),
    "readings": Words("读法", "the readings behind the numbers, by id"),
    "region": Words("统筹区", "the region whose ledger this is"),
    "digest": Words("政策文本摘要", "`sha256:` and the digest of the policy text"),
    # signals
    "state": Words("状态", "`raised`, or `withdrawn` when a correction took the cause away"),
    "clause": Words("依据", "the clause behind it"),
    # clearing and reconciliation
    "statement_id": Words("清算单编号", "also the record's key"),
    "clr_optins": Words("清算经办机构", "the office of the insured: it pays"),
    "setlym": Words("清算年月", "the month of the events' own time in China, YYYYMM"),
    "fixmedins_setl_cnt": Words("结算笔数", "how many settlements; in a claim, rows"),
    "refd_setl_cnt": Words("退费笔数", "how many settlements were taken back"),
    "returned": Words("退回金额", "taken back by reversals; not positive"),
    "topped_up": Words("补付金额", "what corrections gave to persons"),
    "clawed_back": Words("应退金额", "what corrections ask back from persons; not positive"),
    "fund_appy_sum": Words("清算金额", "all of it together: what is to be cleared"),
    "payment_id": Words("支付登记号", "names the payment for ever; also the record's key"),
    "amount": Words("支付金额", "what was paid"),
    "paid_on": Words("支付日期", "the day on which the money went out"),
    "voucher": Words("支付凭证号", "the payment voucher's number, as the office writes it"),
    "why": Words("撤回原因", "returned by the bank, cancelled, or recorded by mistake"),
    "taken_back_on": Words("撤回日期", "the day from which the payment no longer counts"),
    "setl_optins": Words("结算经办机构", "the office of the insured; a city's code means all its counties"),
    "stmt_begndate": Words("对账开始日期", "first day, by the event's own time in China"),
    "stmt_enddate": Words("对账结束日期", "last day, included"),
    "refd_setl_flag": Words("退费结算标志", "1 for the row of a refund, whose amounts are negative"),
    "stmt_rslt": Words("对账结果", "0 even, 1 uneven"),
    "left_out": Words("未列出的差异行数", "rows that differ and are not listed"),
    "stmt_rslt_dscr": Words("对账结果说明", "in words"),
    "here": Words("本系统", "what stands here"),
    "there": Words("医药机构", "what the hospital says"),
    "difference": Words("差异", "how it differs"),
    "differences": Words("差异明细", "every row that differs"),
    "memo": Words("备注", "what it means and what to do"),
    "draft": Words("更正草稿", "the event that would mend it; nothing is sent from here"),
    "seen": Words("已计入位移", "what is next to be derived from, by partition of the payouts"),
    # quarantine
    "field": Words("字段", "the field at fault, if one is"),
    "detail": Words("说明", "how to mend it; never the value"),
    "source": Words("来源", "where the record was read"),
    "topic": Words("主题", "topic"),
    "partition": Words("分区", "partition"),
    "offset": Words("位移", "offset"),
    "line": Words("行号", "line of a file"),
    "length": Words("字节数", "length of the original in bytes"),
    "sha256": Words("SHA-256 摘要", "of the original, in hex"),
    "original": Words("原文", "the original as text"),
    "original_base64": Words(
        "原文（Base64）", "the original's bytes where they are not UTF-8, or mostly control characters"
    ),
    "sent": Words("重发位置", "where the record that was sent again stands"),
    "at": Words("重发时间", "when it was sent again, with its offset from UTC"),
    "by": Words("操作人代号", "who sent it again: a word for the operator, no name"),
    # where a name means something else
    "Line.inscp_scp_amt": Words("进入本层金额", "what entered the layer"),
    "Left.inscp_scp_amt": Words("自负", "left of the part in scope"),
    "Left.preselfpay_amt": Words("自理", "left of the share borne first"),
    "Left.overlmt_selfpay": Words("超限价", "left of the part above a price ceiling"),
    "Left.fulamt_ownpay_amt": Words("自费", "left of the part outside the catalogue"),
    "Refused.reason": Words("拒收原因", "why it was refused, from the closed list of refusals"),
    "Replayed.source": Words("来源", "where the refused record was read: with `topic`, `partition`, `offset` its id"),
    "Replayed.reason": Words("原拒收原因", "what it had been refused for"),
    "Replayed.sha256": Words("SHA-256 摘要", "of the bytes that were sent again, in hex: those of the refused record"),
    "ClearingStatement.revision": Words("版次", "the number of lines counted: it only grows, and the highest counts"),
    "CarrierStatement.revision": Words("版次", "the number of lines counted: it only grows, and the highest counts"),
    "ClearingStatement.paid": Words("支付金额", "paid to the hospital"),
    "CarrierStatement.paid": Words("支付金额", "paid at discharge"),
    "StatementPaid.statement_id": Words("清算单编号", "the statement that was paid, exactly as it stands on it"),
    "StatementPaid.revision": Words("版次", "the revision of the statement that was paid against; decides nothing"),
    "PaymentTakenBack.voucher": Words("撤回凭证号", "the voucher of the money that came back, if there is one"),
    "PaymentRefused.reason": Words("不予登记原因", "what is wrong with the record"),
    "LinesClaimed.lines": Words("明细", "the rows of the hospital's file"),
    "ClaimRefused.reason": Words("不予受理原因", "what is wrong with the request"),
    "Signal.kind": Words("提示类型", "what must be told"),
    "Signal.revision": Words("版次", "how often the signal has changed"),
    "Signal.setl_id": Words("结算ID", "the settlement that changed it, if one did"),
}

KIND_TEXTS: Final = {
    Kind.SETTLEMENT: "结算",
    Kind.REVERSAL: "冲销",
    Kind.READJUDICATION: "更正",
    Kind.APPLICATION: "依申请补助",
}

CAUSE_TEXTS: Final[dict[str, str]] = {
    "settled": "出院结算",
    "reversed": "结算撤销",
    "voided": "报文冲正",
    "identity_changed": "人员身份变更",
    "carried_in": "年度累计结转",
    "application_decided": "申请审核结果",
    "pack_changed": "政策包变更",
}
"""What made Yidan write a payout, by the event that did."""

STATUS_TEXTS: Final = {
    Status.PAID: "支付",
    Status.REPORTED: "已由平台支付",
    Status.PENDING_APPLICATION: "待申请",
    Status.NOTHING: "不支付",
}

DECISION_TEXTS: Final = {"approved": "审核通过", "refused": "审核未通过", "withdrawn": "原已通过，现已撤回"}
"""What became of an application."""

CORRECTION_TEXTS: Final = {Correction.TOP_UP: "补付", Correction.CLAWBACK: "应退"}

SIGNAL_TEXTS: Final = {
    SignalKind.LARGE_BILL: "大额医疗费用",
    SignalKind.CAP_REACHED: "达到年度封顶线",
    SignalKind.ZERO_SELF_PAY: "个人零自付",
    SignalKind.CLAWBACK_NEEDS_DECISION: "更正后个人应退，须决定是否追回",
    SignalKind.INSURED_TWICE: "同一年度重复参保",
    SignalKind.OTHER_ASSISTANCE_RISEN: "付款后其他部门救助增加（多头补助）",
}

CLR_TYPE_TEXTS: Final = {ClrType.OUTPATIENT: "门诊", ClrType.INPATIENT: "住院", ClrType.OTHER: "其他"}

DIFFERENCE_TEXTS: Final = {
    Difference.MISSING_HERE: "医药机构有，本系统没有",
    Difference.MISSING_THERE: "本系统有，医药机构没有",
    Difference.AMOUNT: "金额不一致",
    Difference.DUPLICATE: "文件中重复",
    Difference.REFUND_MISSING: "一方已退费，另一方没有退费行",
}

TAKEN_BACK_TEXTS: Final = {
    TakenBackFor.RETURNED_BY_BANK: "银行退汇",
    TakenBackFor.CANCELLED: "支付撤销",
    TakenBackFor.RECORDED_BY_MISTAKE: "误登",
}

PAYEE_TEXTS: Final = {Payee.INSTITUTION: "定点医药机构", Payee.PERSON: "个人"}

REASON_TEXTS: Final = {
    Reason.NOT_IN_FORCE: "出院当日，该项待遇尚未施行或已经停止。",
    Reason.OTHER_INSURANCE: "本次结算的险种不在该项待遇的参保范围之内。",
    Reason.CARE_NOT_COVERED: "本次就医的医疗类别不在该项待遇的支付范围之内。",
    Reason.EXCLUDED_CAUSE: "账单标明的情形（如工伤、第三人负担、非定点）不在该项待遇的支付范围之内。",
    Reason.DELEGATED: "该类人员的标准由参保地县（市、区）自行确定，县级标准尚未载入政策包，因此本层暂不支付。",
    Reason.NO_IDENTITY: "出院当日没有可享受该项待遇的有效身份，或不符合其参保缴费条件。",
    Reason.NOTHING_LEFT: "前面各层支付之后，已没有可进入本层的费用。",
    Reason.CAP_SPENT: "本年度封顶线内的额度已经用完。",
    Reason.BELOW_DEDUCTIBLE: "本年度累计费用尚未超过起付线。",
    Reason.ROUNDS_TO_NOTHING: "按比例计算不足一分，四舍五入后为零。",
    Reason.REVERSED: "原结算已经冲销，本层归零。",
}
"""One sentence for each reason, as it is printed on a statement."""
