"""The journal by a small reader of its own: the chain of headers, the last value of every field, the order of inputs.

One batch of a partition takes what is new of each input topic and settles persons before discharges before
applications, each by its offset. Which offsets it took stands in its header: so the journal tells the one order in
which a person's events counted, whatever the topics they came on.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from contracts.topics import APPLICATIONS, DISCHARGES, JOURNAL, PERSONS
from workers.rehearsal.proof.records import Evidence, Findings, Record

ORDER: Final = (PERSONS, DISCHARGES, APPLICATIONS)
HEADER: Final = b"\0header"


@dataclass(slots=True)
class Journal:
    """What one partition's journal says."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    headers: list[dict[str, Any]] = field(default_factory=list)
    last: tuple[int, bytes] = (-1, b"")
    """Offset and bytes of the last header."""

    def consumed(self, evidence: Evidence) -> Iterator[tuple[str, Record]]:
        """Every input in the order in which it counted."""
        by_offset = {topic: {record.offset: record for record in evidence.topics[topic]} for topic in ORDER}
        for before, header in zip(self.headers, self.headers[1:], strict=False):
            for topic in ORDER:
                for offset in range(before["next_in"][topic], header["next_in"][topic]):
                    yield topic, by_offset[topic][offset]


def read_journal(evidence: Evidence, findings: Findings) -> Journal:
    """Reads it, and finds what is wrong with the chain, the counts and the ends."""
    journal = Journal()
    sealed = True
    for record in evidence.topics[JOURNAL]:
        sealed = record.key == HEADER
        if sealed:
            _follow(journal, record, evidence.partition, findings)
        else:
            journal.fields[record.key or b""] = record.value
    findings.count("batches", len(journal.headers))
    findings.count("journal records", len(evidence.topics[JOURNAL]))
    if not journal.headers or not sealed:
        findings.wrong(evidence.partition, "the journal does not end in a header")
        return journal
    for topic in ORDER:
        next_in, end = journal.headers[-1]["next_in"][topic], evidence.ends[topic]
        if next_in != end:
            findings.wrong(evidence.partition, f"{topic} was consumed up to {next_in}, it ends at {end}")
    return journal


def _follow(journal: Journal, record: Record, partition: int, findings: Findings) -> None:
    """The next header continues the chain, goes forward in the inputs and counts the fields that there are."""
    header = json.loads(record.value)
    where = f"header {header['seq']} at {record.offset}"
    if journal.headers:
        before = journal.headers[-1]
        if header["seq"] != before["seq"] + 1 or header["lineage"] != before["lineage"]:
            findings.wrong(partition, f"{where} comes after header {before['seq']}")
        if header["prev_hash"] != sha256(journal.last[1]).hexdigest():
            findings.wrong(partition, f"{where} was not written after the header before it")
        if any(header["next_in"][topic] < before["next_in"][topic] for topic in ORDER):
            findings.wrong(partition, f"{where} goes back in the inputs")
    elif header["seq"] != 0 or any(header["next_in"][topic] for topic in ORDER):
        findings.wrong(partition, f"{where} is the first one and not a birth")
    if header["n"] != len(journal.fields):
        findings.wrong(partition, f"{where} counts {header['n']} fields, there are {len(journal.fields)}")
    journal.headers.append(header)
    journal.last = record.offset, record.value


def compare_with_redis(journal: Journal, evidence: Evidence, findings: Findings) -> None:
    """Redis holds the last value of every field, a watermark that names the last header, and nothing else."""
    held = dict(evidence.redis)
    watermark = held.pop(HEADER, b"")
    offset, sealed = journal.last
    if watermark != b"%d %s" % (offset + 1, sealed):
        findings.wrong(evidence.partition, "the watermark in Redis is not that of the journal's last header")
    for name in sorted(held.keys() | journal.fields.keys()):
        if held.get(name) != journal.fields.get(name):
            sides = ("is missing in Redis", "is in Redis alone", "differs between Redis and journal")
            side = sides[0] if name not in held else sides[1] if name not in journal.fields else sides[2]
            findings.wrong(evidence.partition, f"the field {name.decode()} {side}")
    findings.count("fields in Redis equal to the journal", len(held))
