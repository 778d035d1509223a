"""One provider's tokens and calls under way, at one worker. No store and no clock in here."""

from collections import deque

from smsgw.core.buckets import Limit
from smsgw.core.pace_rules import VOID_SECONDS, Room, room_of
from smsgw.core.text import segments

REMEMBERED = 8
UNLIMITED = float("inf")


class Pace:
    """Tokens of its bucket (units) and of TOTAL_RATE_LIMIT (messages); both are needed."""

    def __init__(self, limit: Limit | None, total: Limit | None, *, counts_segments: bool) -> None:
        limits = [each for each in (limit, total) if each]
        self.limit = limit
        self.total = total
        self.counts_segments = counts_segments
        self.calls: dict[int, float] = {}
        """Since when each token is out whose call has not ended, the oldest first."""
        self.ended_at = float("-inf")
        """When a call has ended last."""
        self.dry_until = 0.0
        """Until then the store has nothing; what is at hand may be used all the same."""
        self.paused_until = 0.0
        """Until then the provider wants nothing."""
        self.short_units = 0
        self.short_messages = 0
        self._costs: deque[int] = deque([1], maxlen=REMEMBERED)
        self.life_seconds = min((each.life_seconds for each in limits), default=UNLIMITED)
        self.block = min((each.block for each in limits), default=1)
        self._units = 0
        self._messages = 0
        self._leased_at = 0.0

    @property
    def is_free(self) -> bool:
        """Whether nothing limits it."""
        return self.limit is None and self.total is None

    @property
    def least(self) -> int:
        """What the dearest of the newest messages cost: fewer tokens might not do for the next one, and be void."""
        return max(self._costs)

    @property
    def suffices(self) -> bool:
        """Whether what is at hand is enough for a message as dear as the newest ones."""
        return self._units >= self.least

    def cost(self, text: str) -> int:
        """Return the tokens that a text takes."""
        if not self.counts_segments:
            return 1
        cost = segments(text)
        self._costs.append(cost)
        return cost

    def at_hand(self, now: float) -> int:
        """Return for how many messages, of one token each, there are tokens; what is void is dropped."""
        if now - self._leased_at > VOID_SECONDS:
            self._units = self._messages = 0
        return min(self._units, self._messages)

    def room(self, share: int, now: float) -> Room:
        """Return whether one more call may begin, when only those whose calls end may have more slots than a share."""
        if len(self.calls) < share:
            return Room.FREE
        oldest_at = next(iter(self.calls.values()))
        return room_of(len(self.calls), share, oldest_at=oldest_at, ended_at=self.ended_at, now=now)

    def add(self, units: int, messages: int, leased_at: float) -> None:
        """Take a lease in. What is at hand is as old as the oldest of it."""
        if not self.at_hand(leased_at):
            self._leased_at = leased_at
        self._units += units
        # Without a total nobody counts messages: units decide.
        self._messages += messages if self.total else units

    def draw(self, units: int, now: float) -> float | None:
        """Use tokens for one message; return when they were leased, or None when they do not suffice."""
        if not self.at_hand(now) or self._units < units:
            return None
        self._units -= units
        self._messages -= 1
        return self._leased_at

    def note_short(self, cost: int) -> None:
        """Remember that a message found too few."""
        self.short_units += cost
        self.short_messages += 1
