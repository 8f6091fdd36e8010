"""Every way we know in which a discharge event can be broken: one function each, all to be refused.

A function gets a whole, good event and spoils one thing. `whole` makes such an event for a person of
its own (person numbers beginning with P99, where nobody lives), so that refusing it disturbs nobody.
"""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

Event = dict[str, Any]
Breaking = Callable[[Event, Random], bytes]


def whole(number: int) -> Event:
    """A good event: a stay in Taizhou in 2021 of somebody on subsistence allowance, whom every layer pays."""
    return {
        "type": "settled",
        "msgid": f"H33100290001-X{number:07d}",
        "setl_id": f"S2021-X{number:07d}",
        "mdtrt_id": f"M2021-X{number:07d}",
        "psn_no": f"P99{number:010d}",
        "insutype": "390",
        "med_type": "21",
        "insuplc_admdvs": "331002",
        "mdtrtarea_admvs": "330100",
        "fixmedins_code": "H33100290001",
        "begndate": "2021-02-20",
        "enddate": "2021-03-02",
        "setl_time": "2021-03-02T10:15:00+08:00",
        "psn_idet": [{"psn_idet_type": "2303", "begntime": "2020-01-01", "endtime": None}],
        "premium_subsidised": None,
        "exclusions": [],
        "medfee_sumamt": "120000.00",
        "fulamt_ownpay_amt": "8000.00",
        "overlmt_selfpay": "2000.00",
        "preselfpay_amt": "10000.00",
        "inscp_scp_amt": "100000.00",
        "hifp_pay": "70000.00",
        "hifmi_pay": "15000.00",
        "maf_pay": None,
        "oth_pay": None,
    }


def decoded(event: bytes) -> Event:
    """The event that stands in good bytes."""
    document: Event = json.loads(event)
    return document


def encoded(event: object) -> bytes:
    """Compact JSON in UTF-8, as the county writes it."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def card_number(rng: Random, check_digit: str | None = None) -> str:
    """A number that passes the identity card's checksum and is nobody's: region 000000, born in 1900."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    while True:
        digits = f"000000190001{1 + rng.getrandbits(4):02d}{rng.getrandbits(9):03d}"
        check = "10X98765432"[sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11]
        if check_digit in (None, check):
            return digits + check


def _without(field: str) -> Breaking:
    def breaking(event: Event, rng: Random) -> bytes:
        del event[field]
        return encoded(event)

    return breaking


def _with(**fields: object) -> Breaking:
    def breaking(event: Event, rng: Random) -> bytes:
        return encoded(event | fields)

    return breaking


def _written(field: str, text: str) -> Breaking:
    """The field's value is `text`, letter by letter, quotes included: for what no encoder would write."""

    def breaking(event: Event, rng: Random) -> bytes:
        return encoded(event | {field: "\0"}).replace(b'"\\u0000"', text.encode())

    return breaking


def _card_number_in(field: str, check_digit: str | None = None) -> Breaking:
    def breaking(event: Event, rng: Random) -> bytes:
        return encoded(event | {field: card_number(rng, check_digit)})

    return breaking


def _identities(*identities: object) -> Breaking:
    return _with(psn_idet=list(identities))


def _document(text: str) -> Breaking:
    return lambda event, rng: text.encode()


def _reused(event: Event, rng: Random) -> bytes:
    """The same `setl_id` with other content: the bill is a yuan higher, all of it outside the catalogue."""
    for field in ("medfee_sumamt", "fulamt_ownpay_amt"):
        yuan, _, fen = str(event[field]).partition(".")
        event[field] = f"{int(yuan) + 1}.{fen or '00'}"
    return encoded(event | {"msgid": f"{event['msgid']}X"})


def _truncated(event: Event, rng: Random) -> bytes:
    text = encoded(event)
    return text[: len(text) // 4 + rng.getrandbits(8)]


def _twice_in_one(event: Event, rng: Random) -> bytes:
    return encoded(event) * 2


def _field_given_twice(event: Event, rng: Random) -> bytes:
    return encoded(event)[:-1] + b',"medfee_sumamt":"1.00"}'


def _in_gbk(event: Event, rng: Random) -> bytes:
    return encoded(event)[:-1] + ',"fixmedins_name":"县人民医院"}'.encode("gbk")


def _in_utf_16(event: Event, rng: Random) -> bytes:
    return encoded(event).decode().encode("utf-16-le")


def _reversal_without_setl_id(event: Event, rng: Random) -> bytes:
    kept = ("msgid", "mdtrt_id", "psn_no", "insuplc_admdvs", "setl_time")
    return encoded({"type": "reversed"} | {field: event[field] for field in kept})


def _too_large(event: Event, rng: Random) -> bytes:
    return encoded(event | {"memo": "大" * 3_500_000})


_ENDS_TOO_SOON = {"psn_idet_type": "2303", "begntime": "2021-06-01", "endtime": "2021-01-31"}

BROKEN: Mapping[str, Breaking] = {
    # A field is missing, or null where something is needed.
    "type_missing": _without("type"),
    "msgid_missing": _without("msgid"),
    "setl_id_missing": _without("setl_id"),
    "psn_no_missing": _without("psn_no"),
    "insutype_missing": _without("insutype"),
    "med_type_missing": _without("med_type"),
    "insuplc_admdvs_missing": _without("insuplc_admdvs"),
    "enddate_missing": _without("enddate"),
    "setl_time_missing": _without("setl_time"),
    "medfee_sumamt_missing": _without("medfee_sumamt"),
    "inscp_scp_amt_missing": _without("inscp_scp_amt"),
    "psn_no_is_null": _with(psn_no=None),
    "enddate_is_null": _with(enddate=None),
    "medfee_sumamt_is_null": _with(medfee_sumamt=None),
    "reversal_without_setl_id": _reversal_without_setl_id,
    # Money.
    "money_is_nan": _written("medfee_sumamt", "NaN"),
    "money_is_infinite": _written("hifp_pay", "1e999"),
    "money_is_a_number_with_an_exponent": _written("hifmi_pay", "1e3"),
    "money_is_a_string_with_an_exponent": _with(hifmi_pay="1e3"),
    "money_is_a_number_with_a_point": _written("medfee_sumamt", "120000.00"),
    "money_has_three_decimals": _with(hifp_pay="70000.005"),
    "money_is_negative": _with(fulamt_ownpay_amt="-1.00", inscp_scp_amt="108001.00"),
    "money_is_a_negative_number": _with(hifmi_pay=-15000),
    "money_has_fourteen_digits": _with(medfee_sumamt="10000000000000.00", inscp_scp_amt="9999999980000.00"),
    "money_is_an_endless_number": _written("hifp_pay", "7" * 400),
    "money_has_a_thousands_comma": _with(medfee_sumamt="120,000.00"),
    "money_has_a_space": _with(medfee_sumamt=" 120000.00"),
    "money_has_a_currency_sign": _with(medfee_sumamt="¥120000.00"),
    "money_is_in_full_width_digits": _with(medfee_sumamt="１２００００.００"),
    "money_is_an_empty_string": _with(hifmi_pay=""),
    "money_is_true": _with(hifmi_pay=True),
    "money_is_an_object": _with(hifp_pay={"yuan": 70000, "fen": 0}),
    # Amounts that cannot all be true.
    "cost_parts_are_a_fen_short": _with(inscp_scp_amt="99999.99"),
    "one_payment_exceeds_the_bill": _with(hifp_pay="130000.00"),
    "payments_together_exceed_the_bill": _with(hifmi_pay="50000.01"),
    "assistance_is_already_paid": _with(maf_pay="100.00"),
    "supplementary_is_already_paid": _with(oth_pay="0.01"),
    # Days and times.
    "date_is_impossible": _with(enddate="2021-02-30"),
    "date_has_slashes": _with(enddate="2021/03/02"),
    "date_carries_a_time": _with(enddate="2021-03-02T00:00:00"),
    "date_is_a_number": _with(enddate=18688),
    "stay_ends_before_it_begins": _with(begndate="2021-03-03"),
    "time_has_no_offset": _with(setl_time="2021-03-02T10:15:00"),
    "time_is_impossible": _with(setl_time="2021-03-02T25:00:00+08:00"),
    "time_is_a_number": _with(setl_time=1614651300),
    # Codes nobody knows.
    "type_is_unknown": _with(type="refunded"),
    "type_is_a_list": _with(type=["settled"]),
    "region_is_unknown": _with(insuplc_admdvs="990000"),
    "region_is_too_short": _with(insuplc_admdvs="33100"),
    "med_type_is_unknown": _with(med_type="77"),
    "insutype_is_unknown": _with(insutype="999"),
    "exclusion_is_unknown": _with(exclusions=["bad_luck"]),
    "exclusions_are_a_string": _with(exclusions="third_party"),
    "premium_subsidised_is_a_word": _with(premium_subsidised="也许"),
    # Identifiers.
    "card_number_in_psn_no": _card_number_in("psn_no"),
    "card_number_in_setl_id": _card_number_in("setl_id"),
    "card_number_in_msgid": _card_number_in("msgid"),
    "card_number_in_mdtrt_id": _card_number_in("mdtrt_id"),
    "card_number_ends_in_x": _card_number_in("psn_no", check_digit="X"),
    "psn_no_is_empty": _with(psn_no=""),
    "psn_no_has_a_separator": _with(psn_no="P99|S2021-X1"),
    "psn_no_is_a_number": _with(psn_no=990000000001),
    "psn_no_is_half_a_character": _written("psn_no", '"P99\\ud83d"'),
    "setl_id_is_empty": _with(setl_id=""),
    "setl_id_is_a_list": _with(setl_id=["S2021-X1", "S2021-X2"]),
    "setl_id_reused_with_other_content": _reused,
    # Identities.
    "identity_ends_before_it_begins": _identities(_ENDS_TOO_SOON),
    "identity_has_no_beginning": _identities({"psn_idet_type": "2303", "endtime": None}),
    "identity_is_null": _identities(None),
    "identities_are_a_thousand": _identities(*[{"psn_idet_type": "2303", "begntime": "2020-01-01"}] * 1_000),
    "identities_are_a_string": _with(psn_idet="2303"),
    "identities_are_lists_in_lists": _written("psn_idet", "[" * 2_000 + "]" * 2_000),
    # Documents that are no event.
    "not_json": _document("settled S2021-X1 120000.00"),
    "empty": _document(""),
    "only_spaces": _document("  \n "),
    "document_is_null": _document("null"),
    "document_is_a_number": _document("42"),
    "document_is_an_array": lambda event, rng: encoded([event]),
    "document_is_a_string": lambda event, rng: encoded(encoded(event).decode()),
    "truncated": _truncated,
    "two_documents_in_one": _twice_in_one,
    "field_given_twice": _field_given_twice,
    "in_gbk": _in_gbk,
    "in_utf_16": _in_utf_16,
}
"""What a kind is called says what is wrong; `county` sends every kind."""

NEEDS_AN_EARLIER_ONE = frozenset({"setl_id_reused_with_other_content"})
"""Kinds that spoil a settlement sent before; all others spoil a `whole` one."""

TOO_LARGE: Mapping[str, Breaking] = {"ten_megabytes": _too_large}
"""Broken only by its size: ten megabytes. Not in the county; send it where it is asked for."""
