"""What a message costs PostgreSQL as its tables grow, and what each index of the searches adds to that.

    .venv/bin/python bench/large_tables.py postgresql://postgres@127.0.0.1:5432/postgres [--millions 1 5 10]

Makes a database of its own, fills it to each size in turn (messages with an attempt and two events each), and takes
messages in and settles them through the product's store. WAL is counted by the server as a whole: let nobody else write
to it. 10 million rows need 11 GB and some ten minutes.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
import store as store_bench
import tables
from search import own_database

from smsgw.core.ports import Arrival
from smsgw.transports.sql import open_database, sync_url
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate

WARM, MEASURED, BATCH = 3_000, 12_000, 100
SEARCHES = ("messages_to", "messages_client", "messages_failed")


class Cost(NamedTuple):
    """Of one message."""

    rate: float
    records: float
    pages: float
    wal: float
    read: float

    def __str__(self) -> str:
        return (
            f"{self.rate:7.0f} messages/s {self.records:7.2f} WAL records {self.pages:6.2f} whole pages"
            f" {self.wal:8.0f} WAL bytes {self.read:6.2f} blocks read"
        )


def _arrivals(count: int, dice: random.Random) -> list[Arrival]:
    now = datetime.now(UTC)
    made = []
    for _ in range(count):
        arrival = store_bench.arrival(now, hashed=False)
        number, client = f"+49151{10_000_000 + dice.randrange(tables.NUMBERS)}", f"client-{dice.randrange(50)}"
        message = msgspec.structs.replace(arrival.change.message, to=number, client_key=client)
        change = msgspec.structs.replace(arrival.change, message=message)
        made.append(msgspec.structs.replace(arrival, change=change))
    return made


async def _pass(store: DatabaseStore, count: int, dice: random.Random) -> None:
    for _ in range(count // BATCH):
        arrivals = _arrivals(BATCH, dice)
        await store.take_in(arrivals)
        now = datetime.now(UTC)
        await store_bench.apply_all(store, [store_bench.outcome(each.change, now) for each in arrivals])


async def cost(url: str, engine: sa.Engine, seed: int) -> Cost:
    """Take messages in and settle them; return what one cost."""
    _run(engine, ["CHECKPOINT"])
    store, dice = DatabaseStore(open_database(url), observer=lambda _fact: None), random.Random(seed)
    await _pass(store, WARM, dice)
    before, started = _counted(engine), time.perf_counter()
    await _pass(store, MEASURED, dice)
    seconds = time.perf_counter() - started
    # Statistics come with a connection's end, or a second later.
    await store.close()
    records, pages, wal, read = (
        (after - then) / MEASURED for after, then in zip(_counted(engine), before, strict=True)
    )
    return Cost(MEASURED / seconds, records, pages, wal, read)


def _counted(engine: sa.Engine) -> Sequence[float]:
    time.sleep(1.2)
    with engine.connect() as connection:
        query = (
            "SELECT wal_records, wal_fpi, wal_bytes, (SELECT blks_read FROM pg_stat_database"
            " WHERE datname = current_database()) FROM pg_stat_wal"
        )
        return [float(each) for each in connection.exec_driver_sql(query).one()]


def _run(engine: sa.Engine, statements: Sequence[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def indexes(url: str, engine: sa.Engine) -> None:
    """Measure with none of the indexes of the searches, with each alone, and with all."""
    with engine.connect() as connection:
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'messages_%%'"
        made = {name: text for name, text in connection.exec_driver_sql(query) if name in SEARCHES}
    made["(created_at)"] = "CREATE INDEX messages_made ON messages (created_at)"
    made["BRIN (created_at)"] = "CREATE INDEX messages_brin ON messages USING brin (created_at) WITH (autosummarize)"
    _run(engine, [f"DROP INDEX {name}" for name in SEARCHES])
    print(f"{'none of them':<20} {asyncio.run(cost(url, engine, 1))}", flush=True)
    for number, (name, text) in enumerate(made.items(), 2):
        _run(engine, [text])
        print(f"{name:<20} {asyncio.run(cost(url, engine, number))}", flush=True)
        _run(engine, [f"DROP INDEX {text.split()[2]}"])
    _run(engine, [made[name] for name in SEARCHES])
    print(f"{'all three':<20} {asyncio.run(cost(url, engine, 9))}", flush=True)


def grow(url: str, engine: sa.Engine, millions: Sequence[int]) -> None:
    """Fill to each size and measure there; at the first one also index by index."""
    at, most = 0, max(millions) * 1_000_000
    for size in millions:
        built = tables.without_indexes(engine)
        tables.fill(engine, at + 1, size * 1_000_000, count=most, stories=0)
        tables.settle(engine, built)
        if at == 0:
            indexes(url, engine)
        at = size * 1_000_000
        costs = [asyncio.run(cost(url, engine, 100 + size * 3 + nth)) for nth in range(3)]
        for each in costs:
            print(f"{size:>3} million rows     {each}", flush=True)
        print(f"    MB: { {name: round(bytes_ / 1e6) for name, bytes_ in tables.sizes(engine).items()} }", flush=True)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="postgresql://…, whose user may create databases")
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 5, 10])
    given = parser.parse_args()
    with own_database(given.server, None) as url:
        migrate(url, wait_seconds=5, say=print)
        engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
        with engine.connect() as connection:
            for name in ("server_version", "shared_buffers", "max_wal_size", "synchronous_commit", "autovacuum"):
                print(name, connection.exec_driver_sql(f"SHOW {name}").scalar())
        grow(url, engine, sorted(given.millions))


if __name__ == "__main__":
    main()
