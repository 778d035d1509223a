"""What people do at the command line with a running product."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiormq
import pytest
import redis

from tests.journey.books import grow_older, statuses
from tests.journey.calling import accepted, reaches
from tests.journey.process import until
from tests.journey.product import KEY, MAGIC, NUMBER, TEXT, Product, indiscreet, running

_FILES = {"CLIENT_CONFIG_FILE": "clients.json", "PROVIDERS_CONFIG_FILE": "providers.json"}


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("commands"), services) as product:
        product.add_provider("Provider-A", aliases=["alpha"], note="the cheap one")
        product.configure("Local-SMS", priority=1000, is_operational=False)
        yield product.start()


def _client(product: Product) -> dict[str, str]:
    """Return the settings of somebody who calls the product."""
    place = {"SMSGW_URL": product.named("gateway").url, "SMSGW_WORKER_URL": product.named("worker").url}
    return {**place, "SMSGW_API_KEY": KEY, "COLUMNS": "200"}


def test_send_and_status(product: Product) -> None:
    sent = product.run("send", NUMBER, TEXT, "--provider", "ALPHA", "--ttl", "60", **_client(product))
    tracking_id = sent.stdout.strip()
    shown = product.run("status", tracking_id, "--wait", "10", **_client(product))

    assert (sent.returncode, str(uuid.UUID(tracking_id))) == (0, tracking_id)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"{tracking_id}  DELIVERED via Provider-A" in shown.stdout
    assert indiscreet(sent.stdout + shown.stdout) is None


def test_status_of_a_failed_message_exits_with_1(product: Product) -> None:
    tracking_id = product.run("send", f"{MAGIC}0001", TEXT, **_client(product)).stdout.strip()

    shown = product.run("status", tracking_id, "--wait", "10", **_client(product))

    assert shown.returncode == 1
    assert "FAILED (invalid_number)" in shown.stdout


@pytest.mark.parametrize(
    ("environ", "arguments", "code", "words"),
    [
        ({"SMSGW_API_KEY": ""}, ("send", NUMBER, TEXT), 2, "SMSGW_API_KEY is not set"),
        ({"SMSGW_API_KEY": "wrong"}, ("send", NUMBER, TEXT), 1, "401 UNAUTHORIZED"),
        ({"SMSGW_URL": "http://127.0.0.1:9"}, ("send", NUMBER, TEXT), 1, "is it running?"),
        ({}, ("send", "12", TEXT), 1, "422 INVALID_PAYLOAD"),
        ({}, ("status", str(uuid.UUID(int=4))), 1, "404 NOT_FOUND"),
    ],
)
def test_what_goes_wrong_is_one_line(
    product: Product, environ: dict[str, str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended = product.run(*arguments, **{**_client(product), **environ})

    assert ended.returncode == code
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert words in line


def test_the_books_balance(product: Product) -> None:
    for _ in range(3):
        reaches(product.named("worker"), accepted(product.named("gateway")), "DELIVERED")
    known = {each for each, status in statuses(product).items() if status in ("DELIVERED", "FAILED")}
    grow_older(product)

    audit = product.run("audit", "--hours", "1")

    assert (audit.returncode, audit.stderr) == (0, "")
    assert audit.stdout.splitlines()[0] == f"confirmed {len(known)}  in flight 0  dead-lettered 0  lost 0"


def test_a_publish_without_a_row_is_lost(product: Product) -> None:
    ghost = uuid.uuid4()
    minute = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp()) // 60 * 60
    key = f"confirmed:{product.environ['QUOTA_PREFIX']}:{minute}"
    # Without workers nobody can hold it, and two looks are enough.
    product.named("worker").stop()
    with redis.Redis.from_url(product.environ["REDIS_URL"]) as client:
        client.append(key, ghost.bytes)

        audit = product.run("audit", "--hours", "1")
        client.delete(key)
    product.named("worker").restart().wait_ready()

    assert audit.returncode == 1
    assert f"LOST {ghost}" in audit.stdout.splitlines()


def test_an_audit_that_cannot_tell_says_so(product: Product) -> None:
    audit = product.run("audit", LIMITS_URL="redis://127.0.0.1:9/0")

    assert audit.returncode == 2
    (line,) = audit.stderr.splitlines()
    assert "cannot tell" in line


@pytest.mark.fault("F28", "I13")
def test_poison_is_listed_shown_and_replayed(product: Product) -> None:
    tracking_id = str(uuid.uuid4())
    poison = {"tracking_id": tracking_id, "version": 99, "to": NUMBER, "text": TEXT}
    asyncio.run(_publish(product, json.dumps(poison).encode()))
    until(lambda: product.named("worker").metric("smsgw_poisoned_total") == 1, what="one poisoned")

    listed = product.run("dead", "list", COLUMNS="200")
    letter_id = next(line for line in listed.stdout.splitlines() if "unknown version 99" in line).split()[1]
    shown = product.run("dead", "show", letter_id)
    replayed = product.run("dead", "replay", letter_id)
    until(lambda: product.named("worker").metric("smsgw_poisoned_total") == 2, what="poisoned again")
    absent = product.run("dead", "replay", "nothing")

    assert (shown.returncode, indiscreet(shown.stdout + listed.stdout)) == (0, None)
    assert tracking_id in shown.stdout
    assert (replayed.returncode, replayed.stdout.strip()) == (0, f"replayed {letter_id}")
    assert absent.returncode == 1


@pytest.mark.fault("F26", "I1")
def test_poison_disturbs_no_neighbour(product: Product) -> None:
    before = product.named("worker").metric("smsgw_poisoned_total") or 0
    good = {
        "tracking_id": str(uuid.uuid4()),
        "client_key": product.clients[KEY]["id"],
        "to": NUMBER,
        "text": TEXT,
        "ttl_seconds": 60,
        "providers_effective": [],
        "created_at": datetime.now(UTC).isoformat(),
        "version": 1,
    }

    asyncio.run(_publish(product, b"[" + b'{"no": "envelope"},' + json.dumps(good).encode() + b"]"))
    told = reaches(product.named("worker"), good["tracking_id"], "DELIVERED")
    after = product.named("worker").metric("smsgw_poisoned_total")

    assert told["provider_final"] == "Provider-A"
    assert after == before + 1


def test_providers_are_listed(product: Product) -> None:
    listed = product.run("providers", COLUMNS="200")

    assert listed.returncode == 0
    row = next(line for line in listed.stdout.splitlines() if "the cheap one" in line)
    assert [cell for cell in row.replace("│", " ").split() if cell in ("Provider-A", "alpha", "provider_a", "yes")] == [
        "Provider-A",
        "alpha",
        "provider_a",
        "yes",
        "yes",
    ]


def test_config_check_export_and_fingerprint(product: Product, tmp_path: Path) -> None:
    checked = product.run("config", "check")
    exported = product.run("config", "export", str(tmp_path / "deploy"))
    of_variables = product.run("config", "fingerprint")
    files = {name: str(tmp_path / "deploy" / file) for name, file in _FILES.items()}
    of_files = product.run("config", "fingerprint", **files)

    assert checked.stdout.splitlines() == [
        "gateway: fine (2 clients, 2 providers)",
        "worker: fine (2 providers, 1 usable)",
    ]
    assert exported.returncode == 0
    assert len(of_variables.stdout.splitlines()) == 2
    assert of_files.stdout == of_variables.stdout
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "deploy").iterdir())


async def _publish(product: Product, body: bytes) -> None:
    """Publish as no gateway would."""
    connection = await aiormq.connect(product.environ["RABBITMQ_URL"])
    channel = await connection.channel()
    await channel.basic_publish(body, routing_key=product.environ["RABBITMQ_QUEUE_OUTBOUND"])
    await connection.close()
