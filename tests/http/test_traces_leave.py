"""Traces leave a process over OTLP/HTTP, the last ones before it ends."""

import threading
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from smsgw.core import events
from smsgw.settings import TraceSettings
from smsgw.telemetry import trace_listeners
from tests.unit.telemetry.samples import ID, NUMBER

ACCEPTED = events.RequestAccepted(tracking_id=ID, client_key="shop", to=NUMBER, country="IR", seconds=0.25)


class Collector(BaseHTTPRequestHandler):
    """Takes what an exporter posts."""

    taken: ClassVar[list[tuple[str, bytes]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


async def test_spans_leave_over_http_to_the_collector() -> None:
    Collector.taken = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        async with AsyncExitStack() as stack:
            (observe,) = trace_listeners(TraceSettings(endpoint=address, service_name="server-a"), stack)
            observe(ACCEPTED)
        server.shutdown()

    ((path, body),) = Collector.taken
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    (span,) = resource.scope_spans[0].spans
    assert path == "/v1/traces"
    assert (span.name, span.trace_id) == ("accept", ID.bytes)
