"""What a well-formed event must also satisfy: the right key, the right partition, the right topic, no card number."""

from functools import lru_cache
from typing import Final

from contracts.events import TOPIC_OF_TYPE, Event
from contracts.fields import holds_card_number
from contracts.vocabulary import Refusal
from workers.adjudication.refuse import RefusedError
from workers.settlement.records import Incoming

_IDENTIFIERS: Final = (
    "psn_no",
    "setl_id",
    "mdtrt_id",
    "msgid",
    "fixmedins_code",
    "omsgid",
    "application_id",
    "account_token",
)
CARD_LENGTH: Final = 18


def refuse_card_numbers(event: Event) -> None:
    """Refuse an event one of whose identifiers is, or holds, an identity-card number."""
    fields = event.__dict__
    for name in _IDENTIFIERS:
        identifier = fields.get(name)
        if identifier is not None and len(identifier) >= CARD_LENGTH and holds_card_number(identifier):
            raise RefusedError(
                Refusal.CARD_NUMBER_IN_IDENTIFIER,
                name,
                "send the platform's own number, never the number of an identity card",
            )


def refuse_misplaced(event: Event, record: Incoming, partitions: int) -> None:
    """Refuse an event that came on another topic, under another key or in another partition than its own."""
    if TOPIC_OF_TYPE[event.type] != record.topic:
        raise RefusedError(
            Refusal.EVENT_TYPE_BELONGS_ON_ANOTHER_TOPIC, "type", f"send {event.type} to {TOPIC_OF_TYPE[event.type]}"
        )
    key = record.key
    if key is None or key != event.psn_no.encode():
        raise RefusedError(
            Refusal.KEY_IS_NOT_PSN_NO, "psn_no", "send psn_no, byte for byte, as the key of the Kafka record"
        )
    if partition_of(key, partitions) != record.partition:
        raise RefusedError(
            Refusal.WRONG_PARTITION,
            "psn_no",
            f"partition by murmur2(psn_no) % {partitions}, the default of Kafka's Java client",
        )


@lru_cache(maxsize=131_072)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key as Kafka's own client computes it: murmur2, made positive, modulo their number."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 of `data`, unsigned. Kept here since one library has one room and this one is pure."""
    length = len(data)
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ length) & mask
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k ^= k >> 24
        h = h * m & mask ^ k * m & mask
    tail = data[whole:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h ^= h >> 13
    h = h * m & mask
    return h ^ h >> 15
