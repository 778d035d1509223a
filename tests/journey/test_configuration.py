"""A mistake in the settings stops a start with exit code 2 and one line that names the variable."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiormq
import pytest

from tests.journey.calling import accepted, reaches
from tests.journey.process import clean_environment
from tests.journey.product import KEY, Product, indiscreet, running
from tests.servers import free_port

CLIENT = {"name": "one", "is_active": True, "daily_quota": None}
LOCAL = {"is_active": True, "is_operational": True}
FINE = {
    "CLIENT_CONFIG": json.dumps({KEY: CLIENT}),
    "PROVIDERS_CONFIG": json.dumps({"Local-SMS": LOCAL}),
    "RABBITMQ_URL": "amqp://127.0.0.1:9/",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "DATABASE_URL": "postgresql://127.0.0.1:9/none",
}
ALIASES = {"Local-SMS": {**LOCAL, "aliases": ["Cheap"]}, "Other": {**LOCAL, "kind": "local_sms", "aliases": ["cheap"]}}
BOTH = [
    ("PROVIDERS_CONFIG", "", "PROVIDERS_CONFIG"),
    ("PROVIDERS_CONFIG", "{", "PROVIDERS_CONFIG"),
    ("PROVIDERS_CONFIG", json.dumps({"Local-SMS": {**LOCAL, "colour": "red"}}), "PROVIDERS_CONFIG"),
    ("PROVIDERS_CONFIG", json.dumps(ALIASES), "PROVIDERS_CONFIG"),
    ("PROVIDERS_CONFIG", json.dumps({"send": {**LOCAL, "kind": "local_sms"}}), "PROVIDERS_CONFIG"),
    ("PROVIDERS_CONFIG_FILE", "/nowhere/providers.json", "PROVIDERS_CONFIG"),
    ("CLIENT_CONFIG", json.dumps({KEY: {**CLIENT, "colour": "red"}}), "CLIENT_CONFIG"),
    ("CLIENT_CONFIG", json.dumps({KEY: {**CLIENT, "daily_quota": -1}}), "CLIENT_CONFIG"),
    ("RABBITMQ_URL", "http://127.0.0.1/", "RABBITMQ_URL"),
    ("QUEUE_URL", "kafka://127.0.0.1/", "QUEUE_URL"),
    ("REDIS_URL", "127.0.0.1:6379", "REDIS_URL"),
    ("REDIS_URL", "redis://127.0.0.1:9/0?socket_timeout=abc", "REDIS_URL"),
    ("LIMITS_URL", "sqlite:///limits.db?x=1", "LIMITS_URL"),
    ("QUEUE_URL", "sqlite:///:memory:", "QUEUE_URL"),
    ("CLIENT_CONFIG", json.dumps({KEY: {**CLIENT, "daily_quota": 10**26}}), "CLIENT_CONFIG"),
    ("LIMITS_URL", "memcached://127.0.0.1", "LIMITS_URL"),
    ("RABBITMQ_QUEUE_OUTBOUND", "with a space", "RABBITMQ_QUEUE_OUTBOUND"),
    ("LOG_LEVEL", "loud", "LOG_LEVEL"),
    ("DRAIN_SECONDS", "soon", "DRAIN_SECONDS"),
    ("QUOTA_PREFIX", "a b", "QUOTA_PREFIX"),
]
GATEWAY = [
    ("CLIENT_CONFIG", "", "CLIENT_CONFIG"),
    ("SERVER_A_PORT", "70000", "SERVER_A_PORT"),
    ("SERVER_A_HOST", "192.0.2.1", "192.0.2.1"),
    ("MIN_TTL_SECONDS", "86400", "DEFAULT_TTL_SECONDS"),
    ("PROVIDER_GATE_ENABLED", "perhaps", "PROVIDER_GATE_ENABLED"),
    ("HEARTBEAT_INTERVAL_SECONDS", "0", "HEARTBEAT_INTERVAL_SECONDS"),
]
ABSENT = {"Provider-X": LOCAL}
UNSET = {"Provider-A": {**LOCAL, "options": {"base_url": "https://carrier.example", "api_key": "env:NOT_SET"}}}
WRONG_OPTION = {"Provider-A": {**LOCAL, "options": {"base_url": "ftp://carrier.example", "api_key": "key-of-a"}}}
WORKER = [
    ("DATABASE_URL", "mysql://127.0.0.1/", "DATABASE_URL"),
    ("SMART_SELECTION_STRATEGY", "clever", "SMART_SELECTION_STRATEGY"),
    ("ON_UNKNOWN", "guess", "ON_UNKNOWN"),
    ("LEASE_SECONDS", "20", "LEASE_SECONDS"),
    ("MAX_SEND_ATTEMPTS", "0", "MAX_SEND_ATTEMPTS"),
    ("WORKER_MAX_IN_FLIGHT", "1e3", "WORKER_MAX_IN_FLIGHT"),
    ("EXPECTED_CLIENTS_FINGERPRINT", "abc", "EXPECTED_CLIENTS_FINGERPRINT"),
    ("PROVIDERS_CONFIG", json.dumps(ABSENT), "provider_x"),
    ("PROVIDERS_CONFIG", json.dumps(UNSET), "NOT_SET"),
    ("PROVIDERS_CONFIG", json.dumps(WRONG_OPTION), "base_url"),
]
ROLES = {"gateway": [*GATEWAY, *BOTH], "worker": [*WORKER, *BOTH]}


def _start(role: str, directory: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smsgw", role],
        env={**clean_environment(), **FINE, "SERVER_A_PORT": "0", "SERVER_B_PORT": "0", **environ},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("role", "name", "value", "named"), [(role, *mistake) for role, mistakes in ROLES.items() for mistake in mistakes]
)
def test_a_mistake_stops_the_start_with_one_line(tmp_path: Path, role: str, name: str, value: str, named: str) -> None:
    ended = _start(role, tmp_path, {name: value})

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("critical", "start.refused")
    assert named in told["why"]
    assert indiscreet(line + ended.stdout) is None


def test_both_a_variable_and_its_file_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "clients.json").write_text(FINE["CLIENT_CONFIG"])

    ended = _start("gateway", tmp_path, {"CLIENT_CONFIG_FILE": "clients.json"})

    assert ended.returncode == 2
    assert "not both" in ended.stderr


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("configuration"), services) as product:
        product.configure("Local-SMS")
        yield product


@pytest.mark.fault("F23", "I11")
@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_a_queue_of_another_shape_stops_the_role_with_one_line(product: Product, role: str) -> None:
    queue = f"{product.environ['RABBITMQ_QUEUE_OUTBOUND']}.{role}"
    asyncio.run(_declare(product.environ["RABBITMQ_URL"], queue))

    ended = product.run(role, RABBITMQ_QUEUE_OUTBOUND=queue, SERVER_A_PORT="0", SERVER_B_PORT="0")
    asyncio.run(_delete(product.environ["RABBITMQ_URL"], queue, f"{queue}.dead"))

    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert f"RabbitMQ queue '{queue}' exists with another" in json.loads(line)["why"]


def test_a_port_that_is_taken_stops_the_role_with_one_line(product: Product) -> None:
    gateway = product.gateway().wait_alive()

    ended = product.run("gateway", SERVER_A_HOST="127.0.0.1", SERVER_A_PORT=gateway.url.rpartition(":")[2])

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "cannot listen" in line


def test_a_worker_without_clients_serves_everything_but_the_status(product: Product) -> None:
    worker = product.worker(CLIENT_CONFIG="").wait_ready()
    gateway = product.gateway().wait_ready()
    second = product.worker().wait_ready()

    tracking_id = accepted(gateway)
    told = reaches(second, tracking_id, "SENT")

    assert told["provider_final"] == "Local-SMS"
    assert worker.metric("sms_providers_config_total") == 1


def test_settings_are_read_from_a_dotenv_file_and_the_environment_wins(product: Product, tmp_path: Path) -> None:
    port = free_port()
    clients = json.dumps({"from-dotenv": CLIENT}, indent=1)
    (tmp_path / ".env").write_text(f"LOG_LEVEL=loud\nCLIENT_CONFIG='{clients}'\nSERVER_A_PORT={port}\n")
    without = {name: value for name, value in FINE.items() if name != "CLIENT_CONFIG"}

    checked = subprocess.run(
        [sys.executable, "-m", "smsgw", "config", "check", "gateway"],
        env={**clean_environment(), **without, "LOG_LEVEL": "info"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.strip() == "gateway: fine (1 clients, 1 providers)"


async def _declare(url: str, queue: str) -> None:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    await channel.queue_declare(queue, durable=True)
    await connection.close()


async def _delete(url: str, *queues: str) -> None:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    for queue in queues:
        await channel.queue_delete(queue)
    await connection.close()
