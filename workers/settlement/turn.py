"""One turn: a batch of every partition that has records, in lanes that wait while others compute.

The partitions of a lane are read in the same round trips, commit their transactions side by side and are applied to the
store in one. A turn with little to do has one lane, so that waiting is shared by all; one with much to do has several,
so that broker and store work for one lane while the processor works for the next. What goes wrong with one partition is
its own verdict; the others go on, and the turn ends when all have come to something.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from workers.settlement.commit import commit
from workers.settlement.inbox import Waiting, next_in_after
from workers.settlement.keeper import StoreUnavailable
from workers.settlement.pipeline import BatchResult
from workers.settlement.ports import Change, Held, Keeper
from workers.settlement.records import Incoming

ROUNDS_MAX: Final = 3
"""Person; ledgers and ids; entries where a correction needs them."""

LANES_MAX: Final = 4
"""A turn's last lane commits while nothing is left to compute: the more lanes, the shorter that is, and the more round
trips there are."""

LANE_RECORDS: Final = 250
"""With fewer records than these for each lane, round trips of its own cost it more than they hide."""


class SettlesBatch(Protocol):
    """The pure part of a batch, as `workers.settlement.pipeline.Batch` is."""

    def wanted(self) -> list[str]:
        """Names of the fields to read next; empty when everything has been read."""

    def supply(self, values: Mapping[str, bytes | None]) -> None:
        """What was read for exactly those names."""

    def settle(self) -> BatchResult:
        """Adjudicates in memory."""


NewBatch = Callable[[int, Sequence[Incoming]], SettlesBatch]
"""Makes a batch of a partition's records."""


class RoundsDidNotEnd(Exception):
    """A batch asked for more fields after the last round."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The batch is in the log. `applied` says whether the store has it too, which the next snapshot finds out again."""

    result: BatchResult
    next_in: Mapping[str, int]
    applied: bool


@dataclass(frozen=True, slots=True)
class Stale:
    """The store does not show what we last committed. Nothing was done; repair it first."""


@dataclass(frozen=True, slots=True)
class CoreFailed:
    """The core raised. Nothing was done."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Lost:
    """Something failed from reading to committing, or its outcome is unknown: drop the producer, take over again."""

    error: BaseException


Verdict = Committed | Stale | CoreFailed | Lost

Batches = Mapping[int, tuple[Held, Sequence[Waiting]]]
"""What is held of each partition, and the records to settle now."""


@dataclass(slots=True)
class Lane:
    """The seconds that the phases of one lane took. Lanes overlap, so they do not add up to those of their turn."""

    read_seconds: float = 0.0
    settle_seconds: float = 0.0
    commit_seconds: float = 0.0
    apply_seconds: float = 0.0


@dataclass(slots=True)
class Turn:
    """The verdicts of a turn and its lanes."""

    verdicts: dict[int, Verdict] = field(default_factory=dict)
    lanes: list[Lane] = field(default_factory=list)


@dataclass(slots=True)
class _Work:
    held: Held
    waiting: Sequence[Waiting]
    batch: SettlesBatch
    result: BatchResult | None = None


async def take_turn(
    batches: Batches,
    keeper: Keeper,
    new_batch: NewBatch,
    lane_records: int = LANE_RECORDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Turn:
    """Settles one batch of each partition. Never raises for what concerns a single one."""
    turn = Turn()
    lanes = [_run(lane, keeper, new_batch, turn, clock) for lane in _in_lanes(batches, lane_records)]
    # Whatever one lane raises, no other is still under way when the turn is over.
    for outcome in await asyncio.gather(*lanes, return_exceptions=True):
        if outcome is not None:
            raise outcome
    return turn


def _in_lanes(batches: Batches, lane_records: int) -> list[Batches]:
    """The partitions of a turn, dealt to as many lanes as there is work for."""
    records = sum(len(waiting) for _, waiting in batches.values())
    count = max(1, min(LANES_MAX, len(batches), records // lane_records))
    dealt = list(batches.items())
    return [dict(dealt[number::count]) for number in range(count)]


async def _run(batches: Batches, keeper: Keeper, new_batch: NewBatch, turn: Turn, clock: Callable[[], float]) -> None:
    """One lane, from decoding to the store."""
    lane = Lane()
    turn.lanes.append(lane)
    began = clock()
    works = await _opened(batches, new_batch, turn)
    lane.settle_seconds += clock() - began

    began = clock()
    await _load(works, keeper, turn)
    lane.read_seconds = clock() - began

    began = clock()
    for partition, work in list(works.items()):
        try:
            work.result = work.batch.settle()
        except Exception as error:  # noqa: BLE001 - whatever the core raises, the partition's owner decides
            turn.verdicts[partition] = CoreFailed(error)
            del works[partition]
        await asyncio.sleep(0)  # heartbeats and the other connections have waited for a whole batch
    lane.settle_seconds += clock() - began

    began = clock()
    changes = await _commit(works, turn)
    lane.commit_seconds = clock() - began

    began = clock()
    await _apply(changes, keeper, turn)
    lane.apply_seconds = clock() - began


async def _opened(batches: Batches, new_batch: NewBatch, turn: Turn) -> dict[int, _Work]:
    """Step 1 of a batch, of all of them."""
    works: dict[int, _Work] = {}
    for partition, (held, waiting) in batches.items():
        try:
            batch = new_batch(partition, [entry.record for entry in waiting])
        except Exception as error:  # noqa: BLE001 - see take_turn
            turn.verdicts[partition] = CoreFailed(error)
        else:
            works[partition] = _Work(held, waiting, batch)
        await asyncio.sleep(0)
    return works


async def _load(works: dict[int, _Work], keeper: Keeper, turn: Turn) -> None:
    """Step 2: rounds of one snapshot each, until no batch wants more. Each must show what we last committed."""
    asking = dict(works)
    for round_number in range(ROUNDS_MAX + 1):
        wanted: dict[int, list[str]] = {}
        for partition, work in list(asking.items()):
            try:
                names = work.batch.wanted()
                if names and round_number == ROUNDS_MAX:
                    raise RoundsDidNotEnd
            except Exception as error:  # noqa: BLE001 - see take_turn
                turn.verdicts[partition] = CoreFailed(error)
                del asking[partition], works[partition]
                continue
            # The first snapshot is taken even if it shows nothing but the watermark.
            if names or round_number == 0:
                wanted[partition] = names
            else:
                del asking[partition]
        if not wanted:
            return
        try:
            snapshots = await keeper.snapshots(wanted)
        except StoreUnavailable as error:
            for partition in wanted:
                turn.verdicts[partition] = Lost(error)
                del works[partition]
            return
        for partition, names in wanted.items():
            work, found = works[partition], snapshots[partition]
            if found.watermark != work.held.watermark or found.n != work.held.header.n:
                turn.verdicts[partition] = Stale()
            elif fault := _supplied(work.batch, dict(zip(names, found.values, strict=True))):
                turn.verdicts[partition] = fault
            else:
                continue
            del asking[partition], works[partition]


def _supplied(batch: SettlesBatch, values: Mapping[str, bytes | None]) -> CoreFailed | None:
    try:
        batch.supply(values)
    except Exception as error:  # noqa: BLE001 - see take_turn
        return CoreFailed(error)
    return None


async def _commit(works: Mapping[int, _Work], turn: Turn) -> list[Change]:
    """Step 4, side by side: one transaction a partition."""
    next_in = {partition: next_in_after(work.waiting) for partition, work in works.items()}
    outcomes = await asyncio.gather(
        *(commit(work.held, _result(work), next_in[partition]) for partition, work in works.items()),
        return_exceptions=True,
    )
    changes = []
    for (partition, work), outcome in zip(works.items(), outcomes, strict=True):
        if isinstance(outcome, BaseException):
            turn.verdicts[partition] = Lost(outcome)
            continue
        changes.append(outcome)
        turn.verdicts[partition] = Committed(_result(work), next_in[partition], applied=False)
    return changes


async def _apply(changes: Sequence[Change], keeper: Keeper, turn: Turn) -> None:
    """Step 5. Whatever happens here, the batch stands: the next snapshot shows whether the store has it."""
    counts: Sequence[int | None] = ()
    if changes:
        with contextlib.suppress(StoreUnavailable):
            counts = await keeper.apply(changes)
    for change, count in zip(changes, counts, strict=False):
        committed = turn.verdicts[change.partition]
        if count is not None and isinstance(committed, Committed):
            turn.verdicts[change.partition] = replace(committed, applied=True)


def _result(work: _Work) -> BatchResult:
    if work.result is None:
        raise RuntimeError("a batch is committed that was not settled")
    return work.result
