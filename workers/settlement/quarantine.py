"""Refused records, kept so that nothing is lost and nothing personal is repeated."""

import base64
import re
import unicodedata
from hashlib import sha256
from typing import Final

import orjson

from contracts.fields import holds_card_number
from contracts.quarantine import (
    HEADERS_BYTES_MAX,
    KEY_BYTES_MAX,
    ORIGINAL_BYTES_MAX,
    QUOTED_BYTES_MAX,
    Refused,
    Source,
)
from contracts.vocabulary import Refusal
from workers.adjudication.refuse import RefusedError
from workers.settlement.records import Incoming, Outgoing


def refused(refusal: RefusedError, value: bytes | None, source: Source) -> Refused:
    """The quarantine message for a refused record's bytes."""
    original = value or b""
    message: Refused = {
        "type": "refused",
        "reason": refusal.reason,
        "field": refusal.field,
        "detail": refusal.detail,
        "source": source,
        "length": len(original),
        "sha256": sha256(original).hexdigest(),
    }
    if (
        len(original) > ORIGINAL_BYTES_MAX
        or refusal.reason is Refusal.CARD_NUMBER_IN_IDENTIFIER
        or _holds_card_number(original)
    ):
        return message
    try:
        text = original.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and len(orjson.dumps(text)) <= QUOTED_BYTES_MAX:
        message["original"] = text
    else:
        message["original_base64"] = base64.b64encode(original).decode()
    return message


def quarantined(refusal: RefusedError, record: Incoming) -> Outgoing:
    """The record for the quarantine topic: key and headers as received, unless personal or too long."""
    source: Source = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    value = orjson.dumps(refused(refusal, record.value, source))
    personal = refusal.reason is Refusal.CARD_NUMBER_IN_IDENTIFIER
    key = record.key
    if key is not None and (personal or len(key) > KEY_BYTES_MAX or _holds_card_number(key)):
        key = None
    if sum(len(name) + len(text or b"") for name, text in record.headers) > HEADERS_BYTES_MAX:
        return Outgoing(key, value, [])
    headers = [
        (name, text)
        for name, text in record.headers
        if not _holds_card_number(name.encode()) and not _holds_card_number(text or b"")
    ]
    return Outgoing(key, value, headers)


def original_of(message: Refused) -> bytes | None:
    """The bytes that were refused, or None where they are not kept. Raises `ValueError` where they are others."""
    if "original" in message:
        original = message["original"].encode()
    elif "original_base64" in message:
        original = base64.b64decode(message["original_base64"])
    else:
        return None
    if sha256(original).hexdigest() != message["sha256"]:
        raise ValueError("the original that is kept is not the record that was refused: its SHA-256 differs")
    return original


def _holds_card_number(text: bytes) -> bool:
    """Whether bytes hold a card number anywhere, in any form in which digits come.

    As they are; in UTF-16 or UTF-32, which are the same bytes with zeros between; written as JSON escapes, also in JSON
    that is cut off; or as full-width digits.
    """
    plain = text.replace(b"\0", b"").decode("latin-1")
    if holds_card_number(plain):
        return True
    if "\\u" in plain and holds_card_number(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), plain)):
        return True
    return any(
        holds_card_number(unicodedata.normalize("NFKC", text.decode(encoding, "replace")))
        for encoding in ("utf-8", "utf-16-le", "utf-16-be")
    )


_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
