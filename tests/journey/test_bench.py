"""`smsgw bench` for a few seconds: a floor so loose that only something broken falls through."""

from collections.abc import Mapping

import psutil
import psycopg
import pytest

from smsgw.settings import SettingsError
from smsgw.wiring.bench import run_bench

FLOOR = 50
"""Accepted per second, also beside all that the suite runs: no measurement, a sign that it works."""


def _measured(environ: Mapping[str, str], seconds: float) -> str:
    said: list[str] = []
    found = run_bench(environ, seconds=seconds, connections=16, processes=2, say=said.append)

    text = "\n".join(said)
    assert found.is_complete, text
    # One SQLite file on a slow disk refuses in time what it cannot take in time.
    assert set(found.refused) <= {503}, text
    assert (found.broken, sum(found.refused.values()) <= found.accepted // 50) == (0, True), text
    assert found.accepted_per_second >= FLOOR, text
    assert [each.name for each in found.spent] == ["gateway", "worker", "provider", "load generator"]
    assert all(each.cpu_seconds > 0 for each in found.spent), text
    assert _left_behind() == []
    return text


def _left_behind() -> list[str]:
    """Return the command lines of our children that are the bench's; the suite's own servers run beside them."""
    running = [" ".join(each.cmdline()) for each in psutil.Process().children() if each.is_running()]
    return [command for command in running if "-m smsgw" in command]


def test_it_measures_one_temporary_file_when_nothing_is_configured() -> None:
    said = _measured({}, 3)

    assert "SQLite, WAL, synchronous=FULL" in said
    assert "PROVIDER_RATE_LIMIT=0 TOTAL_RATE_LIMIT=0 INGRESS_RATE_LIMIT=0" in said


def test_it_measures_the_production_set_and_leaves_nothing_there(
    redis_url: str, rabbitmq_url: str, postgres_url: str
) -> None:
    services = {"LIMITS_URL": redis_url, "QUEUE_URL": rabbitmq_url, "DATABASE_URL": postgres_url}

    said = _measured(services, 10)

    assert "quorum queue" in said
    assert "synchronous_commit=" in said
    assert "appendonly=" in said
    with psycopg.connect(postgres_url) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'smsgw_bench_%'").fetchall()
    assert "could not be" not in said
    assert left == []


def test_a_service_that_is_away_is_one_line() -> None:
    away = {
        "QUEUE_URL": "amqp://guest:guest@127.0.0.1:1/",
        "LIMITS_URL": "redis://127.0.0.1:1/0",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }

    with pytest.raises(SettingsError, match=r"^DATABASE_URL: .*") as raised:
        run_bench(away, seconds=1, connections=1, processes=1, say=lambda _line: None)

    assert "\n" not in str(raised.value)
