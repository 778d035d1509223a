"""Turns at hand: positions of the sequence that all workers share, leased for the messages of one batch."""

from collections import Counter, deque

from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.traffic import Traffic

AHEAD = 32
"""Positions for the batches that follow: a lone message shall not cost a round trip. Each stretch of a sequence is as
evenly distributed as the whole, so it does not matter to whom it belongs, nor when it is used."""
MOST_SEQUENCES = 16
"""Remembered at once: one for everybody, and a few while somebody is not well."""


class Turns:
    """The `turn` of a Router. Positions that were leased and not used are used later, so none is lost."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._at_hand: dict[str, deque[int]] = {}
        self._alone: Counter[str] = Counter()
        self._current: str | None = None

    def __call__(self, sequence: str) -> int:
        """Take the next position; where none is at hand this worker counts on alone, until the next batch."""
        self._current = sequence
        at_hand = self._at_hand.get(sequence)
        if at_hand:
            position = at_hand.popleft()
            self._alone[sequence] = position + 1
            return position
        position = self._alone[sequence]
        self._alone[sequence] += 1
        return position

    async def stock(self, sequence: str | None, wanted: int) -> None:
        """Lease positions for so many messages: of the sequence that was used last, else of this one."""
        if sequence is None or wanted == 0:
            return
        sequence = self._current or sequence
        at_hand = self._at_hand.setdefault(sequence, deque())
        if len(at_hand) >= wanted:
            return
        leased = wanted - len(at_hand) + AHEAD
        if len(self._at_hand) > MOST_SEQUENCES:
            self._at_hand = {sequence: at_hand}
        try:
            first = await self._traffic.turns(sequence, leased)
        except LimitsUnavailableError:
            return
        at_hand.extend(range(first, first + leased))
