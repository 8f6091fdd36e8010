"""The only place that knows faust: a group that reads committed payouts and requests, and a page for desks.

Four traps of faust are stepped around here:

- Its consumer reads uncommitted records unless it is told `exactly_once`, which crashes or duplicates on a rebalance.
  `CommittedConsumer` sets the isolation level itself, and makes it one that hears refusals and takes its time.
- It idles for ever where a topic has another number of partitions than it declared. Nothing is declared here, and
  `operate` has counted the partitions before.
- The group's offsets say what was read, not what the views hold. Positions come from the views.
- It acknowledges a record whose agent was cancelled in the middle of it, or skipped in a rebalance. Requests are
  committed only as far as they were answered.
"""

import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import faust
from faust.transport.drivers.aiokafka import Consumer, Transport

from contracts.topics import PAYOUTS, RECONCILIATIONS
from workers.kafka.connection import connection
from workers.kafka.consumer import Consumer as PatientConsumer
from workers.operations.pages import Page
from workers.settings import Settings

REQUEST_TIMEOUT_SECONDS: Final = 90.0
"""faust's own: what a seek may take, the wait for a partition's view included."""

Positions = Callable[[int, int, int], Awaitable[int]]
"""Where a partition goes on, once its view has been read to the end; given where its payouts begin and end."""

TakePayout = Callable[[int, int, str, bytes], None]
TakeClaim = Callable[[int, int, bytes | None, bytes], Awaitable[None]]
Assigned = Callable[[set[int]], Awaitable[None]]


class CommittedConsumer(Consumer):
    """faust's consumer, but of committed records, from where the views say."""

    def _new_consumer_thread(self) -> Any:
        thread: Any = super()._new_consumer_thread()
        create = thread._create_worker_consumer

        def committed(transport: Any) -> Any:
            consumer = create(transport)
            if consumer._isolation_level not in ("read_uncommitted", "read_committed"):
                raise RuntimeError("aiokafka keeps its isolation level elsewhere; this was made for 0.14")
            consumer._isolation_level = "read_committed"  # handed to the fetcher when it starts
            consumer.__class__ = PatientConsumer  # faust names the class that it makes, and ours adds only methods
            return consumer

        thread._create_worker_consumer = committed
        return thread

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Seeks the payouts to where the views end, and the requests to the group's offset.

        aiokafka leaves alone what was never committed, also where faust has dropped what was fetched in the meantime:
        such requests begin at their beginning.
        """
        positions = dict(await super().seek_to_committed())
        logs = [log for log in self.assignment() if log.topic in (PAYOUTS, RECONCILIATIONS)]
        begins, ends = await self.earliest_offsets(*logs), await self.highwaters(*logs)
        where = cast(Operating, self.app).positions
        found = {
            log: await where(log.partition, begins[log], ends[log])
            if log.topic == PAYOUTS
            else positions.get(log) or begins[log]
            for log in logs
        }
        # In the consumer's own thread: a seek from this one would take records away while that one counts them.
        await self.seek_wait(found)
        return {**positions, **found}

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        """Commits the offsets of requests, as far as they were answered.

        Those of payouts say nothing; a commit in a rebalance costs the seat.
        """
        answered = cast(Operating, self.app).answered
        kept = {
            log: min(offset, answered[log.partition])
            for log, offset in offsets.items()
            if log.topic == RECONCILIATIONS and log.partition in answered
        }
        return await super()._commit(kept) if kept else True


class CommittedTransport(Transport):
    """faust's transport with that consumer."""

    Consumer = CommittedConsumer


class Operating(faust.App):
    """An application that knows where the views go on."""

    positions: Positions
    answered: dict[int, int]
    """The request that is next to be answered, by partition, since partitions were last assigned."""

    def _new_transport(self) -> Any:
        return CommittedTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Makes none: nothing is kept on this machine."""


def build(
    settings: Settings,
    page: Page,
    *,
    positions: Positions,
    take_payout: TakePayout,
    take_claim: TakeClaim,
    assigned: Assigned,
    revoked: Assigned,
    failed: Callable[[BaseException], None],
) -> Any:
    """The application: started and stopped by whoever asked for it."""
    logging.getLogger(__name__).setLevel(logging.WARNING)  # faust names its loggers after the modules of subclasses
    app: Any = Operating(
        settings.operate_group,
        broker=";".join(f"kafka://{server.strip()}" for server in settings.kafka_bootstrap.split(",")),
        broker_credentials=_credentials(settings),
        broker_client_id="yidan-operate",
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 10,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_request_timeout=max(REQUEST_TIMEOUT_SECONDS, settings.session_timeout_s),
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=settings.fetch_max_bytes,
        processing_guarantee="at_least_once",
        topic_allow_declare=False,
        topic_disable_leader=True,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        web_bind=settings.http_host,
        web_port=settings.operate_http_port or _free_port(settings.http_host),
        web_in_thread=False,
        stream_wait_empty=False,
    )
    app.positions, app.answered = positions, {}

    async def payouts(stream: Any) -> None:
        """Takes payouts in. One that cannot be read is not stepped over: the process ends and says so."""
        async for event in stream.events():
            message = event.message
            try:
                take_payout(message.partition, message.offset, _time(message.headers), message.value)
            except Exception as error:  # noqa: BLE001 - handed on: it ends the process
                failed(error)
                return

    async def reconciliations(stream: Any) -> None:
        """Answers requests. One counts as answered when its answer has been written."""
        async for event in stream.events():
            message = event.message
            try:
                await take_claim(message.partition, message.offset, message.key, message.value)
            except Exception as error:  # noqa: BLE001 - handed on: it ends the process
                failed(error)
                return
            app.answered[message.partition] = message.offset + 1

    async def on_assigned(_: Any, logs: Any, **__: Any) -> None:
        app.answered.clear()
        await assigned({log.partition for log in logs if log.topic == PAYOUTS})

    async def on_revoked(_: Any, logs: Any, **__: Any) -> None:
        await revoked({log.partition for log in logs if log.topic == PAYOUTS})

    app.agent(app.topic(PAYOUTS, key_type=bytes, value_type=bytes), name="payouts")(payouts)
    app.agent(app.topic(RECONCILIATIONS, key_type=bytes, value_type=bytes), name="reconciliations")(reconciliations)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_partitions_revoked.connect(on_revoked, weak=False)
    for path, answered in page.paths().items():
        _show(app, path, answered)
    return app


def address(app: Any) -> str:
    """Where the page listens, with the port that was taken where none was asked for."""
    return f"http://{app.conf.web_bind}:{app.conf.web_port}"


def _free_port(host: str) -> int:
    """A port that nobody has: faust takes none for `any`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.bind((host, 0))
        port: int = tried.getsockname()[1]
        return port


def _show(app: Any, path: str, answered: Callable[[Mapping[str, str]], tuple[int, bytes]]) -> None:
    async def shown(view: Any, request: Any) -> Any:
        """What is asked for."""
        status, body = answered(request.query)
        return view.bytes(body, content_type="application/json", status=status)

    app.page(path, name=path)(shown)


def _time(headers: Any) -> str:
    """The event's own time, from the record's headers."""
    named = dict(headers.items() if isinstance(headers, Mapping) else headers or ())
    time: bytes = named["ce_time"]
    return time.decode()


def _credentials(settings: Settings) -> Any:
    options = connection(settings)
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
