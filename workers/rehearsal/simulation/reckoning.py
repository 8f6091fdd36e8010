"""What must be true when a seed is over: of the log, of the store, and of every fen in between.

Two judges. One reads the outputs as a fund would and knows nothing of how they came about: numbers without gaps, one
payout for each settlement and revision, deltas that add up. The other settles the same records once more, one after
another and without interruption, in the order that the journal's headers record, and wants the same bytes.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.journal import HEADER_KEY, Header, read_header, write_field
from contracts.topics import INPUTS, JOURNAL, PAYOUTS, QUARANTINE, SIGNALS
from workers.adjudication.books import Outcome
from workers.adjudication.refuse import RefusedError
from workers.adjudication.shelf import OpenShelf
from workers.rehearsal.simulation.broker import Broker, Entry, Transaction
from workers.rehearsal.simulation.shared import books
from workers.rehearsal.simulation.store import Store
from workers.rehearsal.tally import fen
from workers.settlement.decode import decode
from workers.settlement.emit import payout_record, signal_record
from workers.settlement.ports import digest
from workers.settlement.records import Incoming
from workers.settlement.take import take, time_of
from workers.settlement.validate import refuse_card_numbers, refuse_misplaced


class BooksAreWrong(AssertionError):
    """What somebody downstream would have found."""


def stored(store: Store, partition: int) -> dict[bytes, bytes]:
    """The store's fields, without the watermark."""
    return {name: value for name, value in store.hashes.get(partition, {}).items() if name != HEADER_KEY}


def folded(broker: Broker, partition: int) -> dict[bytes, bytes]:
    """The journal's last value of every field."""
    return {
        entry.key: entry.value
        for _, entry in broker.committed(JOURNAL, partition)
        if entry.key is not None and entry.value is not None and entry.key != HEADER_KEY
    }


def check(broker: Broker, store: Store) -> None:
    """Raises `BooksAreWrong` with the first thing that is."""
    for partition in range(broker.partitions):
        try:
            _check(broker, store, partition)
        except BooksAreWrong as wrong:
            raise BooksAreWrong(f"partition {partition}: {wrong}") from None


def _check(broker: Broker, store: Store, partition: int) -> None:
    batches = list(_batches(broker, partition))
    _check_chain(broker, partition, batches)
    _must(stored(store, partition) == folded(broker, partition), "the store is not the journal folded")
    _check_money(broker, partition)
    _check_quarantine(broker, partition)
    _check_again(broker, partition, batches)


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise BooksAreWrong(otherwise)


# ── the journal ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Batch:
    """One transaction of the partition, and what it says it has done."""

    header: Header
    sealed: bytes
    transaction: Transaction | None
    names: set[bytes] = field(default_factory=set)
    offset: int = 0


def _batches(broker: Broker, partition: int) -> Iterator[_Batch]:
    """Every batch of the journal, compacted or not; a header ends one."""
    names: set[bytes] = set()
    writers: set[Transaction | None] = set()
    for offset, entry in broker.whole_journal(partition):
        writers.add(entry.transaction)
        if entry.key != HEADER_KEY:
            names.add(entry.key or b"")
            continue
        _must(len(writers) == 1, f"the header at {offset} ends what two transactions wrote")
        yield _Batch(read_header(entry.value or b""), entry.value or b"", entry.transaction, names, offset)
        names, writers = set(), set()
    _must(not writers, "the journal does not end in a header")


def _check_chain(broker: Broker, partition: int, batches: Sequence[_Batch]) -> None:
    headers = [batch.header for batch in batches]
    _must([header.seq for header in headers] == list(range(len(headers))), "the headers' numbers have a gap")
    hashes = [header.prev_hash for header in headers[1:]]
    _must(hashes == [digest(batch.sealed) for batch in batches[:-1]], "a header does not name the one before it")
    _must(len({header.lineage for header in headers}) == 1, "the journal was born twice")
    held: set[bytes] = set()
    for batch in batches:
        held |= batch.names
        _must(batch.header.n == len(held), f"header {batch.header.seq} counts {batch.header.n} of {len(held)} fields")
    for topic in INPUTS:
        end = len(broker.logs[topic, partition])
        _must(headers[-1].next_in[topic] == end, f"{topic} was not read to its end")
        offset = broker.group.get((headers[-1].group, topic, partition))
        _must(offset == end, f"the group is at {offset} of {topic}, the journal at {end}")


# ── as a fund reads it ────────────────────────────────────────────────────────────────────────────────────────


def _check_money(broker: Broker, partition: int) -> None:
    """Each payout once; revisions 1, 2, 3; what a layer has paid is the sum of what it was told to move."""
    seen: set[str] = set()
    revisions: dict[tuple[str, str], int] = {}
    moved: dict[tuple[str, str, str], int] = {}
    for _, entry in broker.committed(PAYOUTS, partition):
        payout = json.loads(entry.value or b"")
        name = payout.get("setl_id") or f":{payout['application_id']}"
        subject = payout["psn_no"], name
        _must(payout["payout_id"] not in seen, f"payout {payout['payout_id']} was written twice")
        seen.add(payout["payout_id"])
        revision = revisions[subject] = revisions.get(subject, 0) + 1
        _must(payout["revision"] == revision, f"{name}: revision {payout['revision']} comes as number {revision}")
        # A reversal takes back line by line: a layer may have several. The last of them says what stands now.
        stands = {line["layer"]: fen(line["fund_payamt"]) for line in payout["lines"]}
        for line in payout["lines"]:
            moved[*subject, line["layer"]] = moved.get((*subject, line["layer"]), 0) + fen(line["delta"])
        for layer, amount in stands.items():
            # An application's line says what it moves against the grants before it, which may be less than nothing.
            fits = moved[*subject, layer] == amount and (amount >= 0 or "application_id" in payout)
            _must(fits, f"{name}, {layer}: {amount} fen stand after {moved[*subject, layer]} in deltas")


def _check_quarantine(broker: Broker, partition: int) -> None:
    seen: set[tuple[str, int]] = set()
    for _, entry in broker.committed(QUARANTINE, partition):
        source = json.loads(entry.value or b"")["source"]
        where = source["topic"], source["offset"]
        _must(source["partition"] == partition, f"{where} was refused in another partition than its own")
        _must(where not in seen, f"{where} was refused twice")
        seen.add(where)


# ── once more, without interruption ───────────────────────────────────────────────────────────────────────────


def _check_again(broker: Broker, partition: int, batches: Sequence[_Batch]) -> None:
    """The same records in the recorded order must make the same outputs, batch by batch, and leave the same fields."""
    written = {topic: _by_transaction(broker, topic, partition) for topic in (PAYOUTS, SIGNALS, QUARANTINE)}
    shelf = OpenShelf()
    before = dict(batches[0].header.next_in)
    for batch in batches[1:]:
        wanted = _Wanted()
        for topic in INPUTS:
            for offset in range(before[topic], batch.header.next_in[topic]):
                entry = broker.logs[topic, partition][offset]
                wanted.take(shelf, Incoming(topic, partition, offset, entry.key, entry.value), broker.partitions)
        before = dict(batch.header.next_in)
        found = {topic: of.pop(batch.transaction, []) for topic, of in written.items()}
        seq = batch.header.seq
        _must([e.value for e in found[PAYOUTS]] == wanted.payouts, f"batch {seq} paid otherwise than once more")
        _must([e.value for e in found[SIGNALS]] == wanted.signals, f"batch {seq} signalled otherwise than once more")
        refused = [json.loads(entry.value or b"")["source"] for entry in found[QUARANTINE]]
        _must(
            [(source["topic"], source["offset"]) for source in refused] == wanted.refused,
            f"batch {seq} refused otherwise than once more",
        )
    for topic, left in written.items():
        _must(not left, f"{topic} holds what no header stands for")
    state = {name.encode(): write_field(name, value) for name, value in shelf.items()}
    _must(state == folded(broker, partition), "the journal's fields are not those of once more")


def _by_transaction(broker: Broker, topic: str, partition: int) -> dict[Transaction | None, list[Entry]]:
    found: dict[Transaction | None, list[Entry]] = {}
    for _, entry in broker.committed(topic, partition):
        found.setdefault(entry.transaction, []).append(entry)
    return found


@dataclass(slots=True)
class _Wanted:
    """What one batch must have written."""

    payouts: list[bytes] = field(default_factory=list)
    signals: list[bytes] = field(default_factory=list)
    refused: list[tuple[str, int]] = field(default_factory=list)

    def take(self, shelf: OpenShelf, record: Incoming, partitions: int) -> None:
        """Settles one more record."""
        try:
            event = decode(record.value)
            refuse_card_numbers(event)
            refuse_misplaced(event, record, partitions)
            outcome: Outcome = take(books(), shelf, event)
        except RefusedError:
            self.refused.append((record.topic, record.offset))
            return
        time: Any = time_of(event)
        self.payouts += [payout_record(payout, time).value for payout in outcome.payouts]
        self.signals += [signal_record(signal, time).value for signal in outcome.signals]
