"""Every way in which an event can be broken is refused by its name, and refusing it changes nothing."""

import json
from random import Random
from typing import Any

import pytest

from contracts.events import TOPIC_OF_TYPE
from contracts.pack_file import load_directory, load_pack
from contracts.quarantine import ORIGINAL_BYTES_MAX, READ_REFUSED
from contracts.vocabulary import Refusal
from workers.adjudication.books import Books
from workers.rehearsal.broken import BROKEN, NEEDS_AN_EARLIER_ONE, TOO_LARGE, card_number, encoded, whole
from workers.settlement.offline import Settler
from workers.settlement.pipeline import Batch, BatchResult
from workers.settlement.records import Incoming
from workers.settlement.validate import murmur2, partition_of

PARTITIONS = 12

NAMES: dict[str, tuple[Refusal, str | None]] = {
    "type_missing": (Refusal.FIELD_IS_MISSING, "type"),
    "msgid_missing": (Refusal.FIELD_IS_MISSING, "msgid"),
    "setl_id_missing": (Refusal.FIELD_IS_MISSING, "setl_id"),
    "psn_no_missing": (Refusal.FIELD_IS_MISSING, "psn_no"),
    "insutype_missing": (Refusal.FIELD_IS_MISSING, "insutype"),
    "med_type_missing": (Refusal.FIELD_IS_MISSING, "med_type"),
    "insuplc_admdvs_missing": (Refusal.FIELD_IS_MISSING, "insuplc_admdvs"),
    "enddate_missing": (Refusal.FIELD_IS_MISSING, "enddate"),
    "setl_time_missing": (Refusal.FIELD_IS_MISSING, "setl_time"),
    "medfee_sumamt_missing": (Refusal.FIELD_IS_MISSING, "medfee_sumamt"),
    "inscp_scp_amt_missing": (Refusal.FIELD_IS_MISSING, "inscp_scp_amt"),
    "psn_no_is_null": (Refusal.FIELD_IS_MISSING, "psn_no"),
    "enddate_is_null": (Refusal.FIELD_IS_MISSING, "enddate"),
    "medfee_sumamt_is_null": (Refusal.FIELD_IS_MISSING, "medfee_sumamt"),
    "reversal_without_setl_id": (Refusal.FIELD_IS_MISSING, "setl_id"),
    "money_is_nan": (Refusal.SEND_MONEY_AS_STRING, None),
    "money_is_infinite": (Refusal.SEND_MONEY_AS_STRING, None),
    "money_is_a_number_with_an_exponent": (Refusal.SEND_MONEY_AS_STRING, None),
    "money_is_a_string_with_an_exponent": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_is_a_number_with_a_point": (Refusal.SEND_MONEY_AS_STRING, None),
    "money_has_three_decimals": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_is_negative": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_is_a_negative_number": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_has_fourteen_digits": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_is_an_endless_number": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_has_a_thousands_comma": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_has_a_space": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_has_a_currency_sign": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_is_in_full_width_digits": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_is_an_empty_string": (Refusal.AMOUNT_IS_NOT_YUAN_AND_FEN, None),
    "money_is_true": (Refusal.FIELD_HAS_WRONG_TYPE, None),
    "money_is_an_object": (Refusal.FIELD_HAS_WRONG_TYPE, None),
    "cost_parts_are_a_fen_short": (Refusal.COST_PARTS_DO_NOT_ADD_UP, "medfee_sumamt"),
    "one_payment_exceeds_the_bill": (Refusal.FUND_PAYMENTS_EXCEED_BILL, None),
    "payments_together_exceed_the_bill": (Refusal.FUND_PAYMENTS_EXCEED_BILL, None),
    "assistance_is_already_paid": (Refusal.LAYER_ALREADY_PAID, "maf_pay"),
    "supplementary_is_already_paid": (Refusal.LAYER_ALREADY_PAID, "oth_pay"),
    "date_is_impossible": (Refusal.DATE_IS_IMPOSSIBLE, None),
    "date_has_slashes": (Refusal.DATE_IS_IMPOSSIBLE, None),
    "date_carries_a_time": (Refusal.DATE_IS_IMPOSSIBLE, None),
    "date_is_a_number": (Refusal.FIELD_HAS_WRONG_TYPE, None),
    "stay_ends_before_it_begins": (Refusal.STAY_ENDS_BEFORE_IT_BEGINS, "enddate"),
    "time_has_no_offset": (Refusal.TIME_HAS_NO_OFFSET, "setl_time"),
    "time_is_impossible": (Refusal.DATE_IS_IMPOSSIBLE, "setl_time"),
    "time_is_a_number": (Refusal.FIELD_HAS_WRONG_TYPE, "setl_time"),
    "type_is_unknown": (Refusal.EVENT_TYPE_IS_UNKNOWN, "type"),
    "type_is_a_list": (Refusal.EVENT_TYPE_IS_UNKNOWN, "type"),
    "region_is_unknown": (Refusal.NO_PACK_FOR_REGION, "insuplc_admdvs"),
    "region_is_too_short": (Refusal.IDENTIFIER_IS_MALFORMED, "insuplc_admdvs"),
    "med_type_is_unknown": (Refusal.CODE_IS_UNKNOWN, "med_type"),
    "insutype_is_unknown": (Refusal.CODE_IS_UNKNOWN, "insutype"),
    "exclusion_is_unknown": (Refusal.CODE_IS_UNKNOWN, None),
    "exclusions_are_a_string": (Refusal.FIELD_HAS_WRONG_TYPE, "exclusions"),
    "premium_subsidised_is_a_word": (Refusal.FIELD_HAS_WRONG_TYPE, "premium_subsidised"),
    "card_number_in_psn_no": (Refusal.CARD_NUMBER_IN_IDENTIFIER, "psn_no"),
    "card_number_in_setl_id": (Refusal.CARD_NUMBER_IN_IDENTIFIER, "setl_id"),
    "card_number_in_msgid": (Refusal.CARD_NUMBER_IN_IDENTIFIER, "msgid"),
    "card_number_in_mdtrt_id": (Refusal.CARD_NUMBER_IN_IDENTIFIER, "mdtrt_id"),
    "card_number_ends_in_x": (Refusal.CARD_NUMBER_IN_IDENTIFIER, None),
    "psn_no_is_empty": (Refusal.IDENTIFIER_IS_MALFORMED, "psn_no"),
    "psn_no_has_a_separator": (Refusal.IDENTIFIER_IS_MALFORMED, "psn_no"),
    "psn_no_is_a_number": (Refusal.FIELD_HAS_WRONG_TYPE, "psn_no"),
    "psn_no_is_half_a_character": (Refusal.MESSAGE_IS_NOT_JSON, None),
    "setl_id_is_empty": (Refusal.IDENTIFIER_IS_MALFORMED, "setl_id"),
    "setl_id_is_a_list": (Refusal.FIELD_HAS_WRONG_TYPE, "setl_id"),
    "setl_id_reused_with_other_content": (Refusal.SETL_ID_REUSED_WITH_OTHER_CONTENT, "setl_id"),
    "identity_ends_before_it_begins": (Refusal.IDENTITY_ENDS_BEFORE_IT_BEGINS, None),
    "identity_has_no_beginning": (Refusal.FIELD_IS_MISSING, None),
    "identity_is_null": (Refusal.FIELD_IS_MISSING, None),
    "identities_are_a_thousand": (Refusal.LIST_IS_TOO_LONG, "psn_idet"),
    "identities_are_a_string": (Refusal.FIELD_HAS_WRONG_TYPE, "psn_idet"),
    "identities_are_lists_in_lists": (Refusal.MESSAGE_IS_NOT_JSON, None),
    "not_json": (Refusal.MESSAGE_IS_NOT_JSON, None),
    "empty": (Refusal.MESSAGE_IS_EMPTY, None),
    "only_spaces": (Refusal.MESSAGE_IS_EMPTY, None),
    "document_is_null": (Refusal.MESSAGE_IS_NOT_AN_OBJECT, None),
    "document_is_a_number": (Refusal.MESSAGE_IS_NOT_AN_OBJECT, None),
    "document_is_an_array": (Refusal.MESSAGE_IS_NOT_AN_OBJECT, None),
    "document_is_a_string": (Refusal.MESSAGE_IS_NOT_AN_OBJECT, None),
    "truncated": (Refusal.MESSAGE_IS_NOT_JSON, None),
    "two_documents_in_one": (Refusal.MESSAGE_IS_NOT_JSON, None),
    "field_given_twice": (Refusal.COST_PARTS_DO_NOT_ADD_UP, "medfee_sumamt"),
    "in_gbk": (Refusal.MESSAGE_IS_NOT_UTF8, None),
    "in_utf_16": (Refusal.MESSAGE_IS_NOT_JSON, None),
    "ten_megabytes": (Refusal.MESSAGE_IS_TOO_LARGE, None),
}

KINDS = {**BROKEN, **TOO_LARGE}


def spoilt(kind: str, number: int = 1) -> bytes:
    return KINDS[kind](whole(number), Random(number))


def batch_of(value: bytes | None, **envelope: Any) -> BatchResult:
    """What the worker's pipeline makes of one record over an empty state."""
    key = envelope.get("key", whole(1)["psn_no"].encode())
    record = Incoming(
        envelope.get("topic", TOPIC_OF_TYPE["settled"]),
        envelope.get("partition", partition_of(whole(1)["psn_no"].encode(), PARTITIONS)),
        41,
        key,
        value,
        envelope.get("headers", ()),
    )
    batch = Batch(Books(load_directory(), load_pack), record.partition, PARTITIONS, [record])
    while names := batch.wanted():
        batch.supply(dict.fromkeys(names))
    return batch.settle()


def refusal_of(result: BatchResult) -> dict[str, Any]:
    assert result.fields == []
    assert result.payouts == []
    (record,) = result.quarantine
    refused: dict[str, Any] = json.loads(record.value)
    return refused


def test_every_kind_of_broken_event_has_a_name_to_be_refused_by() -> None:
    assert set(NAMES) == set(KINDS)
    assert len(NAMES) >= 30


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_a_broken_event_is_refused_by_name_and_changes_nothing(kind: str) -> None:
    settler = Settler(load_directory())
    if kind in NEEDS_AN_EARLIER_ONE:
        assert settler.take(encoded(whole(1))).refusal is None
    before = dict(settler.shelf)
    refusal = settler.take(spoilt(kind)).refusal
    reason, field = NAMES[kind]
    assert refusal is not None
    assert refusal.reason is reason
    if field is not None:
        assert refusal.field == field
    assert refusal.detail
    assert dict(settler.shelf) == before


@pytest.mark.parametrize("kind", sorted(NAMES.keys() - set(NEEDS_AN_EARLIER_ONE)))
def test_the_worker_quarantines_what_the_file_command_refuses(kind: str) -> None:
    value = spoilt(kind)
    result = batch_of(value)
    refused = refusal_of(result)
    READ_REFUSED.validate_json(result.quarantine[0].value)
    offline = Settler(load_directory()).take(value).refusal
    assert offline is not None
    # The key of the record is that of a whole event: a spoilt psn_no is refused before the two are compared.
    assert refused["reason"] == offline.reason
    assert refused["source"]["offset"] == 41
    assert refused["length"] == len(value)


def test_a_refusal_keeps_the_original_bytes_up_to_a_limit() -> None:
    assert refusal_of(batch_of(spoilt("truncated")))["original"].encode() == spoilt("truncated")
    assert "original_base64" in refusal_of(batch_of(spoilt("in_gbk")))
    large = refusal_of(batch_of(spoilt("ten_megabytes")))
    assert "original" not in large
    assert "original_base64" not in large
    assert large["length"] > ORIGINAL_BYTES_MAX


@pytest.mark.parametrize("kind", [kind for kind in sorted(NAMES) if kind.startswith("card_number")])
def test_a_card_number_is_repeated_nowhere(kind: str) -> None:
    value = spoilt(kind)
    number = next(part for part in json.loads(value).values() if isinstance(part, str) and len(part) >= 18)
    result = batch_of(value, key=json.loads(value)["psn_no"].encode())
    (record,) = result.quarantine
    assert number.encode() not in record.value
    assert number.encode() not in (record.key or b"")
    assert "original" not in refusal_of(result)


def test_a_card_number_in_an_ignored_field_is_not_repeated_either() -> None:
    number = card_number(Random(5))
    value = encoded({**whole(1), "certno": number, "medfee_sumamt": "1.00"})
    result = batch_of(value)
    assert refusal_of(result)["reason"] == Refusal.COST_PARTS_DO_NOT_ADD_UP
    assert number.encode() not in result.quarantine[0].value


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be", "escaped", "escaped and cut off", "full width"])
def test_a_card_number_is_not_repeated_in_whatever_form_its_digits_come(form: str) -> None:
    number = card_number(Random(5))
    forms = {
        "escaped": b'{"certno": "%s", "type": "settled"}' % "".join(f"\\u{ord(d):04x}" for d in number).encode(),
        "escaped and cut off": b'{"certno": "%s"' % "".join(f"\\u{ord(d):04x}" for d in number).encode(),
        "full width": f'{{"certno": "{number.translate({ord(d): ord(d) + 0xFEE0 for d in "0123456789X"})}"}}'.encode(),
    }
    value = forms.get(form) or f'{{"certno": "{number}"}}'.encode(form)
    refused = refusal_of(batch_of(value))
    assert "original" not in refused
    assert "original_base64" not in refused


def test_headers_and_keys_that_hold_a_card_number_are_left_out() -> None:
    number = card_number(Random(5))
    headers = ((number, b"1"), ("patient", number.encode("utf-16")), ("ce_id", b"7"))
    (record,) = batch_of(b"{", key=number.encode("utf-16"), headers=headers).quarantine
    assert record.key is None
    assert record.headers == [("ce_id", b"7")]


def test_a_refused_field_is_named_without_its_value() -> None:
    secret = "zhang-san"
    refused = refusal_of(batch_of(encoded({**whole(1), "med_type": secret})))
    assert refused["field"] == "med_type"
    assert secret not in refused["detail"]


def test_the_key_must_be_the_person_byte_for_byte() -> None:
    for key in (None, b"", b"P", whole(1)["psn_no"].lower().encode()):
        assert refusal_of(batch_of(encoded(whole(1)), key=key))["reason"] == Refusal.KEY_IS_NOT_PSN_NO


def test_the_partition_must_be_the_persons_own() -> None:
    own = partition_of(whole(1)["psn_no"].encode(), PARTITIONS)
    for partition in range(PARTITIONS):
        result = batch_of(encoded(whole(1)), partition=partition)
        if partition == own:
            assert result.quarantine == []
        else:
            assert refusal_of(result)["reason"] == Refusal.WRONG_PARTITION


def test_an_event_on_another_events_topic_is_refused() -> None:
    refused = refusal_of(batch_of(encoded(whole(1)), topic=TOPIC_OF_TYPE["identity_changed"]))
    assert refused["reason"] == Refusal.EVENT_TYPE_BELONGS_ON_ANOTHER_TOPIC


def test_key_and_headers_stay_with_a_refused_record() -> None:
    (record,) = batch_of(b"{", headers=(("ce_id", b"7"),)).quarantine
    assert record.key == whole(1)["psn_no"].encode()
    assert ("ce_id", b"7") in record.headers


def test_one_bad_record_does_not_stop_the_others() -> None:
    partition = partition_of(whole(1)["psn_no"].encode(), PARTITIONS)
    topic = TOPIC_OF_TYPE["settled"]
    good = whole(1)
    records = [
        Incoming(topic, partition, offset, good["psn_no"].encode(), value)
        for offset, value in enumerate([*(spoilt(kind) for kind in sorted(BROKEN)), encoded(good)])
        if value
    ]
    batch = Batch(Books(load_directory(), load_pack), partition, PARTITIONS, records)
    while names := batch.wanted():
        batch.supply(dict.fromkeys(names))
    result = batch.settle()
    assert len(result.quarantine) >= len(records) - 2
    assert any(json.loads(payout.value)["setl_id"] == good["setl_id"] for payout in result.payouts)


def test_the_partition_of_a_key_is_that_of_kafkas_own_client() -> None:
    from aiokafka.partitioner import murmur2 as theirs

    rng = Random(3)
    for length in range(40):
        key = rng.randbytes(length)
        assert murmur2(key) == theirs(key) & 0xFFFFFFFF
