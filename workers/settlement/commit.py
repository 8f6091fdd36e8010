"""One batch of one partition: what its transaction holds, and what its owner holds afterwards.

1. Decode and validate; persons before discharges before applications. (`workers.settlement.pipeline`)
2. Read the fields, each round with watermark and count of the same moment. (`workers.settlement.turn`)
3. Adjudicate in memory, without a single `await`. (`workers.settlement.pipeline`)
4. One transaction: changed fields and a header to the journal, payouts, signals, quarantine, consumed offsets.
5. One compare-and-set brings the fields to the store. Its failure is harmless: the next batch's step 2 sees it.

Anything raised in 2 to 4 means: drop the producer, rewind, take over again. Whether the transaction was committed is
then read from the journal by somebody who has fenced whoever asks.
"""

from collections.abc import Mapping
from dataclasses import replace

from contracts.journal import HEADER_KEY, write_header
from contracts.topics import JOURNAL, PAYOUTS, QUARANTINE, SIGNALS
from workers.settlement.pipeline import BatchResult
from workers.settlement.ports import Change, Held, Watermark, digest
from workers.settlement.records import Outgoing


async def commit(held: Held, result: BatchResult, next_in: Mapping[str, int]) -> Change:
    """Step 4. On return the batch is committed, `held` stands after it, and step 5 is the change returned."""
    header = replace(
        held.header,
        seq=held.header.seq + 1,
        next_in={**held.header.next_in, **next_in},
        n=held.header.n + result.fresh,
        prev_hash=digest(held.sealed),
    )
    sealed = write_header(header)
    fields = [(name.encode(), value) for name, value in result.fields]
    records = {
        JOURNAL: [*(Outgoing(name, value, []) for name, value in fields), Outgoing(HEADER_KEY, sealed, [])],
        PAYOUTS: result.payouts,
        SIGNALS: result.signals,
        QUARANTINE: result.quarantine,
    }
    offset = await held.writer.commit(records, header.next_in)
    change = Change(held.partition, held.watermark, Watermark(offset, sealed).encode(), fields)
    held.header, held.watermark = header, change.watermark
    return change
