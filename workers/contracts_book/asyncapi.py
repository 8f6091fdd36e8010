"""The AsyncAPI 3.0 document: topics, keys, headers, messages, guarantees in words, and what to do about a refusal."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from contracts.events import TRACE_HEADER
from contracts.fields import Identifier
from contracts.quarantine import ORIGINAL_BYTES_MAX, REPLAYED_FROM
from contracts.refusals import MENDS
from contracts.topics import DERIVED, PARTITIONS_DEFAULT, TOPICS, VIEWS, Topic
from contracts.vocabulary import Refusal
from workers.contracts_book.messages import Message

SHOWN: Final = (*TOPICS, *(topic for topic in DERIVED if topic.name != VIEWS))
"""The topics that others may read or write; what `yidan operate` keeps for itself is no contract."""

VERSION: Final = "1.0.0"
"""The contract's version: the minor part grows with optional fields, a major one is a new topic `.v2`."""

_BINDING: Final = "0.5.0"
_IDENTIFIER: Final = TypeAdapter(Identifier).json_schema()

_ABOUT: Final = f"""\
一单（Yidan）：出院结算事件进，逐层合并支付单出。Discharge events in, one combined payout a bill out, layer by layer.

**Keys and partitions.** Every record of an input and output topic is keyed by `psn_no`, byte for byte the value's, and
lies in partition `murmur2(psn_no) % P`, the default of Kafka's own Java client; clients on librdkafka (C, Python, Go,
.NET) hash otherwise unless told `partitioner=murmur2_random`. All topics have the same P ({PARTITIONS_DEFAULT} by
default), fixed when the journal is born. Another key or partitioner would give one person two ledgers and two caps, so
such a record is refused.

**Order.** Records of one person on one topic count in the order in which they were produced; outputs keep it. Between
topics only this holds: of what one batch has read, persons come before discharges, discharges before applications.
Caps go to whoever settles first, so a sender that needs an order must send in that order.

**Duplicates.** Send as often as needed: the same `setl_id` with the same content (all known fields but `msgid` and
`setl_time`) settles once, however much later it comes again, and a second reversal does nothing. Outputs are written in
the transaction that commits their inputs: a `read_committed` consumer sees each once, a `read_uncommitted` one may see
records of aborted transactions. `ce_id` names each output for consumers that store what they have seen.

**Refusals.** Bad records go to `onestop.quarantine.v1` and never stop a partition; see `x-refusals` on its message for
the closed list and what a gateway does about each: `resend` it mended, `stop`, since it can only be refused again, or
`ask`, since two systems disagree and a person must look. `source` is the refused record's topic, partition and offset,
as the broker acknowledged it to its sender. A refused record has not counted: mended, it may come again. Or the
operator sends the refused bytes again, once the reason is gone: they carry the header `{REPLAYED_FROM}`.

**Money** is yuan as a JSON string with at most two decimals, or a whole JSON number; Yidan always writes strings with
two. **Times** carry their offset from UTC. Unknown fields are ignored, `null` means absent. Within a major version only
optional fields are added; a break is a new topic `.v2`."""

_GUARANTEES: Final = {
    "in": "Produce with Kafka's default partitioner: murmur2 of the key. Delivered at least once by the gateway, "
    "settled once by Yidan. Kept so that a stopped worker can catch up, not as an archive.",
    "out": "Written once, in the transaction that commits its input, to the partition of its input. Read with "
    "`isolation.level=read_committed`. Kept for years: retention is unlimited unless an operator shortens it.",
    "derived": "Derived from payouts by `yidan operate`, outside the commit protocol, and written at least once: of "
    "two records with one key the one with the higher `revision` counts. Compacted by key.",
    "told": "Said by a fund's office, keyed by `payment_id`, with Kafka's default partitioner. Send as often as "
    "needed: one `payment_id` counts once. `yidan operate` reads it whole whenever it starts; what it refuses it says "
    "here, in the partition of the refused record, at least once. Kept for ever: what is owed is derived from it.",
    "asked": "Requests and their answers, both keyed by `fixmedins_code`; an answer carries the `msgid` of its request "
    "and is written at least once. Answered by `yidan operate` from what it has derived so far (`seen`).",
    "internal": "Internal: no contract to the outside but its existence. Every batch ends in a header, `seq` without "
    "gaps; compacted by field name and never deleted, since every ledger is rebuilt from it.",
}

_KEYS: Final = {
    "p": "p|psn_no",
    "y": "y|psn_no|region|year",
    "e": "e|psn_no|region|year|index",
    "s": "s|psn_no|setl_id",
    "m": "m|psn_no|msgid",
    "k": "k|digest",
    "header": "NUL, then `header`",
    "statement_id": "statement_id, as in the value",
    "payment_id": "payment_id, as in the value; empty where a refusal names none",
    "fixmedins_code": "fixmedins_code, as in the request",
    "received": "the key as it was received: any bytes, empty or none; none where it held an identity-card number",
}


def asyncapi(messages: Sequence[Message]) -> dict[str, Any]:
    """The document. References to schemas are file names beside it."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:yidan:asyncapi",
        "info": {
            "title": "一单 Yidan",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_name(topic.name): _channel(topic, messages) for topic in SHOWN},
        "operations": dict(operation for topic in SHOWN for operation in _operations(topic, messages)),
        "components": {"messages": {_component(message): _message(message) for message in messages}},
    }


def _name(topic: str) -> str:
    """`onestop.discharges.v1` is the channel `discharges`."""
    return topic.split(".")[1]


def _component(message: Message) -> str:
    return f"{_name(message.topic)}.{message.name}"


def _channel(topic: Topic, messages: Sequence[Message]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        key: int(value) if value.lstrip("-").isdigit() else value for key, value in topic.settings.items()
    }
    settings["cleanup.policy"] = [settings["cleanup.policy"]]
    return {
        "address": topic.name,
        "title": topic.title,
        "description": f"{_GUARANTEES[topic.direction]}\n\n{_kept(settings)}",
        "messages": {
            message.name: {"$ref": f"#/components/messages/{_component(message)}"}
            for message in messages
            if message.topic == topic.name
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": PARTITIONS_DEFAULT,
                "replicas": 3,
                "topicConfiguration": settings,
                "bindingVersion": _BINDING,
            }
        },
    }


def _kept(settings: dict[str, Any]) -> str:
    if settings["cleanup.policy"] == ["compact"]:
        return (
            f"Compacted; a record younger than {_days(settings['min.compaction.lag.ms'])} days is never compacted away."
        )
    if settings["retention.ms"] == -1:
        return "Retention: unlimited."
    return f"Retention: {_days(settings['retention.ms'])} days."


def _days(milliseconds: int) -> int:
    return milliseconds // 86_400_000


def _operations(topic: Topic, messages: Sequence[Message]) -> list[tuple[str, dict[str, Any]]]:
    """What Yidan does with a topic. It reads its own journal back, so that one has both."""
    one_way = {"in": ("receive",), "out": ("send",), "derived": ("send",)}
    actions = one_way.get(topic.direction, ("send", "receive"))
    channel = _name(topic.name)
    return [
        (
            f"{action}.{channel}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel}"},
                "title": topic.title,
                "messages": [
                    {"$ref": f"#/channels/{channel}/messages/{message.name}"}
                    for message in messages
                    if message.topic == topic.name
                ],
            },
        )
        for action in actions
    ]


def _message(message: Message) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": message.id,
        "title": message.zh,
        "contentType": "application/json",
        "payload": {"$ref": f"./{message.file}"},
        "bindings": {"kafka": {"key": _key(message), "bindingVersion": _BINDING}},
        "examples": [
            {"name": f"{message.name}{number}", "payload": dict(example)}
            for number, example in enumerate(message.examples, 1)
        ],
    }
    if message.ce_type is not None:
        described["headers"] = _headers(message)
    if message.name == "replayed":
        described["description"] = (
            "Written by `yidan quarantine replay` in the transaction that sends the original again, to the partition "
            "of the `refused` that it closes. The original goes to its topic with its key and headers and "
            f"`{REPLAYED_FROM}: TOPIC/PARTITION/OFFSET` of the refused record, to the partition of its key."
        )
    if message.name == "refused":
        described["description"] = (
            "Key and headers are those of the refused record, unless they hold an identity-card number. At most "
            f"{ORIGINAL_BYTES_MAX // 1024} KiB of the original are kept; beyond that, and where it holds such a "
            "number, only its length and SHA-256."
        )
        described["x-refusals"] = [{"reason": refusal.value, **MENDS[refusal]._asdict()} for refusal in Refusal]
    return described


def _key(message: Message) -> dict[str, Any]:
    if message.key == "psn_no":
        return {**_IDENTIFIER, "description": "psn_no, byte for byte the value's"}
    return {"type": "string", "description": _KEYS[message.key]}


def _headers(message: Message) -> dict[str, Any]:
    """CloudEvents 1.0 in Kafka's binary binding. Inputs need no headers; a `traceparent` of theirs is handed on."""
    by_hand = message.key == "received"
    headers: dict[str, dict[str, Any]] = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {
            "description": "the id of the refused record, `>` and the id of the record that was sent"
            if by_hand
            else "payout_id or signal_id: unique, the same whenever the same decision is written"
        },
        "ce_source": {"const": message.ce_source},
        "ce_type": {"const": message.ce_type},
        "ce_time": {
            "format": "date-time",
            "description": "`at`"
            if by_hand
            else "the causing event's own setl_time or known_at, or the beginning of applied_on: never the clock",
        },
        "ce_partitionkey": {
            "description": "the record's key; absent where that is none or no text"
            if by_hand
            else "psn_no, as the record's key"
        },
        "content-type": {"const": "application/json"},
    }
    optional = {"ce_partitionkey"} if by_hand else {TRACE_HEADER}
    if not by_hand:
        headers[TRACE_HEADER] = {
            "description": "W3C Trace Context of the record that caused it, or of its settlement's span; absent where "
            "the record had none and the worker traces nothing"
        }
    return {
        "type": "object",
        "properties": {name: {"type": "string", **header} for name, header in headers.items()},
        "required": [name for name in headers if name not in optional],
    }
