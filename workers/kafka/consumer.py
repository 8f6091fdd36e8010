"""The consumer that all of ours are: aiokafka's, which asks again at once after every answer, made to take its time."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

ANSWER_SECONDS_LEAST: Final = 0.01
"""How long a fetch that brings nothing takes at least."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Waits a moment before it asks again for what is not there.

    Kafka holds a fetch until there is something, or its time is over. The embedded broker says at once that there is
    nothing, as does any broker that has an error for every partition, and would be asked thousands of times a second: a
    whole core for each consumer that has nothing to do.
    """

    async def start(self) -> None:
        """As aiokafka's."""
        await super().start()
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
