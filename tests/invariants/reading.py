"""Collects the ledgers of a product that runs as processes, or of the directory of a `smsgw dev`."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiormq
import httpx
import msgspec
import psycopg
import redis

from tests.invariants.ledgers import Accept, Attempt, Books, Call, Event, Quota, Row
from tests.journey.calling import ledger
from tests.journey.process import Process
from tests.journey.product import MAGIC, TEXT, Product

T = TypeVar("T")
Query = Callable[[str], list[dict[str, Any]]]

_PROVIDER = "provider-"
_SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))


def read_books(source: Product | Path, calls: Sequence[Call] | None = None, **known: Any) -> Books:
    """Return all books of a product, or of the data directory of a `smsgw dev`; `known` are further fields of Books,
    such as `is_quiet=False` while it still works. A provider that does not answer has no ledger."""
    found = _product_books(source) if isinstance(source, Product) else _embedded_books(source)
    read_at = datetime.now(UTC)
    return Books(**{"read_at": read_at, "calls": calls, "slack": _SLACK, **found, **known})


def _product_books(product: Product) -> dict[str, Any]:
    environ = product.environ
    accepts = {name: _accepts(name, each) for name, each in _providers(product)}
    texts = {f"{each.name} {each.url}": each.log_path.read_text("utf-8", "replace") for each in product.processes}
    with psycopg.connect(environ["DATABASE_URL"], row_factory=psycopg.rows.dict_row) as connection:
        # A report may be applied meanwhile: all three tables as they were at one moment.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rows = _messages(lambda query: connection.execute(query.encode()).fetchall())
    waiting, dead = queue_depths(product)
    return {
        **rows,
        "accepts": [each for found in accepts.values() for each in found or ()],
        "ledgered": frozenset(name for name, found in accepts.items() if found is not None),
        "quotas": _redis_quotas(product),
        "queues": {"outbound": waiting},
        "dead": dead,
        "unready": {name: why for name, why in map(_complaint, _roles(product)) if why},
        "texts": texts,
        "secrets": _secrets(product),
        "is_resending": environ.get("ON_UNKNOWN", "resend") == "resend",
    }


def _embedded_books(directory: Path) -> dict[str, Any]:
    """Read the SQLite file and the providers' journals; both may be in use."""
    with closing(sqlite3.connect(f"file:{directory / 'smsgw.db'}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")

        def query(text: str) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(text)]

        counts = {
            each["queue"]: each["n"] for each in query("SELECT queue, count(*) AS n FROM queue_messages GROUP BY 1")
        }
        rows = _messages(query)
    journals = {path.stem: path for path in sorted(directory.glob("*.journal"))}
    dead = sum(count for queue, count in counts.items() if queue.endswith(".dead"))
    return {
        **rows,
        "accepts": [each for name, path in journals.items() for each in read_journal(name, path)],
        "ledgered": frozenset(journals),
        "queues": {name: count for name, count in counts.items() if not name.endswith((".dead", ".heartbeat"))},
        "dead": dead,
    }


def read_journal(provider: str, path: Path) -> list[Accept]:
    """Return what a simulated provider has accepted, from the file that outlives its process."""
    found = [json.loads(line).get("accepted") for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    return [_accept(provider, each) for each in found if each]


def _providers(product: Product) -> Iterable[tuple[str, Process]]:
    return [(each.name.removeprefix(_PROVIDER), each) for each in product.processes if each.name.startswith(_PROVIDER)]


def _roles(product: Product) -> list[Process]:
    return [each for each in product.processes if each.name in ("gateway", "worker")]


def _accepts(name: str, provider: Process) -> list[Accept] | None:
    try:
        return [_accept(name, entry) for entry in ledger(provider)]
    except httpx.TransportError:
        return None


def _accept(provider: str, entry: Mapping[str, Any]) -> Accept:
    accepted_at = datetime.fromisoformat(entry["accepted_at"])
    return Accept(reference=entry["reference"], provider=provider, accepted_at=accepted_at)


def _complaint(role: Process) -> tuple[str, str | None]:
    name = f"{role.name} {role.url}"
    try:
        problems = role.problems()
    except httpx.TransportError as error:
        return name, str(error)
    return name, str(problems) if problems else None


def _messages(query: Query) -> dict[str, Any]:
    return {
        "rows": [_struct(Row, each) for each in query("SELECT * FROM messages ORDER BY id")],
        "attempts": [_struct(Attempt, each) for each in query("SELECT * FROM attempts ORDER BY tracking_id, number")],
        "events": [
            _struct(Event, {**each, "number": each["id"]}) for each in query("SELECT * FROM message_events ORDER BY id")
        ],
    }


def _struct(kind: type[T], row: Mapping[str, Any]) -> T:
    """Turn a row into a struct; SQLite has ids without dashes, times without zones and JSON as text."""
    wanted = {field.name: row[field.name] for field in msgspec.structs.fields(kind) if field.name in row}  # type: ignore[arg-type]
    for name, value in wanted.items():
        if name == "tracking_id":
            wanted[name] = _dashed(str(value))
        elif name.endswith("_at") and isinstance(value, str):
            wanted[name] = datetime.fromisoformat(value).replace(tzinfo=UTC)
        elif name == "details" and isinstance(value, str):
            wanted[name] = json.loads(value)
    return kind(**wanted)


def _dashed(text: str) -> str:
    return text if "-" in text else f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _redis_quotas(product: Product) -> list[Quota]:
    limits = {each["id"]: each["daily_quota"] for each in product.clients.values() if each["daily_quota"] is not None}
    found: list[Quota] = []
    with redis.Redis.from_url(product.environ["REDIS_URL"], decode_responses=True) as client:
        for client_key, limit in limits.items():
            prefix = f"{product.environ['QUOTA_PREFIX']}:{client_key}:"
            keys = list(client.scan_iter(match=prefix + "*", count=1000))
            used = {key.removeprefix(prefix): int(str(client.get(key) or 0)) for key in keys}
            days = used or {datetime.now(UTC).date().isoformat(): 0}
            found += [Quota(client_key=client_key, day=day, used=count, limit=limit) for day, count in days.items()]
    return found


def queue_depths(product: Product) -> tuple[int, int]:
    """Return how many messages are ready in the outbound queue and in its dead-letter queue."""
    outbound = product.environ["RABBITMQ_QUEUE_OUTBOUND"]
    if (url := product.environ.get("QUEUE_URL", "")).startswith("redis"):
        with redis.Redis.from_url(url) as client:
            # What a worker holds counts: in the end it has to be acknowledged.
            return int(client.xlen(f"queue:{outbound}")), int(client.xlen(f"queue:{outbound}.dead"))
    return asyncio.run(_depths(product.environ["RABBITMQ_URL"], outbound))


async def _depths(url: str, outbound: str) -> tuple[int, int]:
    connection = await aiormq.connect(url)
    try:
        channel = await connection.channel()
        declared = [await channel.queue_declare(name, passive=True) for name in (outbound, f"{outbound}.dead")]
        return declared[0].message_count or 0, declared[1].message_count or 0
    finally:
        await connection.close()


def _secrets(product: Product) -> list[str]:
    options = [each.get("options", {}).get("api_key") for each in product.providers.values()]
    return [*product.clients, *filter(None, options), MAGIC.removeprefix("+"), TEXT.split()[0]]
