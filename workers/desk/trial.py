"""An event tried, not sent: what the worker would emit for it now, by the very path that the worker takes."""

from collections.abc import AsyncIterator, Mapping, Sequence

import orjson

from contracts.events import TOPIC_OF_TYPE
from contracts.payout import CombinedPayout
from contracts.quarantine import Refused
from contracts.signals import Signal
from workers.desk.source import Source, SourceUnfit, home_of
from workers.settlement.pipeline import Batch, Counts
from workers.settlement.ports import Watermark
from workers.settlement.records import Incoming

ATTEMPTS_MAX = 5
"""How often the state is read again where the person's year moved while it was being read."""


class Trial:
    """What a tried event came to: payouts, signals and refusals as the worker would write them, nothing written."""

    def __init__(
        self,
        payouts: list[CombinedPayout],
        signals: list[Signal],
        refused: list[Refused],
        counts: Counts,
        fields: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        self.payouts = payouts
        self.signals = signals
        self.refused = refused
        self.counts = counts
        self.fields = fields
        """What would stand in the state after it."""

    @property
    def effect(self) -> str:
        """What the event did, as in `workers.adjudication.books.Outcome`."""
        return next((effect for _, effect in self.counts.effects), "refused")


async def try_event(source: Source, value: bytes, *, psn_no: str, type_: str, offset: int = 0) -> Trial:
    """What one event would bring about for its person now. Raises `SourceUnfit` where the state cannot be read."""
    partition = home_of(source, psn_no)
    record = Incoming(TOPIC_OF_TYPE[type_], partition, offset, psn_no.encode(), value)
    return await try_record(source, record)


async def try_record(source: Source, record: Incoming) -> Trial:
    """The same for a record as it stands in a topic: its key and partition are judged too."""
    for _ in range(ATTEMPTS_MAX):
        batch = Batch(source.books, record.partition, source.partitions, [record])
        read: dict[str, bytes | None] = {}
        while names := batch.wanted():
            values = await source.read(record.partition, names)
            batch.supply(values)
            read |= values
        if await source.still(record.partition, read):
            result = batch.settle()
            return Trial(
                [orjson.loads(each.value) for each in result.payouts],
                [orjson.loads(each.value) for each in result.signals],
                [orjson.loads(each.value) for each in result.quarantine],
                result.counts,
                result.fields,
            )
    raise SourceUnfit("the person's year moved while it was being read: try again")


class TriedSource:
    """A source with the outcome of what was tried laid over it: several events are tried one after the other."""

    def __init__(self, source: Source) -> None:
        self.books = source.books
        self.partitions = source.partitions
        self._source = source
        self._fields: dict[int, dict[str, bytes]] = {}

    async def try_record(self, record: Incoming) -> Trial:
        """What a record would bring about after those that were tried before it. Raises `SourceUnfit`."""
        trial = await try_record(self, record)
        self._fields.setdefault(record.partition, {}).update(trial.fields)
        return trial

    async def read(self, partition: int, names: Sequence[str]) -> dict[str, bytes | None]:
        """The values of these fields."""
        tried = self._fields.get(partition, {})
        held = await self._source.read(partition, [name for name in names if name not in tried])
        return {name: tried.get(name, held.get(name)) for name in names}

    async def scan(self, partition: int, kind: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every field of a kind."""
        tried = self._fields.get(partition, {})
        async for name, value in self._source.scan(partition, kind):
            if name not in tried:
                yield name, value
        for name, value in tried.items():
            if name.startswith(f"{kind}|"):
                yield name, value

    async def still(self, partition: int, values: Mapping[str, bytes | None]) -> bool:
        """Whether what was not tried has still these values."""
        tried = self._fields.get(partition, {})
        return await self._source.still(partition, {name: v for name, v in values.items() if name not in tried})

    async def as_of(self, partition: int) -> Watermark | None:
        """The last batch under what was tried: no batch holds a trial."""
        return await self._source.as_of(partition)
