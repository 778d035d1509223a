"""I13 over the whole product: a number, a text, an API key or a provider's secret is where it belongs, nowhere else."""

import asyncio
import hashlib
import hmac
import json
import uuid
from typing import Any

import aiormq
import psycopg
import redis

from tests.journey.calling import accepted, reaches, send
from tests.journey.process import http, until
from tests.journey.product import KEY, MAGIC, NUMBER, OTHER_KEY, TEXT, Product, indiscreet

SECRET = "key-of-Provider-A"
# They have to know a message's number and text: the one to send it, the other to be looked at by its operator.
MAY_KNOW = {"messages"}


def test_no_canary_is_told_by_anything_that_the_product_says(product: Product) -> None:
    gateway, worker = product.named("gateway"), product.named("worker")

    errors = _all_the_errors(product)
    for number in (NUMBER, MAGIC + "0001", MAGIC + "0002"):
        reaches(worker, accepted(gateway, to=number, idempotency_key=f"{KEY}{number}"), *_ENDS)
    dead = _bury(product)

    assert [each for each in errors if each < 400] == []
    said = {
        "gateway's metrics": http.get(gateway.url + "/metrics").text,
        "worker's metrics": http.get(worker.url + "/metrics").text,
        "dead letters": dead,
        "providers": product.run("providers").stdout,
        "check": product.run("config", "check", "both").stdout,
        "fingerprint": product.run("config", "fingerprint").stdout,
        "Redis": _redis(product),
        **{process.name: process.log_path.read_text() for process in (gateway, worker)},
    }
    assert all(said.values())
    assert {name: why for name, text in said.items() if (why := indiscreet(text))} == {}


def test_the_database_holds_no_key_and_a_number_and_a_text_in_one_table_only(product: Product) -> None:
    tracking_id = accepted(product.named("gateway"), key=OTHER_KEY)
    reaches(product.named("worker"), tracking_id, "DELIVERED", key=OTHER_KEY)

    found = {table: why for table, rows in _tables(product).items() if (why := indiscreet(rows))}

    assert set(found) == MAY_KNOW
    messages = _tables(product)["messages"]
    assert not [each for each in (KEY, OTHER_KEY, SECRET) if each in messages]


def test_providers_are_called_past_the_proxies_of_the_environment(product: Product) -> None:
    assert product.environ["HTTP_PROXY"]

    tracking_id = accepted(product.named("gateway"), providers=["Provider-A"])

    assert reaches(product.named("worker"), tracking_id, "DELIVERED")


_ENDS = ("DELIVERED", "SENT", "FAILED", "UNKNOWN", "QUEUED")


def _all_the_errors(product: Product) -> list[int]:
    """Provoke every kind of refusal with a number and a text in it; return the statuses, whose bodies told nothing."""
    gateway, worker = product.named("gateway"), product.named("worker")
    report = json.dumps({"to": NUMBER, "text": TEXT, "status": NUMBER, "reference": TEXT}).encode()
    webhook = f"{worker.url}/webhooks/delivery-report/Provider-A"
    url = gateway.url + "/api/v1/sms/send"
    answers = [
        send(gateway, to=f" {NUMBER}"),
        send(gateway, text=TEXT * 100),
        send(gateway, ttl_seconds=NUMBER),
        send(gateway, key=KEY + "x"),
        send(gateway, idempotency_key=TEXT + "\x01"),
        http.post(url, content=f'{{"to": "{NUMBER}", "text": "{TEXT}"', headers=_json(KEY)),
        http.post(url, content=f'"{TEXT} {NUMBER}"', headers=_json(KEY)),
        http.get(f"{worker.url}/api/status/{NUMBER}", headers=_json(KEY)),
        http.post(webhook, content=report, headers={"X-Signature": "0" * 64}),
    ]
    http.post(webhook, content=report, headers={"X-Signature": _signature(report)}).raise_for_status()
    told = [why for each in answers if (why := indiscreet(each.text + str(each.headers)))]
    assert told == []
    return [each.status_code for each in answers]


def _bury(product: Product) -> str:
    """Poison the queue with what must not be shown; return what an operator is shown of it."""
    envelopes: list[Any] = [
        {"version": 9, "to": NUMBER, "text": TEXT, "client_key": "one", NUMBER: TEXT},
        {"version": 1, "to": [NUMBER], "text": {"a": TEXT}, "tracking_id": str(uuid.uuid4())},
        f"{NUMBER} {TEXT}",
    ]
    asyncio.run(_publish(product, [*(json.dumps(each).encode() for each in envelopes), f"{TEXT}{NUMBER}".encode()]))
    worker = product.named("worker")
    until(
        lambda: worker.metric("smsgw_poisoned_total") == 4, what=lambda: f"4: {worker.metric('smsgw_poisoned_total')}"
    )
    listed = product.run("dead", "list", COLUMNS="300").stdout
    letters = [line.split()[1] for line in listed.splitlines() if line.startswith("│")]
    assert len(letters) == 4
    return listed + "".join(product.run("dead", "show", each).stdout for each in letters)


async def _publish(product: Product, bodies: list[bytes]) -> None:
    connection = await aiormq.connect(product.environ["RABBITMQ_URL"])
    channel = await connection.channel()
    for body in bodies:
        await channel.basic_publish(body, routing_key=product.environ["RABBITMQ_QUEUE_OUTBOUND"])
    await connection.close()


def _json(key: str) -> dict[str, str]:
    return {"API-Key": key, "Content-Type": "application/json"}


def _signature(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def _redis(product: Product) -> str:
    """Return all keys of the product's own Redis with their values."""
    with redis.Redis.from_url(product.environ["REDIS_URL"], decode_responses=True, encoding_errors="replace") as client:
        readers: dict[str, Any] = {
            "string": client.get,
            "hash": client.hgetall,
            "list": lambda key: client.lrange(key, 0, -1),
            "set": client.smembers,
            "zset": lambda key: client.zrange(key, 0, -1),
        }
        return "\n".join(f"{key} {readers[str(client.type(key))](key)}" for key in client.scan_iter(count=1000))


def _tables(product: Product) -> dict[str, str]:
    """Return every table of the product's database as text."""
    with psycopg.connect(product.environ["DATABASE_URL"]) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name: "\n".join(row for (row,) in connection.execute(f'SELECT t::text FROM "{name}" t'.encode()))
            for (name,) in names
        }
