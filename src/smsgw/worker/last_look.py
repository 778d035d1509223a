"""What Watch saw last of queue and backlog: the dashboard shows it without asking broker or database again."""

import time
from collections.abc import Callable
from typing import Any

from smsgw.core.events import BacklogSeen, QueueDepthSeen

STALE_SECONDS = 20.0
"""Four looks of Watch: what is older is not told any more."""


class LastLook:
    """A listener that keeps the last look. None: there was none lately, because the source is away."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[type[Any], tuple[float, Any]] = {}

    def observe(self, fact: Any, /) -> None:
        """Listen to facts, as an Observer does."""
        if isinstance(fact, BacklogSeen | QueueDepthSeen):
            self._seen[type(fact)] = (self._monotonic(), fact)

    @property
    def queue(self) -> QueueDepthSeen | None:
        """How much waits at the broker."""
        found: QueueDepthSeen | None = self._fresh(QueueDepthSeen)
        return found

    @property
    def backlog(self) -> BacklogSeen | None:
        """How much waits in the database."""
        found: BacklogSeen | None = self._fresh(BacklogSeen)
        return found

    def _fresh(self, kind: type[Any]) -> Any:
        at, fact = self._seen.get(kind, (0.0, None))
        return fact if fact is not None and self._monotonic() - at <= STALE_SECONDS else None
