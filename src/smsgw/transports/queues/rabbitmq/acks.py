"""Acknowledgements of one channel, gathered: a run without gaps costs one frame, whatever order it was asked in."""

import asyncio

from aiormq.abc import AbstractChannel

from smsgw.core.ports import QueueUnavailableError
from smsgw.transports.queues.rabbitmq.wire import translated


class AckRuns:
    """Turns acknowledged tags into frames. Pure; it relies on the tags of a channel being 1, 2, 3 …"""

    def __init__(self) -> None:
        self._floor = 0
        """Every tag up to it is acknowledged."""
        self._new: set[int] = set()
        self._ahead: set[int] = set()
        """Acknowledged one by one, beyond a gap."""

    def add(self, tag: int) -> bool:
        """Note one tag as acknowledged; False, and nothing changes, when it was before."""
        if tag <= self._floor or tag in self._ahead or tag in self._new:
            return False
        self._new.add(tag)
        return True

    def take(self) -> list[tuple[int, bool]]:
        """Return the frames to write as (tag, multiple)."""
        run = self._take_run()
        # `multiple` must name a tag that the broker still waits for: naming one acknowledged before ends the channel.
        frames = [(run[-1], True)] if len(run) > 1 else [(tag, False) for tag in run]
        frames += [(tag, False) for tag in sorted(self._new)]
        self._ahead |= self._new
        self._new.clear()
        return frames

    def _take_run(self) -> list[int]:
        run: list[int] = []
        while True:
            tag = self._floor + 1
            if tag in self._new:
                self._new.discard(tag)
                run.append(tag)
            elif tag in self._ahead:
                self._ahead.discard(tag)
            else:
                return run
            self._floor = tag


class Acks:
    """Acknowledges on one channel. What is acknowledged in one loop tick shares frames."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._runs = AckRuns()
        self.unacknowledged = 0
        self._writing: asyncio.Task[None] | None = None

    def add(self, tag: int) -> None:
        """Acknowledge one delivery soon; on a lost channel this does nothing."""
        if self._channel.is_closed:
            return
        self.unacknowledged -= self._runs.add(tag)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def drain(self) -> None:
        """Wait until everything acknowledged so far is on its way."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        try:
            with translated():
                while frames := self._runs.take():
                    for tag, is_multiple in frames:
                        await self._channel.basic_ack(tag, multiple=is_multiple, wait=False)
        except QueueUnavailableError:
            # The channel is lost, so the broker delivers these again; the store drops the copies.
            return
        finally:
            self._writing = None
