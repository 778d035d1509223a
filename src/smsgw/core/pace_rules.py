"""How calls are paced: the numbers and the rule that the worker and `smsgw simulate` share: they cannot drift."""

from enum import Enum

BATCH = 50
"""The most messages that are taken out of one lane before it is another one's turn."""
VOID_SECONDS = 0.1
"""What was leased and not used within it is void."""
LEAST_WAIT_SECONDS = 0.005
UNSAID_PAUSE_SECONDS = 1.0
"""For how long a provider without a limit is left alone that says "too much" and not for how long."""
ELBOW_ROOM = 0.75
"""The share of the slots that one provider may hold with calls that do not end, while there are others."""
SLOW_SECONDS = 1.0
"""A call that takes longer hangs, as far as the slots are concerned."""
PULSE_SECONDS = 0.25
"""Between two exchanges of what is known of the providers' health."""
HURRY_SECONDS = 0.05
"""The same, after a failure or a probe."""


class Room(Enum):
    """Whether a provider may have one more slot."""

    FREE = "free"
    BUSY = "busy"
    """It holds its share of the slots, and nobody knows yet whether it hangs: not the moment to ask another one."""
    HANGING = "hanging"


def share_of(slots: int, *, providers: int) -> int:
    """Return how many slots a provider may hold whose calls do not end."""
    return max(1, int(slots * ELBOW_ROOM)) if providers > 1 else slots


def room_of(calls: int, share: int, *, oldest_at: float, ended_at: float, now: float) -> Room:
    """Return whether there is room for one more call, given when the oldest one began and when one has ended last. A
    provider whose calls end may have every slot: its messages must not spill over to another one."""
    if calls < share:
        return Room.FREE
    if now - oldest_at > SLOW_SECONDS:
        return Room.HANGING
    return Room.FREE if now - ended_at <= SLOW_SECONDS else Room.BUSY
