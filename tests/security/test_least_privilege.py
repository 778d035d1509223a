"""The accounts that docs/how-to/production.md tells to make: enough for every role, and no more."""

import re
from collections.abc import Iterator

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from smsgw.transports.stores.database.migrate import migrate
from tests.journey.calling import accepted, reaches, send
from tests.journey.product import OTHER_KEY, Product, running
from tests.rules.sources import ROOT
from tests.servers import OwnPostgres, OwnRedis

MANUAL = (ROOT / "docs" / "how-to" / "production.md").read_text("utf-8")
FORBIDDEN_SQL = [
    "CREATE TABLE mine (a int)",
    "DROP TABLE messages",
    "ALTER TABLE messages ADD COLUMN mine int",
    "TRUNCATE messages",
    "CREATE ROLE mine",
    "COPY messages TO PROGRAM 'true'",
]
FORBIDDEN_REDIS = {
    "smsgw-gateway": [["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "*"], ["GET", "another:key"], ["SHUTDOWN"]],
    "smsgw-worker": [
        ["FLUSHALL"],
        ["SET", "confirmed:x", "1"],
        ["GET", "idem:x"],
        ["GET", "quota:x"],
        ["SET", "rate:x", "1"],
    ],
}


@pytest.fixture(scope="module")
def urls(_module_postgres: OwnPostgres, _module_redis: OwnRedis) -> dict[str, str]:
    """The URLs of the accounts, made as the manual says."""
    _make_database_roles(_module_postgres.url)
    with redis.Redis.from_url(_module_redis.url) as client:
        for line in re.findall(r"^ACL SETUSER .*$", MANUAL, re.MULTILINE):
            client.execute_command(*line.split())
    place = make_url(_module_redis.url)
    passwords = {"smsgw-gateway": "change-me", "smsgw-worker": "change-me-too"}
    accounts = {user: place.set(username=user, password=word) for user, word in passwords.items()}
    return {
        "owner": _as(_module_postgres.url, "smsgw_owner"),
        "worker": _as(_module_postgres.url, "smsgw"),
        **{user: url.render_as_string(hide_password=False) for user, url in accounts.items()},
    }


@pytest.fixture(scope="module")
def product(
    urls: dict[str, str], _module_redis: OwnRedis, rabbitmq_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    migrate(urls["owner"], wait_seconds=10, say=lambda _line: None)
    services = {"REDIS_URL": _module_redis.url, "RABBITMQ_URL": rabbitmq_url, "DATABASE_URL": urls["worker"]}
    with running(tmp_path_factory.mktemp("least"), services) as product:
        product.environ["QUOTA_PREFIX"] = "quota"
        product.configure("Local-SMS")
        product.gateway(REDIS_URL=urls["smsgw-gateway"])
        product.worker(REDIS_URL=urls["smsgw-worker"])
        yield product.start(gateways=0, workers=0)


def test_every_role_does_its_work_with_the_least_rights(product: Product) -> None:
    gateway, worker = product.named("gateway"), product.named("worker")

    # A client with a quota and a key, so that the gateway uses all it may.
    tracking_id = accepted(gateway, key=OTHER_KEY, idempotency_key="least")
    told = reaches(worker, tracking_id, "SENT", "DELIVERED", key=OTHER_KEY)
    again = send(gateway, key=OTHER_KEY, idempotency_key="least")

    assert told["provider_final"] == "Local-SMS"
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("statement", FORBIDDEN_SQL)
def test_a_worker_cannot_change_what_its_database_is(product: Product, urls: dict[str, str], statement: str) -> None:
    with psycopg.connect(urls["worker"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize(("user", "command"), [(user, each) for user, all_ in FORBIDDEN_REDIS.items() for each in all_])
def test_a_role_reaches_no_more_of_redis_than_it_needs(urls: dict[str, str], user: str, command: list[str]) -> None:
    with redis.Redis.from_url(urls[user]) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def _make_database_roles(url: str) -> None:
    """Run the manual's SQL; psql's \\connect changes the database."""
    found = re.search(r"```sql\n(CREATE ROLE smsgw_owner.*?)```", MANUAL, re.DOTALL)
    assert found
    on_server, _, in_database = found[1].partition("\\connect smsgw\n")
    assert in_database
    for place, statements in ((url, on_server), (_as(url, "postgres"), in_database)):
        with psycopg.connect(place, autocommit=True) as admin:
            for statement in statements.split(";"):
                if statement.strip():
                    admin.execute(statement.encode())


def _as(url: str, user: str) -> str:
    return make_url(url).set(username=user, database="smsgw").render_as_string(hide_password=False)
