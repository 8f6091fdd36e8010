"""Payouts, signals and replays as records: JSON values with CloudEvents headers in Kafka's binary binding."""

from typing import Final

import orjson

from contracts.fields import rfc3339
from contracts.payout import CombinedPayout
from contracts.quarantine import RecordId, Replayed
from contracts.signals import Signal
from workers.settlement.records import Outgoing

_VERSION: Final = ("ce_specversion", b"1.0")
_CONTENT: Final = ("content-type", b"application/json")
_FIXED: Final = [_VERSION, ("ce_source", b"/yidan/settlement"), _CONTENT]


def _headers(event_id: str, event_type: bytes, time: str, key: bytes) -> list[tuple[str, bytes]]:
    return [
        ("ce_id", event_id.encode()),
        ("ce_type", event_type),
        ("ce_time", rfc3339(time).encode()),
        ("ce_partitionkey", key),
        *_FIXED,
    ]


def payout_record(payout: CombinedPayout, time: str) -> Outgoing:
    """The record of a payout; `time` is the time of the event that caused it, never the clock's."""
    key = payout["psn_no"].encode()
    headers = _headers(payout["payout_id"], b"yidan.combined_payout.v1", time, key)
    return Outgoing(key, orjson.dumps(payout), headers)


def signal_record(signal: Signal, time: str) -> Outgoing:
    """The record of a signal; `time` is the time of the event that caused it."""
    key = signal["psn_no"].encode()
    return Outgoing(key, orjson.dumps(signal), _headers(signal["signal_id"], b"yidan.signal.v1", time, key))


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
