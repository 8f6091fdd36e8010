"""One partition's topics and hash as an undisturbed worker would leave them, made without a server."""

import json
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Final

from contracts.journal import HEADER_KEY, Header, write_header
from contracts.pack_file import load_directory, load_pack
from contracts.topics import INPUTS, JOURNAL, PAYOUTS, QUARANTINE, SIGNALS
from workers.adjudication.books import Books
from workers.rehearsal.proof.load import MARK, Sent, load
from workers.rehearsal.proof.records import TOPICS, Evidence, Record
from workers.settlement.pipeline import Batch, BatchResult
from workers.settlement.ports import Watermark, digest
from workers.settlement.records import Incoming
from workers.settlement.validate import partition_of

PARTITIONS: Final = 3


class Undisturbed:
    """Settles inputs in batches of random sizes and keeps everything that a broker and a store would."""

    def __init__(self, seed: int, events: int, partition: int = 0) -> None:
        self.partition = partition
        self.topics: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
        self.redis: dict[bytes, bytes] = {}
        self._books = Books(load_directory(), load_pack)
        self._header: Header | None = None
        self._sealed = b""
        self._commit(BatchResult([], 0), dict.fromkeys(INPUTS, 0))
        chance = Random(seed)
        ours = [sent for sent in islice(load(seed), events) if self._is_ours(sent)]
        while ours:
            size = chance.randint(1, 60)
            batch, ours = ours[:size], ours[size:]
            self._settle([self._append_input(sent) for sent in batch])

    def evidence(self) -> Evidence:
        """What an auditor finds."""
        ends = {topic: len(records) for topic, records in self.topics.items()}
        return Evidence(self.partition, self.topics, ends, self.redis)

    def _is_ours(self, sent: Sent) -> bool:
        own = 0 if sent.key is None else partition_of(sent.key, PARTITIONS)
        return (own + sent.astray) % PARTITIONS == self.partition

    def _append(self, topic: str, key: bytes | None, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> int:
        offset = len(self.topics[topic])
        self.topics[topic].append(Record(offset, key, value, headers))
        return offset

    def _append_input(self, sent: Sent) -> Incoming:
        headers = (MARK,) if sent.broken else ()
        offset = self._append(sent.topic, sent.key, sent.value, headers)
        return Incoming(sent.topic, self.partition, offset, sent.key, sent.value, headers)

    def _settle(self, records: list[Incoming]) -> None:
        batch = Batch(self._books, self.partition, PARTITIONS, records)
        while names := batch.wanted():
            batch.supply({name: self.redis.get(name.encode()) for name in names})
        self._commit(batch.settle(), {topic: len(self.topics[topic]) for topic in INPUTS})

    def _commit(self, result: BatchResult, next_in: dict[str, int]) -> None:
        before = self._header
        if before is None:
            header = Header("lineage", "group", PARTITIONS, 0, next_in, 0, "")
        else:
            header = replace(
                before, seq=before.seq + 1, next_in=next_in, n=before.n + result.fresh, prev_hash=digest(self._sealed)
            )
        for name, value in result.fields:
            self._append(JOURNAL, name.encode(), value)
            self.redis[name.encode()] = value
        self._header, self._sealed = header, write_header(header)
        offset = self._append(JOURNAL, HEADER_KEY, self._sealed)
        self.redis[HEADER_KEY] = Watermark(offset + 1, self._sealed).encode()
        for topic, outgoing in ((PAYOUTS, result.payouts), (SIGNALS, result.signals), (QUARANTINE, result.quarantine)):
            for record in outgoing:
                self._append(topic, record.key, record.value)

    # ── what a broken pipeline might have done ────────────────────────────────────────────────────────────────

    def first(self, topic: str, *words: bytes) -> int:
        """The place of the first record that holds all these words."""
        return next(at for at, record in enumerate(self.topics[topic]) if all(word in record.value for word in words))

    def change(self, topic: str, at: int, **fields: object) -> None:
        """Other values in a record's JSON."""
        record = self.topics[topic][at]
        self.topics[topic][at] = record._replace(value=json.dumps(json.loads(record.value) | fields).encode())
