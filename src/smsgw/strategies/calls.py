"""The calls under way of every provider, and whose calls do not end: such a one may not have every slot."""

from collections.abc import Callable, Collection

from smsgw.core.pace_rules import SLOW_SECONDS, Room, room_of, share_of
from smsgw.strategies.timeline import Timeline
from smsgw.strategies.trip import Trip

_A_MOMENT = 1e-6


class Calls:
    """Counted over all workers, which share their slots here."""

    def __init__(
        self, providers: Collection[str], *, slots: int, time: Timeline, changed: Callable[[str], None]
    ) -> None:
        """`changed` is called when a provider that was busy is found to hang: another one may be asked then."""
        self._share = share_of(slots, providers=len(providers))
        self._time = time
        self._changed = changed
        self._since: dict[str, dict[Trip, float]] = {name: {} for name in providers}
        """When each call began, the oldest first."""
        self._ended_at = dict.fromkeys(providers, float("-inf"))
        self._turned_away: set[str] = set()
        self._watched: set[str] = set()

    def room(self, provider: str) -> Room:
        """Return whether one more call may begin; who is turned away is heard of again when one ends."""
        since = self._since[provider]
        if len(since) < self._share:
            return Room.FREE
        oldest_at = next(iter(since.values()))
        room = room_of(
            len(since), self._share, oldest_at=oldest_at, ended_at=self._ended_at[provider], now=self._time.seconds
        )
        if room is not Room.FREE:
            self._turned_away.add(provider)
        if room is Room.BUSY and provider not in self._watched:
            self._watched.add(provider)
            self._time.at(oldest_at + SLOW_SECONDS + _A_MOMENT, self._look, provider)
        return room

    def begin(self, provider: str, trip: Trip) -> None:
        """Note that a call begins."""
        self._since[provider][trip] = self._time.seconds

    def end(self, provider: str, trip: Trip) -> bool:
        """Note that a call has ended; return whether somebody was turned away before."""
        del self._since[provider][trip]
        self._ended_at[provider] = self._time.seconds
        was_full = provider in self._turned_away
        self._turned_away.discard(provider)
        return was_full

    def _look(self, provider: str) -> None:
        self._watched.discard(provider)
        self._changed(provider)
