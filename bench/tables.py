"""Large tables for the benches, made by PostgreSQL itself: messages of 90 days, with stories for those that want them.

What a place of traffic looks like is in the row's number, so that every run makes the same rows: of a thousand clients'
messages 600 are of `shop`, 250 of `bank`, … and the oldest 50 of `quiet`, who has sent nothing since.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

DAYS = 90
NUMBERS = 2_000_003
STEP = 250_000
"""Rows of one statement: what it sorts and logs stays small."""

_MESSAGES = """
INSERT INTO messages (tracking_id, client_key, "to", text, ttl_seconds, providers, created_at, expires_at, updated_at,
    status, reason, provider_final, due_at, fence, attempts_made, rounds, refused, duplicate_risk, absences,
    intake_token)
SELECT md5(i::text)::uuid,
    CASE WHEN i <= 50 THEN 'quiet' WHEN r < 600 THEN 'shop' WHEN r < 850 THEN 'bank' WHEN r < 950 THEN 'clinic'
        ELSE 'client-' || r % 50 END,
    CASE WHEN r % 500 = 0 THEN '+4915100000000' ELSE '+49151' || 10000000 + (i * 7919) % {numbers} END,
    'Your code is ' || 100000 + i % 900000 || '. It is good for ten minutes. Tell it to nobody.',
    3600, '[]', made, made + interval '1 hour', made + interval '3 s',
    CASE WHEN newest THEN (ARRAY['QUEUED', 'PROCESSING', 'UNKNOWN'])[1 + i % 3] WHEN r % 25 = 3 THEN 'FAILED'
        WHEN r % 10 = 1 THEN 'SENT' ELSE 'DELIVERED' END,
    CASE WHEN newest THEN NULL WHEN r % 25 = 3 THEN (ARRAY['undelivered', 'rejected', 'expired', 'invalid_number',
        'undelivered', 'undelivered'])[1 + i % 6] END,
    CASE WHEN newest AND i % 3 = 0 THEN NULL WHEN r % 20 = 7 THEN 'Provider-C' WHEN i % 3 = 0 THEN 'Provider-B'
        ELSE 'Provider-A' END,
    CASE WHEN newest THEN now()
        WHEN i > {count} * 0.967 AND r % 10 = 1 AND r % 25 <> 3 THEN made + interval '30 days' END,
    2, 1, 0, '[]', false, 0, md5('')::uuid
FROM (SELECT i, (i * 7919) % 1000 AS r, i > {count} - 2000 AS newest,
        timestamptz '2026-08-20 00:00Z' + i * interval '{days} days' / {count} AS made
    FROM generate_series({first}, {last}) AS i) AS numbered
"""
_ATTEMPTS = """
INSERT INTO attempts (tracking_id, number, provider, started_at, finished_at, outcome, provider_message_id, report)
SELECT md5(i::text)::uuid, 1, 'Provider-A', made, made + interval '200 ms', 'accepted', 'pm-' || md5(i::text), 6
FROM (SELECT i, timestamptz '2026-08-20 00:00Z' + i * interval '{days} days' / {count} AS made
    FROM generate_series({first}, {last}) AS i) AS numbered
"""
_EVENTS = """
INSERT INTO message_events (tracking_id, event_type, provider, details, created_at)
SELECT md5(i::text)::uuid, word, 'Provider-A', '{{"attempt": 1}}', made
FROM (SELECT i, timestamptz '2026-08-20 00:00Z' + i * interval '{days} days' / {count} AS made
    FROM generate_series({first}, {last}) AS i) AS numbered, unnest(ARRAY['PROCESSING', 'DELIVERED']) AS word
"""
TABLES = ("messages", "attempts", "message_events")


def fill(engine: sa.Engine, first: int, last: int, *, count: int, stories: int) -> None:
    """Insert the messages with these numbers of `count`, in the end; those above `stories` have attempts and events."""
    steps = [(_MESSAGES, start) for start in range(first, last + 1, STEP)]
    steps += [(text, start) for text in (_ATTEMPTS, _EVENTS) for start in range(max(first, stories), last + 1, STEP)]
    for text, start in steps:
        end = min(start + STEP - 1, last)
        statement = text.format(
            numbers=NUMBERS, days=DAYS, count=f"{count}::bigint", first=f"{start}::bigint", last=end
        )
        _run(engine, [statement])


def without_indexes(engine: sa.Engine) -> Sequence[str]:
    """Drop every index but the primary keys of `messages` and `message_events`; return what builds them again."""
    found = _all(
        engine,
        "SELECT indexname, indexdef, conname FROM pg_indexes LEFT JOIN pg_constraint ON conname = indexname"
        f" WHERE tablename IN {TABLES} AND indexname NOT IN ('messages_pkey', 'message_events_pkey')",
    )
    constraints = [name for name, _, constraint in found if constraint]
    _run(engine, [f"ALTER TABLE {name.removesuffix('_pkey')} DROP CONSTRAINT {name}" for name in constraints])
    _run(engine, [f"DROP INDEX {name}" for name, _, constraint in found if not constraint])
    primary = [
        f"ALTER TABLE {name.removesuffix('_pkey')} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}"
        for name in constraints
    ]
    return [definition for _, definition, _ in found] + primary


def settle(engine: sa.Engine, indexes: Sequence[str]) -> None:
    """Build the indexes and do what autovacuum does."""
    _run(engine, ["SET maintenance_work_mem = '512MB'", *indexes])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in TABLES:
            connection.exec_driver_sql(f"VACUUM ANALYZE {table}")
        connection.exec_driver_sql("CHECKPOINT")


def sizes(engine: sa.Engine) -> dict[str, int]:
    """Return the bytes of each of the tables and of each of their indexes."""
    return {
        name: int(size)
        for name, size in _all(
            engine,
            "SELECT relname, pg_relation_size(pg_class.oid) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            f" WHERE nspname = 'public' AND (relname IN {TABLES} OR pg_class.oid IN (SELECT indexrelid FROM pg_index"
            f" JOIN pg_class t ON t.oid = indrelid WHERE t.relname IN {TABLES})) ORDER BY relkind DESC, relname",
        )
    }


def _run(engine: sa.Engine, statements: Sequence[str]) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        for statement in statements:
            connection.execution_options(no_parameters=True).exec_driver_sql(statement)


def _all(engine: sa.Engine, query: str) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).all()
