"""Millions of person-years in the store within a minute: the fields that the worker itself has written for a few.

A settlement of each template goes through the worker's own pipeline; what it wrote of its person is kept as one command
to the store. A person's number has the same width everywhere, so the command of another person is those bytes with
another number. The store cannot tell it from a worker's; only digests over whole messages would, and fields hold none.
"""

import socket
from collections.abc import Iterator, Sequence
from typing import Final

from hiredis import pack_command
from stream import settlements

from contracts.topics import DISCHARGES
from workers.adjudication.books import Books
from workers.settlement.pipeline import Batch
from workers.settlement.records import Incoming

CHUNK: Final = 500
"""Persons sent before the store's answers are read."""

NUMBER: Final = b"@" * 14


class Crowd:
    """What a person's first settlement leaves in the store, for each template."""

    def __init__(self, books: Books, blank: Sequence[bytes]) -> None:
        self._fields: list[list[bytes]] = []
        for number, (key, event) in enumerate(settlements(list(blank), range(len(blank)), 0)):
            batch = Batch(books, 0, 1, [Incoming(DISCHARGES, 0, 0, key, event)])
            while names := batch.wanted():
                batch.supply(dict.fromkeys(names))
            place = b"%014d" % number
            self._fields.append(
                [
                    part.replace(place, NUMBER)
                    for name, value in batch.settle().fields
                    if key.decode() in name
                    for part in (name.encode(), value)
                ]
            )

    def fill(self, address: str, key: str, persons: int) -> int:
        """Writes so many persons' fields into a hash, and says how many fields those are."""
        commands = [pack_command((b"HSET", key, *fields)) for fields in self._fields]
        counts = [len(fields) // 2 for fields in self._fields]
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))) as store:
            for answers, sent in _chunks(commands, counts, persons):
                store.sendall(sent)
                _read(store, answers)
        return sum(counts[number % len(counts)] for number in range(persons))


def _chunks(commands: list[bytes], counts: list[int], persons: int) -> Iterator[tuple[bytes, bytes]]:
    """What to send, and what the store must answer to it."""
    many = len(commands)
    for start in range(0, persons, CHUNK):
        numbers = range(start, min(persons, start + CHUNK))
        sent = b"".join(commands[number % many].replace(NUMBER, b"%014d" % number) for number in numbers)
        yield b"".join(b":%d\r\n" % counts[number % many] for number in numbers), sent


def _read(store: socket.socket, answers: bytes) -> None:
    """Raises SystemExit where the store answers anything else."""
    left = memoryview(answers)
    while left:
        got = store.recv(len(left))
        if not got or left[: len(got)] != got:
            raise SystemExit(f"the store answers {got[:200]!r}")
        left = left[len(got) :]
