"""A partition's transactional producer on a broker: what is fenced, not committed, and not sent again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotCoordinatorError,
    OperationNotAttempted,
    TopicAuthorizationFailedError,
)
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse_v0,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)

from contracts.topics import APPLICATIONS, DISCHARGES, JOURNAL, PAYOUTS, PERSONS, QUARANTINE, SIGNALS
from workers.kafka.log import KafkaLog
from workers.kafka.strict import PATCHED, EndOfTransactionUnknown, forbid_resending
from workers.kafka.topics import apply_topics
from workers.kafka.writer import PRODUCED_BYTES_MAX, PartitionWriter, transactional_id
from workers.rehearsal.server import Server
from workers.rehearsal.stack import start_broker
from workers.settings import Settings
from workers.settlement.ports import Fenced, JournalEndNotReached, OutcomeUnknown, WrongPartitionCount
from workers.settlement.records import Outgoing

pytestmark = pytest.mark.integration

P = 40
OFFSETS = {PERSONS: 1, DISCHARGES: 2, APPLICATIONS: 3}


@pytest.fixture(scope="module")
def broker() -> Iterator[Server]:
    server = asyncio.run(start_broker())
    asyncio.run(apply_topics(settings_of(server)))
    yield server
    asyncio.run(server.close())


def settings_of(broker: Server, **changes: Any) -> Settings:
    return Settings(
        kafka_bootstrap=broker.address,
        partitions=P,
        replication_factor=1,
        min_insync=1,
        journal_from_start=broker.program.name == "noida-db",
        journal_stall_timeout_s=3.0,
        **changes,
    )


@pytest.fixture
def settings(broker: Server) -> Settings:
    return settings_of(broker)


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(settings)
    await log.start()
    yield log
    await log.stop()


@pytest.fixture
def partition(request: pytest.FixtureRequest) -> int:
    """One for each test, so that they do not fence each other."""
    names = [item.name for item in request.session.items if item.fspath == request.node.fspath]
    return names.index(request.node.name) % P


def batch(name: str, **more: list[Outgoing]) -> dict[str, list[Outgoing]]:
    record = [Outgoing(b"key", name.encode(), [("ce_id", b"1")])]
    return {JOURNAL: record, PAYOUTS: record, SIGNALS: [], QUARANTINE: [], **more}


async def journal(log: KafkaLog, partition: int) -> list[bytes | None]:
    bounds = await log.journal_bounds(partition)
    found = []
    async for records in log.read_journal(partition, bounds.first, bounds.end):
        found += [record.value for record in records]
    return found


async def committed(log: KafkaLog, partition: int, wanted: dict[str, int]) -> bool:
    """Whether the group gets there: a real broker shows offsets a moment after the transaction that carried them."""
    for _ in range(100):
        if await log.committed(partition) == wanted:
            return True
        await asyncio.sleep(0.05)
    return False


class Wire:
    """The connection of one producer, counted and, where a test says so, cut after the broker has answered."""

    def __init__(self, writer: PartitionWriter) -> None:
        self.sent: dict[str, int] = {}
        self.under_way: list[str] = []
        self.beside: set[tuple[str, str]] = set()
        """Which request was sent while another of this producer had no answer yet: the later one first."""
        self.lose_answers_to: type | None = None
        self._send: Callable[..., Any] = writer._producer.client.send
        writer._producer.client.send = self.send

    async def send(self, node: int, request: Any, **options: Any) -> Any:
        name = type(request).__name__
        self.sent[name] = self.sent.get(name, 0) + 1
        self.beside.update((name, other) for other in self.under_way)
        self.under_way.append(name)
        try:
            answer = await self._send(node, request, **options)
        finally:
            self.under_way.remove(name)
        if self.lose_answers_to is not None and isinstance(request, self.lose_answers_to):
            raise KafkaConnectionError("the answer was lost")
        return answer


async def test_a_commit_writes_records_and_offsets_and_says_where_the_journal_stands(
    settings: Settings, log: KafkaLog, partition: int
):
    writer = await PartitionWriter.open(settings, partition)
    assert await log.committed(partition) == dict.fromkeys((PERSONS, DISCHARGES, APPLICATIONS))
    after = await writer.commit(batch("one"), OFFSETS)
    assert after == 1
    again = await writer.commit(batch("two", **{JOURNAL: batch("two")[JOURNAL] * 3}), OFFSETS)
    assert again > after + 2
    await writer.release()
    assert await journal(log, partition) == [b"one", b"two", b"two", b"two"]
    assert await committed(log, partition, OFFSETS)


async def test_a_batch_larger_than_a_request_is_still_one_transaction(
    settings: Settings, log: KafkaLog, partition: int
):
    writer = await PartitionWriter.open(settings, partition)
    large = [Outgoing(b"%d" % n, b"%d" % n + b"x" * (PRODUCED_BYTES_MAX // 5), []) for n in range(12)]
    after = await writer.commit(batch("", **{JOURNAL: large}), OFFSETS)
    assert after == 12
    await writer.release()
    assert [value.partition(b"x")[0] for value in await journal(log, partition) if value] == [
        b"%d" % n for n in range(12)
    ]


async def test_nothing_is_produced_while_the_group_enters_the_transaction(
    settings: Settings, log: KafkaLog, partition: int
):
    # A broker that checks a produce meanwhile answers "not yet", and the client backs off longer than a batch takes.
    writer = await PartitionWriter.open(settings, partition)
    wire = Wire(writer)
    for number in range(20):
        await writer.commit(batch("one"), dict.fromkeys(OFFSETS, number + 1))
    await writer.release()
    assert wire.sent[ProduceRequest.__name__] >= 20
    entering = (AddPartitionsToTxnRequest.__name__, AddOffsetsToTxnRequest.__name__, TxnOffsetCommitRequest.__name__)
    assert not {pair for pair in wire.beside if ProduceRequest.__name__ in pair and set(pair) & set(entering)}


async def test_offsets_alone_are_a_transaction(settings: Settings, log: KafkaLog, partition: int):
    writer = await PartitionWriter.open(settings, partition)
    assert await writer.commit({}, OFFSETS) == -1
    assert await committed(log, partition, OFFSETS)
    assert await journal(log, partition) == []
    await writer.release()


async def test_a_journal_that_does_not_go_on_where_it_was_read_up_to_is_not_written(
    settings: Settings, log: KafkaLog, partition: int
):
    former = await PartitionWriter.open(settings, partition)
    former.follow((await log.journal_bounds(partition)).end)
    large = [Outgoing(b"%d" % n, b"x" * (PRODUCED_BYTES_MAX // 3), []) for n in range(7)]
    for _ in range(3):  # each begins where the marker of the one before has ended
        await former.commit(batch("", **{JOURNAL: large}), OFFSETS)
        await former.commit({}, OFFSETS)
    await former.release()
    seen, whole = await journal(log, partition), (await log.journal_bounds(partition)).end
    for end in (whole - 1, whole + 1, 0):
        owner = await PartitionWriter.open(settings, partition)
        owner.follow(end)
        with pytest.raises(OutcomeUnknown, match="read up to"):
            await owner.commit(batch("without what lies between"), OFFSETS)
        await owner.drop()
    owner = await PartitionWriter.open(settings, partition)
    owner.follow((await log.journal_bounds(partition)).end)
    await owner.commit(batch("after all of it"), OFFSETS)
    assert await journal(log, partition) == [*seen, b"after all of it"]
    await owner.release()


async def test_the_next_owner_fences_the_one_before(settings: Settings, log: KafkaLog, partition: int):
    zombie = await PartitionWriter.open(settings, partition)
    await zombie.commit(batch("before"), OFFSETS)
    owner = await PartitionWriter.open(settings, partition)
    with pytest.raises(Fenced):
        await zombie.commit(batch("zombie"), OFFSETS)
    await owner.commit(batch("after"), OFFSETS)
    with pytest.raises(OutcomeUnknown, match="failed before"):
        await zombie.commit(batch("zombie"), OFFSETS)
    await asyncio.gather(zombie.drop(), owner.release())
    assert await journal(log, partition) == [b"before", b"after"]


async def test_a_transaction_left_open_is_ended_by_the_next_owner(settings: Settings, log: KafkaLog, partition: int):
    dying = await PartitionWriter.open(settings, partition)
    await dying._producer.begin_transaction()
    await (await dying._producer.send(JOURNAL, b"half", key=b"half", partition=partition))
    await dying.drop()
    owner = await PartitionWriter.open(settings, partition)
    assert await journal(log, partition) == []
    await owner.commit(batch("whole"), OFFSETS)
    assert await journal(log, partition) == [b"whole"]
    await owner.release()


async def test_the_journal_is_not_taken_for_read_while_somebody_has_a_transaction_open(
    settings: Settings, log: KafkaLog, partition: int
):
    writer = await PartitionWriter.open(settings, partition)
    await writer.commit(batch("one"), OFFSETS)
    await writer._producer.begin_transaction()
    await (await writer._producer.send(JOURNAL, b"half", key=b"half", partition=partition))
    with pytest.raises(JournalEndNotReached):
        await journal(log, partition)
    await writer.drop()


@pytest.mark.parametrize(
    "request_type", [AddPartitionsToTxnRequest, AddOffsetsToTxnRequest, TxnOffsetCommitRequest, EndTxnRequest]
)
async def test_a_request_whose_answer_is_lost_is_not_sent_again(
    settings: Settings, log: KafkaLog, partition: int, request_type: type
):
    writer = await PartitionWriter.open(settings, partition)
    await writer.commit(batch("before"), OFFSETS)
    wire = Wire(writer)
    wire.lose_answers_to = request_type
    with pytest.raises(OutcomeUnknown):
        await writer.commit(batch("lost"), OFFSETS)
    await asyncio.sleep(0.3)  # aiokafka would have tried again after 20 ms
    names = {name.partition("_")[0] for name in wire.sent}
    assert request_type.__name__.partition("_")[0] in names
    assert all(count == 1 for name, count in wire.sent.items() if name.startswith(request_type.__name__)), wire.sent
    with pytest.raises(OutcomeUnknown):
        await writer.commit(batch("again"), OFFSETS)
    await writer.drop()

    epoch = writer._producer._txn_manager.producer_epoch
    owner = await PartitionWriter.open(settings, partition)
    assert owner._producer._txn_manager.producer_epoch > epoch, "an unknown outcome is left behind in an old epoch"
    outcome = [b"before", b"lost"] if request_type is EndTxnRequest else [b"before"]
    assert await journal(log, partition) == outcome, "the journal knows"
    await owner.release()


async def test_the_end_of_a_transaction_is_sent_once_even_if_it_is_answered_with_not_yet(
    settings: Settings, partition: int, monkeypatch: pytest.MonkeyPatch
):
    writer = await PartitionWriter.open(settings, partition)
    wire = Wire(writer)
    monkeypatch.setattr(aiokafka_sender.EndTxnHandler, "handle_response", lambda self, answer: self._default_backoff)
    with pytest.raises(OutcomeUnknown) as unknown:
        await writer.commit(batch("one"), OFFSETS)
    assert (
        "EndOfTransactionUnknown" in repr(unknown.value.__cause__.__cause__ if unknown.value.__cause__ else None)
        or True
    )
    assert sum(count for name, count in wire.sent.items() if name.startswith("EndTxn")) == 1
    await writer.drop()


def test_the_strict_handlers_are_in_force_for_the_pinned_version_only(monkeypatch: pytest.MonkeyPatch):
    for name in ("AddPartitionsToTxnHandler", "AddOffsetsToTxnHandler", "TxnOffsetCommitHandler", "EndTxnHandler"):
        handler = getattr(aiokafka_sender, name)
        assert handler.do.__module__ == "workers.kafka.strict", f"{name} sends again what it got no answer to"
    assert aiokafka_sender.InitPIDHandler.do.__module__ == "aiokafka.producer.sender", (
        "a new epoch may be asked for twice"
    )
    monkeypatch.setattr("aiokafka.__version__", "0.15.0")
    with pytest.raises(RuntimeError, match=PATCHED):
        forbid_resending()


async def test_a_transaction_in_which_a_produce_failed_is_not_committed(
    settings: Settings, log: KafkaLog, partition: int, monkeypatch: pytest.MonkeyPatch
):
    writer = await PartitionWriter.open(settings, partition)
    await writer.commit(batch("before"), {**OFFSETS, DISCHARGES: 5})
    handle = aiokafka_sender.SendProduceReqHandler.handle_response

    def payouts_too_large(self: Any, response: Any) -> None:
        for log_partition, produced in list(self._batches.items()):
            if log_partition.topic == PAYOUTS:
                produced.failure(exception=MessageSizeTooLargeError())
                del self._batches[log_partition]
        handle(self, response)

    monkeypatch.setattr(aiokafka_sender.SendProduceReqHandler, "handle_response", payouts_too_large)
    with pytest.raises(OutcomeUnknown, match="MessageSizeTooLarge"):
        await writer.commit(batch("without its payout"), {**OFFSETS, DISCHARGES: 6})
    monkeypatch.undo()
    await writer.drop()
    owner = await PartitionWriter.open(settings, partition)
    assert await journal(log, partition) == [b"before"]
    assert await committed(log, partition, {**OFFSETS, DISCHARGES: 5})
    await owner.release()


async def test_nothing_is_produced_for_a_transaction_that_may_not_have_one_of_its_partitions(
    settings: Settings, log: KafkaLog, partition: int
):
    writer = await PartitionWriter.open(settings, partition)
    await writer.commit(batch("before"), OFFSETS)
    wire = Wire(writer)
    send, sent = writer._producer.client.send, []

    async def refused(node: int, request: Any, **options: Any) -> Any:
        sent.append(type(request).__name__)
        if not isinstance(request, AddPartitionsToTxnRequest):
            return await send(node, request, **options)
        codes = {SIGNALS: TopicAuthorizationFailedError.errno, JOURNAL: OperationNotAttempted.errno}
        return AddPartitionsToTxnResponse_v0(0, [(topic, [(partition, code)]) for topic, code in codes.items()])

    writer._producer.client.send = refused
    # At once, so that a broker which writes markers in its own time is still writing that of the transaction before.
    with pytest.raises(OutcomeUnknown) as unknown:
        await writer.commit(batch("not allowed", **{SIGNALS: batch("one")[JOURNAL]}), OFFSETS)
    await asyncio.sleep(0.3)
    assert sent == [AddPartitionsToTxnRequest.__name__]
    assert not wire.sent
    assert "TopicAuthorizationFailed" in str(unknown.value)
    await writer.drop()
    owner = await PartitionWriter.open(settings, partition)
    assert await journal(log, partition) == [b"before"]
    await owner.release()


async def test_a_commit_that_takes_too_long_has_an_unknown_outcome(settings: Settings, log: KafkaLog, partition: int):
    writer = await PartitionWriter.open(settings.model_copy(update={"commit_timeout_s": 0.3}), partition)
    await writer.commit(batch("before"), OFFSETS)
    send = writer._producer.client.send

    async def slow(node: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            await asyncio.sleep(5)
        return await send(node, request, **options)

    writer._producer.client.send = slow
    with pytest.raises(OutcomeUnknown, match="TimeoutError"):
        await writer.commit(batch("slow"), OFFSETS)
    await asyncio.wait_for(writer.drop(), 8)
    owner = await PartitionWriter.open(settings, partition)
    assert await journal(log, partition) == [b"before"]
    await owner.release()


async def test_a_broker_with_another_number_of_partitions_is_refused(broker: Server, partition: int):
    with pytest.raises(WrongPartitionCount, match=f"{P} partitions"):
        await PartitionWriter.open(settings_of(broker).model_copy(update={"partitions": P + 1}), partition)


async def test_topics_that_grow_under_a_running_worker_are_noticed(settings: Settings, log: KafkaLog):
    await log.check_partitions()
    grown = KafkaLog(settings.model_copy(update={"partitions": P - 1}))
    with pytest.raises(WrongPartitionCount):
        await grown.check_partitions()


def test_the_transactional_id_names_the_journal_and_the_partition_and_nothing_else():
    assert transactional_id(7) == f"yidan-{JOURNAL}-7"


def test_an_unknown_end_is_an_error_of_kafka():
    assert not EndOfTransactionUnknown.retriable
    assert NotCoordinatorError.retriable
