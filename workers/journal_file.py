"""A journal as a file: the last value of every field of every partition, its last header, and a seal over all of it.

    {"yidan_journal": 1, "group": …, "partitions": 12}
    {"p": 0, "k": "e|…", "v": "{…}"}            one line a field
    {"p": 0, "header": "{…}"}                   the partition's last header, after its fields
    {"fields": 123456, "headers": 12, "sha256": "…"}

JSON lines in UTF-8, gzipped where the name ends in `.gz`. It holds everything that is known of every person: keep it
as the journal itself is kept.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from contracts.journal import Header, read_header

FILE_FORMAT: Final = 1


class BackupUnfit(Exception):
    """The file is not a whole journal."""


@dataclass(slots=True)
class KeptPartition:
    """One partition's state as it was when its header was written."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    sealed: bytes = b""

    @property
    def header(self) -> Header:
        """The last header."""
        return read_header(self.sealed)


class BackupWriter:
    """Writes a file that takes its name once it is whole."""

    def __init__(self, stream: IO[bytes], group: str, partitions: int) -> None:
        self._stream = stream
        self._digest = sha256()
        self._fields = 0
        self._headers = 0
        self._line({"yidan_journal": FILE_FORMAT, "group": group, "partitions": partitions})

    def add(self, partition: int, kept: KeptPartition) -> None:
        """A whole partition."""
        for name, value in kept.fields.items():
            self._line({"p": partition, "k": name.decode(), "v": value.decode()})
        self._line({"p": partition, "header": kept.sealed.decode()})
        self._fields += len(kept.fields)
        self._headers += 1

    def seal(self) -> None:
        """The last line."""
        end = {"fields": self._fields, "headers": self._headers, "sha256": self._digest.hexdigest()}
        self._stream.write(_line(end))

    def _line(self, content: Mapping[str, Any]) -> None:
        line = _line(content)
        self._digest.update(line)
        self._stream.write(line)


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@contextmanager
def writing(path: Path, group: str, partitions: int) -> Iterator[BackupWriter]:
    """A backup that stands under its name only if the block ends well. Readable by its owner alone."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(number, "wb") as plain:
            with _packed(plain, path, "wb") as stream:
                writer = BackupWriter(stream, group, partitions)
                yield writer
                writer.seal()
            plain.flush()
            os.fsync(plain.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_backup(path: Path) -> tuple[str, dict[int, KeptPartition]]:
    """The group, and every partition that holds anything. Raises `BackupUnfit` for a file that is not whole."""
    try:
        with path.open("rb") as plain, _packed(plain, path, "rb") as stream:
            return _read(stream)
    except (EOFError, gzip.BadGzipFile, zlib.error, AttributeError, KeyError, ValueError, TypeError) as fault:
        raise BackupUnfit(f"{path} is not a whole journal: {type(fault).__name__}") from fault


def _read(stream: IO[bytes]) -> tuple[str, dict[int, KeptPartition]]:
    digest = sha256()
    first = stream.readline()
    digest.update(first)
    head = json.loads(first)
    if head["yidan_journal"] != FILE_FORMAT:
        raise BackupUnfit(f"it has format {head['yidan_journal']}; this version reads {FILE_FORMAT}")
    kept: dict[int, KeptPartition] = {}
    end: dict[str, Any] | None = None
    for line in stream:
        if end is not None:
            raise BackupUnfit("something stands after its seal")
        content = json.loads(line)
        if "sha256" in content:
            end = content
            continue
        digest.update(line)
        partition = kept.setdefault(content["p"], KeptPartition())
        if "header" in content:
            partition.sealed = content["header"].encode()
        else:
            partition.fields[content["k"].encode()] = content["v"].encode()
    if end is None or end["sha256"] != digest.hexdigest():
        raise BackupUnfit("its seal is missing, or is not that of its content")
    for number, partition in kept.items():
        if partition.header.n != len(partition.fields) or partition.header.partitions != head["partitions"]:
            raise BackupUnfit(f"partition {number} does not hold what its header says")
    return str(head["group"]), kept


@contextmanager
def _packed(plain: IO[bytes], path: Path, mode: str) -> Iterator[IO[bytes]]:
    if path.suffix != ".gz":
        yield plain
        return
    with gzip.GzipFile(fileobj=plain, mode=mode, mtime=0) as packed:
        yield packed  # type: ignore[misc]
