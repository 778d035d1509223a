"""Every vendor at once: one worker that speaks all of their languages, each to a simulator that plays it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journey.calling import accepted, ledger, reaches
from tests.journey.process import Process, http
from tests.journey.product import TEXT, Product, running
from tests.servers import free_port

TOKEN = "key-of-the-webhooks-address"
LONG = f"{TEXT}: " + "x" * 180
PHONE, SENDER = "+15005550001", "Acme"

ACCOUNTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "twilio": ({"account_sid": "AC" + "0" * 31 + "1", "auth_token": "key-of-twilio"}, {"auth_token": "key-of-twilio"}),
    "plivo": ({"auth_id": "MADEMO00000000000001", "auth_token": "key-of-plivo"}, {"auth_token": "key-of-plivo"}),
    "vonage": (
        {"api_key": "demo0key", "api_secret": "key-of-vonage", "signature_secret": "key-of-vonage-signing-its-reports"},
        {"api_secret": "key-of-vonage", "signature_secret": "key-of-vonage-signing-its-reports"},
    ),
    "sinch": (
        {"service_plan_id": "demo-plan", "api_token": "key-of-sinch", "webhook_secret": "key-of-sinch-reports"},
        {"api_token": "key-of-sinch", "webhook_secret": "key-of-sinch-reports"},
    ),
    "messagebird": (
        {"access_key": "key-of-messagebird", "signing_key": "key-of-messagebird-signing-reports"},
        {"access_key": "key-of-messagebird", "signing_key": "key-of-messagebird-signing-reports"},
    ),
    "infobip": ({"api_key": "key-of-infobip", "webhook_token": TOKEN}, {"api_key": "key-of-infobip"}),
    "clicksend": (
        {"username": "demo", "api_key": "key-of-clicksend", "webhook_token": TOKEN},
        {"username": "demo", "api_key": "key-of-clicksend"},
    ),
    "africastalking": (
        {"username": "shop", "api_key": "key-of-africastalking", "webhook_token": TOKEN},
        {"username": "shop", "api_key": "key-of-africastalking"},
    ),
    "kavenegar": (
        {"api_key": "key-of-kavenegar-in-the-path", "webhook_token": TOKEN},
        {"api_key": "key-of-kavenegar-in-the-path"},
    ),
}
"""Our options and the credentials of the simulated vendor."""
BASE_PATHS = {"clicksend": "/v3", "sinch": "/xms/v1"}


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("vendors")
    with running(directory, services) as product:
        product.clients = {key: {**client, "senders": ["*"]} for key, client in product.clients.items()}
        public = f"http://127.0.0.1:{product.worker_port}"
        product.environ["PUBLIC_URL"] = public
        _play_http(product, public)
        _play_smpp(product)
        yield product.start()


def _play_http(product: Product, public: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    carriers = {}
    for kind, (options, credentials) in ACCOUNTS.items():
        base = f"{url}/{kind}{BASE_PATHS.get(kind, '')}"
        product.configure(kind, options={**options, "base_url": base})
        tail = f"/{options['webhook_token']}" if "webhook_token" in options else ""
        hook = f"{public}/webhooks/delivery-report/{kind}{tail}"
        behaviour = {"webhook_url": hook, "latency": 0, "report_delay": 0.1}
        carriers[kind] = {"as": kind, "credentials": credentials, **behaviour}
    config = product.directory / "carriers.json"
    config.write_text(json.dumps(carriers))
    product._start("provider-vendors", ["mock-provider", "--port", str(port), "--config", str(config)], {}, url)


def _play_smpp(product: Product) -> None:
    port, smpp_port = free_port(), free_port()
    arguments = ["mock-provider", "--as", "smpp", "--port", str(port), "--smpp-port", str(smpp_port)]
    arguments += ["--api-key", "key-smpp", "--latency", "0", "--report-delay", "0.1"]
    account = {"system_id": "default", "password": "key-smpp"}
    product.configure("smpp", options={"host": "127.0.0.1", "port": smpp_port, **account})
    product._start("provider-smpp", arguments, {}, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("kind", [*ACCOUNTS, "smpp"])
def test_a_message_goes_out_and_its_report_comes_back(product: Product, kind: str) -> None:
    worker = product.named("worker")
    sender = PHONE if kind in ("twilio", "plivo") else SENDER

    tracking_id = accepted(product.named("gateway"), providers=[kind], sender=sender)
    told = reaches(worker, tracking_id, "DELIVERED")

    (attempt,) = told["attempts"]
    assert (attempt["provider"], attempt["outcome"]) == (kind, "accepted")
    assert attempt["provider_message_id"]
    assert told["sender"] == sender
    assert len(_accepted_by(product, kind)) >= 1


@pytest.mark.parametrize("kind", ["vonage", "plivo", "smpp", "infobip"])
def test_a_long_message_is_delivered_when_all_of_it_is(product: Product, kind: str) -> None:
    response = accepted(product.named("gateway"), providers=[kind], sender=PHONE, text=LONG)

    told = reaches(product.named("worker"), response, "DELIVERED")

    assert told["attempts"][0]["segments"] in (2, None)


def test_a_report_that_somebody_else_made_up_is_refused_at_every_vendor(product: Product) -> None:
    worker = product.named("worker")

    statuses = {kind: _forge(worker, kind) for kind in ACCOUNTS}

    assert statuses == dict.fromkeys(ACCOUNTS, 401)


def _forge(worker: Process, kind: str) -> int:
    url = f"{worker.url}/webhooks/delivery-report/{kind}/not-the-token-of-anybody"
    return http.post(url, json={"status": "delivered"}, headers={"Authorization": "Bearer x.y.z"}).status_code


def _accepted_by(product: Product, kind: str) -> list[dict[str, Any]]:
    simulator = product.named("provider-smpp" if kind == "smpp" else "provider-vendors")
    return [entry for entry in ledger(simulator) if kind == "smpp" or entry["provider"] == kind]
