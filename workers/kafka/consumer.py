"""The consumer that all of ours are: aiokafka's, made to take its time and to hear a broker that refuses."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

ANSWER_SECONDS_LEAST: Final = 0.01
"""How long a fetch that brings nothing takes at least."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Waits a moment before it asks again for what is not there.

    Kafka holds a fetch until there is something, or its time is over. The embedded broker says at once that there is
    nothing, as does any broker that has an error for every partition, and would be asked thousands of times a second: a
    whole core for each consumer that has nothing to do.

    And takes "I do not know" for what it is. A broker that is still loading a group, or is not its coordinator, answers
    a question for its offsets with an error and no partitions. aiokafka 0.14 reads the errors of partitions only and
    finds that the group has never committed: a witness against a journal that has lost its end would be silent.
    """

    async def start(self) -> None:
        """As aiokafka's."""
        await super().start()
        self._ask_patiently()
        if self._group_id is not None:
            self._hear_refusals()

    def stands_at(self, log: TopicPartition) -> int | None:
        """As `position`, of a partition that is assigned, without waiting: None where it is not known yet."""
        state: Any = self._subscription.subscription.assignment.state_value(log)
        return state.position if state.has_valid_position else None

    def _hear_refusals(self) -> None:
        coordinator: Any = self._coordinator
        send = coordinator._send_req

        async def send_and_hear(request: Any) -> Any:
            response = await send(request)
            if isinstance(request, OffsetFetchRequest) and (code := getattr(response, "error_code", 0)):
                refusal = for_code(code)
                if refusal is NotCoordinatorForGroupError:
                    coordinator.coordinator_dead()
                raise refusal("the broker was asked what the group has consumed")  # caught, and asked again, if it may
            return response

        coordinator._send_req = send_and_hear

    def _ask_patiently(self) -> None:
        fetcher: Any = self._fetcher
        ask = fetcher._proc_fetch_request

        async def ask_patiently(*what: Any) -> bool:
            clock = asyncio.get_running_loop()
            asked = clock.time()
            found: bool = await ask(*what)
            try:
                if not found:
                    await asyncio.sleep(asked + ANSWER_SECONDS_LEAST - clock.time())
            except asyncio.CancelledError:
                pass  # as the method that is wrapped: whoever cancels it awaits it without a net
            return found

        fetcher._proc_fetch_request = ask_patiently
