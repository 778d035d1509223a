"""Facts about what the product forgets."""

from smsgw.core.data_care import Kept
from smsgw.core.fact import Fact


class RowsRetired(Fact, frozen=True, kw_only=True):
    """The retention chore has looked once at what it retires; stated again every minute."""

    what: Kept
    rows: int
    """Erased or deleted in this batch."""
    is_behind: bool
    """Whether the next batch follows at once."""
    oldest_seconds: float
    """How old the oldest is that is still kept."""


class NumberErased(Fact, frozen=True, kw_only=True):
    """Somebody has erased a number from the messages."""

    to: str
    """Unmasked; listeners mask it."""
    who: str
    messages: int
    left: int
    """Messages that may still be sent."""
