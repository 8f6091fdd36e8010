"""The settlement worker: one loop that reads, settles and commits, and the process around it.

Shutdown, in order:
1. SIGTERM or SIGINT: not ready any more; nothing new is begun.
2. The turn in hand ends: bounded by the commit's time-out.
3. Take-overs under way are given up; producers let go.
4. The consumer leaves the group, so that others take over at once.
5. Exit code 0.
"""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from contracts.pack import PackSet
from contracts.pack_file import load_directory, load_pack
from workers.adjudication.books import Books
from workers.http import HealthPage, Troubles
from workers.kafka.inputs import Inputs
from workers.kafka.log import KafkaLog
from workers.kafka.refusal import BrokerRefuses
from workers.logs import configure_logs, get_log, told
from workers.metrics import Metrics, PartitionState, Phase
from workers.running import running_version
from workers.seats import Seats
from workers.settings import EX_CONFIG, Settings
from workers.settlement.inbox import Waiting
from workers.settlement.keeper import StoreRefuses, StoreUnavailable, StoreUnfit
from workers.settlement.pipeline import Batch
from workers.settlement.ports import Keeper, WrongPartitionCount
from workers.settlement.turn import NewBatch, Turn, take_turn
from workers.store import keeper_of
from workers.traces import Traces, TracingUnfit, Untraced, traces

EX_OK: Final = 0
EX_FAILED: Final = 1
EX_UNAVAILABLE: Final = 69

IDLE_SECONDS: Final = 0.2
"""How long a loop without records waits for some before it looks around again."""

LINGER_BELOW: Final = 100
"""With fewer new records than this the loop lingers, so that they share a transaction with those just behind them."""

REBALANCE_LOOK_SECONDS: Final = 0.02
START_AGAIN_SECONDS: Final = 1.0
LAG_EVERY_SECONDS: Final = 1.0
READY_SECONDS_MAX: Final = 2.0

FETCH_FAILS_SECONDS_MAX: Final = 120.0
"""How long fetching may fail before the process ends: a new process gets new tasks of aiokafka's."""


class MustEnd(Exception):
    """The worker ends with this exit code."""

    def __init__(self, exit_code: int, why: str) -> None:
        super().__init__(why)
        self.exit_code = exit_code


class Store(Keeper, Protocol):
    """The store of a whole process."""

    async def check(self) -> None:
        """Raises `StoreUnfit` where it may throw state away."""

    async def ping(self) -> None:
        """Raises `StoreUnavailable` where it does not answer."""

    async def close(self) -> None:
        """Lets go."""


class Page(Protocol):
    """What a supervisor asks."""

    async def start(self) -> str:
        """The address it listens at."""

    async def stop(self) -> None:
        """Listens no more."""


class NewPage(Protocol):
    """Makes a page, as `HealthPage` does."""

    def __call__(
        self, host: str, port: int, *, alive: Troubles, ready: Troubles, metrics: Callable[[], bytes]
    ) -> Page: ...


@dataclass(frozen=True)
class Equipment:
    """All that a worker touches beyond its own memory: a rehearsal gives it a world of its own to touch."""

    log: KafkaLog
    inputs: Inputs
    store: Store
    metrics: Metrics
    new_page: NewPage = HealthPage
    clock: Callable[[], float] = time.monotonic
    traces: Traces = field(default_factory=Untraced)

    @classmethod
    def of(cls, settings: Settings, packs: PackSet) -> Self:
        """Clients of the servers that the settings name. No connection is made yet."""
        metrics = Metrics.of(packs, version=running_version())
        store = keeper_of(settings, metrics.store)
        return cls(
            KafkaLog(settings), Inputs(settings), store, metrics, traces=traces(settings.tracing, running_version())
        )


async def work(
    settings: Settings, *, stop: asyncio.Event | None = None, new_batch: NewBatch | None = None, logs: bool = True
) -> int:
    """Runs a worker until `stop` is set, or without one until SIGTERM or SIGINT. Returns the exit code.

    0 drained; 69 broker or store could not be reached at the start; 78 something is set up so that it cannot work;
    1 the loop failed.
    """
    if logs:
        configure_logs(settings.log_level)
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        packs = load_directory(settings.packs_dir)
    except (ValueError, OSError) as fault:
        get_log().error("packs cannot be loaded", detail=str(fault))
        return EX_CONFIG
    new_batch = new_batch or batches_of(Books(packs, load_pack), settings.partitions)
    try:
        equipment = Equipment.of(settings, packs)
    except TracingUnfit as unfit:
        get_log().error("worker ends", exit_code=unfit.exit_code, detail=str(unfit))
        return unfit.exit_code
    return await Worker(settings, stop, new_batch, equipment).run()


def collect_seldom() -> None:
    """Let the collector of reference cycles look at what is loaded never, and at the rest seldom.

    A turn makes some hundred thousand objects, none of them in a cycle, and all are gone when it ends. The collector
    counts what was made less what is gone, so with a limit that no turn reaches it looks only where cycles pile up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 10, 10)


def batches_of(books: Books, partitions: int) -> NewBatch:
    """The batches of the pipeline."""
    return lambda partition, records: Batch(books, partition, partitions, records)


class Worker:
    """One process's share of the partitions."""

    def __init__(self, settings: Settings, stop: asyncio.Event, new_batch: NewBatch, equipment: Equipment) -> None:
        self._settings = settings
        self._stop = stop
        self._traces = equipment.traces
        self._new_batch = self._traces.around(new_batch)
        self._clock = equipment.clock
        self._metrics = equipment.metrics
        self._keeper = equipment.store
        self._log = equipment.log
        self._inputs = equipment.inputs
        self._seats = Seats(settings, self._log, self._keeper, self._inputs, self._metrics, self._clock)
        self._page = equipment.new_page(
            settings.http_host, settings.http_port, alive=self._alive, ready=self._ready, metrics=self._metrics.page
        )
        self._say = get_log()
        self._last_beat = self._clock()
        self._last_lag = 0.0
        self._seen_assignments = 0
        self._fetch_failing_since: float | None = None
        self._ending: MustEnd | None = None

    async def run(self) -> int:
        """Starts, goes round until told to stop, drains."""
        checks: asyncio.Task[None] | None = None
        try:
            await self._start()
            checks = asyncio.create_task(self._check_now_and_then())
            while not self._stop.is_set():
                await self._round()
                if self._seats.fatal is not None:
                    raise MustEnd(EX_CONFIG, str(self._seats.fatal))
                if self._ending is not None:
                    raise self._ending
        except MustEnd as end:
            self._say.error("worker ends", exit_code=end.exit_code, detail=str(end))
            return end.exit_code
        except Exception as error:  # noqa: BLE001 - it ends loudly, and the log says nothing about a person
            self._say.error("worker failed", exit_code=EX_FAILED, **told(error))
            return EX_FAILED
        finally:
            if checks is not None:
                checks.cancel()
            await self._drain()
        return EX_OK

    # ── start and end ─────────────────────────────────────────────────────────────────────────────────────────

    async def _start(self) -> None:
        self._say.info("worker starts", version=running_version(), settings=self._settings.shown())
        try:
            self._say.info("listening", address=await self._page.start())
        except OSError as error:
            raise MustEnd(EX_CONFIG, f"HTTP_PORT: {error}") from error
        deadline = self._clock() + self._settings.start_timeout_s
        await self._until("the store", deadline, self._keeper.check)
        await self._until("the broker", deadline, self._log.start)
        await self._until("the topics", deadline, self._log.check_partitions)
        await self._until("the inputs", deadline, self._inputs.start)

    async def _until(self, what: str, deadline: float, reach: Callable[[], Awaitable[None]]) -> None:
        """Tries until it works. Settings that cannot work are not tried again."""
        while not self._stop.is_set():
            self._beat()
            try:
                return await reach()
            except (StoreUnfit, StoreRefuses, WrongPartitionCount) as unfit:
                raise MustEnd(EX_CONFIG, str(unfit)) from unfit
            except Exception as error:
                if isinstance(error, BrokerRefuses) and error.final:
                    raise MustEnd(EX_CONFIG, f"the broker cannot be used: {error}") from error
                why = told(error).get("detail") or type(error).__name__
                if self._clock() > deadline:
                    raise MustEnd(EX_UNAVAILABLE, f"{what} cannot be reached: {why}") from error
                self._say.warning("cannot be reached yet", detail=f"{what}: {why}", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), START_AGAIN_SECONDS)
        return None

    async def _drain(self) -> None:
        """Steps 3 and 4 of the shutdown."""
        self._metrics.draining.set(1)
        self._say.info("draining")
        try:
            async with asyncio.timeout(self._settings.drain_timeout_s):
                await self._seats.close()
                await self._inputs.stop()
                await self._log.stop()
                await self._keeper.close()
                await self._traces.close()
                await self._page.stop()
        except TimeoutError:
            self._say.warning("drained only in part; whoever is next fences what is left")
        self._say.info("worker ended")

    # ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _round(self) -> None:
        self._beat()
        if self._inputs.rebalancing:
            try:
                self._inputs.check_group()
            except Exception as error:  # noqa: BLE001 - raised again once it has gone on for too long
                await self._failing("cannot join the group", error)
            await asyncio.sleep(REBALANCE_LOOK_SECONDS)
            return
        if self._inputs.assignments != self._seen_assignments:
            self._seen_assignments = self._inputs.assignments
            partitions = self._inputs.partitions()
            self._metrics.rebalances.inc()
            self._say.info("partitions assigned", partitions=sorted(partitions))
            self._seats.assigned(partitions)
        self._seats.advance()
        await self._read()
        if self._overtaken():
            return
        if batches := self._seats.batches():
            self._inputs.busy()
            try:
                turn = await take_turn(batches, self._keeper, self._new_batch, self._settings.lane_records)
            finally:
                self._inputs.idle()
            self._seats.judge(turn, batches)
            self._observe(turn)
        if self._clock() - self._last_lag > LAG_EVERY_SECONDS:
            self._last_lag = self._clock()
            self._seats.lag()

    def _overtaken(self) -> bool:
        """A rebalance began, or came and went, while we were reading."""
        return self._inputs.rebalancing or self._inputs.assignments != self._seen_assignments

    async def _read(self) -> None:
        """Takes what has arrived. Waits only if nothing is left to settle; lingers only if little came."""
        waiting = bool(self._seats.batches())
        arrived = await self._fetched(0.0 if waiting else IDLE_SECONDS)
        self._seats.receive(arrived)
        few = sum(len(records) for topics in arrived.values() for records in topics.values()) < LINGER_BELOW
        if arrived and few and not waiting and self._settings.linger_ms:
            await asyncio.sleep(self._settings.linger_ms / 1000)
            self._seats.receive(await self._fetched(0.0))

    async def _fetched(self, wait_seconds: float) -> dict[int, dict[str, list[Waiting]]]:
        try:
            arrived = await self._inputs.fetch(wait_seconds)
        except Exception as error:  # noqa: BLE001 - raised again once it has gone on for too long
            await self._failing("fetching failed", error)
            # aiokafka steps over a record that is too large to be fetched. Nothing is stepped over here.
            self._seats.rewind()
            return {}
        self._fetch_failing_since = None
        while self._inputs.lost:
            self._seats.position_lost(self._inputs.lost.pop())
        while self._inputs.undecodable:
            self._seats.undecodable(*self._inputs.undecodable.popitem())
        return arrived

    async def _failing(self, what: str, error: Exception) -> None:
        """Waits a moment before the next try; raises the error once it has gone on for too long."""
        now = self._clock()
        self._fetch_failing_since = self._fetch_failing_since or now
        if now - self._fetch_failing_since > FETCH_FAILS_SECONDS_MAX:
            raise error
        self._say.warning(what, **told(error))
        await asyncio.sleep(START_AGAIN_SECONDS)

    def _observe(self, turn: Turn) -> None:
        self._traces.ended(turn)
        for lane in turn.lanes:
            self._metrics.phase(Phase.READ, lane.read_seconds)
            self._metrics.phase(Phase.SETTLE, lane.settle_seconds)
            self._metrics.phase(Phase.COMMIT, lane.commit_seconds)
            self._metrics.phase(Phase.APPLY, lane.apply_seconds)

    async def _check_now_and_then(self) -> None:
        """Partitions that somebody adds would give one person two ledgers: the worker ends at once."""
        while True:
            await asyncio.sleep(self._settings.partitions_check_s)
            try:
                await self._log.check_partitions()
                await self._keeper.check()
            except (WrongPartitionCount, StoreUnfit) as unfit:
                self._ending = MustEnd(EX_CONFIG, str(unfit))
            except Exception as error:  # noqa: BLE001 - away for a while; the loop notices by itself
                self._say.warning("could not check topics and store", **told(error))

    # ── what others ask ───────────────────────────────────────────────────────────────────────────────────────

    def _beat(self) -> None:
        self._last_beat = self._clock()
        self._metrics.beat.set_to_current_time()

    async def _alive(self) -> list[str]:
        """The loop goes round. A broker that is away is no reason to start this process again."""
        silent = self._clock() - self._last_beat
        return [f"the loop has not gone round for {silent:.0f} s"] if silent > self._settings.beat_timeout_s else []

    async def _ready(self) -> list[str]:
        """Every partition that the group gave us is ours, or the group gave us none; the store answers."""
        troubles = ["draining"] if self._stop.is_set() else []
        if self._inputs.rebalancing or not self._inputs.assignments:
            troubles.append("the group has not assigned partitions yet")
        troubles += [
            f"partition {partition} is {state}"
            for partition, state in self._seats.states().items()
            if state not in (PartitionState.OWNED, PartitionState.REPAIRING)
        ]
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                await self._keeper.ping()
        except (StoreUnavailable, TimeoutError):
            troubles.append("the store does not answer")
        return troubles
