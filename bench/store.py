"""What the store costs: CPU of this process and rows per second for take_in and apply, in batches of 100.

    .venv/bin/python bench/store.py postgresql://postgres@127.0.0.1:5432/scratch [messages]

The database must be empty or hold nothing that matters: the schema is migrated and rows stay in it.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import uuid4

import uvloop

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, begin, finish, sent
from smsgw.core.message import Message, Status
from smsgw.core.ports import Arrival
from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate

BATCH = 100
Item = TypeVar("Item")
TIMERS = Timers()


def arrival(now: datetime, *, hashed: bool) -> Arrival:
    """Return a message that starts at once: leased, with its first attempt and one event."""
    message = Message(
        tracking_id=uuid4(),
        client_key="0123456789ab",
        to="+4915112345678",
        text="Your code is 123456",
        ttl_seconds=600,
        providers=("Provider-A", "Local-SMS"),
        created_at=now,
        expires_at=now + timedelta(seconds=600),
        updated_at=now,
        status=Status.QUEUED,
    )
    change = begin(message, "Provider-A", now, TIMERS)
    return Arrival(change=change, idempotency_hash=uuid4().hex * 2 if hashed else None)


def outcome(change: Change, now: datetime) -> Change:
    """Return the acceptance of a message that `arrival` started."""
    assert change.started is not None
    ended = finish(change.started, Outcome.ACCEPTED, now, provider_message_id=f"pm-{change.message.tracking_id.hex}")
    return sent(change.message, ended, now, TIMERS)


async def measure(
    name: str, batches: Sequence[Sequence[Item]], call: Callable[[Sequence[Item]], Awaitable[object]]
) -> None:
    """Run the batches one after the other and print what one message cost."""
    count = sum(map(len, batches))
    cpu, wall = time.process_time(), time.perf_counter()
    for batch in batches:
        await call(batch)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{name:<28} {cpu / count * 1000:7.4f} ms CPU/message {count / wall:8.0f} messages/s")


async def apply_all(store: DatabaseStore, batch: Sequence[Change]) -> None:
    """Apply as concurrent callers do."""
    await asyncio.gather(*(store.apply(change) for change in batch))


async def run(url: str, count: int) -> None:
    """Measure both hot paths, three rounds each; the first round also prepares the statements."""
    database = open_database(url)
    store = DatabaseStore(database, observer=lambda _fact: None)
    for _ in range(3):
        for hashed in (False, True):
            now = datetime.now(UTC)
            arrivals = [arrival(now, hashed=hashed) for _ in range(count)]
            await measure(f"take_in{' with hashes' if hashed else ''}", _batches(arrivals), store.take_in)
        outcomes = [outcome(each.change, now) for each in arrivals]
        await measure("apply", _batches(outcomes), partial(apply_all, store))
    await store.close()


def _batches(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]


if __name__ == "__main__":
    migrate(sys.argv[1], wait_seconds=5, say=print)
    uvloop.run(run(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000))
