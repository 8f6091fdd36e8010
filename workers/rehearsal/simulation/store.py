"""A store in memory: hashes that are written in atomic steps, and that forget as a real one may.

It loses its latest writes, as a replica that lags does when it takes over; everything; or a single field. For a while
it may be in two: who has not heard of the fail-over reads and writes an old primary, and all that is thrown away.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from contracts.journal import HEADER_KEY
from workers.rehearsal.simulation.faults import NO_FAULTS, Faults
from workers.settlement.ports import Change, Snapshot

REMEMBERED_WRITES: Final = 8


class Store:
    """The hashes of a server, and its latest writes, in case it loses them."""

    def __init__(self) -> None:
        self.hashes: dict[int, dict[bytes, bytes]] = {}
        self._undo: list[tuple[int, dict[bytes, bytes] | None]] = []

    def replace(self, partition: int, fields: dict[bytes, bytes] | None) -> None:
        """One atomic step of the command stream."""
        self._undo.append((partition, self.hashes.get(partition)))
        del self._undo[:-REMEMBERED_WRITES]
        if fields is None:
            self.hashes.pop(partition, None)
        else:
            self.hashes[partition] = fields

    def lose_tail(self, writes: int) -> None:
        """As after a fail-over to a replica that lags."""
        for _ in range(min(writes, len(self._undo))):
            partition, before = self._undo.pop()
            if before is None:
                self.hashes.pop(partition, None)
            else:
                self.hashes[partition] = before

    def fork(self, writes: int) -> "Store":
        """A copy that lags by so many writes and goes its own way from here on."""
        copy = Store()
        copy.hashes = dict(self.hashes)  # a hash is replaced, never changed
        copy._undo = list(self._undo)
        copy.lose_tail(writes)
        return copy

    def flush(self) -> None:
        """FLUSHALL."""
        self.hashes.clear()
        self._undo.clear()

    def lose_field(self, partition: int, index: int) -> None:
        """One field, as an eviction or a careless hand would; never the watermark."""
        fields = self.hashes.get(partition, {})
        names = sorted(fields.keys() - {HEADER_KEY})
        if names:
            self.hashes[partition] = {
                name: value for name, value in fields.items() if name != names[index % len(names)]
            }

    def apply(self, change: Change) -> int | None:
        """One compare-and-set."""
        fields = self.hashes.get(change.partition, {})
        if (fields.get(HEADER_KEY) or b"") != (change.expected or b""):
            return None
        after = {**fields, **dict(change.fields), HEADER_KEY: change.watermark}
        self.replace(change.partition, after)
        return len(after) - 1


class MemoryKeeper:
    """One client of the store. Behaves as `workers.settlement.keeper.RedisKeeper`: one suite runs over both."""

    def __init__(self, store: Store | None = None, faults: Faults = NO_FAULTS) -> None:
        self.store = store or Store()
        self.faults = faults

    async def check(self) -> None:
        """It evicts nothing by itself."""

    async def ping(self) -> None:
        """It is here."""

    async def snapshots(self, wanted: Mapping[int, Sequence[str]]) -> dict[int, Snapshot]:
        """All of one moment."""
        return await self.faults.request(
            "snapshot",
            lambda: {partition: self._snapshot(partition, names) for partition, names in wanted.items()},
            f"of {', '.join(map(str, wanted))}",
        )

    def _snapshot(self, partition: int, names: Sequence[str]) -> Snapshot:
        fields = self.store.hashes.get(partition, {})
        watermark = fields.get(HEADER_KEY)
        values = [fields.get(name.encode()) for name in names]
        return Snapshot(watermark, len(fields) - (watermark is not None), values)

    async def apply(self, changes: Sequence[Change]) -> list[int | None]:
        """Each an atomic step; between two of them anything may happen."""
        return [await self._apply(change) for change in changes]

    async def _apply(self, change: Change) -> int | None:
        return await self.faults.request("apply", lambda: self.store.apply(change), f"to {change.partition}")

    async def rebuild(self, partition: int) -> "MemoryFilling":
        """Beside the present one."""
        return MemoryFilling(self, partition)

    async def close(self) -> None:
        """Nothing to close."""


class MemoryFilling:
    """A rebuild in memory."""

    def __init__(self, keeper: MemoryKeeper, partition: int) -> None:
        self._keeper = keeper
        self._partition = partition
        self._fields: dict[bytes, bytes] = {}

    async def add(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """Later values replace earlier ones."""
        await self._keeper.faults.request("fill", lambda: self._fields.update(fields), f"for {self._partition}")

    async def finish(self, expected: bytes | None, watermark: bytes, n: int) -> int | None:
        """Takes the old one's place."""
        return await self._keeper.faults.request(
            "replace", lambda: self._finish(expected, watermark, n), f"of {self._partition}"
        )

    def _finish(self, expected: bytes | None, watermark: bytes, n: int) -> int | None:
        store = self._keeper.store
        if (store.hashes.get(self._partition, {}).get(HEADER_KEY) or b"") != (expected or b""):
            return None
        if len(self._fields) == n:
            store.replace(self._partition, {**self._fields, HEADER_KEY: watermark})
        return len(self._fields)

    async def discard(self) -> None:
        """Gives up."""
