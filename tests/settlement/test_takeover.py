"""Taking over, birth, the witnesses, and the repair of a store that has lost something."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.journal import HEADER_KEY, Header, write_header
from contracts.topics import APPLICATIONS, DISCHARGES, INPUTS, JOURNAL, PAYOUTS, PERSONS
from tests.settlement.memory import Faults
from tests.settlement.world import TERMS, P, World, forge
from workers.kafka.writer import transactional_id
from workers.settlement import takeover
from workers.settlement.ports import (
    Fenced,
    JournalEndNotReached,
    OutcomeUnknown,
    PartitionMustStop,
    StopReason,
)
from workers.settlement.records import Outgoing
from workers.settlement.takeover import Terms, take_over


@pytest.fixture
def world() -> World:
    return World()


async def stops(world: World) -> StopReason:
    before = (dict(world.broker.group), {p: dict(h) for p, h in world.keeper.store.hashes.items()}, world.headers())
    with pytest.raises(PartitionMustStop) as stop:
        await world.take()
    after = (dict(world.broker.group), {p: dict(h) for p, h in world.keeper.store.hashes.items()}, world.headers())
    assert before == after, "a partition that stops must change nothing"
    return stop.value.reason


# ── birth ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_new_partition_is_born_with_header_0_at_the_earliest_offsets(world: World):
    world.broker.logs[DISCHARGES, 1] = [*world.broker.logs[DISCHARGES, 1]]
    for number in range(5):
        world.broker.send(DISCHARGES, 1, b"a", b"%d" % number)
    world.broker.first[DISCHARGES, 1] = 3
    held = await world.take()
    assert held.header == Header(
        lineage="L",
        group="g",
        partitions=P,
        seq=0,
        next_in={PERSONS: 0, DISCHARGES: 3, APPLICATIONS: 0},
        n=0,
        prev_hash="",
    )
    assert world.headers() == [held.header]
    assert world.broker.group == {("g", topic, 1): offset for topic, offset in held.header.next_in.items()}
    assert world.keeper.store.hashes[1] == {HEADER_KEY: held.watermark}


async def test_an_empty_journal_with_a_group_offset_stops(world: World):
    world.broker.group["g", PERSONS, 1] = 0
    assert await stops(world) is StopReason.JOURNAL_IS_EMPTY_BUT_NOT_NEW


async def test_an_empty_journal_with_a_store_that_remembers_stops(world: World):
    world.keeper.store.hashes[1] = {b"p|a": b"1"}
    assert await stops(world) is StopReason.JOURNAL_IS_EMPTY_BUT_NOT_NEW
    world.keeper.store.hashes[1] = {HEADER_KEY: b"anything"}
    assert await stops(world) is StopReason.JOURNAL_IS_EMPTY_BUT_NOT_NEW


async def test_a_birth_that_was_aborted_is_as_if_it_had_not_been(world: World):
    class LostBeforeCommit(Faults):
        async def strike(self, where: str) -> None:
            if where == "commit":
                raise OutcomeUnknown

    with pytest.raises(OutcomeUnknown):
        await world.take(LostBeforeCommit())
    held = await world.take()
    assert [header.seq for header in world.headers()] == [0]
    assert held.header.seq == 0


async def test_a_birth_whose_answer_was_lost_is_found_in_the_journal(world: World):
    class AnswerLost(Faults):
        async def lose_answer(self, where: str) -> None:
            if where == "commit":
                raise OutcomeUnknown

    with pytest.raises(OutcomeUnknown):
        await world.take(AnswerLost())
    await world.take()
    assert [header.seq for header in world.headers()] == [0]


# ── going on ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_next_owner_goes_on_where_the_journal_stands_and_reads_nothing_twice(world: World):
    held = await world.take()
    await world.settle(held, "1", "2")
    await world.settle(held, "3")
    next_held = await world.take()
    assert (next_held.header, next_held.watermark) == (held.header, held.watermark)
    assert (world.restored.rebuilt, world.restored.replayed) == (False, 0)


async def test_the_former_owner_is_fenced_at_its_next_commit(world: World):
    held = await world.take()
    await world.settle(held, "1")
    await world.take()
    with pytest.raises(Fenced):
        await held.writer.commit({PAYOUTS: [Outgoing(b"a", b"again", [])]}, {DISCHARGES: 2})
    assert world.payouts() == 1


async def test_nothing_is_read_before_the_former_owner_is_fenced(world: World):
    held = await world.take()
    await world.settle(held, "1")
    before = dict(world.keeper.store.hashes[1])

    class CommitsAtTheLastMoment(Faults):
        async def strike(self, where: str) -> None:
            if where == "open":
                await world.settle(held, "2")
                world.keeper.store.hashes[1] = before  # and dies before the store has it

    next_held = await world.take(CommitsAtTheLastMoment())
    assert next_held.header.seq == 2
    assert world.stored() == world.fields()


async def test_headers_follow_one_another_by_number_and_by_hash(world: World):
    held = await world.take()
    for number in "123":
        await world.settle(held, number)
    headers = world.headers()
    assert [header.seq for header in headers] == [0, 1, 2, 3]
    assert [header.n for header in headers] == [0, 2, 3, 4]
    assert len({header.prev_hash for header in headers}) == 4


async def test_a_store_one_batch_behind_is_brought_forward_without_a_rebuild(world: World):
    held = await world.take()
    await world.settle(held, "1")
    await world.settle(held, "2")
    world.keeper.store.lose_tail(1)
    await world.take()
    assert (world.restored.rebuilt, world.restored.replayed) == (False, 2)
    assert world.stored() == world.fields()


@pytest.mark.parametrize("harm", ["flush", "field", "garbage", "foreign", "other value"])
async def test_a_store_that_cannot_be_trusted_is_rebuilt(world: World, harm: str):
    held = await world.take()
    for number in range(10):
        await world.settle(held, str(number))
    hashes = world.keeper.store.hashes
    match harm:
        case "flush":
            world.keeper.store.flush()
        case "field":
            world.keeper.store.lose_field(1, 3)
        case "garbage":
            hashes[1] = {**hashes[1], HEADER_KEY: b"12 what"}
        case "foreign":
            other = write_header(replace(held.header, lineage="M"))
            hashes[1] = {**hashes[1], HEADER_KEY: held.watermark.partition(b" ")[0] + b" " + other}
        case "other value":
            hashes[1] = {b"p|z": b"9", HEADER_KEY: b"1 " + write_header(replace(held.header, lineage="M", seq=99, n=1))}
    await world.take()
    assert world.restored.rebuilt
    assert world.stored() == world.fields()
    assert world.keeper.store.hashes[1][HEADER_KEY] == held.watermark


async def test_where_compaction_has_passed_between_store_and_journal_the_store_is_rebuilt(world: World):
    held = await world.take()
    await world.settle(held, "1")
    behind = dict(world.keeper.store.hashes[1])
    for number in "2345":
        await world.settle(held, number)
    whole = world.fields()
    for upto in range(len(world.broker.logs[JOURNAL, 1]) - 2):
        world.broker.compact(1, upto)
        world.keeper.store.hashes[1] = dict(behind)
        await world.take()
        assert world.stored() == whole, f"compacted up to {upto}"
    assert world.restored.rebuilt


async def test_the_journals_end_is_that_of_everything_written_and_not_reaching_it_is_an_error(world: World):
    held = await world.take()
    await world.settle(held, "1")
    await held.writer.commit({}, {DISCHARGES: 1})
    world.broker.write("somebody-else", world.broker.new_epoch("somebody-else"), JOURNAL, 1, [Outgoing(b"x", b"y", [])])
    world.keeper.store.flush()
    with pytest.raises(JournalEndNotReached):
        await world.take()


# ── witnesses ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("topic", INPUTS)
async def test_a_group_ahead_of_the_journal_stops(world: World, topic: str):
    held = await world.take()
    await world.settle(held, "1")
    world.broker.group["g", topic, 1] = held.header.next_in[topic] + 1
    assert await stops(world) is StopReason.GROUP_IS_AHEAD_OF_JOURNAL


@pytest.mark.parametrize("topic", INPUTS)
async def test_a_group_behind_the_journal_or_without_an_offset_is_set_right(world: World, topic: str):
    held = await world.take()
    await world.settle(held, "1")
    for offset in (0, None):
        if offset is None:
            del world.broker.group["g", topic, 1]
        else:
            world.broker.group["g", topic, 1] = offset
        await world.take()
        assert world.broker.group == {("g", name, 1): next_in for name, next_in in held.header.next_in.items()}
        assert world.headers()[-1] == held.header, "no batch was invented for it"


async def test_a_store_ahead_of_the_journal_stops(world: World):
    held = await world.take()
    await world.settle(held, "1")
    log = list(world.broker.logs[JOURNAL, 1])
    group = dict(world.broker.group)
    await world.settle(held, "2")
    world.broker.logs[JOURNAL, 1], world.broker.group = log, group  # acknowledged, and lost by the broker
    assert await stops(world) is StopReason.STORE_IS_AHEAD_OF_JOURNAL


async def test_an_input_whose_next_record_is_gone_stops(world: World):
    held = await world.take()
    await world.settle(held, "1")
    world.broker.send(DISCHARGES, 1, b"a", b"x")
    world.broker.send(DISCHARGES, 1, b"a", b"x")
    world.broker.first[DISCHARGES, 1] = 2
    assert await stops(world) is StopReason.INPUT_IS_LOST


async def test_an_input_that_ends_before_what_was_consumed_stops(world: World):
    held = await world.take()
    await world.settle(held, "1", "2")
    del world.broker.logs[DISCHARGES, 1][1:]
    assert await stops(world) is StopReason.INPUT_IS_LOST


async def test_somebody_who_takes_over_while_we_read_does_not_make_the_group_look_ahead(world: World):
    held = await world.take()
    await world.settle(held, "1")

    class TakenOver(Faults):
        """Another owner commits a batch between any two of our requests, once."""

        def __init__(self, at: int) -> None:
            self.left = at

        async def strike(self, where: str) -> None:
            self.left -= where != "open"
            if self.left == 0:
                await world.settle(await world.take(), str(len(world.headers())))

    for at in range(1, 8):
        with pytest.raises(Fenced):  # at once or at its first commit, but no verdict
            late = await world.take(TakenOver(at))
            await late.writer.commit({PAYOUTS: [Outgoing(b"a", b"late", [])]}, late.header.next_in)


async def test_a_verdict_that_stops_is_reached_twice_and_the_second_time_under_another_epoch(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    restore, looks = takeover._restore, []

    async def wrong_at_first(*arguments: Any, **more: Any) -> takeover.Restored:
        looks.append(world.broker.epochs[transactional_id(1)])
        if len(looks) == 1:
            raise PartitionMustStop(StopReason.JOURNAL_IS_BROKEN, "it looked so")
        return await restore(*arguments, **more)

    monkeypatch.setattr(takeover, "_restore", wrong_at_first)
    await world.take()
    assert looks == [0, 1]


# ── journals of others ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        (replace(TERMS, group="h"), StopReason.JOURNAL_IS_OF_ANOTHER_GROUP),
        (replace(TERMS, partitions=3), StopReason.JOURNAL_HAS_OTHER_PARTITIONS),
    ],
)
async def test_a_journal_is_refused_to_another_group_and_to_another_number_of_partitions(
    world: World, terms: Terms, reason: StopReason
):
    await world.settle(await world.take(), "1")
    with pytest.raises(PartitionMustStop) as stop:
        await take_over(1, world.log, world.keeper, terms)
    assert stop.value.reason is reason


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 2, "prev_hash": "0" * 64},
        {"seq": 1},
        {"seq": 2, "lineage": "M"},
        {"seq": 2, "next_in": {PERSONS: 0, DISCHARGES: 0, APPLICATIONS: 0}},
    ],
)
@pytest.mark.parametrize("flushed", [False, True])
async def test_a_header_that_does_not_follow_the_one_before_stops(
    world: World, change: dict[str, object], flushed: bool
):
    held = await world.take()
    await world.settle(held, "1")
    good = world.headers()
    forge(world, replace(held.header, **change))  # type: ignore[arg-type]
    if flushed:
        world.keeper.store.flush()
    with pytest.raises(PartitionMustStop) as stop:
        await world.take()
    assert stop.value.reason is StopReason.JOURNAL_IS_BROKEN
    assert len(good) == 2


async def test_a_journal_that_does_not_end_in_a_header_stops(world: World):
    held = await world.take()
    await held.writer.commit({JOURNAL: [Outgoing(b"p|a", b"1", [])]}, {})
    assert await stops(world) is StopReason.JOURNAL_IS_BROKEN
    world.keeper.store.flush()
    assert await stops(world) is StopReason.JOURNAL_IS_BROKEN


async def test_a_journal_that_holds_another_number_of_fields_than_it_says_stops(world: World):
    held = await world.take()
    await world.settle(held, "1")
    forge(world, replace(held.header, seq=9, n=7))
    world.keeper.store.flush()
    with pytest.raises(PartitionMustStop) as stop:
        await world.take()
    assert stop.value.reason is StopReason.JOURNAL_COUNT_IS_WRONG


async def test_a_journal_of_a_later_version_stops(world: World):
    held = await world.take()
    forge(world, replace(held.header, seq=1, format=99))
    assert await stops(world) is StopReason.JOURNAL_FORMAT_IS_UNKNOWN
