"""Every port on one page: what the rooms ask of the world. Each has an in-memory double and one contract suite.

The port `Traffic`, what workers share about providers, is with its terms in core/traffic.py.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from smsgw.core.admission import Admission, Ask, Claim, PublishOutcome
from smsgw.core.backlog import Backlog, DeadLetter, Oldest
from smsgw.core.data_care import DataCare
from smsgw.core.failure import LookUpResult, SendResult
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, DeliveryReport, Message, NotApplied, ReceivedReport, Status, Told
from smsgw.core.records import AppliedReport as AppliedReport
from smsgw.core.records import Arrival as Arrival
from smsgw.core.records import GatewayBeat as GatewayBeat
from smsgw.core.records import RequestFilter as RequestFilter
from smsgw.core.records import RequestPage as RequestPage
from smsgw.core.records import Story as Story
from smsgw.core.webhook import Forged as Forged
from smsgw.core.webhook import ReportRequest as ReportRequest
from smsgw.core.webhook import Unproved as Unproved
from smsgw.core.webhook import Unreadable as Unreadable
from smsgw.core.webhook import WrongMethod as WrongMethod

Clock = Callable[[], datetime]
"""Returns now, aware, in UTC."""


class Observer(Protocol):
    """Listens to facts (core/events.py); must not raise and must not wait."""

    def __call__(self, fact: Any, /) -> None: ...


# --- queue ------------------------------------------------------------------------------------------------------------


class Delivery(Protocol):
    """One broker message, ours until it is acknowledged."""

    @property
    def body(self) -> bytes: ...

    async def ack(self) -> None:
        """Take it off the queue; on a lost channel this does nothing and the broker delivers it again."""


class Publisher(Protocol):
    """The gateway's end of the queue."""

    async def publish(self, envelope: bytes) -> PublishOutcome:
        """Publish one encoded envelope: persistent, mandatory, confirmed, within 3 s; never raises for an outage."""

    async def publish_heartbeat(self, body: bytes) -> bool:
        """Publish one heartbeat; False when it was not confirmed."""

    async def is_ready(self) -> bool:
        """Whether a publish would have a chance, found out within a second."""

    async def close(self) -> None: ...


class Consumer(Protocol):
    """The worker's end of one queue. Supervised inside: it reconnects and subscribes again by itself."""

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait for at least one delivery and return at most `limit`."""

    async def bury(self, body: bytes, reason: str) -> bool:
        """Put a body on the dead-letter queue with its reason; True once that is confirmed."""

    async def pause(self) -> None:
        """Stop consuming and give back what was not acknowledged, without counting it as a failed delivery twice."""

    async def resume(self) -> None: ...

    async def is_ready(self) -> bool: ...

    async def close(self) -> None: ...


class QueueUnavailableError(Exception):
    """The queue did not answer a QueueAdmin in time, or is not there."""


class QueueAdmin(Protocol):
    """What an operator asks of the queue. Every method raises QueueUnavailableError on an outage."""

    async def depth(self) -> int:
        """Broker messages waiting in the outbound queue (an array counts as one)."""

    async def dead_depth(self) -> int: ...

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Return the oldest dead letters and leave them where they are."""

    async def replay(self, dead_letter_id: str) -> bool:
        """Put one dead letter back on the outbound queue, confirmed before it is removed; False when it is gone."""

    async def look(self, limit: int) -> Backlog:
        """Look at what waits in the outbound queue, at most `limit` bodies, and leave it there."""

    async def close(self) -> None: ...


# --- store ------------------------------------------------------------------------------------------------------------


Decide = Callable[[Message, Sequence[Attempt], frozenset[Told], ReceivedReport], Change | NotApplied]
"""What a report does to its message, of which `frozenset[Told]` was told before."""


class StoreUnavailableError(Exception):
    """The store did not answer, or the outcome of a commit is unknown. Nothing may be assumed; try again later."""


class Store(DataCare, Protocol):
    """The database that owns a message from the worker's commit on. What it forgets is in core/data_care.py.

    Every method raises StoreUnavailableError on an outage. Datetimes go in and come out aware, in UTC, with
    microseconds.
    """

    async def problem(self) -> str | None:
        """Return why the store cannot be used (away, old or missing schema), or None; within a second."""

    async def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        """Insert new messages with their attempts and events in one commit; in the order given, return the Change that
        was made durable, or None for a copy of a message that was there already (nothing is changed then). An arrival
        whose idempotency_hash belongs to another tracking_id of the last 48 h is stored as FAILED, `duplicate_of`.
        A caller may call again with the same arrivals after StoreUnavailableError: what the first call had committed
        comes back as its Change, not as None, if it is still as that call left it (same fence, same owner)."""

    async def apply(self, change: Change) -> bool:
        """Apply a Change if the message's fence is `change.message.fence - 1`. Concurrent calls share commits. On False
        nothing of the message was changed, and what `change.finished` knows is kept as evidence on the attempt; an
        acceptance among it is applied like a report with status SENT."""

    async def claim(
        self, statuses: frozenset[Status], *, now: datetime, limit: int, plan: Callable[[Message, Attempt | None], Any]
    ) -> Sequence[tuple[Message, Any]]:
        """Take due messages (`due_at <= now`, oldest first) that nobody else is taking, ask the pure `plan` (message,
        its newest attempt) for what to do, and commit. A plan is a Change, or anything with an attribute `change`; both
        come back as (the message before, the plan). A plan that is None leaves the message as it is."""

    async def claim_lane(
        self, lane: str, *, limit: int, plan: Callable[[Message, Attempt | None], Any]
    ) -> Sequence[tuple[Message, Any]]:
        """Take the oldest messages (created_at) of a lane, whatever their timer, as `claim` does."""

    async def lanes(self) -> Sequence[str]:
        """Return every lane in which messages wait; cheap, however many they are."""

    async def requests(self, wanted: RequestFilter, *, before: int | None, limit: int) -> RequestPage:
        """Return messages newest first, at most `limit`; `before` continues a page (RequestPage.next_before)."""

    async def store_reports(self, reports: Sequence[ReceivedReport]) -> int:
        """Commit verified reports to the inbox; return how many were new (a known dedupe_key is not)."""

    async def apply_reports(self, *, now: datetime, limit: int, decide: Decide) -> Sequence[AppliedReport]:
        """Apply due inbox rows under the lock of their messages. A report's message is the one with an attempt of its
        message id, be it that of a part, else its reference, else the one that an earlier report with its message id
        was applied to. What is too early is tried again every second; what matches nothing after 1, 5, 30 and 300 s and
        then every 300 s, and it is given up (and kept) 24 h after it came."""

    async def story(self, tracking_id: UUID, client_key: str | None) -> Story | None:
        """Return a message of this client (None: of any) with attempts and events, oldest first; None for any other
        id."""

    async def store_beat(self, beat: GatewayBeat) -> None: ...

    async def beats(self) -> Sequence[GatewayBeat]: ...

    async def counts(self) -> dict[Status, int]:
        """Return how many messages stand in each of QUEUED, PROCESSING, UNKNOWN (the states that wait for us)."""

    async def oldest(self) -> Oldest:
        """Return since when the longest have waited; cheap, however many wait."""

    async def oldest_waiting(self) -> datetime | None:
        """Return when the oldest message that waits for us was created. Cheap, however many wait: a store may look only
        at those whose timers ring first, 1000 of each status."""

    async def missing(self, tracking_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of the ids that have no row."""

    async def created(self, since: datetime, until: datetime, *, limit: int) -> Sequence[UUID]:
        """Return at most `limit` ids of messages created in this time, newest first; a store may look at its newest
        rows only."""

    async def stuck(self, *, now: datetime, limit: int) -> Sequence[Message]:
        """Return messages that wait longer than they should: due for more than 60 s, or UNKNOWN."""

    async def end_leases(self, now: datetime) -> int:
        """Make every lease due at once; only for a store that nobody else uses (`smsgw dev`)."""

    async def prune(self, now: datetime) -> int:
        """Forget idempotency hashes older than 48 h; return how many."""

    async def close(self) -> None: ...


# --- limits -----------------------------------------------------------------------------------------------------------


class LimitsUnavailableError(Exception):
    """The limits store did not answer in time. The call may or may not have been executed there."""


class Limits(Protocol):
    """Idempotency, quota and rate in one store. Each call is atomic there. Every method raises LimitsUnavailableError
    within 0.3 s of an outage."""

    async def look_up(self, claim: Claim) -> Admission:
        """Read only: what `admit` would say to this claim, FRESH also for a claim that a retry may take over."""

    async def admit(self, ask: Ask) -> Admission:
        """Claim the key (if any), then take the rates, then reserve quota: spec section 3, steps 2, 4, 6."""

    async def answer(self, claim: Claim, *, status: int, body: bytes, ttl_seconds: int, confirmed: UUID | None) -> None:
        """Store the response if the claim is still ours; note a confirmed publish in the audit ledger either way."""

    async def note_confirmed(self, tracking_id: UUID) -> None:
        """Note the confirmed publish of a request without an idempotency key in the audit ledger."""

    async def release(self, ask: Ask, admission: Admission, publish: PublishOutcome | None) -> None:
        """End a claim without an answer; tracking_id and fingerprint stay for the next retry. Quota is given
        back only when `publish` is REFUSED or None (never tried), the claim is still ours (or there was no key) and no
        earlier publish of this tracking_id ended unknown."""

    async def confirmed(self, since: datetime, until: datetime) -> Sequence[tuple[datetime, Sequence[UUID]]]:
        """Return the ledger: minute by minute, the ids whose publish was confirmed."""

    async def used(self, client_keys: Sequence[str]) -> dict[str, int]:
        """Return how many units of today's quota (UTC) each of these clients has used; 0 for one that has no quota:
        nothing is counted for it."""

    async def is_ready(self) -> bool: ...

    async def close(self) -> None: ...


# --- provider ---------------------------------------------------------------------------------------------------------


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider is asked to send."""

    reference: UUID
    """Our reference at every provider that takes one: the tracking_id."""
    to: str
    text: str
    validity_seconds: int
    """The remaining time to live, at least 1."""
    asked_at: datetime
    """Now: what a request carries that is dated, in its signature, its token, or the moment of its expiry."""
    sender: str | None = None
    """Whom the text comes from: a number in E.164, a short code, or 1 to 11 letters and digits; None: the vendor's
    default for the account."""


Keep = Callable[[Sequence[DeliveryReport]], Awaitable[bool]]
"""Commits reports to the inbox; False when the store did not take them: then they have to come again."""


class Provider(Protocol):
    """One configured provider. Nothing here raises for what a provider does; a raise is a bug."""

    @property
    def name(self) -> str: ...

    @property
    def can_look_up(self) -> bool: ...

    async def send(self, submit: Submit) -> SendResult: ...

    async def look_up(self, reference: UUID) -> LookUpResult: ...

    async def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then parse."""

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Hold open what the provider needs beside single calls, until cancelled (and 2 s longer at most); return
        at once when that is nothing. A report that comes over it is confirmed only after `keep` was True."""

    async def close(self) -> None: ...
