"""The simulated provider on a real port, asked as `provider_a` asks, reporting to a webhook of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.ports import Submit
from smsgw.providers.transport import AiohttpTransport
from smsgw.simulator.run import simulate
from smsgw.simulator.settings import SimulatorSettings
from tests.providers.opening import NOW, open_one
from tests.providers.webhook import PATIENCE, Webhook, webhook_server

KEY = {"authorization": "Bearer demo-key"}


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with webhook_server() as hook:
        yield hook


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a running simulator with the key; it has stopped cleanly at the end."""
    stop = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    told = SimulatorSettings(**{"port": 0, "latency": 0, "report_delay": 0, **settings})

    def listening(host: str, port: int) -> None:
        address.set_result(f"http://{host}:{port}")

    task = asyncio.create_task(simulate(told, stop=stop, on_listening=listening))
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=await address, headers=KEY) as client:
        yield client
    stop.set()
    async with asyncio.timeout(PATIENCE):
        await task


def message(to: str = "+4915112345678", reference: str = "ref-1", **changes: Any) -> dict[str, Any]:
    return {"to": to, "text": "Your code is 1234", "reference": reference, "validity_seconds": 60, **changes}


async def test_it_takes_a_message_finds_it_and_reports_it(webhook: Webhook) -> None:
    async with running(webhook_url=webhook.url, webhook_secret="the-secret") as client:
        answer = await client.post("/messages", json=message())
        await webhook.wait_for(1)
        found = await client.get("/messages", params={"reference": "ref-1"})

    message_id = answer.json()["message_id"]
    assert answer.status_code == 202
    assert found.json() == {"message_id": message_id, "status": "delivered"}
    report = webhook.reports[0]
    assert (report["message_id"], report["reference"], report["status"]) == (message_id, "ref-1", "delivered")
    assert set(report) == {"message_id", "reference", "status", "timestamp"}
    assert webhook.signatures == [True]


async def test_the_ledger_lists_duplicates_and_holds_no_text() -> None:
    async with running() as client:
        ids = [(await client.post("/messages", json=message())).json()["message_id"] for _ in range(2)]
        await client.post("/messages", json=message(reference="ref-2"))
        everything = (await client.get("/ledger", headers={"authorization": ""})).json()
        one = (await client.get("/ledger", params={"reference": "ref-1"})).json()
        found = (await client.get("/messages", params={"reference": "ref-1"})).json()

    assert [each["reference"] for each in everything] == ["ref-1", "ref-1", "ref-2"]
    assert [each["message_id"] for each in one] == ids
    assert len(set(ids)) == 2
    assert found["message_id"] == ids[1]
    assert set(everything[0]) == {"reference", "message_id", "accepted_at", "status", "provider", "to"}


@pytest.mark.parametrize(
    ("ending", "status", "error_code", "retry_after"),
    [
        ("0001", 400, "INVALID_NUMBER", None),
        ("0002", 400, "OPTED_OUT", None),
        ("0003", 429, "THROTTLED", "2"),
        ("0004", 500, "INTERNAL", None),
        ("0011", 400, "REJECTED", None),
        ("0012", 503, "THROTTLED", "1"),
    ],
)
async def test_magic_refusals_send_nothing(ending: str, status: int, error_code: str, retry_after: str | None) -> None:
    async with running() as client:
        answer = await client.post("/messages", json=message(f"+49151123{ending}"))
        ledger = (await client.get("/ledger")).json()

    assert (status, error_code) == (answer.status_code, answer.json()["error_code"])
    assert answer.headers.get("retry-after") == retry_after
    assert ledger == []


async def test_a_magic_hang_accepts_and_never_answers_but_does_not_hold_up_the_end(webhook: Webhook) -> None:
    async with running(webhook_url=webhook.url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/messages", json=message("+491511230005"), timeout=0.2)
        waiting = asyncio.create_task(client.post("/messages", json=message("+491511230005", "ref-2")))
        await webhook.wait_for(2)
        ledger = (await client.get("/ledger")).json()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert [each["reference"] for each in ledger] == ["ref-1", "ref-2"]


async def test_a_hanging_call_ends_with_the_simulator() -> None:
    stop = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    settings = SimulatorSettings(port=0, latency=0, hang_rate=1)
    task = asyncio.create_task(
        simulate(settings, stop=stop, on_listening=lambda host, port: address.set_result(f"http://{host}:{port}"))
    )
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=await address, headers=KEY) as client:
        call = asyncio.create_task(client.post("/messages", json=message()))
        while not (await client.get("/ledger")).json():
            await asyncio.sleep(0.01)

        stop.set()
        await task
        await asyncio.wait({call})

    assert call.done()


@pytest.mark.parametrize(
    ("ending", "statuses"), [("0006", ["undelivered"]), ("0010", ["delivered", "delivered"]), ("5678", ["delivered"])]
)
async def test_magic_reports(webhook: Webhook, ending: str, statuses: list[str]) -> None:
    async with running(webhook_url=webhook.url) as client:
        await client.post("/messages", json=message(f"+49151123{ending}"))
        await webhook.wait_for(len(statuses))

    assert [each["status"] for each in webhook.reports] == statuses
    assert ("error_code" in webhook.reports[0]) == (ending == "0006")


async def test_a_number_without_a_report_gets_none(webhook: Webhook) -> None:
    async with running(webhook_url=webhook.url) as client:
        await client.post("/messages", json=message("+491511230007"))
        await client.post("/messages", json=message(reference="after"))
        await webhook.wait_for(1)

    assert [each["reference"] for each in webhook.reports] == ["after"]


async def test_a_report_can_come_before_the_answer(webhook: Webhook) -> None:
    async with running(webhook_url=webhook.url, report_delay=60) as client:
        answer = await client.post("/messages", json=message("+491511230008"))
        reported = list(webhook.reports)

    assert [each["message_id"] for each in reported] == [answer.json()["message_id"]]


async def test_an_answer_can_be_garbage() -> None:
    async with running() as client:
        answer = await client.post("/messages", json=message("+491511230009"))
        ledger = (await client.get("/ledger")).json()

    assert answer.status_code == 200
    assert answer.text.startswith("<html>")
    assert len(ledger) == 1


async def test_a_report_that_is_not_taken_is_sent_again_as_it_was(webhook: Webhook) -> None:
    webhook.statuses = [503]
    async with running(webhook_url=webhook.url) as client:
        await client.post("/messages", json=message())
        await webhook.wait_for(2)

    assert webhook.reports[0] == webhook.reports[1]


@pytest.mark.parametrize(
    "headers", [{"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": "Bärer"}]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stranger_is_refused(headers: dict[str, str], method: str) -> None:
    encoded = {name: value.encode() for name, value in headers.items()}
    async with running() as client:
        answer = await client.request(method, "/messages", headers=encoded, content=b"{}")  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[", b"[" * 20_000, b"\xff", b'{"to": "12", "text": "x", "reference": "r"}', b'{"to": 7}'],
    ids=lambda body: repr(body[:10]),
)
async def test_a_body_that_is_no_message_is_refused(body: bytes) -> None:
    async with running() as client:
        answer = await client.post("/messages", content=body)

    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED")


async def test_look_ups_of_the_unknown_and_switched_off() -> None:
    async with running() as client:
        unknown = await client.get("/messages", params={"reference": "nobody"})
        without = await client.get("/messages")
    async with running(look_up=False) as client:
        off = await client.get("/messages", params={"reference": "nobody"})

    assert (unknown.status_code, without.status_code, off.status_code) == (404, 404, 501)


async def test_it_has_health_metrics_and_documentation() -> None:
    async with running() as client:
        await client.post("/messages", json=message())
        pages = {path: await client.get(path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json")}

    assert {page.status_code for page in pages.values()} == {200}
    assert 'smsgw_simulator_accepted_total{provider="default"} 1\n' in pages["/metrics"].text


async def test_a_taken_port_is_an_error() -> None:
    async with running() as client:
        port = client.base_url.port
        with pytest.raises(OSError, match="in use"):
            await simulate(SimulatorSettings(port=port or 0), stop=asyncio.Event())


@pytest.mark.parametrize(
    ("ending", "outcome", "look_up"),
    [
        ("5678", Outcome.ACCEPTED, LookUp.FOUND),
        ("0001", Outcome.INVALID_NUMBER, LookUp.ABSENT),
        ("0002", Outcome.OPTED_OUT, LookUp.ABSENT),
        ("0003", Outcome.THROTTLED, LookUp.ABSENT),
        ("0004", Outcome.UNKNOWN, LookUp.ABSENT),
        ("0005", Outcome.UNKNOWN, LookUp.FOUND),
        ("0009", Outcome.UNKNOWN, LookUp.FOUND),
        ("0011", Outcome.REJECTED, LookUp.ABSENT),
        ("0012", Outcome.THROTTLED, LookUp.ABSENT),
    ],
)
async def test_the_adapter_and_the_simulator_understand_each_other(
    ending: str, outcome: Outcome, look_up: LookUp
) -> None:
    transport = AiohttpTransport()
    submit = Submit(reference=uuid4(), to=f"+49151123{ending}", text="x", validity_seconds=60, asked_at=NOW)
    async with running() as client:
        options = {"base_url": str(client.base_url), "api_key": "demo-key"}
        provider = open_one("provider_a", options, transport, timeout=timedelta(milliseconds=500))
        sent = await provider.send(submit)
        found = await provider.look_up(submit.reference)
        await transport.aclose()

    assert (sent.outcome, found.answer) == (outcome, look_up)


async def test_the_adapter_reads_the_simulators_reports(webhook: Webhook) -> None:
    transport = AiohttpTransport()
    reference = UUID("6d0f4b2e-3c43-4bb0-9a55-54b8bb1f7f70")
    submit = Submit(reference=reference, to="+491511230010", text="x", validity_seconds=60, asked_at=NOW)
    async with running(webhook_url=webhook.url, webhook_secret="the-secret") as client:
        options = {"base_url": str(client.base_url), "api_key": "demo-key", "webhook_secret": "the-secret"}
        provider = open_one("provider_a", options, transport)
        sent = await provider.send(submit)
        await webhook.wait_for(2)
        await transport.aclose()
    read = [await provider.read_report(request) for request in webhook.requests]

    assert [(each.reference, each.provider_message_id) for (each,) in read] == [  # type: ignore[misc]
        (str(reference), sent.provider_message_id)
    ] * 2
