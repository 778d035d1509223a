"""Every port on one page: what the rooms ask of the world. Each has an in-memory double and one contract suite."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from smsgw.core.admission import Admission, Ask, Claim, PublishOutcome
from smsgw.core.backlog import Backlog, DeadLetter
from smsgw.core.failure import LookUpResult, SendResult
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, DeliveryReport, Event, Message, NotApplied, ReceivedReport, Status, Told

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


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A message at intake: its first Change (QUEUED, leased PROCESSING with its intent, or FAILED)."""

    change: Change
    idempotency_hash: str | None = None


class AppliedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one inbox row: the Change it made, or None when it waits or no message of ours fits (yet)."""

    received: ReceivedReport
    change: Change | None
    is_waiting: bool = False
    is_given_up: bool = False


Decide = Callable[[Message, Sequence[Attempt], frozenset[Told], ReceivedReport], Change | NotApplied]
"""What a report does to its message, of which `frozenset[Told]` was told before."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the status API tells about one message."""

    message: Message
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]


class GatewayBeat(msgspec.Struct, frozen=True, kw_only=True):
    """The last heartbeat of one gateway instance."""

    service: str
    instance: str
    interval_seconds: float
    ts: datetime
    clients_fingerprint: str
    providers_fingerprint: str


class StoreUnavailableError(Exception):
    """The store did not answer, or the outcome of a commit is unknown. Nothing may be assumed; try again later."""


class Store(Protocol):
    """The database that owns a message from the worker's commit on.

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
        come back as (the message before, the plan)."""

    async def store_reports(self, reports: Sequence[ReceivedReport]) -> int:
        """Commit verified reports to the inbox; return how many were new (a known dedupe_key is not)."""

    async def apply_reports(self, *, now: datetime, limit: int, decide: Decide) -> Sequence[AppliedReport]:
        """Apply due inbox rows under the lock of their messages. A report's message is the one with an attempt of its
        message id, else its reference, else the one that an earlier report with its message id was applied to. What is
        too early is tried again every second; what matches nothing after 1, 5, 30 and 300 s and then every 300 s, and
        it is given up (and kept) 24 h after it came."""

    async def story(self, tracking_id: UUID, client_key: str) -> Story | None:
        """Return a message of this client with attempts and events, oldest first; None for any other id."""

    async def store_beat(self, beat: GatewayBeat) -> None: ...

    async def beats(self) -> Sequence[GatewayBeat]: ...

    async def counts(self) -> dict[Status, int]:
        """Return how many messages stand in each of QUEUED, PROCESSING, UNKNOWN (the states that wait for us)."""

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
        """Claim the key (if any), then take ingress rate, then reserve quota: spec section 3, steps 2, 4, 6."""

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


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook call as it came in, unverified."""

    headers: Sequence[tuple[str, str]]
    """Names lower-cased."""
    body: bytes
    query: str = ""


class Forged(msgspec.Struct, frozen=True):
    """The report is not the provider's; nothing of its body was read."""

    why: str


class Unreadable(msgspec.Struct, frozen=True):
    """The report is authentic but says nothing that can be used."""

    why: str


class Provider(Protocol):
    """One configured provider. Nothing here raises for what a provider does; a raise is a bug."""

    @property
    def name(self) -> str: ...

    @property
    def can_look_up(self) -> bool: ...

    async def send(self, submit: Submit) -> SendResult: ...

    async def look_up(self, reference: UUID) -> LookUpResult: ...

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then parse."""

    async def close(self) -> None: ...
