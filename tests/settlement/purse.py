"""The smallest honest thing to settle: everybody has a purse with a cap, and every event is paid from it once.

It reads and writes fields in two rounds as the real pipeline does, so the protocol has something to get wrong.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from workers.settlement.pipeline import BatchResult
from workers.settlement.records import Incoming, Outgoing

CAP = 1_000


def event(person: str, number: str, amount: int) -> tuple[bytes, bytes]:
    """Key and value."""
    return person.encode(), json.dumps({"person": person, "id": number, "amount": amount}).encode()


class Purses:
    """A batch. An event with `"amount": null` makes it raise, as a bug would."""

    def __init__(self, records: Sequence[Incoming]) -> None:
        self._records = records
        self._events: list[dict[str, Any] | None] = [_decoded(record.value) for record in records]
        self._read: dict[str, bytes | None] = {}

    def wanted(self) -> list[str]:
        """First the purses, then the marks of what was paid."""
        good = [event for event in self._events if event]
        for names in (
            [f"p|{event['person']}" for event in good],
            [f"s|{event['person']}|{event['id']}" for event in good],
        ):
            unread = [name for name in dict.fromkeys(names) if name not in self._read]
            if unread:
                return unread
        return []

    def supply(self, values: Mapping[str, bytes | None]) -> None:
        """Takes what was read."""
        self._read.update(values)

    def settle(self) -> BatchResult:
        """Pays each new event from its purse."""
        result, state = BatchResult([], 0), dict(self._read)
        changed: dict[str, None] = {}
        for record, event in zip(self._records, self._events, strict=True):
            if event is None:
                result.quarantine.append(Outgoing(record.key, b"{}", []))
                result.counts.refusals["message_is_not_json"] += 1
                continue
            mark, purse = f"s|{event['person']}|{event['id']}", f"p|{event['person']}"
            if state[mark] is not None:
                result.counts.effects["settled", "repeated"] += 1
                continue
            paid = int(state[purse] or b"0")
            pay = min(event["amount"], CAP - paid)
            state[purse], state[mark] = b"%d" % (paid + pay), b"%d" % pay
            changed |= {purse: None, mark: None}
            payout = {"id": event["id"], "person": event["person"], "pay": pay}
            result.payouts.append(Outgoing(record.key, json.dumps(payout).encode(), []))
            result.counts.effects["settled", "settled"] += 1
        for name in changed:
            result.fields.append((name, state[name] or b""))
            result.fresh += self._read[name] is None
        return result


def _decoded(value: bytes | None) -> dict[str, Any] | None:
    try:
        decoded: dict[str, Any] = json.loads(value or b"")
    except ValueError:
        return None
    return decoded


def purses(partition: int, records: Sequence[Incoming]) -> Purses:
    """A new batch."""
    return Purses(records)
