"""The quarantine topic in memory, as workers and replays write it."""

import json
from typing import Any

from contracts.quarantine import REPLAYED_FROM, RecordId
from contracts.topics import QUARANTINE
from contracts.vocabulary import Refusal
from workers.adjudication.refuse import RefusedError
from workers.desk.quarantine import Book, Kept, Wanted, replayed, row_of
from workers.settlement.emit import replayed_record
from workers.settlement.quarantine import quarantined
from workers.settlement.records import Filed, Incoming

P = 12
NOON = 1_614_664_800_000  # 2021-03-02T14:00:00+08:00


class Topic:
    """The quarantine topic as the worker and the replays write it."""

    def __init__(self) -> None:
        self.records: list[Filed] = []
        self._ends = [0] * P

    def refuse(
        self,
        name: str,
        reason: Refusal = Refusal.NO_PACK_FOR_REGION,
        *,
        value: bytes = b"{}",
        key: bytes | None = b"P1",
        at_ms: int = NOON,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> Filed:
        record = RecordId.read(name)
        refusal = RefusedError(reason, "insuplc_admdvs", "mend it")
        outgoing = quarantined(refusal, Incoming(*record, key, value, headers))
        return self._add(record.partition, outgoing.key, outgoing.value, tuple(outgoing.headers), at_ms)

    def replay(self, filed: Filed, sent: str, *, by: str = "operator") -> Filed:
        row = row_of(json.loads(filed.record.value or b""), filed)
        message = replayed(row, RecordId.read(sent), "0" * 64, "2021-03-03T09:00:00+08:00", by)
        outgoing = replayed_record(message, filed.record.key)
        return self._add(filed.record.partition, outgoing.key, outgoing.value, tuple(outgoing.headers), NOON)

    def refuse_again(self, sent: str, of: str, reason: Refusal = Refusal.NO_PACK_FOR_REGION) -> Filed:
        return self.refuse(sent, reason, headers=((REPLAYED_FROM, of.encode()),))

    def _add(self, partition: int, key: bytes | None, value: bytes, headers: Any, at_ms: int) -> Filed:
        record = Incoming(QUARANTINE, partition, self._ends[partition], key, value, headers)
        self._ends[partition] += 1
        self.records.append(Filed(record, at_ms))
        return self.records[-1]

    def book(self, wanted: Wanted | None = None, *, closed: bool = False) -> Book:
        book = Book(wanted or Wanted(), closed=closed)
        for filed in self.records:
            book.take(filed)
        return book


def names(rows: list[Kept]) -> list[str]:
    return [str(row.id).removeprefix("onestop.").replace(".v1", "") for row in rows]
