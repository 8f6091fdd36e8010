"""The AsyncAPI document: every reference resolves, and it says what the topics and the headers are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.discharge import Settled
from workers.contracts_book import ASYNCAPI_FILE, documents
from workers.contracts_book.asyncapi import SHOWN

BOOK = documents()
OTHER_KEYS = ("journal", "quarantine", "clearing", "clearing-payments", "reconciliations")
DOCUMENT: dict[str, Any] = json.loads(BOOK[ASYNCAPI_FILE])


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    node = json.loads(BOOK[file.removeprefix("./")]) if file else DOCUMENT
    for part in pointer.strip("/").split("/") if pointer else ():
        node = node[part]
    return node


def test_every_reference_resolves():
    found = list(references(DOCUMENT))
    assert len(found) > 30
    for reference in found:
        assert resolve(reference), reference


def test_every_reference_inside_a_schema_resolves():
    for name, text in BOOK.items():
        schema = json.loads(text)
        for reference in references(schema) if name != ASYNCAPI_FILE else ():
            assert reference.startswith("#/$defs/"), (name, reference)
            assert reference.removeprefix("#/$defs/") in schema["$defs"], (name, reference)


def test_the_topics_are_channels_with_their_settings():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert [channel["address"] for channel in DOCUMENT["channels"].values()] == [topic.name for topic in SHOWN]
    for topic, channel in zip(SHOWN, DOCUMENT["channels"].values(), strict=True):
        kafka = channel["bindings"]["kafka"]
        settings = {
            key: value[0] if isinstance(value, list) else str(value)
            for key, value in kafka["topicConfiguration"].items()
        }
        assert settings == topic.settings
        assert kafka["topic"] == topic.name


def test_every_message_belongs_to_a_channel_and_an_operation():
    in_channels = {ref["$ref"] for channel in DOCUMENT["channels"].values() for ref in channel["messages"].values()}
    in_operations = {
        resolve(ref["$ref"])["$ref"] for operation in DOCUMENT["operations"].values() for ref in operation["messages"]
    }
    assert (
        in_channels == in_operations == {f"#/components/messages/{name}" for name in DOCUMENT["components"]["messages"]}
    )


def test_an_operations_messages_are_of_its_own_channel():
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(ref["$ref"].startswith(f"{channel}/messages/") for ref in operation["messages"])


@pytest.mark.parametrize("name", ["payouts.combined_payout", "signals.signal"])
def test_outputs_carry_cloudevents_headers(name):
    headers = DOCUMENT["components"]["messages"][name]["headers"]
    assert set(headers["required"]) == {
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_partitionkey",
        "content-type",
    }
    assert set(headers["properties"]) - set(headers["required"]) == {"traceparent"}


def test_a_replay_carries_them_too_but_its_key_may_be_none():
    headers = DOCUMENT["components"]["messages"]["quarantine.replayed"]["headers"]
    assert headers["properties"]["ce_source"] == {"type": "string", "const": "/yidan/quarantine"}
    assert set(headers["properties"]) - set(headers["required"]) == {"ce_partitionkey"}


def test_a_key_is_a_person_number_wherever_a_person_is_settled():
    identifier = Settled.model_json_schema()["properties"]["psn_no"]["pattern"]
    for name, message in DOCUMENT["components"]["messages"].items():
        key = message["bindings"]["kafka"]["key"]
        assert (key.get("pattern") == identifier) == (name.split(".")[0] not in OTHER_KEYS), name


def test_the_refusals_are_listed_with_what_to_do():
    listed = DOCUMENT["components"]["messages"]["quarantine.refused"]["x-refusals"]
    schema = json.loads(BOOK["onestop.quarantine.v1.refused.json"])
    assert [refusal["reason"] for refusal in listed] == schema["$defs"]["Refusal"]["enum"]
    assert all(refusal["zh"] and refusal["en"] for refusal in listed)
