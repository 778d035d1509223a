"""The store in dictionaries: the double that tests and demonstrations use, with the same contract as the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.backlog import Oldest
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Event, Message, NotApplied, ReceivedReport, Status, Told
from smsgw.core.ports import (
    AppliedReport,
    Arrival,
    Decide,
    GatewayBeat,
    RequestFilter,
    RequestPage,
    StoreUnavailableError,
    Story,
)
from smsgw.transports.stores.memory_care import MemoryCare
from smsgw.transports.stores.memory_inbox import Parked, find_owner
from smsgw.transports.stores.memory_requests import page
from smsgw.transports.stores.semantics import (
    IDEMPOTENCY_WINDOW,
    STUCK_AFTER,
    WAITING,
    Plan,
    as_duplicate,
    committed_state,
    is_in_lane,
    is_still_held,
    late_report,
    merged,
    put_off,
    with_evidence,
)


class MemoryStore(MemoryCare):
    """Everything in one process; each method runs without a pause, so it is its own transaction.

    `fail` makes every call raise StoreUnavailableError; `fail_after_commit` lets a take_in or apply commit first.
    """

    def __init__(self) -> None:
        self.fail = False
        self.fail_after_commit = False
        self.messages: dict[UUID, Message] = {}
        self.attempts: dict[UUID, dict[int, Attempt]] = {}
        self.events: dict[UUID, list[Event]] = {}
        self.inbox: dict[tuple[str, str], Parked] = {}
        self._told: dict[UUID, set[Told]] = {}
        self._hashes: dict[str, tuple[UUID, datetime]] = {}
        self._beats: dict[tuple[str, str], GatewayBeat] = {}
        self._unsettled: dict[UUID, Change] = {}

    async def problem(self) -> str | None:
        """See the port."""
        return "the store was told to fail" if self.fail else None

    async def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        """See the port."""
        self._check()
        taken = [self._take_in(arrival) for arrival in arrivals]
        if self.fail_after_commit:
            self.fail_after_commit = False
            self._unsettled.update((each.message.tracking_id, each) for each in taken if each is not None)
            raise StoreUnavailableError("told to fail after the commit")
        for change in taken:
            if change is not None:
                self._unsettled.pop(change.message.tracking_id, None)
        return taken

    async def apply(self, change: Change) -> bool:
        """See the port."""
        self._check()
        known = self.messages.get(change.message.tracking_id)
        if known is not None and known.fence == change.message.fence - 1:
            self._write(change)
            if self.fail_after_commit:
                self.fail_after_commit = False
                raise StoreUnavailableError("told to fail after the commit")
            return True
        if known is not None and committed_state(known) == committed_state(change.message):
            return True
        self._keep_evidence(change)
        return False

    async def claim(
        self, statuses: frozenset[Status], *, now: datetime, limit: int, plan: Plan
    ) -> Sequence[tuple[Message, Any]]:
        """See the port."""
        self._check()
        due = [each for each in self._waiting() if each.status in statuses and _due_at(each) <= now]
        return self._claim(due[:limit], plan)

    async def claim_lane(self, lane: str, *, limit: int, plan: Plan) -> Sequence[tuple[Message, Any]]:
        """See the port."""
        self._check()
        waiting = [each for each in self.messages.values() if is_in_lane(each) and each.lane == lane]
        return self._claim(sorted(waiting, key=lambda each: each.created_at)[:limit], plan)

    async def lanes(self) -> Sequence[str]:
        """See the port."""
        self._check()
        return sorted({each.lane for each in self.messages.values() if each.lane is not None and is_in_lane(each)})

    async def requests(self, wanted: RequestFilter, *, before: int | None, limit: int) -> RequestPage:
        """See the port."""
        self._check()
        return page(tuple(self.messages.values()), wanted, before=before, limit=limit)

    async def store_reports(self, reports: Sequence[ReceivedReport]) -> int:
        """See the port."""
        self._check()
        before = len(self.inbox)
        for received in reports:
            self._park(received)
        return len(self.inbox) - before

    async def apply_reports(self, *, now: datetime, limit: int, decide: Decide) -> Sequence[AppliedReport]:
        """See the port."""
        self._check()
        due = sorted(
            ((each.due_at, index, each) for index, each in enumerate(self.inbox.values()) if each.due_at is not None)
        )
        return [self._apply_report(parked, decide, now) for due_at, _, parked in due[:limit] if due_at <= now]

    async def story(self, tracking_id: UUID, client_key: str | None) -> Story | None:
        """See the port."""
        self._check()
        message = self.messages.get(tracking_id)
        if message is None or client_key not in (None, message.client_key):
            return None
        attempts = tuple(self.attempts[tracking_id].values())
        return Story(message=message, attempts=attempts, events=tuple(self.events[tracking_id]))

    async def store_beat(self, beat: GatewayBeat) -> None:
        """See the port."""
        self._check()
        known = self._beats.get((beat.service, beat.instance))
        if known is None or known.ts <= beat.ts:
            self._beats[beat.service, beat.instance] = beat

    async def beats(self) -> Sequence[GatewayBeat]:
        """See the port."""
        self._check()
        return [self._beats[key] for key in sorted(self._beats)]

    async def counts(self) -> dict[Status, int]:
        """See the port."""
        self._check()
        return {status: sum(each.status is status for each in self._waiting()) for status in WAITING}

    async def oldest(self) -> Oldest:
        """See the port."""
        self._check()
        waiting = [each for each in self._waiting() if each.status in WAITING]
        parked = [each.created_at for each in waiting if is_in_lane(each)]
        reports = [each.due_at for each in self.inbox.values() if each.due_at is not None]
        due = [_due_at(each) for each in waiting]
        return Oldest(
            due_at=min(due, default=None), in_lane=min(parked, default=None), report_due_at=min(reports, default=None)
        )

    async def oldest_waiting(self) -> datetime | None:
        """See the port."""
        self._check()
        return min((each.created_at for each in self._waiting() if each.status in WAITING), default=None)

    async def missing(self, tracking_ids: Sequence[UUID]) -> set[UUID]:
        """See the port."""
        self._check()
        return set(tracking_ids) - self.messages.keys()

    async def created(self, since: datetime, until: datetime, *, limit: int) -> Sequence[UUID]:
        """See the port."""
        self._check()
        newest_first = reversed(self.messages.values())
        return [each.tracking_id for each in newest_first if since <= each.created_at <= until][:limit]

    async def stuck(self, *, now: datetime, limit: int) -> Sequence[Message]:
        """See the port."""
        self._check()
        overdue = now - STUCK_AFTER
        return [each for each in self._waiting() if each.status is Status.UNKNOWN or _due_at(each) < overdue][:limit]

    async def end_leases(self, now: datetime) -> int:
        """See the port."""
        self._check()
        held = [each for each in self._waiting() if each.status is Status.PROCESSING and _due_at(each) > now]
        for message in held:
            self.messages[message.tracking_id] = msgspec.structs.replace(message, due_at=now)
        return len(held)

    async def prune(self, now: datetime) -> int:
        """See the port."""
        self._check()
        kept = {word: seen for word, seen in self._hashes.items() if seen[1] >= now - IDEMPOTENCY_WINDOW}
        count = len(self._hashes) - len(kept)
        self._hashes = kept
        return count

    async def close(self) -> None:
        """Do nothing: what was stored stays readable."""

    def _check(self) -> None:
        if self.fail:
            raise StoreUnavailableError("told to fail")

    def _claim(self, found: Sequence[Message], plan: Plan) -> list[tuple[Message, Any]]:
        plans = [(message, plan(message, self._newest(message))) for message in found]
        planned = [(message, each) for message, each in plans if each is not None]
        for _, each in planned:
            self._write(each if isinstance(each, Change) else each.change)
        return planned

    def _take_in(self, arrival: Arrival) -> Change | None:
        change, tracking_id = arrival.change, arrival.change.message.tracking_id
        if tracking_id in self.messages:
            return self._regain(change)
        owner = self._owner(arrival)
        if owner != tracking_id:
            change = as_duplicate(change, owner)
        self.attempts[tracking_id], self.events[tracking_id], self._told[tracking_id] = {}, [], set()
        self._write(change)
        return change

    def _regain(self, again: Change) -> Change | None:
        committed = self._unsettled.get(again.message.tracking_id)
        if committed is None or self.messages[again.message.tracking_id].fence != committed.message.fence:
            return None
        return committed if is_still_held(committed, again.message.updated_at) else None

    def _owner(self, arrival: Arrival) -> UUID:
        message, word = arrival.change.message, arrival.idempotency_hash
        if word is None:
            return message.tracking_id
        owner, seen_at = self._hashes.get(word, (message.tracking_id, message.updated_at))
        if seen_at < message.updated_at - IDEMPOTENCY_WINDOW:
            owner, seen_at = message.tracking_id, message.updated_at
        self._hashes[word] = (owner, seen_at)
        return owner

    def _write(self, change: Change) -> None:
        tracking_id = change.message.tracking_id
        self.messages[tracking_id] = change.message
        known = self.attempts[tracking_id]
        if change.finished is not None:
            known[change.finished.number] = merged(known[change.finished.number], change.finished)
        if change.started is not None:
            known[change.started.number] = change.started
        self.events[tracking_id].extend(change.events)

    def _keep_evidence(self, change: Change) -> None:
        known = self.attempts.get(change.message.tracking_id, {})
        if change.finished is not None and change.finished.number in known:
            known[change.finished.number] = with_evidence(known[change.finished.number], change.finished)
        report = late_report(change)
        if report is not None:
            self._park(report)

    def _park(self, received: ReceivedReport) -> None:
        key = (received.provider, received.report.dedupe_key)
        self.inbox.setdefault(key, Parked(received, due_at=received.received_at))

    def _apply_report(self, parked: Parked, decide: Decide, now: datetime) -> AppliedReport:
        received = parked.received
        owner = find_owner(received, self.inbox.values(), self.attempts)
        decided = self._decided(owner, received, decide)
        parked.tries += 1
        if isinstance(decided, NotApplied):
            applied, parked.due_at = put_off(received, decided, parked.tries, now)
            return applied
        parked.due_at, parked.applied_to = None, decided.message.tracking_id
        self._write(decided)
        if decided.events:
            self._told[decided.message.tracking_id].add(Told.by(received))
        return AppliedReport(received=received, change=decided)

    def _decided(self, owner: UUID | None, received: ReceivedReport, decide: Decide) -> Change | NotApplied:
        if owner is None or owner not in self.messages:
            return NotApplied.UNMATCHED
        attempts = tuple(self.attempts[owner].values())
        return decide(self.messages[owner], attempts, frozenset(self._told[owner]), received)

    def _newest(self, message: Message) -> Attempt | None:
        return self.attempts[message.tracking_id].get(message.attempts_made)

    def _waiting(self) -> list[Message]:
        return sorted((each for each in self.messages.values() if each.due_at is not None), key=_due_at)


def _due_at(message: Message) -> datetime:
    if message.due_at is None:
        raise ValueError(f"{message.tracking_id} has no timer")
    return message.due_at
