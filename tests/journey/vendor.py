"""A vendor without manners beside the product: raw servers in a thread, each with a script."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.providers.raw_server import ACCEPTED, RawServer, Script, Visit, raw_server


class Vendor:
    """Raw servers on ports of their own, run until the block of `vendors()` ends."""

    def __init__(self, portal: BlockingPortal, stack: ExitStack) -> None:
        self._portal = portal
        self._stack = stack
        self._servers: list[RawServer] = []
        self.healed: set[str] = set()
        """Paths that take messages as a good vendor does, whatever their script says."""

    def serve(self, script: Script, *, tls: ssl.SSLContext | None = None) -> int:
        """Start one more server; return its port."""
        running = self._portal.wrap_async_context_manager(raw_server(script, tls=tls))
        server = self._stack.enter_context(running)
        self._servers.append(server)
        return server.port

    def serve_paths(self, scripts: Mapping[str, Script]) -> int:
        """Start one server on which the first part of a request's path chooses what is done after the request."""

        async def choose(visit: Visit) -> None:
            while True:
                path = (await visit.request()).split(b"/")[1].decode()
                await (accept if path in self.healed else scripts[path])(visit)

        return self.serve(choose)

    def posts(self, tracking_id: str) -> int:
        """Return how often anybody here was asked to send this message."""
        wanted = tracking_id.encode()
        seen = [each for server in self._servers for each in tuple(server.requests)]
        return sum(each.startswith(b"POST ") and wanted in each for each in seen)


async def accept(visit: Visit) -> None:
    """Answer one request as a good vendor does."""
    await visit.write(ACCEPTED)


@contextmanager
def vendors() -> Iterator[Vendor]:
    """Give a Vendor whose servers end with the block."""
    with start_blocking_portal() as portal, ExitStack() as stack:
        yield Vendor(portal, stack)
