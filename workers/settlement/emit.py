"""Payouts, signals and replays as records: JSON values with CloudEvents headers in Kafka's binary binding."""

import re
from typing import Final

import orjson

from contracts.events import TRACE_HEADER
from contracts.fields import rfc3339
from contracts.payout import CombinedPayout
from contracts.quarantine import RecordId, Replayed
from contracts.signals import Signal
from workers.settlement.records import Incoming, Outgoing

_VERSION: Final = ("ce_specversion", b"1.0")
_CONTENT: Final = ("content-type", b"application/json")
_FIXED: Final = [_VERSION, ("ce_source", b"/yidan/settlement"), _CONTENT]

Trace = tuple[tuple[str, bytes], ...]
"""The header that carries a trace on, or nothing."""

_TRACE: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context: version, trace, span, flags."""


def trace_of(record: Incoming) -> Trace:
    """The trace that a record belongs to, to be carried on unchanged by what it causes. Anything malformed is dropped.

    `tracestate` is left out: it is free text of others, and the standard lets it be.
    """
    for name, value in record.headers:
        if name == TRACE_HEADER and value and _TRACE.fullmatch(value):
            return ((TRACE_HEADER, value),)
    return ()


def _headers(event_id: str, event_type: bytes, time: str, key: bytes) -> list[tuple[str, bytes]]:
    return [
        ("ce_id", event_id.encode()),
        ("ce_type", event_type),
        ("ce_time", rfc3339(time).encode()),
        ("ce_partitionkey", key),
        *_FIXED,
    ]


def payout_record(payout: CombinedPayout, time: str, trace: Trace = ()) -> Outgoing:
    """The record of a payout; `time` is the time of the event that caused it, never the clock's."""
    key = payout["psn_no"].encode()
    headers = _headers(payout["payout_id"], b"yidan.combined_payout.v1", time, key)
    headers += trace
    return Outgoing(key, orjson.dumps(payout), headers)


def signal_record(signal: Signal, time: str, trace: Trace = ()) -> Outgoing:
    """The record of a signal; `time` is the time of the event that caused it."""
    key = signal["psn_no"].encode()
    headers = _headers(signal["signal_id"], b"yidan.signal.v1", time, key)
    headers += trace
    return Outgoing(key, orjson.dumps(signal), headers)


def replayed_record(replayed: Replayed, key: bytes | None) -> Outgoing:
    """The record of a replay, under the key of the record that was sent again.

    CloudEvents' attributes are text, so a key that is none is no `ce_partitionkey`.
    """
    refused, sent = RecordId.of(replayed["source"]), RecordId.of(replayed["sent"])
    headers = [
        ("ce_id", f"{refused}>{sent}".encode()),
        ("ce_type", b"yidan.replayed.v1"),
        ("ce_time", rfc3339(replayed["at"]).encode()),
        _VERSION,
        ("ce_source", b"/yidan/quarantine"),
        _CONTENT,
    ]
    if key and _is_text(key):
        headers.append(("ce_partitionkey", key))
    return Outgoing(key, orjson.dumps(replayed), headers)


def _is_text(key: bytes) -> bool:
    try:
        return key.decode().isprintable()
    except UnicodeDecodeError:
        return False
