"""What forgetting costs PostgreSQL: texts erased and messages deleted in the chore's batches, and what partitions would
change. On a server of its own, with fsync off: WAL and CPU, not the disk.

    .venv/bin/python bench/retention.py [--rows 200000]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.servers import OwnPostgres

from smsgw.core.data_care import Kept
from smsgw.transports.sql import open_database, sync_url
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate
from smsgw.worker.retention import BATCH

PARTITIONS = 30
ASKED = 2000
TABLES = ("messages", "message_events", "attempts", "report_inbox", "idempotency_seen")
_FILL = (
    """INSERT INTO messages (tracking_id, client_key, "to", text, ttl_seconds, providers, created_at, expires_at,
        updated_at, status, provider_final, due_at, fence, attempts_made, rounds, refused, duplicate_risk, absences,
        intake_token)
    SELECT md5(i::text)::uuid, 'shop', '+49151' || 10000000 + i, repeat('Your code is 123456. Tell nobody. ', 3), 3600,
        '[]', at, at + interval '1 hour', at, 'PROCESSING', NULL, at, 1, 1, 0, '[]', false, 0, md5('')::uuid
    FROM (SELECT i, timestamptz '2026-01-01 00:00Z' + i * interval '1 second' AS at FROM generate_series(1, :rows) AS i)
        AS numbered""",
    """INSERT INTO attempts (tracking_id, number, provider, started_at, finished_at, outcome, provider_message_id,
        report)
    SELECT tracking_id, 1, 'Provider-A', created_at, created_at, 'accepted', 'pm-' || tracking_id, 6 FROM messages""",
    """INSERT INTO message_events (tracking_id, event_type, provider, details, created_at)
    SELECT tracking_id, word, 'Provider-A', '{"attempt": 1, "provider_message_id": "pm-0123456789abcdef"}', created_at
    FROM messages, unnest(ARRAY['PROCESSING', 'SENT', 'REPORT', 'DELIVERED']) AS word ORDER BY messages.id""",
    """INSERT INTO report_inbox (provider, dedupe_key, provider_message_id, status, received_at, tries, applied_at,
        tracking_id)
    SELECT 'Provider-A', md5(id::text) || md5(id::text), 'pm-' || tracking_id, 6, created_at, 1, created_at, tracking_id
    FROM messages ORDER BY id""",
    """INSERT INTO idempotency_seen (hash, tracking_id, created_at)
    SELECT md5(id::text) || md5(id::text), tracking_id, created_at FROM messages""",
)
_LIFE = (
    # The two updates of a life: what a call answered, and what its report said.
    """UPDATE messages SET status = 'SENT', provider_final = 'Provider-A', due_at = due_at + interval '3 days',
        fence = 2""",
    "UPDATE messages SET status = 'DELIVERED', due_at = NULL, fence = 3",
)
_PARTED = """CREATE TABLE parted (id bigint, tracking_id uuid, status text, PRIMARY KEY (tracking_id, id))
    PARTITION BY RANGE (id)"""


class Bench:
    """One filled database."""

    def __init__(self, url: str, rows: int) -> None:
        self.url, self.rows = url, rows
        self.engine = sa.create_engine(sync_url(url), isolation_level="AUTOCOMMIT")

    def run(self, text: str, **values: Any) -> None:
        with self.engine.connect() as connection:
            connection.execute(sa.text(text), values)

    def one(self, text: str, **values: Any) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(sa.text(text), values).scalar()

    def fill(self) -> None:
        """Make messages that were sent and reported; print what they take, then leave the room that updates leave."""
        for text in _FILL:
            self.run(text, **({"rows": self.rows} if ":rows" in text else {}))
        self.run("VACUUM ANALYZE")
        self.sizes()
        for text in _LIFE:
            self.run(text)
            self.run("VACUUM ANALYZE messages")
        self.run("CHECKPOINT")

    def sizes(self) -> None:
        """Print the bytes of a message in each table, with its indexes."""
        for table in TABLES:
            heap, whole = (self.one(f"SELECT pg_{kind}_size('{table}')") for kind in ("relation", "total_relation"))
            print(f"{table:18} {heap / self.rows:6.0f} B of rows, {(whole - heap) / self.rows:6.0f} B of indexes")

    async def retire(self, what: Kept) -> None:
        """Retire everything; print what a row and a batch cost."""
        store = DatabaseStore(open_database(self.url), observer=lambda _fact: None)
        now, seconds, rows = datetime(2028, 1, 1, tzinfo=UTC), [], 0
        start = self.one("SELECT pg_current_wal_lsn()::text")
        while True:
            began = time.perf_counter()
            retired = await store.retire(what, before=now - timedelta(days=1), now=now, limit=BATCH)
            assert retired is not None
            seconds.append(time.perf_counter() - began)
            rows += retired.rows
            if not retired.is_behind:
                break
        wal = self.one("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), CAST(:start AS pg_lsn))", start=start)
        p99 = sorted(seconds)[len(seconds) * 99 // 100]
        print(
            f"{what.value:9} {rows} rows: {sum(seconds) / rows * 1e6:.0f} us and {wal / rows:.0f} B of WAL a row; "
            f"a batch takes {statistics.median(seconds) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
        )
        await store.close()

    def vacuum(self) -> None:
        """Print what cleaning up behind it costs."""
        for table in TABLES[:4]:
            start, began = self.one("SELECT pg_current_wal_lsn()::text"), time.perf_counter()
            self.run(f"VACUUM {table}")
            wal = self.one("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), CAST(:start AS pg_lsn))", start=start)
            print(f"vacuum {table:15} {time.perf_counter() - began:.2f} s, {wal / self.rows:.0f} B of WAL a row")

    def partitions(self) -> None:
        """Print what finding a message by its tracking_id costs with and without partitions, and what a drop does."""
        self.run(_PARTED)
        step = self.rows // PARTITIONS + 1
        for place in range(PARTITIONS):
            first, last = place * step, (place + 1) * step
            self.run(f"CREATE TABLE parted_{place} PARTITION OF parted FOR VALUES FROM ({first}) TO ({last})")
        self.run("CREATE TABLE whole (id bigint PRIMARY KEY, tracking_id uuid UNIQUE, status text)")
        for table in ("parted", "whole"):
            self.run(
                f"INSERT INTO {table} SELECT i, md5(i::text)::uuid, 'SENT' FROM generate_series(1, :rows) AS i",
                rows=self.rows - 1,
            )
        self.run("VACUUM ANALYZE")
        for table in ("whole", "parted"):
            print(f"{table:9} {self._look_up(table):.0f} us to find a message by its tracking_id")
        began = time.perf_counter()
        self.run("DROP TABLE parted_0")
        print(f"drop      {(time.perf_counter() - began) * 1e3:.0f} ms for a partition of {step} rows")

    def _look_up(self, table: str) -> float:
        # Prepared, with a generic plan, as the driver does after its second use.
        with self.engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            began = time.perf_counter()
            for number in range(ASKED):
                raw.execute(
                    f"SELECT status FROM {table} WHERE tracking_id = md5(%s::text)::uuid",
                    (number * 37 + 1,),
                    prepare=True,
                ).fetchone()
            return (time.perf_counter() - began) / ASKED * 1e6


async def main(url: str, rows: int) -> None:
    """Measure everything once."""
    migrate(url, wait_seconds=30, say=print)
    bench = Bench(url, rows)
    bench.fill()
    for what in (Kept.TEXTS, Kept.MESSAGES, Kept.REPORTS):
        await bench.retire(what)
        if what is not Kept.TEXTS:
            bench.vacuum()
    bench.partitions()
    bench.engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    with tempfile.TemporaryDirectory(prefix="smsgw-retention-") as directory:
        server = OwnPostgres(Path(directory) / "server")
        # PostgreSQL does not run as root, and has to get to its directory.
        Path(directory).chmod(0o711)
        server.start()
        try:
            asyncio.run(main(server.url, parser.parse_args().rows))
        finally:
            server.stop()
