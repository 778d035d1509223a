"""Vendors' names, looked up so that a name server that hangs holds up nobody but the calls to that vendor."""

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

_NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
_Found: TypeAlias = list[ResolveResult]
_LookUp: TypeAlias = Callable[[str, int, socket.AddressFamily], _Found]


def look_up(host: str, port: int, family: socket.AddressFamily) -> _Found:
    """Return the host's addresses as the system knows them, and wait for it as long as it takes; raises OSError."""
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            # Also says the zone of a link-local address.
            host=socket.getnameinfo(address, _NUMERIC)[0],
            port=port,
            family=found_family,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for found_family, _, proto, _, address in infos
    ]


class Resolver(AbstractResolver):
    """Asks the system, each time in a thread of its own. aiohttp asks once per name at a time and remembers the answer.

    The loop's own threads would be too few (two hanging names stop every other look-up), and the process would wait
    for them before it ends.
    """

    def __init__(self, ask: _LookUp = look_up) -> None:
        self._ask = ask

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AddressFamily.AF_UNSPEC
    ) -> _Found:
        """Return the host's addresses; raises OSError."""
        found: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        ask = functools.partial(self._ask, host, port, family)
        thread = threading.Thread(target=_tell, args=(found, ask), name=f"dns {host}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(str(error)) from None
        return await found

    async def close(self) -> None:
        """Nothing is open; a thread that still waits is left behind."""


def _tell(found: "asyncio.Future[_Found]", ask: Callable[[], _Found]) -> None:
    result: _Found | OSError
    try:
        result = ask()
    except OSError as error:
        result = error
    except UnicodeError:
        result = socket.gaierror(socket.EAI_NONAME, "no host name")
    # The loop is closed when the process ended its work before the name server answered.
    with contextlib.suppress(RuntimeError):
        found.get_loop().call_soon_threadsafe(_settle, found, result)


def _settle(found: "asyncio.Future[_Found]", result: _Found | OSError) -> None:
    if found.done():
        return
    if isinstance(result, OSError):
        found.set_exception(result)
    else:
        found.set_result(result)
