"""Traces: an inbound one goes on into what it causes, with spans or without; values stay, and nobody is named."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.pack_file import load_directory, load_pack
from contracts.topics import DISCHARGES
from workers.adjudication.books import Books
from workers.contracts_book.examples import SETTLED
from workers.settlement.pipeline import Batch, BatchResult
from workers.settlement.ports import OutcomeUnknown
from workers.settlement.records import Incoming, Outgoing
from workers.settlement.turn import Committed, Lost, NewBatch, Turn
from workers.traces import Traced, Untraced, traces

memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="pip install yidan[otel]")

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENDER = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SENDER}-01".encode()
BOOKS = Books(load_directory(), load_pack)
VALUE = json.dumps({**SETTLED, "inscp_scp_amt": "400000.00", "medfee_sumamt": "420000.00"}).encode()
"""A bill that reaches a cap, so that a signal goes out too."""


def batches(partition: int, records: Any) -> Batch:
    return Batch(BOOKS, partition, 1, records)


def record(offset: int, value: bytes, *headers: tuple[str, bytes]) -> Incoming:
    return Incoming(DISCHARGES, 0, offset, SETTLED["psn_no"].encode(), value, headers)


def settled(new_batch: NewBatch, *records: Incoming) -> BatchResult:
    batch = new_batch(0, records)
    while names := batch.wanted():
        batch.supply(dict.fromkeys(names))
    return batch.settle()


def header(outgoing: Outgoing) -> bytes | None:
    found = [value for name, value in outgoing.headers if name == "traceparent"]
    assert len(found) <= 1
    return found[0] if found else None


def caused(result: BatchResult) -> Iterator[Outgoing]:
    yield from result.payouts
    yield from result.signals
    yield from result.quarantine


@pytest.fixture
def spans() -> Any:
    return memory.InMemorySpanExporter()


@pytest.fixture
def traced(spans) -> Traced:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Traced(provider, "1.2.3")


def test_without_spans_an_inbound_trace_is_handed_on_as_it_came():
    result = settled(batches, record(0, VALUE, ("traceparent", TRACEPARENT), ("tracestate", b"a=b")), record(1, b"{"))
    assert result.payouts
    assert result.signals
    assert {header(outgoing) for outgoing in (*result.payouts, *result.signals)} == {TRACEPARENT}
    assert header(result.quarantine[0]) is None, "another record's"
    assert not [name for payout in result.payouts for name, _ in payout.headers if name == "tracestate"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-33012319900101123X-b7ad6b7169203331-01",
        b"ff-" + TRACEPARENT[3:],
        b"00-" + b"0" * 32 + TRACEPARENT[35:],
        TRACEPARENT + b"-more",
        TRACEPARENT.upper(),
    ],
)
def test_what_is_no_trace_is_not_handed_on(value):
    result = settled(batches, record(0, VALUE, ("traceparent", value)))
    assert [header(outgoing) for outgoing in caused(result)] == [None] * (len(result.payouts) + len(result.signals))


def test_a_settled_record_continues_its_trace_and_what_it_causes_continues_its_span(spans, traced):
    new_batch = traced.around(batches)
    result = settled(new_batch, record(7, VALUE, ("traceparent", TRACEPARENT)), record(8, b"{"))
    traced.ended(Turn({0: Committed(result, {DISCHARGES: 9}, True)}))
    first, second = spans.get_finished_spans()
    assert first.name == "settle"
    assert (f"{first.context.trace_id:032x}", f"{first.parent.span_id:016x}") == (TRACE, SENDER)
    assert second.parent is None
    assert second.context.trace_id != first.context.trace_id
    assert {header(outgoing) for outgoing in (*result.payouts, *result.signals)} == {
        f"00-{TRACE}-{first.context.span_id:016x}-01".encode()
    }
    (refused,) = result.quarantine
    assert (header(refused) or b"")[:-2] == f"00-{second.context.trace_id:032x}-{second.context.span_id:016x}-".encode()
    where = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": DISCHARGES,
        "messaging.destination.partition.id": "0",
    }
    assert dict(first.attributes) == {
        **where,
        "messaging.kafka.offset": 7,
        "yidan.event_type": "settled",
        "yidan.outcome": "settled",
    }
    assert dict(second.attributes) == {
        **where,
        "messaging.kafka.offset": 8,
        "yidan.outcome": "refused",
        "yidan.refusal": "message_is_not_json",
    }


def test_a_span_names_nobody(spans, traced):
    result = settled(traced.around(batches), record(0, VALUE))
    traced.ended(Turn({0: Committed(result, {}, True)}))
    (span,) = spans.get_finished_spans()
    for name in ("psn_no", "setl_id", "mdtrt_id", "fixmedins_code", "msgid"):
        assert str(SETTLED[name]) not in span.to_json()


@pytest.mark.parametrize("state", [b"San Zhang 33010119900101123X", b"who=33010119900101123X"])
def test_what_a_sender_writes_beside_the_trace_is_neither_logged_nor_exported(spans, traced, state, caplog):
    new_batch = traced.around(batches)
    result = settled(new_batch, record(7, VALUE, ("traceparent", TRACEPARENT), ("tracestate", state)))
    traced.ended(Turn({0: Committed(result, {DISCHARGES: 8}, True)}))
    (span,) = spans.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert "33010119900101123X" not in span.to_json() + caplog.text


def test_values_and_journal_are_the_same_bytes_with_spans_and_without(traced):
    plain = settled(batches, record(0, VALUE))
    under = settled(traced.around(batches), record(0, VALUE, ("traceparent", TRACEPARENT)))
    assert [outgoing.value for outgoing in caused(plain)] == [outgoing.value for outgoing in caused(under)]
    assert plain.fields == under.fields
    assert [payout.headers for payout in plain.payouts] == [payout.headers[:-1] for payout in under.payouts]


def test_a_batch_that_was_not_committed_leaves_a_span_that_says_so_and_the_next_one_begins_anew(spans, traced):
    new_batch = traced.around(batches)
    settled(new_batch, record(0, VALUE))
    traced.ended(Turn({0: Lost(OutcomeUnknown("the answer did not come"))}))
    result = settled(new_batch, record(0, VALUE))
    traced.ended(Turn({0: Committed(result, {}, True)}))
    lost, done = spans.get_finished_spans()
    assert (lost.attributes["yidan.outcome"], lost.status.is_ok) == ("not_committed", False)
    assert (done.attributes["yidan.outcome"], done.status.is_ok) == ("settled", True)


def test_an_sdk_that_is_disabled_changes_nothing(monkeypatch):
    from opentelemetry.sdk.trace import TracerProvider

    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    disabled = Traced(TracerProvider(shutdown_on_exit=False), "1.2.3")
    result = settled(disabled.around(batches), record(0, VALUE, ("traceparent", TRACEPARENT)))
    disabled.ended(Turn({0: Committed(result, {}, True)}))
    assert header(result.payouts[0]) == TRACEPARENT


async def test_spans_that_cannot_be_sent_hold_nobody_up(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("workers.traces.LETTING_GO_SECONDS", 0.2)
    unsent = traces(True, "1.2.3")
    result = settled(unsent.around(batches), record(0, VALUE))
    unsent.ended(Turn({0: Committed(result, {}, True)}))
    await unsent.close()


async def test_traces_are_off_unless_they_are_asked_for():
    off = traces(False, "1.2.3")
    assert isinstance(off, Untraced)
    assert off.around(batches) is batches
    off.ended(Turn())
    await off.close()
