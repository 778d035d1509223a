"""What the store in dictionaries forgets; its keys are the places of messages in the order in which they came."""

from abc import ABC, abstractmethod
from datetime import datetime
from uuid import UUID

import msgspec

from smsgw.core.data_care import (
    ERASED,
    WAITING,
    Addressed,
    Age,
    Forgotten,
    Kept,
    Retired,
    forgotten,
    has_number,
    ripe_of,
    tail_of,
)
from smsgw.core.message import Attempt, Event, Message
from smsgw.transports.stores.memory_inbox import Parked


class MemoryCare(ABC):
    """The part of MemoryStore that is the port DataCare."""

    messages: dict[UUID, Message]
    attempts: dict[UUID, dict[int, Attempt]]
    events: dict[UUID, list[Event]]
    inbox: dict[tuple[str, str], Parked]

    @abstractmethod
    def _check(self) -> None:
        """Raise as an outage would, if told to."""

    async def retire(self, what: Kept, *, before: datetime, now: datetime, limit: int) -> Retired | None:
        """See the port."""
        self._check()
        if what is Kept.REPORTS:
            return self._retire_reports(before, limit)
        known = [each for each in self.messages.values() if what is Kept.MESSAGES or each.text]
        ripe = ripe_of(map(Age.of, known), what, before=before, now=now)
        # The newest stays, as it does where keys would be given out again.
        ripe = min(ripe, limit, len(known) if what is Kept.TEXTS else len(known) - 1)
        for message in known[: max(0, ripe)]:
            self._retire(message.tracking_id, what)
        oldest = known[ripe].created_at if 0 <= ripe < len(known) else None
        return Retired(rows=max(0, ripe), is_behind=ripe == limit, oldest=oldest)

    async def addressed(self, to: str, *, limit: int) -> Addressed:
        """See the port."""
        self._check()
        found = [each for each in self.messages.values() if each.to == to][:limit]
        waiting = sum(each.status in WAITING for each in found)
        return Addressed(final=len(found) - waiting, waiting=waiting)

    async def forget(self, to: str, *, after: int, limit: int) -> Forgotten:
        """See the port."""
        self._check()
        numbered = enumerate(self.messages.values(), start=1)
        found = [(key, each) for key, each in numbered if each.to == to and key > after][:limit]
        final = [each for _, each in found if each.status not in WAITING]
        for message in final:
            self._forget(message, tail_of(to))
        next_after = found[-1][0] if len(found) == limit else None
        return Forgotten(erased=len(final), waiting=len(found) - len(final), next_after=next_after)

    def _retire(self, tracking_id: UUID, what: Kept) -> None:
        if what is Kept.TEXTS:
            self.messages[tracking_id] = msgspec.structs.replace(self.messages[tracking_id], text="")
            return
        for rows in (self.messages, self.attempts, self.events):
            del rows[tracking_id]

    def _retire_reports(self, before: datetime, limit: int) -> Retired:
        known = list(self.inbox.items())
        applied = [parked.due_at is None and parked.received.received_at < before for _, parked in known]
        ripe = applied.index(False) if False in applied else len(known) - 1
        ripe = max(0, min(ripe, limit))
        for key, _ in known[:ripe]:
            del self.inbox[key]
        oldest = known[ripe][1].received.received_at if ripe < len(known) else None
        return Retired(rows=ripe, is_behind=ripe == limit, oldest=oldest)

    def _forget(self, message: Message, tail: str) -> None:
        owner = message.tracking_id
        self.messages[owner] = msgspec.structs.replace(message, to=ERASED, text="", sender=None)
        for number, attempt in self.attempts[owner].items():
            self.attempts[owner][number] = msgspec.structs.replace(attempt, detail=None)
        self.events[owner] = [
            msgspec.structs.replace(each, details=forgotten(each.details, tail)) for each in self.events[owner]
        ]
        for parked in self.inbox.values():
            report = parked.received.report
            if parked.applied_to == owner and has_number(report.error_code, tail):
                blank = msgspec.structs.replace(report, error_code=None)
                parked.received = msgspec.structs.replace(parked.received, report=blank)
