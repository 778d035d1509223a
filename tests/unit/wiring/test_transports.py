"""What ends a role when one of its transports can never work."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from smsgw.settings import SettingsError
from smsgw.wiring.transports import Transports


class _Hopeless:
    """A transport that can never work as it is set."""

    async def watch(self) -> None:
        raise ValueError("the queue exists in another shape")


class _Deaf:
    """A transport whose watch loses a cancellation, as redis-py does while it connects."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def watch(self) -> None:
        try:
            await self.closed.wait()
        except asyncio.CancelledError:
            await self.closed.wait()


async def test_a_watch_that_hears_no_cancellation_does_not_hold_up_the_end() -> None:
    deaf = _Deaf()
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=lambda _: None, clock=lambda: datetime.now(UTC))
        transports._opened += [deaf, _Hopeless()]

        with pytest.raises(SettingsError, match="another shape"):
            async with asyncio.timeout(10):
                await transports.watch(asyncio.Event())
        deaf.closed.set()
