"""The generated contract: as committed, valid by its own words, and as strict as it says."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

import contracts
from contracts.words import FIELD_WORDS
from workers.contracts_book import build, check, documents
from workers.contracts_book.messages import MESSAGES, Message
from workers.contracts_book.schema import schema_of

SCHEMAS = Path(contracts.__file__).parent / "schemas"
OURS = {
    *("combined_payout", "signal", "refused", "replayed", "clearing_statement", "carrier_statement"),
    *("totals_answered", "lines_answered", "claim_refused", "payment_refused"),
}
ON_THE_WIRE = [message for message in MESSAGES if "journal" not in message.topic]

each_message = pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.id)


def test_the_committed_book_is_what_the_models_say():
    assert check(SCHEMAS) == []


def test_the_book_is_the_same_text_each_time():
    assert documents() == documents()


def test_drift_is_named(tmp_path):
    assert len(build(tmp_path)) == len(MESSAGES) + 1
    assert build(tmp_path) == []
    (tmp_path / "onestop.signals.v1.signal.json").write_text("{}\n")
    (tmp_path / "onestop.discharges.v1.reversed.json").unlink()
    (tmp_path / "onestop.discharges.v0.settled.json").write_text("{}\n")
    assert sorted(fault.partition(":")[0] for fault in check(tmp_path)) == [
        "onestop.discharges.v0.settled.json",
        "onestop.discharges.v1.reversed.json",
        "onestop.signals.v1.signal.json",
    ]
    build(tmp_path)
    assert check(tmp_path) == []


@each_message
def test_a_schema_is_a_schema_and_has_its_own_name(message: Message):
    schema = schema_of(message)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:yidan:schema:{message.id}"
    assert schema["description"]


@each_message
def test_every_example_is_valid_by_schema_and_by_model(message: Message):
    validator = Draft202012Validator(schema_of(message))
    assert message.examples
    for example in message.examples:
        validator.validate(dict(example))
        TypeAdapter(message.model).validate_json(json.dumps(example))


@pytest.mark.parametrize("message", [m for m in MESSAGES if m.name not in OURS], ids=lambda message: message.id)
def test_unknown_fields_from_outside_are_ignored(message: Message):
    example = {**message.examples[0], "hosp_lv": "5"}
    Draft202012Validator(schema_of(message)).validate(example)
    TypeAdapter(message.model).validate_json(json.dumps(example))


@pytest.mark.parametrize("message", [m for m in MESSAGES if m.name in OURS], ids=lambda message: message.id)
def test_our_own_outputs_are_strict(message: Message):
    with pytest.raises(ValidationError, match="extra_forbidden"):
        TypeAdapter(message.model).validate_json(json.dumps({**message.examples[0], "hosp_lv": "5"}))


@pytest.mark.parametrize("message", [m for m in MESSAGES if m.name in OURS], ids=lambda message: message.id)
def test_a_reader_with_an_older_schema_accepts_a_new_optional_field(message: Message):
    Draft202012Validator(schema_of(message)).validate({**message.examples[0], "added_later": "x"})


@pytest.mark.parametrize("message", ON_THE_WIRE, ids=lambda message: message.id)
def test_every_field_on_the_wire_has_words_in_both_languages(message: Message):
    schema = schema_of(message)
    for definition in [schema, *schema["$defs"].values()]:
        for name, field in definition.get("properties", {}).items():
            assert field.get("title"), name
            assert field.get("description"), name


def test_no_words_are_left_over_from_a_field_that_is_gone():
    schemas = [schema_of(message) for message in ON_THE_WIRE]
    models = {
        TypeAdapter(message.model).json_schema()["title"]: schema
        for message, schema in zip(ON_THE_WIRE, schemas, strict=True)
    }
    models |= {name: model for schema in schemas for name, model in schema["$defs"].items()}
    used = {name for model in models.values() for name in model.get("properties", {})}
    used |= {f"{title}.{name}" for title, model in models.items() for name in model.get("properties", {})}
    assert FIELD_WORDS.keys() <= used


def test_the_wire_is_never_said_to_be_in_fen():
    for message in ON_THE_WIRE:
        assert "in fen" not in json.dumps(schema_of(message)), message.id


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("hifp_pay", "70000.00", True),
        ("hifp_pay", "70000", True),
        ("hifp_pay", 70000, True),
        ("hifp_pay", None, True),
        ("hifp_pay", "70000.005", False),
        ("hifp_pay", "-1.00", False),
        ("hifp_pay", -1, False),
        ("hifp_pay", 70000.5, False),
        ("hifp_pay", "70,000.00", False),
        ("insutype", "999", False),
        ("med_type", "2101", True),
        ("med_type", "77", False),
        ("exclusions", ["third_party"], True),
        ("exclusions", ["bad_luck"], False),
        ("psn_no", "P|1", False),
        ("msgid", "报文1", False),
        ("insuplc_admdvs", "33100", False),
        ("medfee_sumamt", None, False),
    ],
)
def test_schema_and_model_agree_on_a_settled_bill(field, value, accepted):
    message = next(message for message in MESSAGES if message.name == "settled")
    event = {**message.examples[0], field: value}
    by_schema = Draft202012Validator(schema_of(message)).is_valid(event)
    try:
        TypeAdapter(message.model).validate_json(json.dumps(event))
    except ValidationError:
        by_model = False
    else:
        by_model = True
    assert (by_schema, by_model) == (accepted, accepted)
