"""Where a worker's Kafka clients come from: aiokafka, or a rehearsal that stands in for it.

Everything that a worker asks of the broker it asks through one of these, so whoever puts others in their place
has the whole of `workers.kafka` running on a broker of their own.
"""

from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer

from workers.kafka.consumer import Consumer
from workers.kafka.refusal import BrokerRefuses, refusal
from workers.kafka.topics import partition_counts
from workers.settings import Settings


class Clients(Protocol):
    """Makes clients. What they take and what they answer is aiokafka's."""

    def consumer(self, **options: Any) -> Any:
        """As `AIOKafkaConsumer`."""

    def producer(self, **options: Any) -> Any:
        """As `AIOKafkaProducer`."""

    async def partition_counts(self, settings: Settings) -> dict[str, int]:
        """How many partitions each of our topics has."""

    async def refusal(self, settings: Settings) -> BrokerRefuses | None:
        """Why the broker does not take us, after it did not."""


class Aiokafka:
    """Those of a running worker."""

    def consumer(self, **options: Any) -> Any:
        """Not connected yet."""
        return Consumer(**options)

    def producer(self, **options: Any) -> Any:
        """Not connected yet."""
        return AIOKafkaProducer(**options)

    async def partition_counts(self, settings: Settings) -> dict[str, int]:
        """Asks the broker."""
        return await partition_counts(settings)

    async def refusal(self, settings: Settings) -> BrokerRefuses | None:
        """Tries to connect by hand."""
        return await refusal(settings)


AIOKAFKA: Final = Aiokafka()
