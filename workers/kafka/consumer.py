"""The consumer that all of ours are: aiokafka's, made to take its time and to hear a broker that refuses."""

import asyncio
from typing import Any, Final, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import (
    KafkaConnectionError,
    NotCoordinatorForGroupError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.structs import BrokerMetadata

ANSWER_SECONDS_LEAST: Final = 0.01
"""How long a fetch that brings nothing takes at least."""


def _ends_an_abort(_: PartitionRecords, batch: Any) -> bool:
    """Whether a batch of markers ends the transaction that is skipped.

    Compaction may leave a batch without its marker, where nothing else would say which epoch wrote last. aiokafka 0.14
    takes it for a log that cannot be read, for ever. Whatever it said, it ended its producer's transaction.
    """
    marker = next(batch, None)
    return marker is None or ControlRecord.parse(marker.key) == ABORT_MARKER


PartitionRecords._contains_abort_marker = _ends_an_abort


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Waits a moment before it asks again for what is not there.

    Kafka holds a fetch until there is something, or its time is over. The embedded broker says at once that there is
    nothing, as does any broker that has an error for every partition, and would be asked thousands of times a second: a
    whole core for each consumer that has nothing to do.

    And takes "I do not know" for what it is. A broker that is still loading a group, or is not its coordinator, answers
    a question for its offsets with an error and no partitions. aiokafka 0.14 reads the errors of partitions only and
    finds that the group has never committed: a witness against a journal that has lost its end would be silent. Nor
    does a partition that is not in the answer, or that the broker does not know, mean anything.

    And says so when it can read no more: aiokafka's own task for fetching may end by an error, and nothing would be
    found for ever after.

    And asks the addresses that it was given where no broker that it knows answers. aiokafka knows a cluster by the
    addresses that its brokers had last, and would wait for ever for one that has come back under others. Another
    cluster that answers there is not listened to: its offsets mean something else.
    """

    _cluster_id: str | None = None
    _strange_id: str | None = None

    async def start(self) -> None:
        """As aiokafka's."""
        self._listen_to_one_cluster()
        await super().start()
        self._ask_patiently()
        self._begin_again_at_the_given_addresses()
        if self._group_id is not None:
            self._hear_refusals()

    async def getmany(self, *logs: TopicPartition, **options: Any) -> dict[TopicPartition, list[Any]]:
        """As aiokafka's. Raises what has ended its task for fetching, and where another cluster answers."""
        if self._strange_id is not None:
            raise KafkaConnectionError(f"cluster {self._strange_id} answers, it was {self._cluster_id}")
        fetching = self._fetcher.error_future
        if fetching.done():
            fetching.result()
        found: dict[TopicPartition, list[Any]] = await super().getmany(*logs, **options)
        return found

    def stands_at(self, log: TopicPartition) -> int | None:
        """As `position`, of a partition that is assigned, without waiting: None where it is not known yet."""
        state: Any = self._subscription.subscription.assignment.state_value(log)
        return state.position if state.has_valid_position else None

    def heard_at(self, log: TopicPartition) -> float:
        """When the broker last answered a fetch of a partition without an error, in seconds of the clock; 0: never."""
        return (self.last_poll_timestamp(log) or 0) / 1_000

    def check_group(self) -> None:
        """Raises what keeps us out of the group; counts as having asked for records."""
        self._coordinator.check_errors()
        with self._subscription.fetch_context():
            pass

    def _hear_refusals(self) -> None:
        coordinator: Any = self._coordinator
        send = coordinator._send_req

        async def send_and_hear(request: Any) -> Any:
            response = await send(request)
            if isinstance(request, OffsetFetchRequest) and (refusal := _refusal(request, response)) is not None:
                if refusal is NotCoordinatorForGroupError:
                    coordinator.coordinator_dead()
                raise refusal("the broker was asked what the group has consumed")  # caught, and asked again, if it may
            return response

        coordinator._send_req = send_and_hear

    def _listen_to_one_cluster(self) -> None:
        cluster: Any = self._client.cluster
        learn = cluster.update_metadata

        def learn_of_ours(metadata: Any) -> None:
            told = getattr(metadata, "cluster_id", None) or self._cluster_id
            self._cluster_id = self._cluster_id or told
            self._strange_id = told if told != self._cluster_id else None
            if self._strange_id is None:
                learn(metadata)

        cluster.update_metadata = learn_of_ours

    def _begin_again_at_the_given_addresses(self) -> None:
        client: Any = self._client
        ask = client._metadata_update
        hosts = [(f"bootstrap-{number}", host, port) for number, (host, port, _) in enumerate(client.hosts)]
        given = {name: BrokerMetadata(name, host, port, None) for name, host, port in hosts}

        async def ask_all(cluster: Any, topics: Any) -> bool:
            if await ask(cluster, topics):
                return True
            known, cluster._brokers, cluster._bootstrap_brokers = cluster._brokers, {}, given
            try:
                found: bool = await ask(cluster, topics)
            finally:
                cluster._brokers = cluster._brokers or known
            return found

        client._metadata_update = ask_all

    def _ask_patiently(self) -> None:
        fetcher: Any = self._fetcher
        ask = fetcher._proc_fetch_request

        async def ask_patiently(*what: Any) -> bool:
            clock = asyncio.get_running_loop()
            asked = clock.time()
            found = False
            try:
                found = await ask(*what)
                if not found:
                    await asyncio.sleep(asked + ANSWER_SECONDS_LEAST - clock.time())
            except asyncio.CancelledError:
                # Whoever cancels it awaits it without a net: it would seem that the one who stops the consumer was
                # cancelled. The method that is wrapped knows this too, but not while it waits after a failure.
                pass
            return found

        fetcher._proc_fetch_request = ask_patiently


def _refusal(request: Any, response: Any) -> type[Exception] | None:
    """What keeps an answer from being one: an error of it as a whole, or a partition of which it says nothing."""
    if code := getattr(response, "error_code", 0):
        return cast("type[Exception]", for_code(code))
    told = {
        (topic, partition)
        for topic, partitions in response.topics
        for partition, *_, code in partitions
        if for_code(code) is not UnknownTopicOrPartitionError
    }
    asked = {(topic, partition) for topic, partitions in request._partitions for partition in partitions}
    return None if asked <= told else UnknownTopicOrPartitionError
