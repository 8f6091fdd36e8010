"""A whole worker on real servers, looked at: its page, and a trace from the sender's header to the payout's."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.topics import DISCHARGES, PAYOUTS
from tests.settlement.rig import P, Rig, rig
from workers.contracts_book.examples import SETTLED
from workers.settlement.validate import partition_of

proto = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="pip install yidan[otel]"
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

TRACE, SENDER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


@pytest.fixture
async def collector(monkeypatch) -> AsyncIterator[list[Any]]:
    """Takes spans as any collector does, and says where it listens as any operator would."""
    spans: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        sent = proto.ExportTraceServiceRequest.FromString(await request.read())
        spans.extend(span for resource in sent.resource_spans for scope in resource.scope_spans for span in scope.spans)
        return web.Response(body=b"", content_type="application/x-protobuf")

    application = web.Application()
    application.add_routes([web.post("/v1/traces", take)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    yield spans
    await runner.cleanup()


async def sent_and_paid(servers: Rig) -> tuple[bytes, dict[str, bytes]]:
    """Sends a discharge with a trace; the payout's value and headers."""
    key = str(SETTLED["psn_no"]).encode()
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    await producer.send_and_wait(
        DISCHARGES,
        orjson.dumps(SETTLED),
        key=key,
        partition=partition_of(key, P),
        headers=[("traceparent", f"00-{TRACE}-{SENDER}-01".encode())],
    )
    await producer.stop()
    consumer = AIOKafkaConsumer(
        PAYOUTS, bootstrap_servers=servers.stack.kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    payout = await asyncio.wait_for(consumer.getone(), 30)
    await consumer.stop()
    return payout.value, dict(payout.headers)


async def test_a_trace_goes_from_the_senders_header_through_a_span_to_the_payouts_header(
    servers: Rig, collector: list[Any]
):
    worker = await servers.start(tracing="true")
    await worker.owns(P)
    _, headers = await sent_and_paid(servers)
    assert await worker.terminate() == 0
    (span,) = [span for span in collector if span.name == "settle"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SENDER)
    assert headers["traceparent"].decode().split("-")[1:3] == [TRACE, span.span_id.hex()]
    told = {attribute.key: attribute.value for attribute in span.attributes}
    assert told["yidan.outcome"].string_value == "settled"
    assert str(SETTLED["psn_no"]) not in str(span)


async def test_without_tracing_the_senders_header_reaches_the_payout_as_it_came_and_the_page_is_clean(servers: Rig):
    worker = await servers.start()
    await worker.owns(P)
    _, headers = await sent_and_paid(servers)
    assert headers["traceparent"] == f"00-{TRACE}-{SENDER}-01".encode()
    assert await worker.metric("yidan_take_overs_total", cause="assigned") == P
    assert await worker.metric("yidan_partitions") == P
    assert await worker.metric("yidan_record_seconds_count", topic=DISCHARGES) == 1
    assert await worker.metric("yidan_transactions_total", outcome="committed") == 1
    assert await worker.metric("yidan_store_seconds_count", operation="apply") >= 1
    assert await worker.metric("yidan_store_seconds_count", operation="snapshot") >= P
    assert await worker.metric("yidan_store_failures_total") == 0
    _, page = await worker.get("/metrics")
    assert str(SETTLED["psn_no"]) not in page
    if (promtool := shutil.which("promtool")) is not None:
        checking = await asyncio.create_subprocess_exec(
            *(promtool, "check", "metrics"), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        _, complaints = await checking.communicate(page.encode())
        assert checking.returncode == 0, complaints.decode()
