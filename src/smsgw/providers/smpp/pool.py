"""The binds of one provider: who sends gets the one with the most room, and all are slowed when the SMSC says so."""

import asyncio
from collections import deque

from smsgw.providers.smpp.link import Link

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0


class Pool:
    """The links that may send. Waiting is bounded, fair, and ends when there is room."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop
        self._links: list[Link] = []
        self._waiters: deque[asyncio.Future[bool]] = deque()
        self._pause = 0.0
        self._paused_until = 0.0

    def __len__(self) -> int:
        """Return how many links there are."""
        return len(self._links)

    def add(self, link: Link) -> None:
        """Send over this one, too."""
        self._links.append(link)
        self.wake()

    def remove(self, link: Link) -> None:
        """Send over it no more."""
        if link in self._links:
            self._links.remove(link)

    def wake(self) -> None:
        """Let whoever has waited longest look again."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return

    async def link(self, *, seconds: float) -> Link | None:
        """Return a link with room, to be used without awaiting in between; None when there was none in time."""
        found = None if self._waiters else self._best()
        if found is not None:
            return found
        deadline = self._loop().time() + seconds
        while (left := deadline - self._loop().time()) > 0:
            if not await self._wait(left):
                return None
            found = self._best()
            if found is not None:
                if sum(link.room for link in self._links) > 1:
                    # What woke this one may have been room for more than one.
                    self.wake()
                return found
        return None

    def _best(self) -> Link | None:
        best, most = None, 0
        for link in self._links:
            room = link.room
            if room > most:
                best, most = link, room
        return best

    async def _wait(self, seconds: float) -> bool:
        """Wait for `wake`, or for so many seconds: then False."""
        waiter: asyncio.Future[bool] = self._loop().create_future()
        self._waiters.append(waiter)
        timer = self._loop().call_later(seconds, _give_up, waiter)
        try:
            is_woken = await waiter
        except asyncio.CancelledError:
            self._forget(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.result():
                # Woken and cancelled at once: the room is the next one's.
                self.wake()
            raise
        finally:
            timer.cancel()
        if not is_woken:
            self._forget(waiter)
        return is_woken

    def _forget(self, waiter: asyncio.Future[bool]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    # --- pace ---------------------------------------------------------------------------------------------------------

    @property
    def pause_left(self) -> float:
        """Seconds for which nothing is sent, because the SMSC gets too much; 0 for none."""
        return max(0.0, self._paused_until - self._loop().time()) if self._paused_until else 0.0

    def throttled(self) -> float:
        """The SMSC gets too much: return how long nothing is sent now; the next time it is twice as long."""
        if not self.pause_left:
            self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
            self._paused_until = self._loop().time() + self._pause
        return self.pause_left

    def taken(self) -> None:
        """The SMSC takes messages."""
        if self._pause and not self.pause_left:
            self._pause = self._paused_until = 0.0


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
