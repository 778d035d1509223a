"""Traces by the SDK: one trace over processes, nothing where they are off, no wait for a collector."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from smsgw.core import events
from smsgw.core.failure import Outcome
from smsgw.core.message import Event, EventType, Status
from smsgw.settings import SettingsError, TraceSettings
from smsgw.telemetry import hub, traces
from smsgw.telemetry.spans import root_id
from smsgw.telemetry.traces import Traces
from tests.unit.telemetry.samples import ID, NOW, NUMBER, TEXT, every_fact, moved

ACCEPTED = events.RequestAccepted(tracking_id=ID, client_key="shop", to=NUMBER, country="IR", seconds=0.25)
ATTEMPT = events.AttemptFinished(
    tracking_id=ID,
    client_key="shop",
    provider="Provider-A",
    number=1,
    outcome=Outcome.UNKNOWN,
    seconds=0.5,
    country="IR",
    detail=f"{NUMBER} {TEXT}",
)
REPORTED = moved(Status.DELIVERED, Status.SENT, Event(EventType.REPORT, NOW, "Provider-A", {"status": "delivered"}))


def settings(service: str = "server-a", ratio: float = 1) -> TraceSettings:
    return TraceSettings(endpoint="http://127.0.0.1:4318", ratio=ratio, service_name=service)


async def told(*facts: events.Fact, service: str = "server-a", ratio: float = 1) -> Sequence[ReadableSpan]:
    """Return the spans that one process makes of facts."""
    exporter = InMemorySpanExporter()
    process = Traces(settings(service, ratio), exporter=exporter, clock=NOW.timestamp)
    for fact in facts:
        process.observe(fact)
    await process.close()
    return exporter.get_finished_spans()


def context(span: ReadableSpan) -> Any:
    assert span.context is not None
    return span.context


async def test_gateway_worker_and_report_write_one_trace() -> None:
    (accept,) = await told(ACCEPTED)
    queue, send = await told(moved(Status.PROCESSING, None), ATTEMPT, service="server-b")
    (report,) = await told(REPORTED, service="server-b")

    spans = [accept, queue, send, report]
    assert [span.name for span in spans] == ["accept", "queue", "send Provider-A", "report"]
    assert {context(span).trace_id for span in spans} == {ID.int}
    assert (accept.parent, context(accept).span_id) == (None, root_id(ID))
    assert {span.parent.span_id for span in spans[1:] if span.parent} == {root_id(ID)}
    assert len({context(span).span_id for span in spans}) == len(spans)
    assert [span.resource.attributes["service.name"] for span in (accept, send)] == ["server-a", "server-b"]


async def test_a_span_lasts_as_long_as_what_it_tells_of() -> None:
    (send,) = await told(ATTEMPT)

    assert send.start_time is not None
    assert send.end_time is not None
    assert send.end_time - send.start_time == pytest.approx(500_000_000, abs=1000)
    assert send.status.description == "unknown"
    assert dict(send.attributes or {}) == {
        "smsgw.tracking_id": str(ID),
        "smsgw.client": "shop",
        "smsgw.provider": "Provider-A",
        "smsgw.outcome": "unknown",
        "smsgw.country": "IR",
        "smsgw.attempt": 1,
    }


async def test_processes_agree_on_what_is_kept() -> None:
    ids = [int(ID) + number for number in range(200)]
    facts = [
        [type(fact)(**{**_fields(fact), "tracking_id": type(ID)(int=each)}) for each in ids]
        for fact in (ACCEPTED, ATTEMPT)
    ]

    gateway, worker = await told(*facts[0], ratio=0.3), await told(*facts[1], ratio=0.3, service="server-b")

    assert {context(span).trace_id for span in gateway} == {context(span).trace_id for span in worker}
    assert 20 < len(gateway) < 100


def _fields(fact: events.Fact) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


async def test_no_span_tells_a_number_or_a_text() -> None:
    spans = await told(*every_fact())

    assert len(spans) > 3
    assert [span.name for span in spans if NUMBER[4:] in span.to_json() or TEXT in span.to_json()] == []


@pytest.mark.parametrize(
    ("header", "linked"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", [0x0AF7651916CD43DD8448EB211C80319C]),
        ("", []),
        ("00-00000000000000000000000000000000-0000000000000000-01", []),
        ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", []),
        (f"00-{NUMBER}", []),
    ],
)
async def test_a_callers_trace_is_a_link(header: str, linked: list[int]) -> None:
    fact = events.RequestAccepted(**{**_fields(ACCEPTED), "traceparent": header})

    (accept,) = await told(fact)

    assert [link.context.trace_id for link in accept.links] == linked
    assert context(accept).trace_id == ID.int


class StuckExporter(SpanExporter):
    """A collector that takes a batch and never answers."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.free.wait(30)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.free.set()


async def test_a_collector_that_hangs_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "FLUSH_SECONDS", 0.1)
    exporter = StuckExporter()
    process = Traces(settings(), exporter=exporter)
    for _ in range(1000):
        process.observe(ATTEMPT)

    async with asyncio.timeout(5):
        await process.close()

    assert not exporter.free.is_set()
    exporter.free.set()


async def test_nobody_listens_where_traces_are_off() -> None:
    async with AsyncExitStack() as stack:
        assert hub.trace_listeners(None, stack) == ()


async def test_a_start_without_the_sdk_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith(("opentelemetry", "smsgw.telemetry.traces"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)

    async with AsyncExitStack() as stack:
        with pytest.raises(SettingsError) as refused:
            hub.trace_listeners(settings(), stack)

    assert "pip install 'smsgw[otel]'" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nothing_of_it_is_imported_where_traces_are_off() -> None:
    script = (
        "import sys; import smsgw.cli, smsgw.wiring.gateway, smsgw.wiring.worker, smsgw.wiring.dev; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
