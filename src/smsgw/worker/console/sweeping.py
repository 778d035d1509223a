"""Forgets what signing in leaves behind: sessions that are over, failed tries, links that nobody used."""

from datetime import timedelta

from smsgw.core.people import People
from smsgw.core.ports import Clock
from smsgw.worker.console.sign_in import WINDOW

INTERVAL_SECONDS = 600.0


class SignInSweeper:
    """A session is over when nobody has used it for `idle`; a failed try counts no longer than its window."""

    def __init__(self, people: People, *, idle: timedelta, clock: Clock) -> None:
        self._people = people
        self._idle = idle
        self._clock = clock

    async def run_once(self) -> float:
        """Forget what is over; return the seconds until the next run."""
        now = self._clock()
        await self._people.prune(sessions_before=now - self._idle, failures_before=now - WINDOW, now=now)
        return INTERVAL_SECONDS
