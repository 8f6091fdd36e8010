"""The partitions of one worker, and what becomes of each after every turn.

Take-overs and repairs run beside the loop, a task each, so that a long rebuild holds nobody up; their ends are looked
at here, in the loop, and nowhere else. Whatever goes wrong with a partition ends in one of three ways: it waits and is
taken over again, it is left to somebody else, or it stops until a person has looked.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

from contracts.topics import INPUTS
from workers.logs import get_log, told
from workers.metrics import Errand, Metrics, PartitionState, Restore, TakeOverCause, Transaction
from workers.seat import Seat
from workers.settings import Settings
from workers.settlement.inbox import Inbox, Waiting
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.ports import (
    Fenced,
    Held,
    Keeper,
    Log,
    NotOurs,
    OutcomeUnknown,
    PartitionMustStop,
    StopReason,
    WrongPartitionCount,
)
from workers.settlement.takeover import Restored, Terms, repair, take_over
from workers.settlement.turn import Committed, CoreFailed, Lost, Stale, Turn

FETCHED_AHEAD: Final = 3
"""How many batches of a topic are fetched ahead before its fetching pauses."""


class Reads(Protocol):
    """What the seats ask of the consumer."""

    def seek(self, partition: int, next_in: Mapping[str, int]) -> None:
        """Read on from there."""

    def pause(self, partition: int, topics: Sequence[str] = INPUTS) -> None:
        """Stop fetching."""

    def resume(self, partition: int, topics: Sequence[str]) -> None:
        """Fetch again."""

    def unread(self, partition: int) -> Mapping[str, int]:
        """How far the end lies behind what has been handed out, by topic."""

    def unheard(self, partition: int) -> float:
        """For how many seconds the broker has answered no question for records."""


class Seats:
    """The table of partitions. Not one of its methods waits, except `close`."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        keeper: Keeper,
        reads: Reads,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._terms = Terms(settings.group, settings.partitions, settings.transaction_timeout_s)
        self._log = log
        self._keeper = keeper
        self._reads = reads
        self._metrics = metrics
        metrics.partitions.set(settings.partitions)
        self._clock = clock
        self._quotas = settings.batch_max
        self._usual = sum(self._quotas.values())
        self._gate = asyncio.Semaphore(settings.take_overs_at_once)
        self._partings: set[asyncio.Task[None]] = set()
        self._say = get_log()
        self._seats: dict[int, Seat] = {}
        self.fatal: WrongPartitionCount | None = None
        """Why the whole worker must end."""

    # ── who is here ───────────────────────────────────────────────────────────────────────────────────────────

    def assigned(self, partitions: set[int]) -> None:
        """The group has spoken.

        What we keep, we keep with its producer: an epoch still accepted proves that nobody else has written. What was
        fetched is thrown away, since the group has moved every position.
        """
        for partition in [partition for partition in self._seats if partition not in partitions]:
            self._leave(self._seats.pop(partition))
        self.rewind()
        for partition in sorted(partitions - self._seats.keys()):
            self._seats[partition] = Seat(partition)
            self._metrics.state(partition, PartitionState.WAITING)

    def states(self) -> dict[int, PartitionState]:
        """Where each partition stands."""
        return {seat.partition: seat.state for seat in self._seats.values()}

    def rewind(self) -> None:
        """Read everything again from what was committed."""
        for seat in self._seats.values():
            seat.must_seek = True
            if seat.inbox is not None:
                seat.inbox.clear()

    def position_lost(self, partition: int) -> None:
        """The broker no longer has what comes next. A take-over sees it with its own eyes and says so."""
        seat = self._seats.get(partition)
        if seat is not None and seat.settling:
            self._say.error("the next offset does not exist", partition=partition)
            self._drop(seat, TakeOverCause.POSITION_LOST)
            self._back_off(seat)

    def undecodable(self, partition: int, where: str) -> None:
        """What comes next is no record to the client: it can neither be read nor stepped over. The others go on."""
        seat = self._seats.get(partition)
        if seat is not None and seat.settling:
            self._stop(seat, PartitionMustStop(StopReason.RECORD_CANNOT_BE_DECODED, where))

    # ── take-overs and repairs ────────────────────────────────────────────────────────────────────────────────

    def advance(self) -> None:
        """Looks at errands that have ended, begins those that are due, and reads on where that was decided."""
        now = self._clock()
        for seat in self._seats.values():
            if seat.errand is not None and seat.errand.done():
                errand, seat.errand = seat.errand, None
                self._ended(seat, errand)
            if seat.state is PartitionState.WAITING and seat.errand is None and now >= seat.not_before:
                self._begin(seat, PartitionState.TAKING_OVER, self._take_over(seat.partition))
            if seat.state is PartitionState.OWNED and seat.must_seek and seat.held is not None:
                # Step 6 of a take-over; and after every rebalance, before the next fetch.
                self._reads.seek(seat.partition, seat.held.header.next_in)
                seat.must_seek = False
                seat.paused.clear()

    async def _take_over(self, partition: int) -> tuple[Held, Restored]:
        async with self._gate:
            # A store that is away would only make us fence ourselves again and again.
            await self._keeper.snapshots({partition: ()})
            return await take_over(partition, self._log, self._keeper, self._terms)

    async def _repair(self, held: Held) -> tuple[Held, Restored]:
        return held, await repair(held, self._log, self._keeper, self._terms)

    def _begin(self, seat: Seat, state: PartitionState, errand: Coroutine[Any, Any, tuple[Held, Restored]]) -> None:
        seat.state, seat.began = state, self._clock()
        seat.errand = asyncio.create_task(errand, name=f"{state} {seat.partition}")
        self._metrics.state(seat.partition, state)

    def _ended(self, seat: Seat, errand: asyncio.Task[tuple[Held, Restored]]) -> None:
        """An errand has ended: the partition is ours, or is tried again later, or stops."""
        error = errand.exception() if not errand.cancelled() else asyncio.CancelledError()
        if isinstance(error, WrongPartitionCount):
            self.fatal = error
        if isinstance(error, PartitionMustStop):
            self._stop(seat, error)
        elif error is not None:
            self._metrics.take_overs_failed.inc()
            self._failed(seat, error)
        else:
            self._restored(seat, *errand.result())

    def _restored(self, seat: Seat, held: Held, restored: Restored) -> None:
        taken = seat.state is PartitionState.TAKING_OVER
        if taken:
            seat.held, seat.inbox, seat.must_seek = held, Inbox(held.header.next_in), True
            seat.waiting_since_ms = None
            self._metrics.taken_over(seat.cause)
            self._metrics.births.inc(restored.header.seq == 0 and restored.replayed == 0)
        self._metrics.rebuilds.inc(restored.rebuilt)
        self._metrics.replayed.inc(restored.replayed)
        how = Restore.REBUILD if restored.rebuilt else Restore.REPLAY if restored.replayed else Restore.NONE
        errand = Errand.TAKE_OVER if taken else Errand.REPAIR
        self._metrics.restored(errand, how, self._clock() - seat.began)
        seat.state = PartitionState.OWNED
        self._metrics.state(seat.partition, seat.state)
        self._say.info(
            "partition taken over" if taken else "store repaired",
            partition=seat.partition,
            lineage=restored.header.lineage,
            seq=restored.header.seq,
            n=restored.header.n,
            next_in=restored.header.next_in,
            rebuilt=restored.rebuilt,
            fields=restored.replayed,
        )

    # ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, arrived: Mapping[int, Mapping[str, Sequence[Waiting]]]) -> None:
        """Puts records into their queues and pauses those that are full. What is for nobody is read again later."""
        for partition, topics in arrived.items():
            seat = self._seats.get(partition)
            if seat is None or seat.inbox is None or seat.must_seek or seat.held is None:
                continue
            for topic, records in topics.items():
                seat.inbox.put(topic, records)
                if seat.inbox.waiting(topic) >= FETCHED_AHEAD * self._quotas[topic] and topic not in seat.paused:
                    seat.paused.add(topic)
                    self._reads.pause(partition, (topic,))

    def batches(self) -> dict[int, tuple[Held, list[Waiting]]]:
        """The next batch of every partition that may be settled and has records."""
        chosen = {}
        for seat in self._seats.values():
            if (ready := seat.settling) and (batch := ready[1].batch(self._quotas, seat.limit or self._usual)):
                chosen[seat.partition] = ready[0], batch
        return chosen

    def judge(self, turn: Turn, batches: Mapping[int, tuple[Held, Sequence[Waiting]]]) -> None:
        """What becomes of each partition after a turn."""
        for partition, verdict in turn.verdicts.items():
            seat = self._seats[partition]
            match verdict:
                case Committed():
                    self._metrics.transaction(Transaction.COMMITTED)
                    self._committed(seat, verdict, batches[partition][1])
                case Stale():
                    self._say.warning("the store does not show our last batch", partition=partition)
                    self._metrics.repairs.inc()
                    self._begin(seat, PartitionState.REPAIRING, self._repair(batches[partition][0]))
                case CoreFailed(error):
                    self._core_failed(seat, error, batches[partition][1])
                case Lost(error):
                    if isinstance(error, Fenced):
                        self._metrics.transaction(Transaction.FENCED)
                    elif not isinstance(error, StoreUnavailable):
                        self._metrics.transaction(Transaction.UNKNOWN)
                    self._failed(seat, error)

    def _committed(self, seat: Seat, committed: Committed, batch: Sequence[Waiting]) -> None:
        if seat.inbox is not None:
            seat.inbox.passed(committed.next_in)
            room = [topic for topic in seat.paused if seat.inbox.waiting(topic) < self._quotas[topic]]
            if room:
                seat.paused.difference_update(room)
                self._reads.resume(seat.partition, room)
        seat.succeeded(self._usual)
        self._metrics.apply_failed.inc(not committed.applied)
        self._metrics.batch(committed.result.counts, batch, time.time())

    def _core_failed(self, seat: Seat, error: Exception, batch: Sequence[Waiting]) -> None:
        """Look for the record by halving the batch. One that has failed alone twice stops the partition."""
        first = batch[0].record
        self._metrics.core_failed.inc()
        self._say.error(
            "the core failed",
            partition=seat.partition,
            topic=first.topic,
            offset=first.offset,
            records=len(batch),
            **told(error),
        )
        if not seat.narrow(batch):
            where = f"{first.topic} {first.partition} {first.offset}: {type(error).__name__}"
            self._stop(seat, PartitionMustStop(StopReason.CORE_FAILED_TWICE, where))

    def lag(self) -> None:
        """Sets the lag of every partition of ours; what one that was let go of left unsettled goes on waiting."""
        for seat in self._seats.values():
            behind: Mapping[str, int] = {}
            oldest, unheard = seat.waiting_since_ms, 0.0
            if seat.held is not None and seat.inbox is not None:
                unread = self._reads.unread(seat.partition)
                behind = {topic: seat.inbox.waiting(topic) + number for topic, number in unread.items()}
                oldest, unheard = seat.inbox.oldest_ms(), self._reads.unheard(seat.partition)
            elif oldest is None:
                continue
            seconds = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
            self._metrics.lag(seat.partition, behind, seconds, unheard)

    # ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _failed(self, seat: Seat, error: BaseException) -> None:
        """Drop the producer, forget what was read, and take over again in a while."""
        if isinstance(error, Fenced):
            self._metrics.fenced.inc()
        self._drop(seat, _cause(seat.state, error))
        seconds = self._back_off(seat)
        self._say.warning(
            "partition let go of",
            partition=seat.partition,
            seconds=round(seconds, 3),
            tries=seat.tries,
            **told(error),
        )

    def _back_off(self, seat: Seat) -> float:
        seconds = seat.back_off(self._clock(), self._settings.backoff_first_s, self._settings.backoff_max_s)
        self._metrics.state(seat.partition, seat.state)
        return seconds

    def _stop(self, seat: Seat, verdict: PartitionMustStop) -> None:
        """Until somebody has looked. The other partitions go on."""
        self._drop(seat, TakeOverCause.FAILURE)
        seat.state = PartitionState.STOPPED
        self._metrics.state(seat.partition, seat.state, verdict.reason)
        self._say.error("partition stopped", partition=seat.partition, reason=verdict.reason, detail=verdict.detail)

    def _drop(self, seat: Seat, cause: TakeOverCause) -> None:
        if seat.inbox is not None and (oldest := seat.inbox.oldest_ms()) is not None:
            seat.waiting_since_ms = oldest
        held, seat.held, seat.inbox = seat.held, None, None
        if held is not None:  # a take-over that fails is tried again for the same cause
            seat.cause = cause
        seat.paused.clear()
        self._reads.pause(seat.partition)
        if held is not None:
            self._metrics.dropped.inc()
            self._part(held.writer.drop())

    def _leave(self, seat: Seat) -> None:
        """The group has given the partition to somebody else, who fences us."""
        if seat.errand is not None:
            seat.errand.cancel()
            self._part(_ended_somehow(seat.errand))
        if seat.held is not None:
            self._part(seat.held.writer.release())
        self._metrics.state(seat.partition, None)

    def _part(self, parting: Coroutine[Any, Any, None]) -> None:
        """Lets a good-bye go on beside the loop."""
        task = asyncio.create_task(parting)
        self._partings.add(task)
        task.add_done_callback(self._partings.discard)

    async def close(self) -> None:
        """Lets everything go in good order. Every good-bye is bounded by itself."""
        for partition in list(self._seats):
            self._leave(self._seats.pop(partition))
        while self._partings:
            await asyncio.wait(self._partings)


def _cause(state: PartitionState, error: BaseException) -> TakeOverCause:
    """Why a partition that was held no longer is."""
    match error:
        case Fenced():
            return TakeOverCause.FENCED
        case _ if state is PartitionState.REPAIRING:
            return TakeOverCause.REPAIR_FAILED
        case NotOurs():
            return TakeOverCause.FENCED
        case OutcomeUnknown():
            return TakeOverCause.OUTCOME_UNKNOWN
        case StoreUnavailable():
            return TakeOverCause.STORE_UNAVAILABLE
    return TakeOverCause.FAILURE


async def _ended_somehow(errand: asyncio.Task[Any]) -> None:
    """Waits until a cancelled errand has let go of what it had opened. One that had just succeeded leaves a writer."""
    await asyncio.wait([errand])
    if not errand.cancelled() and errand.exception() is None:
        await errand.result()[0].writer.drop()
