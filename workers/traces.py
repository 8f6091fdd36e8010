"""Traces: each record's own goes on through its settlement into what it causes. The room of OpenTelemetry.

Off by default: then an inbound `traceparent` is handed on as it came (`workers.settlement.emit`). With
`YIDAN_TRACING=true` every record gets a span `settle`, a child of the sender's, and what goes out carries the span's
own `traceparent`. The core knows nothing of it: it is given records with the span's header in place of the sender's.
Where spans are sent, how many are sampled, and under which name, is told by OpenTelemetry's own variables
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME` …).

A span says where its record stood and what became of it, never whose it was. Spans are sent by a thread beside the
loop, and dropped where they cannot be sent: no settlement waits for them.
"""

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from contracts.events import TRACE_HEADER
from workers.settings import EX_CONFIG
from workers.settlement.emit import trace_of
from workers.settlement.records import Incoming
from workers.settlement.turn import Committed, NewBatch, SettlesBatch, Turn

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

SERVICE: Final = "yidan"
LETTING_GO_SECONDS: Final = 3.0
"""What sending the last spans may take before they are given up."""


class TracingUnfit(Exception):
    """Tracing was asked for and cannot be had. A worker refuses to start."""

    exit_code = EX_CONFIG


class Traces(Protocol):
    """What the worker's loop asks of traces."""

    def around(self, new_batch: NewBatch) -> NewBatch:
        """Batches whose records carry the trace that what they cause belongs to."""

    def ended(self, turn: Turn) -> None:
        """A turn is over: whatever was begun in it has come to something."""

    async def close(self) -> None:
        """Lets go of what was not sent yet, in bounded time."""


class Untraced:
    """No traces: nothing is begun, nothing is changed."""

    def around(self, new_batch: NewBatch) -> NewBatch:
        """The batches as they are."""
        return new_batch

    def ended(self, turn: Turn) -> None:
        """Nothing was begun."""

    async def close(self) -> None:
        """Nothing is held."""


class Traced:
    """A span for each record, from when its batch is opened until its transaction has ended."""

    def __init__(self, provider: "TracerProvider", version: str) -> None:
        # Not at the top: OpenTelemetry is an extra.
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._kind, self._error, self._within = SpanKind.CONSUMER, StatusCode.ERROR, set_span_in_context
        self._provider = provider
        self._tracer = provider.get_tracer("yidan.settlement", version)
        self._context = TraceContextTextMapPropagator()
        self._begun: dict[int, dict[tuple[str, int], Span]] = {}  # partition -> (topic, offset) -> span

    def around(self, new_batch: NewBatch) -> NewBatch:
        """Batches whose records carry the span of their own settlement."""

        def traced(partition: int, records: Sequence[Incoming]) -> SettlesBatch:
            begun = self._begun[partition] = {}
            return new_batch(partition, [self._begin(record, begun) for record in records])

        return traced

    def _begin(self, record: Incoming, begun: "dict[tuple[str, int], Span]") -> Incoming:
        # Nothing else of the sender's: `tracestate` is free text, and OpenTelemetry logs and exports what it finds.
        inbound = {name: value.decode() for name, value in trace_of(record)}
        span = self._tracer.start_span(
            "settle",
            context=self._context.extract(inbound),
            kind=self._kind,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": record.topic,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
            },
        )
        begun[record.topic, record.offset] = span
        carried: dict[str, str] = {}
        self._context.inject(carried, self._within(span))
        if TRACE_HEADER not in carried:  # OTEL_SDK_DISABLED
            return record
        others = [(name, value) for name, value in record.headers if name != TRACE_HEADER]
        return record._replace(headers=(*others, (TRACE_HEADER, carried[TRACE_HEADER].encode())))

    def ended(self, turn: Turn) -> None:
        """Ends the spans of the turn: with the outcome, or as an error where nothing was committed."""
        for partition, begun in self._begun.items():
            verdict = turn.verdicts.get(partition)
            if isinstance(verdict, Committed):
                for record, event_type, effect in verdict.result.came_to:
                    span = begun[record.topic, record.offset]
                    span.set_attributes(
                        {"yidan.event_type": event_type, "yidan.outcome": effect}
                        if event_type
                        else {"yidan.outcome": "refused", "yidan.refusal": effect}
                    )
            else:
                for span in begun.values():
                    span.set_attribute("yidan.outcome", "not_committed")
                    span.set_status(self._error, type(verdict).__name__)
            for span in begun.values():
                span.end()
        self._begun.clear()

    async def close(self) -> None:
        """Sends what is left, as far as that goes in time."""
        # A thread of our own: the loop's would hold the process up until the last try has failed.
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        await asyncio.to_thread(last.join, LETTING_GO_SECONDS)


def traces(on: bool, version: str) -> Traces:
    """Traces as the settings want them. Raises `TracingUnfit` where OpenTelemetry is not installed."""
    if not on:
        return Untraced()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise TracingUnfit("TRACING: OpenTelemetry is not installed; pip install 'yidan[otel]'") from missing
    named: dict[str, Any] = {SERVICE_NAME: SERVICE, "service.version": version}
    provider = TracerProvider(
        resource=Resource.create(named).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traced(provider, version)
