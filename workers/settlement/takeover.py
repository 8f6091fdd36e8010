"""Taking a partition over: become the only one who can write it, then find out from the journal where it stands.

1. Start the partition's producer. Its former owner is fenced and its open transaction ended: only now read anything.
2. Read the store's watermark and the number of its fields in one snapshot; then the group's offsets, for step 4.
3. Read the journal from the watermark up to its end, or from the start if the store cannot be trusted. Not reaching
   the end is an error.
4. Ask the two witnesses, topic by topic: the group's offset must not be ahead of the journal's `next_in`, and what
   `next_in` points at must still exist.
5. Bring the store up to the journal by compare-and-set; the count that it answers must be the header's.
6. Go on from `next_in`, never from the group's offset. (The caller seeks: `workers.worker`.) A batch whose records do
   not stand where the journal ended is not committed: what was read was not the journal.

Birth: the journal is empty, the group has no offset and the store no key. One transaction writes header 0. Any other
mixture of emptiness stops the partition.

A verdict that stops a partition is reached twice, the second time under another epoch: somebody who fenced us in the
middle of our reading makes things look wrong that are not.

A running owner whose snapshot does not show its own watermark repeats steps 2, 3 and 5 (`repair`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from contracts.journal import HEADER_KEY, Header, write_header
from contracts.topics import INPUTS, JOURNAL
from workers.settlement.ports import (
    Held,
    Keeper,
    Log,
    NotOurs,
    PartitionMustStop,
    Snapshot,
    StopReason,
    Watermark,
    Writer,
)
from workers.settlement.records import Outgoing
from workers.settlement.replay import Unborn, read_tail

RESTORES_MAX: Final = 3
"""How often one take-over begins again because the store moved under it or counted wrongly."""

LOOK_AGAIN_SECONDS: Final = 0.2
"""How long a repair waits before it looks again for a commit of its own that is not visible yet."""

FIRST_HASH: Final = ""
"""`prev_hash` of header 0: there is nothing before it."""


Offsets = Mapping[str, int | None]
"""The group's offset of each input topic; None where it has none."""


class StoreKeepsMoving(Exception):
    """Somebody else writes the store at the same time; wait and begin again."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a worker was started with and what a journal must agree with."""

    group: str
    partitions: int
    visible_seconds_max: float = 15.0
    """How long a committed transaction may take to become visible: the transaction time-out."""
    new_lineage: Callable[[], str] = field(default=lambda: str(uuid4()))


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the journal stands, now that the store stands there too, and what that took."""

    header: Header
    watermark: bytes
    rebuilt: bool
    replayed: int
    end: int
    """The offset after everything that was written to the journal when it was read."""


async def take_over(partition: int, log: Log, keeper: Keeper, terms: Terms) -> tuple[Held, Restored]:
    """The partition, held by us alone, its store equal to its journal.

    Raises `PartitionMustStop` where going on would be wrong; after anything else it may be tried again in a while.
    """
    try:
        return await _take_over(partition, log, keeper, terms)
    except PartitionMustStop:
        # Whoever fenced us while we were reading has made what we read not fit together. What still does not fit under
        # another epoch is wrong.
        return await _take_over(partition, log, keeper, terms)


async def _take_over(partition: int, log: Log, keeper: Keeper, terms: Terms) -> tuple[Held, Restored]:
    # Step 1. Only now read anything.
    writer = await log.open_writer(partition)
    try:
        restored = await _restore(
            partition,
            log,
            keeper,
            terms,
            witness=lambda header, committed: _ask_witnesses(partition, log, header, committed, writer),
            birth=lambda found, committed, end: _give_birth(partition, log, found, committed, end, terms, writer),
        )
    except BaseException:
        await writer.drop()
        raise
    writer.follow(restored.end)
    return Held(partition, writer, restored.header, restored.watermark), restored


async def repair(held: Held, log: Log, keeper: Keeper, terms: Terms) -> Restored:
    """Brings the store back to what its owner last committed.

    Raises `NotOurs` if the journal says that somebody else has written since, or if our own commit does not become
    visible in time. A verdict that would stop the partition is left to a take-over, which sees it with nobody else
    writing.
    """
    clock = asyncio.get_running_loop()
    deadline = clock.time() + terms.visible_seconds_max

    async def compare(header: Header, _: Offsets) -> None:
        if header.seq < held.header.seq:
            raise _NotVisibleYet
        if write_header(header) != held.sealed:
            raise NotOurs(f"the journal is at {header.seq}, we were at {held.header.seq}")

    async def impossible(_: Snapshot, __: Offsets, ___: int) -> None:
        raise NotOurs("the journal is empty")

    while True:
        try:
            restored = await _restore(held.partition, log, keeper, terms, witness=compare, birth=impossible)
        except _NotVisibleYet:
            if clock.time() > deadline:
                raise NotOurs(f"header {held.header.seq} of ours did not become visible") from None
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except PartitionMustStop as verdict:
            raise NotOurs(f"left to a take-over: {verdict}") from verdict
        else:
            if restored.watermark != held.watermark:
                raise NotOurs("our header stands at another offset than ours did")
            return restored


async def rebuild(partition: int, log: Log, keeper: Keeper, terms: Terms) -> Restored:
    """Writes a partition's store anew from the whole journal, whoever owns it, and takes nobody's place.

    The same steps 2, 3 and 5. What was read is never behind the watermark that it replaces, and it replaces no other:
    an owner that commits meanwhile wins, and one that has committed and not applied finds its own header there.
    Raises `StoreKeepsMoving` where the owner always wins, `PartitionMustStop` where a take-over would stop too.
    """

    async def nothing_to_ask(_: Header, __: Offsets) -> None:
        """The owner holds the position; a view has none."""

    async def impossible(_: Snapshot, __: Offsets, ___: int) -> None:
        raise PartitionMustStop(StopReason.JOURNAL_IS_EMPTY_BUT_NOT_NEW, "nothing was ever committed to it")

    return await _restore(
        partition, log, keeper, terms, witness=nothing_to_ask, birth=impossible, trust_the_store=False
    )


class _NotVisibleYet(Exception):
    """The journal ends before our last commit."""


async def _restore(
    partition: int,
    log: Log,
    keeper: Keeper,
    terms: Terms,
    *,
    witness: Callable[[Header, Offsets], Awaitable[None]],
    birth: Callable[[Snapshot, Offsets, int], Awaitable[None]],
    trust_the_store: bool = True,
) -> Restored:
    """Steps 2 to 5; what is asked in step 4, and what an empty journal means, differs between the two callers."""
    trusted = trust_the_store
    verdict: Exception = StoreKeepsMoving(f"partition {partition}: restored {RESTORES_MAX} times in vain")
    for _ in range(RESTORES_MAX):
        # Step 2. Watermark and count are of one moment. The second witness is heard before the journal's end is looked
        # for: what it has seen committed lies before that end, even if somebody has taken over from us meanwhile.
        found = (await keeper.snapshots({partition: ()}))[partition]
        committed = await log.committed(partition)
        # Step 3. The end is that of everything written, so that nothing committed can hide behind it.
        tail = await read_tail(partition, log, keeper, found, trusted=trusted)
        if isinstance(tail, Unborn):
            await birth(found, committed, tail.end)
            continue
        try:
            _agree(tail.header, terms)
            _not_ahead(found, tail.header)
            # Step 4. Nothing has been changed yet, neither in the store nor in the log.
            await witness(tail.header, committed)
            # Step 5. A count that is not the header's means that the store had lost a field before.
            counted = await tail.apply(found.watermark)
        finally:
            await tail.discard()
        if counted == tail.header.n:
            return Restored(tail.header, tail.watermark, tail.rebuilt, tail.replayed, tail.end)
        if counted is not None:
            trusted = False
            verdict = PartitionMustStop(
                StopReason.JOURNAL_COUNT_IS_WRONG, f"it makes {counted} fields, its header says {tail.header.n}"
            )
    raise verdict


def _agree(header: Header, terms: Terms) -> None:
    """Another group would have other offsets, other partitions other ledgers for the same persons."""
    if header.group != terms.group:
        raise PartitionMustStop(
            StopReason.JOURNAL_IS_OF_ANOTHER_GROUP, f"it is of group {header.group}, we are {terms.group}"
        )
    if header.partitions != terms.partitions:
        raise PartitionMustStop(
            StopReason.JOURNAL_HAS_OTHER_PARTITIONS,
            f"it was born with {header.partitions} partitions, we have {terms.partitions}",
        )
    if set(header.next_in) != set(INPUTS):
        raise PartitionMustStop(StopReason.JOURNAL_FORMAT_IS_UNKNOWN, f"it reads {sorted(header.next_in)}")


def _not_ahead(found: Snapshot, header: Header) -> None:
    """A store ahead of its own journal has seen a commit that the broker has lost since."""
    seen = Watermark.read(found.watermark)
    if seen is not None and seen.header.lineage == header.lineage and seen.header.seq > header.seq:
        raise PartitionMustStop(
            StopReason.STORE_IS_AHEAD_OF_JOURNAL, f"it is at {seen.header.seq}, the journal ends at {header.seq}"
        )


async def _ask_witnesses(partition: int, log: Log, header: Header, committed: Offsets, writer: Writer) -> None:
    """The group's offset was written in the transaction of the header; the inputs must still hold what comes next."""
    bounds = await log.input_bounds(partition)
    for topic, next_in in header.next_in.items():
        offset = committed[topic]
        if offset is not None and offset > next_in:
            raise PartitionMustStop(
                StopReason.GROUP_IS_AHEAD_OF_JOURNAL, f"{topic}: the group is at {offset}, the journal at {next_in}"
            )
        if not bounds[topic].first <= next_in <= bounds[topic].end:
            raise PartitionMustStop(
                StopReason.INPUT_IS_LOST,
                f"{topic}: {next_in} comes next, there is {bounds[topic].first} to {bounds[topic].end}",
            )
    if any(committed[topic] != next_in for topic, next_in in header.next_in.items()):
        await writer.commit({}, header.next_in)


async def _give_birth(
    partition: int, log: Log, found: Snapshot, committed: Offsets, end: int, terms: Terms, writer: Writer
) -> None:
    """Header 0, if there is no trace of a former life."""
    traces = [f"the group is at {offset} of {topic}" for topic, offset in committed.items() if offset is not None]
    if found.watermark is not None or found.n:
        traces.append(f"the store holds {found.n} fields")
    if traces:
        raise PartitionMustStop(StopReason.JOURNAL_IS_EMPTY_BUT_NOT_NEW, "; ".join(traces))
    bounds = await log.input_bounds(partition)
    header = Header(
        lineage=terms.new_lineage(),
        group=terms.group,
        partitions=terms.partitions,
        seq=0,
        next_in={topic: bounds[topic].first for topic in INPUTS},
        n=0,
        prev_hash=FIRST_HASH,
    )
    writer.follow(end)
    await writer.commit({JOURNAL: [Outgoing(HEADER_KEY, write_header(header), [])]}, header.next_in)
