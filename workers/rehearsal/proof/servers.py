"""The servers of a proof: Kafka and Redis behind proxies, workers in a real consumer group, snapshots of Redis."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import SecretStr
from redis.asyncio import Redis

from contracts.topics import INPUTS
from workers.kafka.consumer import Consumer
from workers.kafka.topics import apply_topics
from workers.rehearsal.apache import Proxied, apache_kafka
from workers.rehearsal.proof.proxy import Proxy
from workers.rehearsal.server import HOST, PORTS_TRIED_MAX, RehearsalFailed, Server, is_free
from workers.rehearsal.stack import redis
from workers.rehearsal.worker_process import worker_program
from workers.settings import Settings

KAFKA_PORT: Final = 23_092
BEHIND_PORT: Final = 24_092
REDIS_PORT: Final = 26_379
WORKERS_PORT: Final = 29_564
"""The first of a hundred that are tried. Out of the way of everything else that the project starts, and of the ports
that connections get by themselves: whoever is killed must find his own free when he comes back."""

RESTARTS_MAX: Final = 3
RESTART_AGAIN_SECONDS: Final = 2.0
GROUP_SECONDS_MAX: Final = 3.0

PATIENCE: Final[Mapping[str, float]] = {
    "session_timeout_s": 4.0,
    "rebalance_timeout_s": 12.0,
    "commit_timeout_s": 4.0,
    "transaction_timeout_s": 8.0,
    "kafka_request_timeout_s": 5.0,
    "redis_timeout_s": 1.5,
    "backoff_first_s": 0.2,
    "backoff_max_s": 1.0,
    "journal_stall_timeout_s": 10.0,
    "drain_timeout_s": 12.0,
}
"""How long the workers wait for things, in seconds: shorter than in production, so that more goes wrong in an hour."""

AOF_FOLDER: Final = "appendonlydir"
AOF_BASE, AOF_REST, AOF_LIST = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"


@dataclass(eq=False, slots=True)
class Worker:
    """One seat at the table of workers: a process now, or none while it is away."""

    server: Server
    frozen: bool = False
    away: bool = True
    spoke: int = 0
    """How many bytes of its log have been looked through."""


@dataclass(eq=False)
class Servers:
    """Everything that can be hurt."""

    folder: Path
    broker: Server
    store: Server
    kafka: Proxy
    redis: Proxy
    workers: list[Worker] = field(default_factory=list)

    @property
    def redis_url(self) -> str:
        """The store itself, past the proxy."""
        return f"redis://{self.store.address}/0"

    def present(self) -> list[Worker]:
        """Workers that run and are not frozen."""
        return [worker for worker in self.workers if not worker.away and not worker.frozen]

    async def start(self, worker: Worker) -> None:
        """Starts a worker's process, the first time or again; it joins the group by itself."""
        await (up_again(worker.server) if worker.server.port else worker.server.start())
        worker.away = False

    async def leave(self, worker: Worker) -> int:
        """SIGTERM; the exit code."""
        worker.away = True
        return await worker.server.stop()

    async def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        worker.away = True
        await worker.server.kill()

    # ── snapshots of Redis ────────────────────────────────────────────────────────────────────────────────────

    async def take_snapshot(self, name: str) -> Path:
        """A copy of what Redis holds now."""
        async with Redis.from_url(self.redis_url, socket_timeout=20.0) as store:
            await store.save()
        copy = self.folder / "snapshots" / f"{name}.rdb"
        copy.parent.mkdir(exist_ok=True)
        await asyncio.to_thread(shutil.copyfile, self.store.folder / "dump.rdb", copy)
        return copy

    async def put_back(self, snapshot: Path) -> None:
        """Redis as it was: what an operator does who restores the wrong backup, or a fail-over to an old replica."""
        await self.store.kill()
        await asyncio.to_thread(_lay_down, self.store.folder, snapshot)
        await up_again(self.store)


async def group_answers(settings: Settings) -> bool:
    """Whether the broker, asked past the proxies, can say what the workers' group has consumed.

    Not asked by aiokafka's own clients: to them a broker that cannot looks like a group that has consumed nothing.
    """
    consumer = Consumer(bootstrap_servers=settings.kafka_bootstrap, group_id=settings.group, enable_auto_commit=False)
    try:
        async with asyncio.timeout(GROUP_SECONDS_MAX):
            await consumer.start()
            await consumer.committed(TopicPartition(INPUTS[0], 0))
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(GROUP_SECONDS_MAX):
                await consumer.stop()
    return True


async def up_again(server: Server) -> None:
    """Restarts a server on its own port, which somebody may have for a moment."""
    for turn in range(RESTARTS_MAX):
        try:
            return await server.restart()
        except RehearsalFailed:
            if turn == RESTARTS_MAX - 1:
                raise
            await asyncio.sleep(RESTART_AGAIN_SECONDS)
    return None


def _lay_down(folder: Path, snapshot: Path) -> None:
    """The files of an append-only log that begins with the snapshot and has nothing after it."""
    shutil.rmtree(folder / AOF_FOLDER, ignore_errors=True)
    (folder / AOF_FOLDER).mkdir()
    shutil.copyfile(snapshot, folder / AOF_FOLDER / AOF_BASE)
    (folder / AOF_FOLDER / AOF_REST).touch()
    (folder / AOF_FOLDER / AOF_LIST).write_text(f"file {AOF_BASE} seq 1 type b\nfile {AOF_REST} seq 1 type i\n")


@asynccontextmanager
async def servers(folder: Path, *, workers: int, partitions: int) -> AsyncIterator[Servers]:
    """Broker and store up, topics made, worker processes prepared but not started. The folder is the caller's.

    Raises `RehearsalFailed` where Java, the jars or Redis are missing; the message says which package brings them.
    """
    async with AsyncExitStack() as until_the_end:
        kafka = await until_the_end.enter_async_context(Proxy(speaks_kafka=True))
        store_proxy = await until_the_end.enter_async_context(Proxy(speaks_kafka=False))
        free = (port for port in range(BEHIND_PORT, BEHIND_PORT + PORTS_TRIED_MAX) if is_free(port))
        behind = Proxied(port=next(free), advertised=kafka.port)
        store = Server(redis(), folder / "redis", port=None, preferred_port=REDIS_PORT, kept=True)
        broker = apache_kafka(folder, port=None, preferred_port=KAFKA_PORT, kept=True, proxied=behind)
        for server in (broker, store):
            until_the_end.push_async_callback(server.close)
        await asyncio.gather(broker.start(), store.start())
        kafka.to(behind.port)
        store_proxy.to(store.port)
        hurt = Servers(folder, broker, store, kafka, store_proxy)
        await apply_topics(settings_past_the_proxies(hurt, partitions))
        program = worker_program(_told(hurt, partitions), asked="healthz")
        for number in range(workers):
            server = Server(
                program, folder / f"worker-{number + 1}", port=None, preferred_port=WORKERS_PORT + number, kept=True
            )
            until_the_end.push_async_callback(server.close)
            hurt.workers.append(Worker(server))
        yield hurt


def settings_past_the_proxies(hurt: Servers, partitions: int) -> Settings:
    """Broker and store as somebody sees them whom nobody hurts."""
    return Settings(
        _env_file=None,
        kafka_bootstrap=hurt.broker.address,
        redis_url=SecretStr(hurt.redis_url),
        partitions=partitions,
        replication_factor=1,
        min_insync=1,
    )


def _told(hurt: Servers, partitions: int) -> dict[str, str]:
    return {
        "YIDAN_KAFKA_BOOTSTRAP": f"{HOST}:{hurt.kafka.port}",
        "YIDAN_REDIS_URL": f"redis://{HOST}:{hurt.redis.port}/0",
        "YIDAN_PARTITIONS": str(partitions),
        "YIDAN_REPLICATION_FACTOR": "1",
        "YIDAN_MIN_INSYNC": "1",
        **{f"YIDAN_{name.upper()}": str(seconds) for name, seconds in PATIENCE.items()},
    }
