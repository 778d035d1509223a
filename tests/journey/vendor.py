"""A vendor without manners beside the product: raw servers in a thread, each with a script."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.providers.certificates import YESTERDAY, server_context
from tests.providers.hostile import says
from tests.providers.raw_server import ACCEPTED, RawServer, Script, Visit, raw_server

_WAITS = {
    "5": "5",
    "86400": "86400",
    "minus": "-1",
    "garbage": "soon, I promise",
    "past": "Sun, 01 Mar 2026 11:00:00 GMT",
    "far": "Fri, 31 Dec 9999 23:59:59 GMT",
    "digits": "9" * 5000,
}
THROTTLES = {
    f"{status}-{name}": says(status, b"", f"retry-after: {value}")
    for status in (429, 503)
    for name, value in _WAITS.items()
}
"""Not now, and when to come again, in every way of saying so: `{status}-{how}`."""
ACCOUNTS = {str(status): says(status, b'{"error_code": "ACCOUNT"}') for status in (401, 402, 403)}
"""Something is wrong with our account."""


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


async def accept_all(visit: Visit) -> None:
    """Be a good vendor."""
    while True:
        await visit.request()
        await accept(visit)


async def one_answer_per_connection(visit: Visit) -> None:
    """Break the connection under the second request, as a vendor does whose idle time has just run out."""
    await visit.request()
    await accept(visit)
    await visit.request()
    visit.reset()


def tls_vendors(vendor: Vendor, authority_file: Path) -> dict[str, str]:
    """Start good vendors behind certificates of all kinds; return their base URLs. Whoever trusts the authority in the
    file can only talk to `trusted`."""
    ours, nobodys = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(authority_file))
    certificates = {
        "trusted": server_context(ours),
        "self-signed": server_context(nobodys),
        "expired": server_context(ours, not_after=YESTERDAY),
        "other-name": server_context(ours, name="127.0.0.2"),
        "no-tls": None,
    }
    return {
        name: f"https://127.0.0.1:{vendor.serve(accept_all, tls=context)}" for name, context in certificates.items()
    }
