"""Erases a number from every message that will not be sent any more: what the console and `smsgw erase` do alike."""

import msgspec

from smsgw.core.audit_log import AuditEntry, AuditLog
from smsgw.core.data_care import Addressed
from smsgw.core.events import MessageMoved, NumberErased
from smsgw.core.lifecycle import Change
from smsgw.core.message import Message, Status
from smsgw.core.operator_actions import cancel
from smsgw.core.phone import mask
from smsgw.core.ports import Clock, Observer, Store
from smsgw.core.records import RequestFilter

BATCH = 200
"""Messages of one transaction, with their stories."""
COUNTED = 100_000
_QUEUED = frozenset({Status.QUEUED})


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    messages: int
    left: int
    """Messages that may still be sent: they have the number until they are final."""
    cancelled: int = 0


class Erasure:
    """Erases numbers, one after the other, each with its entries in the audit log."""

    def __init__(self, *, store: Store, audit_log: AuditLog, observer: Observer, clock: Clock) -> None:
        self._store = store
        self._audit_log = audit_log
        self._observer = observer
        self._clock = clock

    async def count(self, number: str) -> Addressed:
        """Return how many messages to a number there are; no further than COUNTED."""
        return await self._store.addressed(number, limit=COUNTED)

    async def erase(self, number: str, *, who: str, peer: str = "", is_cancelling: bool = False) -> Erased:
        """Erase a number in all messages that are not to be sent any more; cancel those that wait in the queue first,
        if told to. Safe to repeat. Raises StoreUnavailableError: then what was done stays done."""
        found = await self.count(number)
        asked = {"messages": found.final, "waiting": found.waiting}
        await self._note("number.erase", number, who, peer, {**asked, "cancel": is_cancelling})
        cancelled = await self._cancel_all(number) if is_cancelling else 0
        messages, left, after = 0, 0, 0
        while True:
            done = await self._store.forget(number, after=after, limit=BATCH)
            messages, left = messages + done.erased, left + done.waiting
            if done.next_after is None:
                break
            after = done.next_after
        erased = Erased(messages=messages, left=left, cancelled=cancelled)
        await self._note("number.erased", number, who, peer, msgspec.structs.asdict(erased))
        self._observer(NumberErased(to=number, who=who, messages=messages, left=left))
        return erased

    async def _cancel_all(self, number: str) -> int:
        """Cancel what is QUEUED: a call that is under way, or whose outcome nobody knows, cannot be taken back."""
        wanted, before, cancelled = RequestFilter(to=number, statuses=_QUEUED), None, 0
        while True:
            page = await self._store.requests(wanted, before=before, limit=BATCH)
            for message in page.messages:
                cancelled += await self._cancel(message)
            if page.next_before is None:
                return cancelled
            before = page.next_before

    async def _cancel(self, message: Message) -> bool:
        change = cancel(message, self._clock())
        if not isinstance(change, Change) or not await self._store.apply(change):
            return False
        self._observer(MessageMoved(change=change))
        return True

    async def _note(self, action: str, number: str, who: str, peer: str, after: dict[str, object]) -> None:
        entry = AuditEntry(at=self._clock(), who=who, action=action, subject=mask(number), after=after, peer=peer)
        await self._audit_log.note(entry)
