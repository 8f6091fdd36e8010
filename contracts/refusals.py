"""Every refusal with what it means and what a gateway must do. The list is closed; a test keeps it whole.

Three answers cover most of it: *mend and send again* (the record never counted, so the same `setl_id` is free), *stop*
(sending again can only be refused again) and *ask* (two systems disagree and a person must look).
"""

from typing import Final, Literal, NamedTuple

from contracts.quarantine import ORIGINAL_BYTES_MAX
from contracts.vocabulary import Refusal

_KIB: Final = ORIGINAL_BYTES_MAX // 1024


class Mend(NamedTuple):
    """What a refusal means, and what the sender does about it: `resend` mended, `stop`, or `ask` somebody."""

    answer: Literal["resend", "stop", "ask"]
    zh: str
    en: str


MENDS: Final[dict[Refusal, Mend]] = {
    # the bytes
    Refusal.MESSAGE_IS_EMPTY: Mend(
        "resend", "消息体为空。发送完整的 JSON 对象。", "The value is empty. Send the whole JSON object."
    ),
    Refusal.MESSAGE_IS_TOO_LARGE: Mend(
        "resend",
        f"消息超过 {_KIB} KiB。一条消息只放一个事件，去掉本接口之外的字段。",
        f"The value exceeds {_KIB} KiB. One event a message, without fields that are not of this interface.",
    ),
    Refusal.MESSAGE_IS_NOT_UTF8: Mend(
        "resend", "不是 UTF-8 编码（常见为 GBK）。改用 UTF-8 发送。", "Not UTF-8, often GBK. Encode as UTF-8."
    ),
    Refusal.MESSAGE_IS_NOT_JSON: Mend(
        "resend",
        "不是一个合法的 JSON 文档（被截断或重复拼接）。修正序列化后重发。",
        "Not one JSON document: cut off, or two in one. Mend the encoder and send again.",
    ),
    Refusal.MESSAGE_IS_NOT_AN_OBJECT: Mend(
        "resend",
        "JSON 顶层必须是对象，不能是数组、字符串或 null。",
        "The document must be an object, not an array, a string or null.",
    ),
    # the envelope
    Refusal.KEY_IS_NOT_PSN_NO: Mend(
        "resend",
        "消息键必须与消息体中的 psn_no 逐字节相同。",
        "The record's key must be the value's psn_no, byte for byte.",
    ),
    Refusal.WRONG_PARTITION: Mend(
        "resend",
        "分区必须等于 murmur2(psn_no) mod 分区数：使用 Kafka Java 客户端的默认分区器（librdkafka 设 "
        "partitioner=murmur2_random），不要自行指定分区。",
        "The partition must be murmur2(psn_no) mod the partition count: use the default partitioner of Kafka's Java "
        "client; with librdkafka, `partitioner=murmur2_random`.",
    ),
    Refusal.EVENT_TYPE_IS_UNKNOWN: Mend(
        "resend", "type 不是约定的事件类型，见各主题的消息列表。", "`type` is none of the agreed event types."
    ),
    Refusal.EVENT_TYPE_BELONGS_ON_ANOTHER_TOPIC: Mend(
        "resend", "该类型的事件应发到另一个主题，见各主题的消息列表。", "This type of event belongs on another topic."
    ),
    Refusal.CARD_NUMBER_IN_IDENTIFIER: Mend(
        "resend",
        "标识字段中含有身份证号码。改用平台的人员编号；原文不予保留。",
        "An identifier holds an identity-card number. Send the platform's opaque number; the original is not kept.",
    ),
    # the fields
    Refusal.FIELD_IS_MISSING: Mend("resend", "缺少必填字段，见 field。", "A required field is missing: see `field`."),
    Refusal.FIELD_HAS_WRONG_TYPE: Mend(
        "resend",
        "字段的 JSON 类型不对（例如把字符串写成数字），见 field。",
        "A field has the wrong JSON type, such as a number for a string: see `field`.",
    ),
    Refusal.IDENTIFIER_IS_MALFORMED: Mend(
        "resend",
        "标识为空、过长或含有不允许的字符（空格、竖线、冒号等）。",
        "An identifier is empty, too long or has characters that are not allowed, such as blanks, `|` or `:`.",
    ),
    Refusal.SEND_MONEY_AS_STRING: Mend(
        "resend",
        '金额写成了带小数点或指数的 JSON 数字。改为字符串，如 "1200.50"。',
        'An amount is a JSON number with a point or exponent. Send a string, such as "1200.50".',
    ),
    Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN: Mend(
        "resend",
        "金额必须以元为单位，不为负，小数点前至多 13 位，小数至多 2 位，不含逗号、空格和货币符号。",
        "Amounts are yuan, not negative, at most 13 digits and 2 decimals, no commas, blanks or currency signs.",
    ),
    Refusal.DATE_IS_IMPOSSIBLE: Mend(
        "resend",
        "日期须为真实存在的 YYYY-MM-DD，时间须为 ISO 8601。",
        "Dates are days that exist, YYYY-MM-DD; times are ISO 8601.",
    ),
    Refusal.TIME_HAS_NO_OFFSET: Mend(
        "resend", "时间缺少时区偏移。补上，如 +08:00。", "A time lacks its offset from UTC. Add it, such as +08:00."
    ),
    Refusal.CODE_IS_UNKNOWN: Mend(
        "resend",
        "编码不在约定的清单之内（险种、医疗类别、不予支付情形等），见 field。",
        "A code is in none of the agreed lists (insurance, care, exclusion): see `field`.",
    ),
    Refusal.LIST_IS_TOO_LONG: Mend(
        "resend", "列表过长（身份至多 64 项，情形至多 32 项）。", "A list is too long: 64 identities, 32 exclusions."
    ),
    # the fields together
    Refusal.STAY_ENDS_BEFORE_IT_BEGINS: Mend(
        "resend", "enddate 早于 begndate。更正日期后重发。", "enddate precedes begndate. Correct the days."
    ),
    Refusal.IDENTITY_ENDS_BEFORE_IT_BEGINS: Mend(
        "resend",
        "某项身份的 endtime 早于 begntime。更正身份清单后重发。",
        "An identity's endtime precedes its begntime. Correct the list.",
    ),
    Refusal.COST_PARTS_DO_NOT_ADD_UP: Mend(
        "resend",
        "全自费、超限价、先行自付与符合政策范围四项之和必须等于医疗费总额，分毫不差。",
        "The four parts of the bill must add up to medfee_sumamt, to the fen.",
    ),
    Refusal.FUND_PAYMENTS_EXCEED_BILL: Mend(
        "resend",
        "已支付金额之和超过医疗费总额。每笔基金支付只报一次，不要把合计再报一遍。",
        "The payments reported are more than the bill. Report each fund once, and no sum of others.",
    ),
    Refusal.LAYER_ALREADY_PAID: Mend(
        "ask",
        "该层由一单计算，却已报告支付。若平台确已支付，先在平台撤销；否则将该基金字段置为 null 重发。",
        "Yidan computes this layer, yet it is reported as paid. Undo that payment on the platform, or send null.",
    ),
    Refusal.NO_PACK_FOR_REGION: Mend(
        "ask",
        "该参保地没有政策包。核对 insuplc_admdvs；若无误，请运维先载入政策包再重发。",
        "No policy pack for this division. Check insuplc_admdvs; if it is right, have the pack loaded, then resend.",
    ),
    # the year
    Refusal.SETL_ID_REUSED_WITH_OTHER_CONTENT: Mend(
        "ask",
        "同一 setl_id 已用于内容不同的结算。新账单用新号；更正旧账单须先撤销再以新号结算。",
        "This setl_id stands for a settlement with other content. Use a new one; to correct, reverse and settle anew.",
    ),
    Refusal.SETL_ID_WAS_REVERSED: Mend(
        "stop",
        "该 setl_id 的结算已经撤销，不能再用。重新结算须用新的 setl_id。",
        "The settlement of this setl_id was reversed. Settle again under a new one.",
    ),
    Refusal.WAS_REVERSED_BEFORE: Mend(
        "stop",
        "该结算的撤销先于结算到达，二者相抵，均不支付。无须处理；重新结算须用新的 setl_id。",
        "Its reversal came first, so it pays nothing. Nothing to do; to settle again use a new setl_id.",
    ),
    Refusal.HISTORY_IS_TOO_LONG: Mend(
        "ask",
        "同一笔结算已更正数千次，或同一报文ID已用于数千笔结算，不再接受。查明发送方为何反复发送。",
        "One settlement was corrected, or one message id used, thousands of times. Find out why the sender goes on.",
    ),
    Refusal.LATER_SETTLEMENTS_EXIST: Mend(
        "ask",
        "该统筹区要求后结先撤：须先撤销其后的结算。",
        "This region reverses last-in first-out: reverse the later settlements first.",
    ),
    Refusal.MESSAGE_WAS_VOIDED: Mend(
        "stop",
        "该报文在到达之前已被冲正，不再生效。重新结算须用新的报文ID和 setl_id。",
        "The message was voided before it came. Settle again under a new msgid and setl_id.",
    ),
    Refusal.VOIDING_A_REVERSAL: Mend(
        "stop",
        "撤销不能被冲正。如需恢复，以新的 setl_id 重新结算。",
        "A reversal cannot be voided. To restore the settlement, settle again under a new setl_id.",
    ),
    Refusal.MESSAGE_ID_WAS_USED_TWICE: Mend(
        "ask",
        "该报文ID下有不止一笔结算，无法判断冲正哪一笔。按 setl_id 撤销。",
        "Several settlements came under this message id. Reverse the one that is meant by its setl_id.",
    ),
    # about a person
    Refusal.IDENTITY_LIST_CONTRADICTS_ITSELF: Mend(
        "ask",
        "同一 known_at 有两份不同的身份清单。核实后以更晚的 known_at 发送正确的一份。",
        "Two different lists claim the same known_at. Find the right one and send it with a later known_at.",
    ),
    Refusal.OPENING_BALANCE_CONTRADICTS_ITSELF: Mend(
        "ask",
        "同一 known_at 有两份不同的年度结转。核实后以更晚的 known_at 发送正确的一份。",
        "Two different balances claim the same known_at. Find the right one and send it with a later known_at.",
    ),
    Refusal.LAYER_IS_NOT_COMPUTED_HERE: Mend(
        "resend",
        "结转的待遇层不由该统筹区的政策包计算。只结转本系统计算的层。",
        "The region's pack does not compute this layer. Carry in only layers that it computes.",
    ),
    # about a pack that is adopted for the past
    Refusal.PACK_IS_NOT_IN_USE: Mend(
        "ask",
        "要求采用的政策包不是本系统正在使用的版本。先让全部进程载入同一政策包，再用 `yidan packs adopt` 重发。",
        "The pack that is to be adopted is not the one in use here. Load it in every worker, then adopt again.",
    ),
    Refusal.PACK_MOVES_REPORTED_MONEY: Mend(
        "ask",
        "新政策包把平台已报的支付改归另一层，会把未经本系统的钱记作应付。保持基金字段的归属，或撤销后重新结算。",
        "The new pack gives a fund field to another layer: reported money would seem ours. Keep it, or resettle.",
    ),
    # about an application
    Refusal.NOTHING_IS_PAID_ON_APPLICATION_HERE: Mend(
        "ask",
        "该统筹区没有依申请支付的待遇。核对 insuplc_admdvs。",
        "This region pays no layer on application. Check insuplc_admdvs.",
    ),
    Refusal.APPLICANT_IS_UNKNOWN: Mend(
        "resend",
        "申请人类别不在政策包所列之内。改用政策包的类别名称。",
        "The pack knows no such applicant. Send one of its words.",
    ),
    Refusal.HARDSHIP_STATUS_NOT_APPLIED_FOR: Mend(
        "ask",
        "其他因病困难人员须先申请特困、低保、低边。有结果后再作审核决定。",
        "This applicant must first have asked for a hardship identity. Decide again when that was answered.",
    ),
    Refusal.APPLICANT_IS_NOT_ENTITLED: Mend(
        "ask",
        "非本地户籍且连续参保年限不足。核对 resident 和 insured_years。",
        "Neither resident nor insured here long enough. Check resident and insured_years.",
    ),
    Refusal.APPLIED_AFTER_THE_DEADLINE: Mend(
        "ask",
        "申请日期已过该年度的截止日期。核对 applied_on 和 year。",
        "Applied for after the year's deadline. Check applied_on and year.",
    ),
    Refusal.OBJECTIONS_ARE_OPEN: Mend(
        "ask",
        "公示有异议，不得支付。异议处理完毕后再发送决定。",
        "Objections were made. Send the decision when they are answered.",
    ),
    Refusal.DECISION_CONTRADICTS_ITSELF: Mend(
        "ask",
        "同一申请在同一 known_at 有不同决定，或改变了年度。以更晚的 known_at 发送正确的决定；换年度须另立申请。",
        "Two decisions of one application at one known_at, or for two years. Send the right one later, or a new id.",
    ),
}
