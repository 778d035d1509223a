"""Many simulated providers in one process, on a real port: both dialects, limits, the ledger, control."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from smsgw.core.events import Fact, SimulatorChanged
from smsgw.core.failure import Outcome
from smsgw.core.ports import Submit
from smsgw.providers.transport import AiohttpTransport
from smsgw.simulator.distributions import Fixed
from smsgw.simulator.run import simulate
from smsgw.simulator.settings import CarrierSettings, SimulatorSettings
from tests.providers.opening import NOW, open_one
from tests.providers.webhook import PATIENCE, Webhook, webhook_server

QUICK: dict[str, Any] = {"latency": 0, "report_delay": 0}
SIMPLE = {"phone": "+4915112345678", "text": "Your code is 1234"}


def message(**changes: Any) -> dict[str, Any]:
    return {"to": "+4915112345678", "text": "Your code is 1234", "reference": "ref-1", **changes}


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with webhook_server() as hook:
        yield hook


class Running:
    """A simulator that runs: a client without a key, and the facts that it stated."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.facts: list[Fact] = []

    async def send(self, name: str, **changes: Any) -> httpx.Response:
        return await self.client.post(f"/api/sms/{name}", json={**SIMPLE, **changes})

    async def order(self, name: str, **changes: Any) -> httpx.Response:
        return await self.client.post(f"/control/{name}", json=changes)

    async def get(self, path: str, **params: str) -> Any:
        return (await self.client.get(path, params=params)).json()


@asynccontextmanager
async def running(**carriers: dict[str, Any]) -> AsyncIterator[Running]:
    stop = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    told = {name: CarrierSettings(**{**QUICK, **settings}) for name, settings in carriers.items()}
    settings = SimulatorSettings(port=0, **QUICK, carriers=told)
    facts: list[Fact] = []
    task = asyncio.create_task(
        simulate(
            settings,
            stop=stop,
            on_listening=lambda host, port: address.set_result(f"http://{host}:{port}"),
            observer=facts.append,
        )
    )
    async with asyncio.timeout(3 * PATIENCE), httpx.AsyncClient(base_url=await address) as client:
        run = Running(client)
        run.facts = facts
        yield run
        stop.set()
        await task


async def test_providers_of_a_configuration_speak_both_dialects() -> None:
    async with running(alpha={"api_key": "a"}, beta={}) as town:
        simple = await town.send("alpha")
        direct = await town.client.post("/beta/messages", json=message(), headers={"authorization": "Bearer demo-key"})
        found = await town.client.get(
            "/beta/messages", params={"reference": "ref-1"}, headers={"authorization": "Bearer demo-key"}
        )
        ledger = await town.get("/ledger")

    assert (simple.status_code, direct.status_code) == (202, 202)
    assert found.json()["message_id"] == direct.json()["message_id"]
    assert [(each["provider"], each["reference"], each["to"]) for each in ledger] == [
        ("alpha", "", "+4915112345678"),
        ("beta", "ref-1", "+4915112345678"),
    ]
    assert simple.json() == {"message_id": ledger[0]["message_id"]}


async def test_without_a_configuration_five_more_answer_beside_the_default() -> None:
    async with running() as town:
        answers = [await town.send(f"provider{number}") for number in range(1, 6)]
        summary = await town.get("/ledger/summary")

    assert {answer.status_code for answer in answers} == {202}
    assert {name: each["accepted"] for name, each in summary.items()} == {
        "default": 0,
        **{f"provider{number}": 1 for number in range(1, 6)},
    }


async def test_with_a_configuration_there_is_nobody_else() -> None:
    async with running(alpha={}) as town:
        key = {"authorization": "Bearer demo-key"}
        answers = [
            await town.send("provider1"),
            await town.client.post("/messages", json=message(), headers=key),
            await town.client.get("/messages", headers=key),
            await town.client.post("/beta/messages", json=message(), headers=key),
            await town.client.get("/ledger", params={"provider": "beta"}),
            await town.order("beta", latency=0),
        ]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error_code"] for answer in answers} == {"NOT_FOUND"}


async def test_a_key_is_needed_where_one_is_set() -> None:
    async with running(alpha={"phone_text_key": "secret"}) as town:
        without = await town.send("alpha")
        wrong = await town.client.post("/api/sms/alpha", json=SIMPLE, headers={"authorization": "Bearer demo-key"})
        right = await town.client.post("/api/sms/alpha", json=SIMPLE, headers={"authorization": "Bearer secret"})

    assert [answer.status_code for answer in (without, wrong, right)] == [401, 401, 202]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[", b"[" * 20_000, b"\xff", b'{"phone": "12", "text": "x"}', b'{"phone": "+491511", "text": ""}'],
    ids=lambda body: repr(body[:10]),
)
async def test_a_body_that_is_no_message_is_refused_and_counted(body: bytes) -> None:
    async with running(alpha={}) as town:
        answer = await town.client.post("/api/sms/alpha", content=body)
        summary = await town.get("/ledger/summary", provider="alpha")

    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED")
    assert (summary["alpha"]["asked"], summary["alpha"]["results"]["malformed"]) == (1, 1)


async def test_what_the_kit_refuses_is_refused_at_the_doors_too() -> None:
    async with running(alpha={}) as town:
        large = await town.client.post("/api/sms/alpha", content=b"x" * 70_000)
        method = await town.client.put("/api/sms/alpha", json=SIMPLE)
        escaped = await town.client.post("/api/sms/%61lpha", json=SIMPLE)

    assert [answer.status_code for answer in (large, method, escaped)] == [413, 405, 404]


async def test_the_limit_is_kept_and_the_summary_measures_it() -> None:
    async with running(alpha={"rate_limit": 5}, beta={}) as town:
        answers = await asyncio.gather(*(town.send("alpha") for _ in range(30)), town.send("beta"))
        summary = (await town.get("/ledger/summary"))["alpha"]
        ledger = await town.get("/ledger", provider="alpha")

    statuses = [answer.status_code for answer in answers]
    assert statuses[-1] == 202
    assert set(statuses) == {202, 429}
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 429} == {"1"}
    assert summary["max_in_any_second"]["accepted"] == 5
    assert summary["max_in_any_second"]["asked"] > 5
    assert (summary["asked"], summary["accepted"]) == (30, len(ledger))
    assert summary["results"]["throttled"] == summary["refused"] == 30 - len(ledger)


async def test_the_ledger_can_be_asked_for_some() -> None:
    async with running(alpha={}, beta={}) as town:
        await town.send("alpha", reference="one")
        await town.send("beta", phone="01921317475")
        first, second = await town.get("/ledger")
        asked = [
            await town.get("/ledger", provider="beta"),
            await town.get("/ledger", reference="one"),
            await town.get("/ledger", to="01921317475"),
            await town.get("/ledger", since=second["accepted_at"]),
            await town.get("/ledger", since="2999-01-01T00:00:00+00:00"),
        ]
        wrong = await town.client.get("/ledger", params={"since": "yesterday"})

    assert asked == [[second], [first], [second], [second], []]
    assert (wrong.status_code, wrong.json()["error_code"]) == (422, "INVALID_PAYLOAD")


async def test_the_ledger_can_be_emptied_of_one_or_of_all() -> None:
    async with running(alpha={}, beta={}) as town:
        await asyncio.gather(town.send("alpha"), town.send("beta"))
        one = await town.client.post("/ledger/reset", params={"provider": "alpha"})
        left = await town.get("/ledger")
        metrics = (await town.client.get("/metrics")).text
        everything = await town.client.post("/ledger/reset")
        nothing = await town.get("/ledger")

    assert (one.json(), everything.json()) == ({"reset": ["alpha"]}, {"reset": ["alpha", "beta"]})
    assert [each["provider"] for each in left] == ["beta"]
    assert nothing == []
    assert 'smsgw_simulator_accepted_total{provider="alpha"} 1\n' in metrics


async def test_a_provider_can_be_told_to_behave_otherwise() -> None:
    async with running(alpha={}, beta={}) as town:
        changed = await town.order("alpha", error_rate=1, latency={"kind": "fixed", "seconds": 0})
        broken = [(await town.send(name)).status_code for name in ("alpha", "beta")]
        await town.order("alpha", error_rate=0)
        healed = (await town.send("alpha")).status_code
        shown = await town.get("/control/alpha")
        wrong = await town.order("alpha", error_rate=7)

    assert changed.json()["error_rate"] == 1
    assert (broken, healed) == ([500, 202], 202)
    assert shown["latency"] == {"kind": "fixed", "seconds": 0}
    assert (wrong.status_code, wrong.json()["error_code"]) == (422, "INVALID_PAYLOAD")
    assert "error_rate" in wrong.json()["message"]
    assert town.facts[0] == SimulatorChanged(provider="alpha", changes=("latency", "error_rate"))


async def test_an_outage_can_be_ordered_and_ended() -> None:
    async with running(alpha={}) as town:
        begun = await town.order("alpha", outage={"kind": "throttle", "seconds": 1000})
        down = await town.send("alpha")
        await town.order("alpha", outage=None)
        up = await town.send("alpha")

    assert begun.json()["outage"]["kind"] == "throttle"
    assert (down.status_code, down.headers["retry-after"], up.status_code) == (429, "1", 202)


async def test_silence_ends_with_the_simulator_and_took_nothing() -> None:
    async with running(alpha={}) as town:
        await town.order("alpha", outage={"kind": "silence", "seconds": 1000})
        call = asyncio.create_task(town.send("alpha"))
        while not (await town.get("/ledger/summary"))["alpha"]["results"]["silent"]:
            await asyncio.sleep(0.01)
        ledger = await town.get("/ledger")
        was_answered = call.done()

    await asyncio.wait({call}, timeout=PATIENCE)
    assert ledger == []
    assert not was_answered
    assert call.done()


async def test_reports_come_reordered_and_the_ledger_keeps_the_end(webhook: Webhook) -> None:
    async with running(alpha={"webhook_url": webhook.url, "reordered_report_rate": 1}) as town:
        await town.send("alpha")
        await webhook.wait_for(2)
        ledger = await town.get("/ledger")

    assert [each["status"] for each in webhook.reports] == ["delivered", "sent"]
    assert ledger[0]["status"] == "delivered"


async def test_every_provider_reports_to_its_own_webhook_with_its_own_secret(webhook: Webhook) -> None:
    signed = {"webhook_url": webhook.url, "webhook_secret": "the-secret"}
    async with running(alpha=signed, beta={"webhook_url": webhook.url}, gamma={}) as town:
        for name in ("alpha", "beta", "gamma"):
            await town.send(name, reference=name)
        await webhook.wait_for(2)

    trusted = {each["reference"]: good for each, good in zip(webhook.reports, webhook.signatures, strict=True)}
    assert trusted == {"alpha": True, "beta": False}


async def test_late_reports_wait_for_their_time(webhook: Webhook) -> None:
    late = {"webhook_url": webhook.url, "late_report_rate": 1, "late_report_delay": Fixed(1000)}
    async with running(late=late, usual={"webhook_url": webhook.url}) as town:
        await town.send("late", reference="late")
        await town.send("usual", reference="usual")
        await webhook.wait_for(1)

    assert [each["reference"] for each in webhook.reports] == ["usual"]


async def test_an_answer_can_lack_its_message_id() -> None:
    async with running(alpha={}) as town:
        answer = await town.send("alpha", phone="+491511230017")
        ledger = await town.get("/ledger")

    assert (answer.status_code, "message_id" in answer.json(), len(ledger)) == (200, False, 1)


async def test_metrics_tell_every_provider_and_every_end() -> None:
    async with running(alpha={"rate_limit": 1}, beta={}) as town:
        await town.send("alpha")
        await town.send("alpha")
        page = (await town.client.get("/metrics")).text

    assert 'smsgw_simulator_requests_total{provider="alpha",result="accepted"} 1\n' in page
    assert 'smsgw_simulator_requests_total{provider="alpha",result="throttled"} 1\n' in page
    assert 'smsgw_simulator_requests_total{provider="beta",result="silent"} 0\n' in page
    assert 'smsgw_simulator_reports_dropped_total{provider="beta"} 0\n' in page


async def test_the_documentation_has_every_address() -> None:
    async with running(alpha={}) as town:
        paths = set(json.loads((await town.client.get("/openapi.json")).text)["paths"])

    assert {"/{name}/messages", "/api/sms/{name}", "/ledger", "/ledger/summary", "/ledger/reset"} <= paths
    assert "/control/{name}" in paths


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("5678", Outcome.ACCEPTED),
        ("0003", Outcome.THROTTLED),
        ("0004", Outcome.UNKNOWN),
        ("0005", Outcome.UNKNOWN),
        ("0009", Outcome.ACCEPTED),
        ("0012", Outcome.THROTTLED),
        ("0016", Outcome.UNKNOWN),
        ("0017", Outcome.ACCEPTED),
    ],
)
async def test_the_phone_text_adapter_and_the_simulator_understand_each_other(ending: str, outcome: Outcome) -> None:
    transport = AiohttpTransport()
    submit = Submit(reference=uuid4(), to=f"+49151123{ending}", text="x", validity_seconds=60, asked_at=NOW)
    async with running(alpha={}) as town:
        options = {"url": f"{town.client.base_url}/api/sms/alpha"}
        provider = open_one("phone_text", options, transport, timeout=timedelta(milliseconds=500))
        sent = await provider.send(submit)
        ledger = await town.get("/ledger")
        await transport.aclose()

    assert sent.outcome is outcome
    assert bool(ledger) == (ending in ("5678", "0005", "0009", "0017"))
