"""An event tried, not sent: what the worker would emit for it now, by the very path that the worker takes."""

import orjson

from contracts.events import TOPIC_OF_TYPE
from contracts.payout import CombinedPayout
from contracts.quarantine import Refused
from contracts.signals import Signal
from workers.desk.source import Source, SourceUnfit, home_of
from workers.settlement.pipeline import Batch, Counts
from workers.settlement.records import Incoming

ATTEMPTS_MAX = 5
"""How often the state is read again where the person's year moved while it was being read."""


class Trial:
    """What a tried event came to: payouts, signals and refusals as the worker would write them, nothing written."""

    def __init__(self, payouts: list[CombinedPayout], signals: list[Signal], refused: list[Refused], counts: Counts):
        self.payouts = payouts
        self.signals = signals
        self.refused = refused
        self.counts = counts

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
            )
    raise SourceUnfit("the person's year moved while it was being read: try again")
