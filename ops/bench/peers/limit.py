"""The limit: the worker's own consumer and transactional producers, carrying the same bytes, and nothing in between.

No JSON, no rules, no store. What it writes was made beforehand: the very journal records and payouts that the worker
writes for settlements of known persons. So the distance to it is what settling costs, and no worker in this language on
these clients can pass it.
"""

import asyncio
import os
from itertools import chain, cycle, islice

from stream import outputs

from contracts.journal import HEADER_KEY
from contracts.topics import INPUTS, JOURNAL, PAYOUTS
from workers.kafka.inputs import Inputs
from workers.kafka.writer import PartitionWriter
from workers.settings import Settings
from workers.settlement.inbox import Inbox, next_in_after
from workers.settlement.records import Outgoing
from workers.worker import collect_seldom

HEADER = Outgoing(HEADER_KEY, b"." * 300, [])


async def carry() -> None:
    """Until somebody ends it."""
    everything = ",".join(map(str, range(Settings().partitions)))
    settings = Settings(partitions_fixed=everything)
    journal, payouts = outputs(int(os.environ["YIDAN_BENCH_SEED"]))
    most = settings.discharges_batch_max
    settled = list(islice(cycle(journal), most))
    paid = list(islice(cycle(payouts), most))
    inputs = Inputs(settings)
    await inputs.start()
    writers = {p: await PartitionWriter.open(settings, p) for p in range(settings.partitions)}
    inboxes = {p: Inbox(dict.fromkeys(INPUTS, 0)) for p in writers}
    next_in = {p: dict.fromkeys(INPUTS, 0) for p in writers}
    for partition in writers:
        inputs.seek(partition, next_in[partition])

    async def turn(partition: int) -> None:
        batch = inboxes[partition].batch(dict.fromkeys(INPUTS, most), most)
        if not batch:
            return
        count = len(batch)
        records = {JOURNAL: [*chain.from_iterable(settled[:count]), HEADER], PAYOUTS: paid[:count]}
        after = {**next_in[partition], **next_in_after(batch)}
        await writers[partition].commit(records, after)
        next_in[partition] = after
        inboxes[partition].passed(after)

    while True:
        waiting = any(len(inbox) for inbox in inboxes.values())
        for partition, topics in (await inputs.fetch(0.0 if waiting else 0.2)).items():
            for topic, records in topics.items():
                inboxes[partition].put(topic, records)
        await asyncio.gather(*(turn(partition) for partition in writers))


collect_seldom()
asyncio.run(carry())
