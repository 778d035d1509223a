"""How long what is kept: texts, messages and reports that retire by age, and everything about one number at once."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any, Protocol

import msgspec

from smsgw.core.message import Message, Status

ERASED = "erased"
"""What stands where a number was: equal for everybody, so that nobody can tell whose it was."""
SETTLED = timedelta(minutes=10)
"""A row that was touched since may have neighbours that are not committed yet: the walk does not pass it."""
LEAST_REPORTS = timedelta(days=7)
"""Providers send reports again for days; so long at least the inbox knows them for copies."""
WAITING = frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN})
"""What may still be sent: its number and text are needed."""
_TAIL = 8
"""Digits by which a number is known again however it is written; what comes before them is often left out."""
_NO_DIGIT = re.compile(r"[^0-9]")


class Kept(StrEnum):
    """What retires by age."""

    TEXTS = "texts"
    MESSAGES = "messages"
    REPORTS = "reports"


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long texts and whole messages are kept; None: for ever."""

    texts: timedelta | None = None
    messages: timedelta | None = None

    def periods(self) -> dict[Kept, timedelta]:
        """Return how old each thing gets, of those that retire at all."""
        reports = None if self.messages is None else max(self.messages, LEAST_REPORTS)
        all_ = {Kept.TEXTS: self.texts, Kept.MESSAGES: self.messages, Kept.REPORTS: reports}
        return {what: period for what, period in all_.items() if period is not None}


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `retire` did."""

    rows: int
    """Erased or deleted."""
    is_behind: bool = False
    """Whether there is more to do at once."""
    oldest: datetime | None = None
    """From when the oldest is that the walk has not passed; None: there is none."""


class Age(msgspec.Struct, frozen=True, kw_only=True):
    """What tells whether a message may retire."""

    created_at: datetime
    updated_at: datetime
    status: Status
    has_timer: bool

    @classmethod
    def of(cls, message: Message) -> "Age":
        """Return a message's."""
        return cls(
            created_at=message.created_at,
            updated_at=message.updated_at,
            status=message.status,
            has_timer=message.due_at is not None,
        )

    def is_over(self, what: Kept, *, before: datetime, now: datetime) -> bool:
        """Whether the text, or the whole message, is not needed any more. A SENT message that waits for its report
        is never sent again, so its text may go before it."""
        # A gateway whose clock is ahead shall not keep what it has dated into the future.
        is_old = min(self.created_at, self.updated_at) < before and self.updated_at < now - SETTLED
        is_needed = self.status in WAITING if what is Kept.TEXTS else self.has_timer
        return is_old and not is_needed


def ripe_of(ages: Iterable[Age], what: Kept, *, before: datetime, now: datetime) -> int:
    """Return how many, from the oldest on, may retire: the walk stops at the first that may not, and waits for it."""
    return sum(1 for _ in takewhile(lambda age: age.is_over(what, before=before, now=now), ages))


class Addressed(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages to a number there are."""

    final: int
    waiting: int
    """They may still be sent, and are left as they are."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `forget` did."""

    erased: int
    waiting: int
    next_after: int | None
    """Where to go on; None: this was all."""


def tail_of(number: str) -> str:
    """Return the digits by which a number is known again."""
    return _NO_DIGIT.sub("", number)[-_TAIL:]


def has_number(text: str | None, tail: str) -> bool:
    """Whether a stranger's words repeat the number with these last digits."""
    return text is not None and bool(tail) and tail in _NO_DIGIT.sub("", text)


def forgotten(details: dict[str, Any], tail: str) -> dict[str, Any]:
    """Return an event's details without a provider's own words, and without the number wherever it is repeated."""
    return {name: _without(value, tail) for name, value in details.items() if name != "detail"}


def _without(value: Any, tail: str) -> Any:
    if isinstance(value, str):
        return ERASED if has_number(value, tail) else value
    if isinstance(value, dict):
        return forgotten(value, tail)
    if isinstance(value, Sequence):
        return [_without(each, tail) for each in value]
    return value


class DataCare(Protocol):
    """What the store forgets. Every method raises StoreUnavailableError on an outage."""

    async def retire(self, what: Kept, *, before: datetime, now: datetime, limit: int) -> Retired | None:
        """Erase texts, or delete messages (with attempts, parts and story) or applied reports, from before `before`: at
        most `limit`, from the oldest on, in one short transaction. What may still be sent is never touched, nor is a
        message that waits for its report deleted; the walk waits for it, and remembers how far it came. The newest
        message and the newest report stay. None: another worker is at it."""

    async def addressed(self, to: str, *, limit: int) -> Addressed:
        """Count messages to this number; looks at `limit` of them at most."""

    async def forget(self, to: str, *, after: int, limit: int) -> Forgotten:
        """Erase number, text, sender and providers' own words from messages to this number that are not to be sent any
        more, in the order of the store, at most `limit` looked at; begin with `after` 0."""
