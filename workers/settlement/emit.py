"""Payouts and signals as records: JSON values with CloudEvents headers in Kafka's binary binding."""

from typing import Final

import orjson

from contracts.fields import rfc3339
from contracts.payout import CombinedPayout
from contracts.signals import Signal
from workers.settlement.records import Outgoing

_SOURCE: Final = b"/yidan/settlement"
_FIXED: Final = [
    ("ce_specversion", b"1.0"),
    ("ce_source", _SOURCE),
    ("content-type", b"application/json"),
]


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
