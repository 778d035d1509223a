"""Traces over OTLP. Only this module imports the SDK, and hub.py imports this module only when traces are on."""

import asyncio
import re
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from smsgw import __version__
from smsgw.settings import TraceSettings
from smsgw.telemetry.spans import Side, Span, is_sampled, root_id, spans_of, tracking_id_of

EXPORT_SECONDS = 5.0
"""For one batch, with its retries; then it is dropped."""
FLUSH_SECONDS = 2.0
"""How long a process that stops waits for its last spans to leave."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_KINDS = {
    Side.SERVER: SpanKind.SERVER,
    Side.CONSUMER: SpanKind.CONSUMER,
    Side.CLIENT: SpanKind.CLIENT,
    Side.INTERNAL: SpanKind.INTERNAL,
}


class _Ids(IdGenerator):
    """Gives a trace its message's id; the ids of all spans but the first are drawn."""

    def __init__(self) -> None:
        self._drawn = RandomIdGenerator()
        self.root: UUID | None = None

    def generate_trace_id(self) -> int:
        return self.root.int if self.root else self._drawn.generate_trace_id()

    def generate_span_id(self) -> int:
        return root_id(self.root) if self.root else self._drawn.generate_span_id()


class Traces:
    """Makes spans of facts. `observe` costs one hash for a message that is not sampled, and never waits: spans leave in
    a thread, in batches, and are dropped when the collector is too slow."""

    def __init__(
        self, settings: TraceSettings, *, exporter: SpanExporter, clock: Callable[[], float] = time.time
    ) -> None:
        self._ratio = settings.ratio
        self._clock = clock
        self._ids = _Ids()
        self._processor = BatchSpanProcessor(exporter)
        resource = Resource.create({"service.name": settings.service_name, "service.version": __version__})
        provider = TracerProvider(
            # The hash of the tracking id has decided before a span is made.
            sampler=ALWAYS_ON,
            resource=resource,
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("smsgw", __version__)

    def observe(self, fact: Any, /) -> None:
        """Make the spans of one fact."""
        tracking_id = tracking_id_of(fact)
        if tracking_id is None or not is_sampled(tracking_id, self._ratio):
            return
        for span in spans_of(fact, self._clock()):
            self._make(span)

    async def close(self) -> None:
        """Let the last spans leave, within FLUSH_SECONDS; a thread that cannot is left behind and stops nobody."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="traces", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await done.wait()
        except TimeoutError:
            return

    def _make(self, span: Span) -> None:
        self._ids.root = span.tracking_id if span.is_root else None
        made = self._tracer.start_span(
            span.name,
            context=set_span_in_context(NonRecordingSpan(_first(span))) if not span.is_root else None,
            kind=_KINDS[span.side],
            attributes={
                "smsgw.tracking_id": str(span.tracking_id),
                **{f"smsgw.{name}": value for name, value in span.attributes.items()},
            },
            links=_links(span.traceparent),
            start_time=_nanoseconds(span.began),
        )
        if span.problem:
            made.set_status(Status(StatusCode.ERROR, span.problem))
        made.end(_nanoseconds(span.ended))


def open_traces(settings: TraceSettings) -> Traces:
    """Return traces that go to the collector; other standard OTEL_EXPORTER_OTLP_* variables hold for it as well."""
    return Traces(
        settings, exporter=OTLPSpanExporter(endpoint=f"{settings.endpoint}/v1/traces", timeout=EXPORT_SECONDS)
    )


def _first(span: Span) -> SpanContext:
    """Return the first span of the trace as its children see it, wherever it was made."""
    return SpanContext(
        trace_id=span.tracking_id.int,
        span_id=root_id(span.tracking_id),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _links(traceparent: str) -> list[Link]:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return []
    trace, parent, flags = (int(each, 16) for each in found.groups())
    context = SpanContext(trace_id=trace, span_id=parent, is_remote=True, trace_flags=TraceFlags(flags))
    return [Link(context)] if context.is_valid else []


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
