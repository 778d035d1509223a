"""An inbox without a store: reports applied one after the other, those that come too early tried again."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import TRANSITIONS, Change, finish, unknown
from smsgw.core.message import Attempt, Message, NotApplied, Part, ReceivedReport, ReportStatus, Status, Told
from smsgw.core.reports import apply_report
from tests.unit.core.building import NOW, SECOND, TIMERS, report


class Inbox(msgspec.Struct):
    """A message with its attempts, the reports that were applied to it, and those that still wait."""

    message: Message
    attempts: tuple[Attempt, ...]
    applied: tuple[ReceivedReport, ...] = ()
    waiting: tuple[ReceivedReport, ...] = ()
    now: datetime = NOW + 5 * SECOND

    def take(self, received: ReceivedReport) -> Change | None:
        """Apply one report; whatever waited is tried again after it, as the inbox does in time."""
        change = self._apply(received)
        if change is None:
            self.waiting = (*self.waiting, received)
            return None
        self.try_again()
        return change

    def try_again(self) -> None:
        """Try everything that waits once more."""
        for early in self.waiting:
            if self._apply(early) is not None:
                self.waiting = tuple(each for each in self.waiting if each is not early)

    def pass_lease(self) -> None:
        """Let the lease of a call in flight end without an answer; where the message still waited for it, the sweeper
        writes that down."""
        self.now = NOW + TIMERS.lease
        newest = max(self.attempts, key=lambda each: each.number)
        if self.message.status is Status.PROCESSING:
            lost = finish(newest, Outcome.UNKNOWN, self.now)
            self.message = unknown(self.message, lost, self.now, look_up=False, timers=TIMERS).message
            self.attempts = (*(each for each in self.attempts if each is not newest), lost)
        self.try_again()

    def _apply(self, received: ReceivedReport) -> Change | None:
        told = frozenset(map(Told.by, self.applied))
        change = apply_report(self.message, self.attempts, told, received, self.now, TIMERS)
        if isinstance(change, NotApplied):
            return None
        assert change.message.fence in (self.message.fence, self.message.fence + 1)
        assert change.message is self.message or change.message.status in TRANSITIONS[self.message.status]
        assert change.finished is not None
        known = change.finished
        self.message, self.applied = change.message, (*self.applied, received)
        self.attempts = tuple(known if each.number == known.number else each for each in self.attempts)
        return change


def received(
    provider: str, status: ReportStatus, message_id: str | None = None, part: Part | None = None
) -> ReceivedReport:
    """Return a verified report."""
    told = report(status, message_id=message_id, part=part)
    return ReceivedReport(provider=provider, report=told, received_at=NOW)


def read(words: Iterable[str]) -> list[ReceivedReport]:
    """Read `A:x:delivered` or `A:x:delivered:1/3`: provider, message id (or nothing), status, part."""
    split = [[*word.split(":"), ""] for word in words]
    return [
        received(who, ReportStatus[status.upper()], id_ or None, _part(part)) for who, id_, status, part, *_ in split
    ]


def _part(word: str) -> Part | None:
    return Part(*map(int, word.split("/"))) if word else None


def apply_all(message: Message, attempts: Sequence[Attempt], reports: Iterable[ReceivedReport]) -> Inbox:
    """Apply reports in this order."""
    inbox = Inbox(message, tuple(attempts))
    for each in reports:
        inbox.take(each)
    return inbox
