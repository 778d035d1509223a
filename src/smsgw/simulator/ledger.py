"""What the simulated provider has accepted: the truth that the gateway's books are compared with."""

from collections import deque
from datetime import datetime

import msgspec


class Entry(msgspec.Struct, kw_only=True):
    """One SMS. The same reference twice is two of them."""

    reference: str
    message_id: str
    accepted_at: datetime
    status: str = "sent"
    """What was reported last, `sent` before the first report."""


class Ledger:
    """The newest acceptances, oldest first; bounded."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: deque[Entry] = deque()
        self._by_reference: dict[str, list[Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Note an acceptance; beyond the size the oldest is forgotten."""
        self._entries.append(entry)
        self._by_reference.setdefault(entry.reference, []).append(entry)
        if len(self._entries) > self._size:
            self._forget(self._entries.popleft())

    def newest(self, reference: str) -> Entry | None:
        """Return the newest acceptance of a reference."""
        found = self._by_reference.get(reference)
        return found[-1] if found else None

    def entries(self, reference: str | None = None) -> list[Entry]:
        """Return all acceptances, or those of one reference."""
        return list(self._entries) if reference is None else list(self._by_reference.get(reference, ()))

    def _forget(self, entry: Entry) -> None:
        same = self._by_reference[entry.reference]
        same.remove(entry)
        if not same:
            del self._by_reference[entry.reference]
