"""Where the desk reads the state from: a running system, or a file of events settled in memory."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from contracts.journal import write_field
from contracts.pack import PackSet
from contracts.pack_file import load_pack
from workers.adjudication.books import Books
from workers.settlement.offline import Settler
from workers.settlement.ports import Watermark
from workers.settlement.validate import partition_of


class SourceUnfit(Exception):
    """The state cannot be read as it must be; the text says why and what to do."""


class Source(Protocol):
    """The fields of the state (`contracts.journal`), by partition."""

    books: Books
    """The packs in use, and those of the past that the state itself holds."""
    partitions: int

    async def read(self, partition: int, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """The values of these fields; None where one is absent."""

    def scan(self, partition: int, kind: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every field of a kind (`p`, `y`, `e` …) of a partition, in no order; one may come twice."""

    async def still(self, partition: int, values: Mapping[str, bytes | None]) -> bool:
        """Whether all these fields have still these values, looked at in one moment."""

    async def as_of(self, partition: int) -> Watermark | None:
        """The last batch of the partition's journal that is read now; None where there is no journal."""


class FileSource:
    """The state that a file of events leads to, settled in memory. Refused events change nothing, as always."""

    partitions = 1

    def __init__(self, packs: PackSet, lines: Iterable[bytes] = (), *, settled_under: PackSet | None = None) -> None:
        settler = Settler(settled_under or packs)
        self.refused = sum(refused is not None for _, refused in settler.settle_lines(lines))
        self.books = Books(packs, load_pack)
        self._shelf = settler.shelf

    @classmethod
    def of(cls, path: Path, packs: PackSet, *, settled_under: PackSet | None = None) -> "FileSource":
        """Of a file of JSON lines; `settled_under` where other packs were in use then. Raises `OSError`."""
        with path.open("rb") as lines:
            return cls(packs, lines, settled_under=settled_under)

    async def read(self, partition: int, names: Sequence[str]) -> dict[str, bytes | None]:
        """The values of these fields."""
        held = ((name, self._shelf.get(name)) for name in names)
        return {name: None if value is None else write_field(name, value) for name, value in held}

    async def scan(self, partition: int, kind: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every field of a kind."""
        for name, value in self._shelf.items():
            if name.startswith(f"{kind}|"):
                yield name, write_field(name, value)

    async def still(self, partition: int, values: Mapping[str, bytes | None]) -> bool:
        """Nothing moves here."""
        return True

    async def as_of(self, partition: int) -> None:
        """A file of events has no journal."""


def home_of(source: Source, psn_no: str) -> int:
    """The partition in which a person's state lies."""
    return partition_of(psn_no.encode(), source.partitions)
