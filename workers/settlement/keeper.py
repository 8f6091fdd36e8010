"""The store: one Redis hash a partition, read in snapshots and written by compare-and-set only.

Redis holds a view of the journal. It may restart stale, fail over, be emptied or lose a field, and the worst that
follows is a rebuild: every snapshot carries the watermark and the number of fields of the same moment, and nothing is
written that was not computed from the watermark it replaces.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from hashlib import sha1
from importlib.resources import files
from ssl import SSLError
from typing import Any, Final, TypeVar, cast
from uuid import uuid4

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import AuthenticationError, NoScriptError, RedisError

from contracts.journal import HEADER_KEY
from workers.settlement.ports import Change, Snapshot
from workers.settlement.watched import Operation, Watch, unwatched

SCRIPT: Final = files("workers.settlement").joinpath("keeper.lua").read_text(encoding="utf-8")
SCRIPT_SHA: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()

FILLING_FIELDS_MAX: Final = 1_000
"""Fields written at once into a rebuild: some 4 ms of the server's time."""

SCAN_FIELDS: Final = 1_000
"""Fields that one step of a scan looks at: about a millisecond of the server's time."""

FILLING_SECONDS_MAX: Final = 3_600
"""How long a rebuild that its owner abandoned lies about."""

MOVED: Final = -1

_HUNG_UP: Final = ("reset by peer", "closed by server", "Broken pipe")
"""What the client says of a server that has cut the connection before it has answered anything."""

Call = tuple[tuple[str, ...], tuple[bytes | int, ...]]
"""Keys and arguments of the script."""

T = TypeVar("T")


class StoreUnavailable(Exception):
    """The store did not answer, or refused. Nothing that follows from it was done; wait and begin again."""


class StoreRefuses(StoreUnavailable):
    """The store does not let us in, or shows a certificate that is not accepted. Somebody has to change something."""


class StoreUnfit(Exception):
    """The store is set up so that it may throw state away; a worker refuses to start on it."""


class _Packing:
    """A connection that packs its commands in C.

    redis-py packs in Python, a microsecond an argument, and a batch has thousands of them.
    """

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> list[bytes]:
        """The bytes to send."""
        return [pack_command(tuple(command)) for command in commands]


class RedisKeeper:
    """The store of all partitions behind one address. Every call is one round trip and ends within its time."""

    def __init__(
        self, redis: "Redis", *, prefix: str = "", timeout_seconds: float = 5.0, watch: Watch = unwatched
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._timeout = timeout_seconds
        self._watch = watch
        self._in_the_clear = False

    @classmethod
    def connect(
        cls, url: str, *, prefix: str = "", timeout_seconds: float = 5.0, watch: Watch = unwatched, **options: Any
    ) -> "RedisKeeper":
        """A keeper on a pool of its own. No connection is made yet."""
        redis = Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # One more try, for connections that died in the pool. Every command here may safely be done twice: a
            # repeated compare-and-set finds its own watermark and reports that it moved.
            retry=Retry(ConstantBackoff(0.05), 1),
            decode_responses=False,
            **options,
        )
        pool = redis.connection_pool
        pool.connection_class = type("PackingConnection", (_Packing, pool.connection_class), {})
        keeper = cls(redis, prefix=prefix, timeout_seconds=timeout_seconds, watch=watch)
        keeper._in_the_clear = url.startswith("redis:")
        return keeper

    def key(self, partition: int) -> str:
        """`<prefix>yidan:{p}`: the braces keep a partition and its rebuild in one slot of a cluster."""
        return f"{self._prefix}yidan:{{{partition}}}"

    async def check(self) -> None:
        """Raises `StoreUnfit` unless memory that runs out makes the store refuse writes, not forget."""
        try:
            found = await self._answer(Operation.CHECK, self._redis.info("memory"))
        except StoreUnavailable as fault:
            if self._in_the_clear and any(word in str(fault) for word in _HUNG_UP):
                raise StoreUnavailable(f"{fault}; does it expect TLS? Then write rediss://") from None
            raise
        policy = found.get("maxmemory_policy")
        if policy != "noeviction":
            raise StoreUnfit(
                f"maxmemory-policy is {policy}; set it to noeviction: an evicted field is a forgotten payment"
            )

    async def ping(self) -> None:
        """Raises `StoreUnavailable` if the store does not answer."""
        await self._answer(Operation.CHECK, self._redis.ping())

    async def snapshots(self, wanted: Mapping[int, Sequence[str]]) -> dict[int, Snapshot]:
        """Each partition's watermark, count and wanted fields of one moment; all partitions in one round trip."""
        pipeline = self._redis.pipeline(transaction=True)
        for partition, names in wanted.items():
            key = self.key(partition)
            pipeline.hmget(key, [HEADER_KEY, *names])
            pipeline.hlen(key)
        answers = await self._answer(Operation.SNAPSHOT, pipeline.execute())
        found = {}
        for index, partition in enumerate(wanted):
            watermark, *values = answers[2 * index]
            length = answers[2 * index + 1]
            found[partition] = Snapshot(watermark, length - 1 if watermark is not None else length, values)
        return found

    async def scan(self, partition: int, pattern: str) -> AsyncIterator[tuple[str, bytes]]:
        """The partition's fields whose names match a glob, in no order; one may come twice, and none is missed."""
        cursor = 0
        while True:
            cursor, fields = await self._answer(
                Operation.SCAN, self._redis.hscan(self.key(partition), cursor, match=pattern, count=SCAN_FIELDS)
            )
            for name, value in cast("dict[bytes, bytes]", fields).items():
                yield name.decode(), value
            if not cursor:
                return

    async def apply(self, changes: Sequence[Change]) -> list[int | None]:
        """Compare-and-set in order, all in one round trip: the number of fields after each, None where it had moved."""
        answers = await self._scripts(
            Operation.APPLY,
            [
                (
                    (self.key(change.partition),),
                    (
                        change.expected or b"",
                        change.watermark,
                        *(part for field in change.fields for part in field),
                    ),
                )
                for change in changes
            ],
        )
        return [None if answer == MOVED else answer for answer in answers]

    async def rebuild(self, partition: int) -> "RedisFilling":
        """Starts an empty hash beside the partition's."""
        key = self.key(partition)
        return RedisFilling(self, key, f"{key}:{uuid4().hex}")

    async def fill(self, filling: str, fields: dict[bytes, bytes]) -> None:
        """Adds fields to a rebuild, and to its time."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hset(filling, mapping=cast("dict[Any, Any]", fields))
        pipeline.expire(filling, FILLING_SECONDS_MAX)
        await self._answer(Operation.REBUILD, pipeline.execute())

    async def replace(self, key: str, filling: str, expected: bytes | None, n: int) -> int | None:
        """The last step of a rebuild; see the script."""
        (answer,) = await self._scripts(Operation.REBUILD, [((key, filling), (expected or b"", n))])
        return None if answer == MOVED else answer

    async def unlink(self, key: str) -> None:
        """Deletes a key without holding the server up."""
        await self._answer(Operation.REBUILD, self._redis.unlink(key))

    async def close(self) -> None:
        """Closes the pool."""
        await self._redis.aclose()

    async def _scripts(self, operation: Operation, calls: Sequence[Call]) -> list[int]:
        """Runs the script once for each call, in order, in one pipeline.

        A restart or a fail-over forgets scripts, and says so for each command of a pipeline by itself: the script is
        loaded and those that did not run are sent again, in order.
        """
        answers: list[Any] = [NoScriptError("not sent yet")] * len(calls)
        for attempt in range(2):
            if attempt:
                await self._answer(operation, self._redis.script_load(SCRIPT))
            unanswered = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            pipeline = self._redis.pipeline(transaction=False)
            for index in unanswered:
                keys, arguments = calls[index]
                pipeline.evalsha(SCRIPT_SHA, len(keys), *keys, *arguments)
            answered = await self._answer(operation, pipeline.execute(raise_on_error=False))
            for index, answer in zip(unanswered, answered, strict=True):
                answers[index] = answer
            if not any(isinstance(answer, NoScriptError) for answer in answers):
                break
        for answer in answers:
            if isinstance(answer, Exception):
                raise _unavailable(answer)
        return answers

    async def _answer(self, operation: Operation, waiting: Awaitable[T]) -> T:
        """The answer within the time-out, or `StoreUnavailable`; after one, no connection is used again.

        A reply that comes after its request was given up would be taken for the answer to the next one.
        """
        began, failed = time.perf_counter(), True
        try:
            answer = await asyncio.wait_for(waiting, 2 * self._timeout + 1)
            failed = False
            return answer
        except (TimeoutError, RedisError, OSError) as fault:
            await self._redis.connection_pool.disconnect(inuse_connections=True)
            raise _unavailable(fault) from None
        finally:
            self._watch(operation, time.perf_counter() - began, failed)


def _unavailable(fault: Exception) -> StoreUnavailable:
    """Without the command that failed, which names persons."""
    words = f"{type(fault).__name__}: {_without_arguments(str(fault))}"
    refused = isinstance(fault, AuthenticationError | SSLError) or isinstance(fault.__context__, SSLError)
    return StoreRefuses(f"the store refuses us, or we refuse it: {words}") if refused else StoreUnavailable(words)


def _without_arguments(words: str) -> str:
    """A server that has renamed a command quotes what it was sent with."""
    return words.rpartition("caused error: ")[2].partition(", with args beginning with")[0]


class RedisFilling:
    """A rebuild: a hash of its own, that takes the old one's place in one step when it is whole."""

    def __init__(self, keeper: RedisKeeper, key: str, filling: str) -> None:
        self._keeper = keeper
        self._key = key
        self._filling = filling

    async def add(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """Writes fields, at most `FILLING_FIELDS_MAX` at once; later values replace earlier ones."""
        for start in range(0, len(fields), FILLING_FIELDS_MAX):
            await self._keeper.fill(self._filling, dict(fields[start : start + FILLING_FIELDS_MAX]))

    async def finish(self, expected: bytes | None, watermark: bytes, n: int) -> int | None:
        """Takes the old one's place if its watermark is still `expected` and this one holds `n` fields."""
        await self._keeper.fill(self._filling, {HEADER_KEY: watermark})
        return await self._keeper.replace(self._key, self._filling, expected, n)

    async def discard(self) -> None:
        """Gives up. Should even that fail, the filling ends by itself."""
        with contextlib.suppress(StoreUnavailable):
            await self._keeper.unlink(self._filling)
