"""Builders and places for the contract suite of the store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, begin, finish, park, requeue, sent
from smsgw.core.message import (
    Attempt,
    DeliveryReport,
    Event,
    EventType,
    Message,
    NotApplied,
    Reason,
    ReceivedReport,
    ReportStatus,
    Status,
    Told,
)
from smsgw.core.ports import Arrival, Store
from smsgw.core.reports import apply_report
from smsgw.transports.sql import Database, DatabaseAwayError, open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate
from smsgw.transports.stores.database.schema import metadata
from smsgw.transports.stores.memory import MemoryStore
from tests import services

NOW = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TIMERS = Timers()
CLIENT = "client-a"


class AmnesicDatabase(Database):
    """Loses the answer to a COMMIT that worked, when it is told to."""

    is_told = False

    @asynccontextmanager
    async def write(self, *, commit_point: str = "") -> AsyncIterator[AsyncConnection]:
        """Commit, then say that nobody knows."""
        async with super().write(commit_point=commit_point) as connection:
            yield connection
        if self.is_told:
            self.is_told = False
            raise DatabaseAwayError("told to forget")


class Place:
    """Somewhere to keep messages: opens any number of stores on the same data."""

    def __init__(self, url: str | None, facts: list[Any]) -> None:
        self.url = url
        self.facts = facts
        self._memory = MemoryStore()
        self._opened: list[Store] = []
        self.databases: list[AmnesicDatabase] = []

    def open(self) -> Store:
        """Return one more store on this place's data."""
        if self.url is None:
            return self._memory
        plain = open_database(self.url)
        database = AmnesicDatabase(plain.engine, is_sqlite=plain.is_sqlite)
        store = DatabaseStore(database, observer=self.facts.append)
        self.databases.append(database)
        self._opened.append(store)
        return store

    def forget_next_commit(self) -> None:
        """Let the next call commit and raise all the same."""
        self._memory.fail_after_commit = True
        for database in self.databases:
            database.is_told = True

    async def close(self) -> None:
        """Close every store."""
        for store in self._opened:
            await store.close()


def quiet(_line: str) -> None:
    """Hear what a migration says."""


@contextmanager
def place_url(kind: str, request: Any, directory: Path) -> Iterator[str | None]:
    """The URL of an empty, migrated database of this kind; None for memory."""
    if kind == "memory":
        yield None
    elif kind == "sqlite":
        url = f"sqlite:///{directory / 'store.db'}"
        migrate(url, wait_seconds=1, say=quiet)
        yield url
    else:
        with services.free_database(request.getfixturevalue("postgres_url")) as url:
            migrate(url, wait_seconds=5, say=quiet)
            yield url


async def empty(url: str | None) -> None:
    """Delete every row."""
    if url is None:
        return
    database = open_database(url)
    async with database.write() as connection:
        for table in metadata.sorted_tables:
            await connection.execute(sa.delete(table))
    await database.close()


def message(**fields: Any) -> Message:
    """Return a QUEUED message that is due."""
    plain = Message(
        tracking_id=uuid4(),
        client_key=CLIENT,
        to="+4915112345678",
        text="Your code is 1234",
        ttl_seconds=600,
        providers=("Provider-A", "Local-SMS"),
        created_at=NOW,
        expires_at=NOW + timedelta(seconds=600),
        updated_at=NOW,
        status=Status.QUEUED,
        due_at=NOW,
    )
    return msgspec.structs.replace(plain, **fields)


def queued(**fields: Any) -> Arrival:
    """Return an arrival that waits."""
    waiting = message(**fields)
    return Arrival(change=Change(message=waiting, events=(Event(EventType.QUEUED, waiting.updated_at),)))


def parked(lane: str = "Local-SMS", *, idempotency_hash: str | None = None, **fields: Any) -> Arrival:
    """Return an arrival that waits in a lane."""
    fresh = message(**fields)
    waiting = park(fresh, lane, Reason.PROVIDER_AT_LIMIT, fresh.updated_at)
    return Arrival(change=waiting, idempotency_hash=idempotency_hash)


def started(*, provider: str = "Provider-A", idempotency_hash: str | None = None, **fields: Any) -> Arrival:
    """Return an arrival that is leased with its first attempt."""
    fresh = message(**fields)
    return Arrival(change=begin(fresh, provider, fresh.updated_at, TIMERS), idempotency_hash=idempotency_hash)


def accepted(change: Change, *, message_id: str | None = None, now: datetime = NOW + SECOND) -> Change:
    """Return the acceptance of the attempt that a Change started."""
    assert change.started is not None
    return sent(
        change.message, finish(change.started, Outcome.ACCEPTED, now, provider_message_id=message_id), now, TIMERS
    )


def refused(change: Change, now: datetime = NOW + SECOND) -> Change:
    """Return the end of a round that nobody took."""
    assert change.started is not None
    ended = finish(change.started, Outcome.REJECTED, now, detail="E12")
    return requeue(change.message, now, due_at=now + SECOND, rounds=1, details={}, finished=ended)


def restart(waiting: Message, _newest: Attempt | None = None) -> Change:
    """A plan for a claim: begin a round."""
    return begin(waiting, "Provider-A", NOW, TIMERS)


def report(
    status: ReportStatus = ReportStatus.DELIVERED,
    *,
    message_id: str | None = None,
    reference: object = None,
    key: str | None = None,
    provider: str = "Provider-A",
    received_at: datetime = NOW,
) -> ReceivedReport:
    """Return a verified report."""
    told = DeliveryReport(
        status=status,
        provider_message_id=message_id,
        reference=None if reference is None else str(reference),
        dedupe_key=key or uuid4().hex,
    )
    return ReceivedReport(provider=provider, report=told, received_at=received_at)


def decide(
    owner: Message, attempts: Sequence[Attempt], told: frozenset[Told], received: ReceivedReport
) -> Change | NotApplied:
    """What the worker decides about a report."""
    return apply_report(owner, attempts, told, received, received.received_at, TIMERS)


async def take_in(store: Store, *arrivals: Arrival) -> list[Change]:
    """Take new messages in and return their Changes."""
    made = await store.take_in(arrivals)
    assert None not in made
    return [each for each in made if each is not None]


async def told(store: Store, tracking_id: UUID) -> list[str]:
    """Return the event types of a message's story."""
    story = await store.story(tracking_id, CLIENT)
    assert story is not None
    return [str(event.event_type) for event in story.events]


async def state(store: Store, tracking_id: UUID) -> Message:
    """Return a message as it is stored."""
    story = await store.story(tracking_id, CLIENT)
    assert story is not None
    return story.message


async def attempts(store: Store, tracking_id: UUID) -> tuple[Attempt, ...]:
    """Return the attempts of a message."""
    story = await store.story(tracking_id, CLIENT)
    assert story is not None
    return story.attempts


async def drained(claim: Callable[[], Awaitable[Sequence[tuple[Message, Any]]]]) -> list[UUID]:
    """Claim until there is nothing left; return whose messages they were."""
    mine: list[UUID] = []
    while taken := await claim():
        mine.extend(before.tracking_id for before, _ in taken)
    return mine


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Run calls at once."""
    return list(await asyncio.gather(*calls))


def without_outcome(attempt: Attempt) -> Attempt:
    """Return an attempt that is still under way."""
    return msgspec.structs.replace(attempt, outcome=None, finished_at=None)
