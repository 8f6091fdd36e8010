"""`yidan operate`: payouts in, statistics, clearing and reconciliation out; outside the commit protocol.

Where a partition changes hands:
1. The group assigns it. Nothing is fetched yet.
2. The views' log is read to its end as it is then, so that what the former owner has written is here.
3. The payouts are read from the position that the log gives. What the former owner did after that is done again, and
   comes to the same.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import orjson

from contracts.topics import CLEARING, CLEARING_PAYMENTS, DERIVED, PAYOUTS, RECONCILIATIONS, TOPICS, VIEWS
from workers.exits import Exit
from workers.http import HealthPage
from workers.kafka.ahead import Ahead
from workers.kafka.refusal import BrokerRefuses
from workers.kafka.topics import partition_counts
from workers.kafka.views_log import ViewsLog
from workers.logs import configure_logs, get_log, told
from workers.metrics.operate import OperateMetrics
from workers.operations.claims import Claims
from workers.operations.level import Level
from workers.operations.owed import accounts, open_by_age, paid_out
from workers.operations.pages import Page
from workers.operations.parts import CHINA, YEARS
from workers.operations.parts import CLEARING as CLEARING_PARTS
from workers.operations.payments import Payments
from workers.operations.publishing import Publishing
from workers.operations.reconcile import answer_in
from workers.operations.statements import spent_by_fund
from workers.operations.stream import address, build
from workers.operations.views import Views
from workers.running import running_version
from workers.settings import Settings
from workers.settlement.records import Incoming

FLUSH_SECONDS: Final = 0.5
"""How far the log may be behind the views; a process that takes over does so much again."""

PUBLISH_SECONDS: Final = 2.0
"""A statement that goes on changing gets a revision this often."""

LOOK_SECONDS: Final = 0.05
LEVEL_SECONDS: Final = 0.5
AGAIN_SECONDS: Final = 1.0
RESTORE_SECONDS_MAX: Final = 3_600.0

REBUILD: Final = "`yidan operate --rebuild` derives them again"

READ: Final = (VIEWS, CLEARING, CLEARING_PAYMENTS, RECONCILIATIONS)
"""What every process reads whole when it starts, and goes on reading."""

NEEDED: Final = tuple(topic for topic in (*TOPICS, *DERIVED) if topic.name == PAYOUTS or topic in DERIVED)


class MustEnd(Exception):
    """The process ends with this exit code."""

    def __init__(self, code: Exit, why: str) -> None:
        super().__init__(why)
        self.code = code


async def operate(settings: Settings, *, rebuild: bool = False, stop: asyncio.Event | None = None) -> Exit:
    """Runs until `stop` is set, or without one until SIGTERM or SIGINT. Its exit code."""
    configure_logs(settings.log_level)
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await Operations(settings, stop).run(rebuild=rebuild)


class Operations:
    """One process's share of the views."""

    def __init__(self, settings: Settings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._say = get_log()
        self._views = Views(settings.partitions)
        self._payments = Payments(settings.partitions)
        self._log = ViewsLog(settings, READ)
        self._ahead = Ahead(settings, PAYOUTS)
        requests = partial(self._log.ends_of, RECONCILIATIONS)
        self._level = Level(self._ahead, self._views.positions, requests, time.time)
        self._page = Page(self._views, self._payments, lambda: self._level.at)
        self._publishing = Publishing(self._views, settings.partitions, lambda: self._level.at is not None)
        self._metrics = OperateMetrics(running_version())
        self._claims = Claims(self._views, self._level, self._log, self._metrics)
        self._health = HealthPage(
            settings.http_host,
            settings.operate_metrics_port,
            alive=self._alive,
            ready=self._troubles,
            metrics=self._metrics_page,
        )
        self._owned: set[int] = set()
        self._assigned_once = False
        self._own_epochs: dict[int, int] = {}
        self._ending: MustEnd | None = None
        self._flushing = asyncio.Lock()
        self._app: Any = None

    async def run(self, *, rebuild: bool) -> Exit:
        """Starts, goes round until told to stop, lets go."""
        beside: list[asyncio.Task[None]] = []
        try:
            self._say.info("listening", address=await self._on_port("YIDAN_OPERATE_METRICS_PORT", self._health.start))
            await self._start()
            beside.append(asyncio.create_task(self._read_on()))
            await self._until_read()
            if rebuild:
                await self._begin_again()
            self._own_epochs = {p: view.epoch for p, view in enumerate(self._views.partitions)}
            self._app = build(
                self._settings,
                self._page,
                positions=self._position,
                take_payout=self._take_payout,
                take_claim=self._take_claim,
                assigned=self._assigned,
                revoked=self._revoked,
                failed=self._failed,
            )
            await self._on_port("YIDAN_OPERATE_HTTP_PORT", self._app.start)
            self._say.info("pages listen", address=address(self._app))
            beside.append(asyncio.create_task(self._keep_level()))
            await self._go_round()
        except MustEnd as end:
            self._say.error("operations end", exit_code=end.code, detail=str(end))
            return end.code
        except Exception as error:  # noqa: BLE001 - it ends loudly, and the log says nothing about a person
            self._say.error("operations failed", exit_code=Exit.FAULT_OF_OURS, **told(error))
            return Exit.FAULT_OF_OURS
        finally:
            await self._let_go(beside)
        return Exit.OK

    # ── start and end ─────────────────────────────────────────────────────────────────────────────────────────

    async def _on_port(self, setting: str, start: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await start()
        except OSError as error:
            raise MustEnd(Exit.CONFIGURATION, f"{setting}: {error}") from error

    async def _start(self) -> None:
        self._say.info("operations start", settings=self._settings.shown())
        deadline = time.monotonic() + self._settings.start_timeout_s
        await self._reached("the topics", deadline, self._check_partitions)
        await self._reached("the views' log", deadline, self._log.start)
        await self._reached("the payouts", deadline, self._ahead.start)

    async def _reached(self, what: str, deadline: float, reach: Callable[[], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            try:
                return await reach()
            except MustEnd:
                raise
            except Exception as error:
                if isinstance(error, BrokerRefuses) and error.final:
                    raise MustEnd(Exit.CONFIGURATION, str(error)) from error
                if time.monotonic() > deadline:
                    raise MustEnd(Exit.UNAVAILABLE, f"{what} cannot be reached: {_told(error)}") from error
                self._say.warning("cannot be reached yet", detail=f"{what}: {_told(error)}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 1.0)
        return None

    async def _check_partitions(self) -> None:
        """Refuses by name a topic with another number of partitions: faust would idle for ever on it."""
        wanted = self._settings.partitions
        for topic, found in (await partition_counts(self._settings, NEEDED)).items():
            if not found:
                raise MustEnd(Exit.CONFIGURATION, f"{topic}: missing; `yidan topics apply` makes it")
            if found != wanted:
                raise MustEnd(Exit.CONFIGURATION, f"{topic}: {found} partitions, must be {wanted}")

    async def _let_go(self, beside: Sequence[asyncio.Task[None]]) -> None:
        """Leaves the group, writes what is not written yet, closes."""
        try:
            async with asyncio.timeout(self._settings.drain_timeout_s):
                if self._app is not None:
                    await self._app.stop()
                if self._ending is None:
                    with contextlib.suppress(Exception):
                        await self._flush(set(range(self._settings.partitions)))
        except TimeoutError:
            self._say.warning("let go only in part; whoever is next does the rest again")
        for task in beside:
            task.cancel()
        for held in (self._log, self._ahead, self._health):
            await held.stop()
        self._say.info("operations ended")

    # ── the log ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _read_on(self) -> None:
        """Reads what other processes have derived, and the statements and answers there are."""
        while True:
            try:
                for record in await self._log.read(0.5):
                    self._merge(record)
            except Exception as error:  # noqa: BLE001 - it ends the process; a new one reads from the beginning
                return self._failed(error)

    def _merge(self, record: Incoming) -> None:
        if record.topic == CLEARING_PAYMENTS:
            return self._payments.take(record.partition, record.offset, record.key, record.value)
        if record.value is None or record.key is None:
            return None
        if record.topic == VIEWS:
            self._views.merge(record.partition, record.key, record.value)
            epoch = self._own_epochs.get(record.partition)
            if epoch is not None and self._views.partitions[record.partition].epoch != epoch:
                self._end(Exit.CHECK_FAILED, "the views are being rebuilt by another process: start again")
        elif record.topic == CLEARING:
            self._publishing.heard(record.value)
        elif (said := answer_in(record.value)) is not None:
            self._page.answered(said)
        return None

    async def _until_read(self) -> None:
        """Waits until the views' log has been read to its end as of now, and what is said of payments."""
        ends = await self._log.ends((VIEWS, CLEARING, CLEARING_PAYMENTS))
        async with asyncio.timeout(RESTORE_SECONDS_MAX):
            while self._log.unread(ends):
                if self._ending is not None:
                    raise self._ending
                await asyncio.sleep(LOOK_SECONDS)

    async def _begin_again(self) -> None:
        """Throws the views away: a new epoch, in which everything is derived from the payouts again."""
        for partition, view in enumerate(self._views.partitions):
            view.forget(view.epoch + 1)
            await self._log.write(VIEWS, partition, view.to_write())
        self._say.info("views are derived again", partitions=list(range(self._settings.partitions)))

    async def _flush(self, partitions: set[int]) -> None:
        """Writes what has changed, and after it the position that it speaks for."""
        async with self._flushing:
            for partition in sorted(partitions):
                view = self._views.partitions[partition]
                if not view.changed:
                    continue
                records = view.to_write()
                try:
                    # The position goes last and alone: it may not be there before everything that it speaks for is.
                    await self._log.write(VIEWS, partition, records[:-1])
                    await self._log.write(VIEWS, partition, records[-1:])
                except BaseException:
                    view.changed |= {key for key, _ in records[:-1]}
                    raise

    # ── the group ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _assigned(self, partitions: set[int]) -> None:
        self._owned, self._assigned_once = partitions, True
        self._views.touched |= self._views.keys(CLEARING_PARTS, YEARS)
        self._say.info("partitions assigned", partitions=sorted(partitions))

    async def _revoked(self, partitions: set[int]) -> None:
        owned, self._owned = self._owned, set()
        with contextlib.suppress(Exception):  # whoever is next does it again
            await self._flush(owned & partitions)

    async def _position(self, partition: int, begin: int, end: int) -> int:
        """Steps 2 and 3 of a change of hands. Views that do not fit their payouts are not gone on with."""
        await self._until_read()
        position = self._views.partitions[partition].position
        if position > end:
            self._end(Exit.CHECK_FAILED, f"the views of partition {partition} know more than the payouts: {REBUILD}")
        if 0 < position < begin:
            self._end(Exit.CHECK_FAILED, f"payouts of partition {partition} are gone that no view has counted")
        return begin if self._settings.journal_from_start else max(begin, min(position, end))

    def _take_payout(self, partition: int, offset: int, at: str, value: bytes) -> None:
        if offset >= self._views.partitions[partition].position:
            self._views.take(partition, offset, orjson.loads(value), at)

    async def _take_claim(self, partition: int, offset: int, key: bytes | None, value: bytes) -> None:
        """Answers a request; what is an answer itself is left alone."""
        if answer_in(value) is None:
            answered = False
            while not answered:
                answered = await self._tried(self._claims.answer(partition, offset, key or b"", value))
                await asyncio.sleep(0 if answered else AGAIN_SECONDS)

    # ── how far the views are ─────────────────────────────────────────────────────────────────────────────────

    async def _keep_level(self) -> None:
        """Knows up to when the views hold everything, again and again."""
        while True:
            await self._tried(self._level.reach())
            await asyncio.sleep(LEVEL_SECONDS)

    # ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _go_round(self) -> None:
        published = checked = time.monotonic()
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), FLUSH_SECONDS)
            if self._ending is not None:
                raise self._ending
            if self._app.crashed:
                raise MustEnd(Exit.UNAVAILABLE, f"faust gave up: {type(self._app.crash_reason).__name__}")
            await self._tried(self._flush(set(self._owned)))
            if time.monotonic() - published > PUBLISH_SECONDS:
                published = time.monotonic()
                await self._tried(self._publish())
                await self._tried(self._refuse())
            if time.monotonic() - checked > self._settings.partitions_check_s:
                checked = time.monotonic()
                await self._tried(self._check_partitions())

    async def _tried(self, job: Awaitable[None]) -> bool:
        """Whether it could be done. A broker that is away for a while is waited for."""
        try:
            await job
        except MustEnd:
            raise
        except Exception as error:  # noqa: BLE001 - tried again in the next round
            self._say.warning("could not write or look; it is tried again", **told(error))
            return False
        return True

    async def _publish(self) -> None:
        said = await self._publishing.publish(self._owned, partial(self._log.write, CLEARING))
        self._metrics.written(each["type"] for each in said)

    async def _refuse(self) -> None:
        """Says which records about payments count for nothing, in the partitions that are ours."""
        for said in self._payments.unsaid(self._owned):
            record = ((said["payment_id"] or "").encode(), orjson.dumps(said))
            await self._log.write(CLEARING_PAYMENTS, said["partition"], [record])
            self._say.warning("payment refused", **{name: said[name] for name in _SAID_OF_PAYMENT})

    def _metrics_page(self) -> bytes:
        """What `/metrics` answers. What is owed is that of the statements as they were last looked at."""
        today = datetime.now(CHINA).date().isoformat()
        found = accounts(self._publishing.dues, self._payments, today)
        self._metrics.owing(open_by_age(found, today), paid_out(found), len(self._payments.refused))
        self._metrics.behind(self._level.behind_seconds())
        return self._metrics.page(self._views.positions(), spent_by_fund(self._views))

    # ── troubles ──────────────────────────────────────────────────────────────────────────────────────────────

    def _failed(self, error: BaseException) -> None:
        self._say.error("something could not be taken in", **told(error))
        self._end(Exit.CHECK_FAILED, f"something could not be taken in: {type(error).__name__}")

    def _end(self, code: Exit, why: str) -> None:
        self._ending = self._ending or MustEnd(code, why)

    async def _alive(self) -> list[str]:
        """Nothing that a start anew would mend: what cannot go on ends by itself."""
        return []

    async def _troubles(self) -> list[str]:
        """Why this process should not be asked yet."""
        troubles = ["draining"] if self._stop.is_set() else []
        if not self._assigned_once:
            troubles.append("the group has not assigned partitions yet")
        elif self._level.at is None:
            troubles.append("the views do not hold yet what has been paid")
        return troubles


_SAID_OF_PAYMENT: Final = ("partition", "offset", "reason", "field")


def _told(error: Exception) -> str:
    """An error's own words where they are about connections only, else its type."""
    return str(told(error).get("detail") or type(error).__name__)
