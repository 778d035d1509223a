"""What docs/how-to/data-care.md promises, run as it stands there: back up, restore, retire, erase."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from smsgw.transports.sql import sync_url
from smsgw.transports.stores.database.migrate import migrate
from tests.journey.books import grow_older
from tests.journey.calling import accepted, event_types, ledger, reaches
from tests.journey.process import until
from tests.journey.product import NUMBER, Product, running
from tests.services import free_database

DOCUMENT = Path(__file__).parents[2] / "docs/how-to/data-care.md"
OTHER = "+447700908888"
TOOLS = {"postgres": ("pg_dump", "pg_restore"), "sqlite": ("sqlite3",)}
HEADINGS = {"postgres": "### PostgreSQL", "sqlite": "### SQLite"}


class Database(NamedTuple):
    """An empty database of a kind, and another one to restore into."""

    kind: str
    url: str
    restored: str

    @property
    def variables(self) -> dict[str, str]:
        """What the documented commands read."""
        path, restored = (str(sa.make_url(each).database) for each in (self.url, self.restored))
        return {
            "DATABASE_URL": self.url,
            "RESTORED_URL": self.restored,
            "DATABASE_FILE": path,
            "RESTORED_FILE": restored,
        }


@pytest.fixture(params=["postgres", "sqlite"])
def database(request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path) -> Iterator[Database]:
    with _two(request.param, postgres_url, tmp_path) as (url, restored):
        migrate(url, wait_seconds=10, say=lambda _line: None)
        yield Database(request.param, url, restored)


@pytest.fixture
def product(database: Database, redis_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[Product]:
    services = {"REDIS_URL": redis_url, "RABBITMQ_URL": rabbitmq_url, "DATABASE_URL": database.url}
    with running(tmp_path, services) as product:
        yield product


def test_a_restored_database_starts_sends_nothing_twice_and_the_audit_tells_what_it_lacks(
    product: Product, database: Database
) -> None:
    _need(database)
    up, down = product.add_provider("Provider-A"), product.add_provider("Provider-B")
    product.start()
    gateway, worker = product.named("gateway"), product.named("worker")
    down.wait_alive().kill()
    kept, pending = accepted(gateway, providers=["Provider-A"]), accepted(gateway, providers=["Provider-B"])
    reaches(worker, kept, "DELIVERED")
    reaches(worker, pending, "QUEUED")

    _backup(product, database)
    down.restart().wait_alive()
    reaches(worker, pending, "DELIVERED")
    after_backup = accepted(gateway, providers=["Provider-A"])
    reaches(worker, after_backup, "DELIVERED")
    worker.stop()
    sent_before = len(ledger(up)) + len(ledger(down))
    _restore(product, database)
    _run_sql(database.restored, _block("### After a restore", "sql"))
    product.environ["DATABASE_URL"] = worker.environ["DATABASE_URL"] = database.restored
    grow_older(product)
    audited = product.run("audit")
    worker.restart().wait_ready()
    fresh = accepted(gateway, providers=["Provider-A"])
    reaches(worker, fresh, "DELIVERED")

    ended = reaches(worker, pending, "FAILED")
    assert (ended["reason"], event_types(ended)[-1]) == ("outcome_unknown", "FAILED")
    assert reaches(worker, kept, "DELIVERED")["attempts"]
    assert len(ledger(up)) + len(ledger(down)) == sent_before + 1
    assert (audited.returncode, f"LOST {after_backup}" in audited.stdout) == (1, True), audited.stdout + audited.stderr
    assert kept not in audited.stdout
    assert pending not in audited.stdout


def test_a_worker_erases_and_deletes_what_is_old(product: Product, database: Database) -> None:
    product.add_provider("Provider-A")
    product.start()
    gateway, worker = product.named("gateway"), product.named("worker")
    # One after the other: what comes together may be stored in any order, and the walk ends at the first that may stay.
    gone, blank, _ = [reaches(worker, accepted(gateway), "DELIVERED")["tracking_id"] for _ in range(3)]
    worker.stop()
    _age(database, gone, days=100)
    _age(database, blank, days=10)
    worker.environ.update(RETAIN_TEXT_DAYS="7", RETAIN_MESSAGES_DAYS="90")

    worker.restart().wait_ready()

    until(lambda: _rows(database, "SELECT 1 FROM messages WHERE text = ''"), what="a text is erased")
    until(lambda: len(_rows(database, "SELECT 1 FROM messages")) == 2, what="a message is deleted")
    until(lambda: worker.metric('smsgw_retired_rows_total{what="messages"}') == 1, what="it is counted")
    told = [each["message"] for each in worker.log_lines()]
    assert reaches(worker, blank, "DELIVERED")["to"] == NUMBER
    assert [text for (text,) in _rows(database, "SELECT text FROM messages ORDER BY id")] == ["", "Parcel 4711 waits"]
    assert "retention.retired" in told


def test_a_number_is_erased_from_the_command_line(product: Product, database: Database) -> None:
    product.add_provider("Provider-A")
    product.configure(
        "Provider-B", kind="provider_a", options={"base_url": "http://127.0.0.1:9", "api_key": "key-of-Provider-B"}
    )
    product.start()
    gateway, worker = product.named("gateway"), product.named("worker")
    final, waiting = accepted(gateway, providers=["Provider-A"]), accepted(gateway, providers=["Provider-B"])
    other = accepted(gateway, to=OTHER, providers=["Provider-A"])
    for each in (final, other):
        reaches(worker, each, "DELIVERED")
    reaches(worker, waiting, "QUEUED")

    counted = product.run("erase", NUMBER, "--dry-run")
    wrong = product.run("erase", "0151 1")
    once = product.run("erase", NUMBER)
    left = reaches(worker, waiting, "QUEUED", "PROCESSING")
    until(lambda: product.run("erase", NUMBER, "--cancel").returncode == 0, what="the rest is cancelled and erased")

    assert (counted.returncode, counted.stdout.split(";")[0]) == (0, "1 messages would be erased, 1 may still be sent")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert (once.returncode, once.stdout.strip(), left["to"]) == (1, "1 messages erased", NUMBER)
    erased = reaches(worker, final, "DELIVERED")
    assert (erased["to"], erased["country"], reaches(worker, waiting, "FAILED")["to"]) == ("erased", "ZZ", "erased")
    assert reaches(worker, other, "DELIVERED")["to"] == OTHER
    assert NUMBER not in _everything(database)
    assert NUMBER[1:] not in _everything(database)
    actions = [action for (action,) in _rows(database, "SELECT action FROM audit_log ORDER BY id LIMIT 2")]
    assert actions == ["number.erase", "number.erased"]


# --- the documented commands ------------------------------------------------------------------------------------------


def _block(heading: str, language: str, place: int = 0) -> str:
    """Return a fenced block of the document, below a heading."""
    below = DOCUMENT.read_text("utf-8").split(f"\n{heading}\n", 1)[1]
    below = re.split(r"^#{2,3} ", below, maxsplit=1, flags=re.MULTILINE)[0]
    return str(re.findall(rf"^```{language}\n(.*?)^```", below, flags=re.MULTILINE | re.DOTALL)[place])


def _backup(product: Product, database: Database) -> None:
    _shell(product, database, _block(HEADINGS[database.kind], "sh", 0))


def _restore(product: Product, database: Database) -> None:
    _shell(product, database, _block(HEADINGS[database.kind], "sh", 1))


def _shell(product: Product, database: Database, script: str) -> None:
    environ = {**os.environ, **database.variables, "BACKUP": str(product.directory / "backup")}
    done = subprocess.run(
        ["sh", "-eu", "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def _run_sql(url: str, script: str) -> None:
    """Run statements one by one, as psql and sqlite3 do."""
    engine = sa.create_engine(sync_url(url), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in filter(None, map(str.strip, script.split(";\n"))):
            connection.exec_driver_sql(statement)


def _need(database: Database) -> None:
    """Skip where the tools are missing, or older than the server: pg_dump refuses that."""
    for tool in TOOLS[database.kind]:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if database.kind == "postgres":
        tool = subprocess.run(["pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
        ((server,),) = _rows(database, "SHOW server_version_num")
        if int(re.findall(r"\d+", tool)[0]) < int(server) // 10_000:
            pytest.skip("pg_dump is older than the server")


# --- the database -----------------------------------------------------------------------------------------------------


@contextmanager
def _two(kind: str, postgres_url: str, directory: Path) -> Iterator[tuple[str, str]]:
    if kind == "sqlite":
        yield f"sqlite:///{directory / 'messages.db'}", f"sqlite:///{directory / 'restored.db'}"
        return
    with free_database(postgres_url) as url, free_database(postgres_url) as restored:
        yield url, restored


def _rows(database: Database, query: str, **values: Any) -> list[Any]:
    engine = sa.create_engine(sync_url(database.url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query), values))


def _age(database: Database, tracking_id: str, *, days: int) -> None:
    """Make a message older."""
    is_sqlite = database.kind == "sqlite"
    back = f"datetime(created_at, '-{days} days')" if is_sqlite else f"created_at - interval '{days} days'"
    key = tracking_id.replace("-", "") if is_sqlite else tracking_id
    engine = sa.create_engine(sync_url(database.url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        update = f"UPDATE messages SET created_at = {back}, updated_at = {back} WHERE tracking_id = :key"
        assert connection.execute(sa.text(update), {"key": key}).rowcount == 1


def _everything(database: Database) -> str:
    """Return every row of every table, as text."""
    engine = sa.create_engine(sync_url(database.url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        return "\n".join(str(list(connection.exec_driver_sql(f'SELECT * FROM "{name}"'))) for name in tables)
