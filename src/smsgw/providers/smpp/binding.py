"""A bind kept alive: connect, bind, watch the link, and all over again when it is lost."""

import asyncio
import random
from collections.abc import Callable
from ssl import SSLContext

import msgspec

from smsgw.core import smpp
from smsgw.providers.smpp.config import Config
from smsgw.providers.smpp.link import Gone, Link
from smsgw.providers.smpp.statuses import BIND_REFUSED, shown

LONGEST_WAIT = 20
"""The wait after failures in a row grows up to so many times `reconnect_seconds`."""
REFUSED_WAIT = 30
"""After a refused account it begins with so many times, and grows to ten times that."""
UNBIND_SECONDS = 1.0


class Failure(msgspec.Struct, frozen=True):
    """Why there is no bind, or none any more."""

    why: str
    is_account: bool = False
    """The SMSC refused the account: nothing helps but somebody who mends the options."""


class Binding:
    """One bind. `on_bound` and `on_lost` hear of its coming and going; `on_lost` also of a try that fails in another
    way than the one before it."""

    def __init__(
        self,
        command: int,
        config: Config,
        *,
        tls: SSLContext | None,
        new_link: Callable[[], Link],
        on_bound: Callable[[Link], None],
        on_lost: Callable[[Link | None, Failure], None],
    ) -> None:
        self._command = command
        self._config = config
        self._tls = tls
        self._new_link = new_link
        self._on_bound = on_bound
        self._on_lost = on_lost
        self._link: Link | None = None
        self._failure: Failure | None = None

    async def keep(self) -> None:
        """Keep it until cancelled."""
        failures = 0
        while True:
            failure, was_bound = await self._once()
            failures = 1 if was_bound else failures + 1
            await asyncio.sleep(wait(failure, failures, self._config.reconnect_seconds, random.random()))  # noqa: S311

    async def unbind(self) -> None:
        """Say goodbye and close; within UNBIND_SECONDS."""
        link = self._link
        if link is None:
            return
        if link.is_bound:
            link.is_bound = False
            await link.ask(smpp.UNBIND, seconds=UNBIND_SECONDS)
        link.abort("unbound")

    async def _once(self) -> tuple[Failure, bool]:
        """Return how it ended, and whether it was bound before."""
        opened = await self._open()
        if isinstance(opened, Failure):
            if opened != self._failure:
                self._on_lost(None, opened)
            self._failure = opened
            return opened, False
        self._link, self._failure = opened, None
        self._on_bound(opened)
        watch = asyncio.create_task(self._watch(opened), name="smpp watch")
        try:
            failure = Failure(await asyncio.shield(opened.ended))
        finally:
            watch.cancel()
        self._link = None
        self._on_lost(opened, failure)
        return failure, True

    async def _open(self) -> Link | Failure:
        config, loop = self._config, asyncio.get_running_loop()
        name = (config.tls_name or config.host) if self._tls else None
        try:
            async with asyncio.timeout(config.connect_seconds):
                _, link = await loop.create_connection(
                    self._new_link, config.host, config.port, ssl=self._tls, server_hostname=name
                )
        except (OSError, TimeoutError) as error:
            # Its text may hold the peer's certificate, or the resolver's prose.
            return Failure(f"cannot connect ({type(error).__name__})")
        try:
            failure = await self._bind(link)
        except BaseException:
            link.abort("cancelled")
            raise
        if failure is not None:
            link.abort(failure.why)
            return failure
        return link

    async def _bind(self, link: Link) -> Failure | None:
        config = self._config
        body = smpp.encode_bind(
            smpp.Bind(
                system_id=config.system_id.encode(),
                password=config.password.encode(),
                system_type=config.system_type.encode(),
            )
        )
        reply = await link.ask(self._command, body, seconds=config.bind_seconds)
        if isinstance(reply, Gone):
            return Failure(f"no answer to the bind: {reply.why}")
        if reply.status == smpp.ROK:
            return None
        return Failure(f"bind refused: {shown(reply.status)}", is_account=reply.status in BIND_REFUSED)

    async def _watch(self, link: Link) -> None:
        """Try the link out when it was silent for long."""
        loop, idle = asyncio.get_running_loop(), self._config.enquire_link_seconds
        while True:
            silent = loop.time() - link.heard_at
            if silent >= idle:
                link.try_out()
                silent = 0
            await asyncio.sleep(idle - silent)


def wait(failure: Failure, failures: int, first: float, dice: float) -> float:
    """Return the seconds until the next try: they double with every failure in a row, and half of them is chance, so
    that many workers do not come back in one moment."""
    start, most = (REFUSED_WAIT, 10 * REFUSED_WAIT) if failure.is_account else (1, LONGEST_WAIT)
    seconds = first * min(start * 2 ** min(failures - 1, 10), most)
    return float(seconds * (0.5 + dice / 2))
