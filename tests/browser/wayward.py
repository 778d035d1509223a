"""A vendor that is asked over plain HTTP and never takes a message the easy way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Refuse below /refuses; nobody can know what became of anything else."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b"{}"
        self.send_response(422 if self.path.startswith("/refuses") else 500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@contextmanager
def wayward_vendor() -> Iterator[str]:
    """Serve until the end; the value is the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
