"""The same rules in a plain Faust agent: a table of persons, one event at a time, at least once.

As the framework's own guide would have it: the agent reads a person's state from the table, settles, writes the state
back and sends the payout. The table lies in memory and has a changelog topic. Nothing is exactly once.
"""

import os

import faust
from held import Shelf, read, settled

from contracts.topics import DISCHARGES, PAYOUTS
from workers.settings import Settings

settings = Settings()
app = faust.App(
    "bench-faust",
    broker=f"kafka://{settings.kafka_bootstrap}",
    store="memory://",
    topic_partitions=settings.partitions,
    topic_replication_factor=1,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
)
discharges = app.topic(DISCHARGES, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
payouts = app.topic(PAYOUTS, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
persons = app.Table("persons", default=dict, partitions=settings.partitions)


@app.agent(discharges)
async def settle(events):
    """Settle each."""
    async for event in events:
        bill = read(event)
        state = persons[bill.psn_no]
        shelf = Shelf({name: text.encode() for name, text in state.items()})
        for record in settled(shelf, bill):
            await payouts.send(key=record.key, value=record.value, headers=dict(record.headers))
        persons[bill.psn_no] = state | {name: text.decode() for name, text in shelf.changed().items()}


if __name__ == "__main__":
    faust.Worker(app, loglevel="warning", quiet=not os.environ.get("YIDAN_BENCH_LOUD")).execute_from_commandline()
