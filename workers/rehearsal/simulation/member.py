"""One simulated worker: `workers.worker.Worker` as it ships, with clients in memory, in a process that may die."""

import asyncio
from collections.abc import Callable
from typing import Any

from contracts.topics import TOPICS
from workers.kafka.inputs import Inputs
from workers.kafka.log import KafkaLog
from workers.rehearsal.simulation.broker import Broker
from workers.rehearsal.simulation.consumer import MemoryConsumer
from workers.rehearsal.simulation.faults import Faults
from workers.rehearsal.simulation.loop import Process, VirtualLoop
from workers.rehearsal.simulation.producer import MemoryProducer
from workers.rehearsal.simulation.shared import OURS, metrics, new_batch, settings
from workers.rehearsal.simulation.store import MemoryKeeper, Store
from workers.settings import Settings
from workers.worker import Equipment, Worker


class MemoryClients:
    """Clients of the broker in memory, for one process."""

    def __init__(self, broker: Broker, faults: Faults) -> None:
        self._broker = broker
        self._faults = faults

    def consumer(self, **options: Any) -> MemoryConsumer:
        """As `AIOKafkaConsumer`."""
        return MemoryConsumer(self._broker, self._faults, **options)

    def producer(self, **options: Any) -> MemoryProducer:
        """As `AIOKafkaProducer`."""
        return MemoryProducer(self._broker, self._faults, **options)

    async def partition_counts(self, settings: Settings) -> dict[str, int]:
        """As many as the broker was made with."""
        return {topic.name: self._broker.partitions for topic in TOPICS}

    async def refusal(self, settings: Settings) -> None:
        """A broker that is away has no reasons."""


class NoPage:
    """Nobody asks how a simulated worker is."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def start(self) -> str:
        """Nowhere."""
        return "nowhere"

    async def stop(self) -> None:
        """Nothing to stop."""


class Member:
    """A worker in its process."""

    def __init__(
        self,
        loop: VirtualLoop,
        name: str,
        broker: Broker,
        store: Store,
        faults_of: Callable[[Process], Faults],
        group: str = OURS,
    ) -> None:
        self.name = name
        self.group = group
        self.process = Process(loop, name)
        faults = faults_of(self.process)
        self.keeper = MemoryKeeper(store, faults)
        self.told_to_end = asyncio.Event()
        given = settings(group)
        clients = MemoryClients(broker, faults)
        inputs = Inputs(given, clients)
        self.consumer: MemoryConsumer = inputs._consumer
        equipment = Equipment(KafkaLog(given, clients), inputs, self.keeper, metrics(), NoPage, loop.time)
        self.worker = Worker(given, self.told_to_end, new_batch(), equipment)
        self.task = self.process.start(self.worker.run())

    @property
    def states(self) -> dict[int, Any]:
        """Where each of its partitions stands."""
        return self.worker._seats.states()
