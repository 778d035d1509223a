"""What a simulated carrier has accepted: the truth that the gateway's books are compared with."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from smsgw.simulator.settings import DEFAULT_NAME


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a carrier that plays a vendor keeps of a message besides."""

    sender: str = ""
    callback: str = ""
    """Where the client wants the reports."""
    segments: int = 1
    extra: Mapping[str, str] = {}
    """What the vendor's answers and reports repeat."""


class Entry(msgspec.Struct, kw_only=True, gc=False):
    """One SMS. The same reference twice is two of them."""

    # Without garbage collection: nothing in it leads back to it, and hundreds of thousands of them would slow every
    # collection.
    reference: str
    """Empty where the dialect has none."""
    message_id: str
    accepted_at: datetime
    status: str = "sent"
    """What was reported last, `sent` before the first report."""
    provider: str = DEFAULT_NAME
    to: str = ""
    details: Details | msgspec.UnsetType = msgspec.UNSET

    @property
    def known(self) -> Details:
        """The details, or what they are without any."""
        return self.details or Details()


class Ledger:
    """The newest acceptances, oldest first; bounded."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: deque[Entry] = deque()
        self._by_reference: dict[str, list[Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Note an acceptance; beyond the size the oldest is forgotten."""
        self._entries.append(entry)
        if entry.reference:
            self._by_reference.setdefault(entry.reference, []).append(entry)
        if len(self._entries) > self._size:
            self._forget(self._entries.popleft())

    def newest(self, reference: str) -> Entry | None:
        """Return the newest acceptance of a reference."""
        found = self._by_reference.get(reference)
        return found[-1] if found else None

    def by_id(self, message_id: str) -> Entry | None:
        """Return the acceptance with this id; it looks through all of them, the newest first."""
        return next((entry for entry in reversed(self._entries) if entry.message_id == message_id), None)

    def entries(
        self, reference: str | None = None, *, to: str | None = None, since: datetime | None = None
    ) -> list[Entry]:
        """Return all acceptances, or those of one reference, of one number, of a moment and later."""
        found: Iterable[Entry] = self._entries if reference is None else self._by_reference.get(reference, ())
        return [
            entry for entry in found if (to is None or entry.to == to) and (since is None or entry.accepted_at >= since)
        ]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._by_reference.clear()

    def _forget(self, entry: Entry) -> None:
        same = self._by_reference.get(entry.reference)
        if same is None:
            return
        same.remove(entry)
        if not same:
            del self._by_reference[entry.reference]
