"""The books after a disturbance: everything accepted is there once, and sent twice only where it had been unknown."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import redis

from tests.journey.calling import ledger
from tests.journey.process import Process, until
from tests.journey.product import Product


def statuses(product: Product) -> dict[str, str]:
    """Return the status of every message in the product's database."""
    return {
        str(tracking_id): status for tracking_id, status in _rows(product, "SELECT tracking_id, status FROM messages")
    }


def all_reach(product: Product, tracking_ids: Sequence[str], *allowed: str, seconds: float = 40) -> None:
    """Wait until every one of the messages has one of the statuses."""

    def counts() -> Counter[str]:
        known = statuses(product)
        return Counter(known.get(each, "no row") for each in tracking_ids)

    until(lambda: set(counts()) <= set(allowed), seconds=seconds, what=lambda: f"all {allowed}: {counts()}")


def unexplained_duplicates(product: Product, *providers: Process) -> dict[str, int]:
    """Return what providers accepted more often than an outcome of it was unknown before, by tracking id."""
    accepts = Counter(entry["reference"] for provider in providers for entry in ledger(provider))
    query = "SELECT tracking_id, count(*) FROM message_events WHERE event_type = 'UNKNOWN' GROUP BY 1"
    unknowns = {str(tracking_id): count for tracking_id, count in _rows(product, query)}
    return {each: count for each, count in accepts.items() if count > 1 + unknowns.get(each, 0)}


def strangers(product: Product, *providers: Process) -> set[str]:
    """Return what providers accepted although no message of the product says so."""
    return {entry["reference"] for provider in providers for entry in ledger(provider)} - set(statuses(product))


def grow_older(product: Product) -> None:
    """Move what the gateway has noted to a minute that an audit looks at: it leaves the newest 60 s alone."""
    prefix = f"confirmed:{product.environ['QUOTA_PREFIX']}"
    older = int((datetime.now(UTC) - timedelta(minutes=3)).timestamp()) // 60 * 60
    with redis.Redis.from_url(product.environ["REDIS_URL"]) as client:
        noted = [client.getdel(key) for key in client.scan_iter(match=f"{prefix}:*", count=1000)]
        client.set(f"{prefix}:{older}", b"".join(each for each in noted if isinstance(each, bytes)))


def _rows(product: Product, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(product.environ["DATABASE_URL"]) as connection:
        return connection.execute(query.encode()).fetchall()
