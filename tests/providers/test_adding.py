"""ADDING_A_PROVIDER.md does what it says: its file is a package's that pip installs, `smsgw providers` lists, and a
worker's registry sends through; the descriptions of describe-a-provider.md open and send."""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, Provider, ReportRequest, Unreadable
from smsgw.core.providers import Providers
from smsgw.providers.registry import open_providers
from smsgw.providers.transport import AiohttpTransport
from tests.providers.opening import NOW, answering
from tests.providers.raw_server import Visit, raw_server
from tests.providers.tables import REFERENCE, SUBMIT
from tests.rules.sources import PACKAGE, ROOT

ACME = ROOT / "tests" / "data" / "acme-sms"
RECIPE = (ROOT / "ADDING_A_PROVIDER.md").read_text("utf-8")
DESCRIBED = (ROOT / "docs" / "how-to" / "describe-a-provider.md").read_text("utf-8")
TOKEN, KEY = "acme-token-very-secret", "acme-signing-key-very-secret"
ON: dict[str, Any] = {"is_active": True, "is_operational": True}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def opened(entries: Any, transport: httpx.AsyncBaseTransport, **more: Any) -> dict[str, Provider]:
    """Return the providers of a configuration as a worker opens them."""
    providers = Providers.parse(json.dumps(entries))
    return open_providers(providers, timeout=timedelta(seconds=10), transport=transport, **{"environ": {}, **more})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the package, without the index and without building anything else."""
    directory = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    ran = subprocess.run(
        [*pip, *offline, "--target", str(directory), str(ACME)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    return directory


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package on the path of this process."""
    monkeypatch.syspath_prepend(site)
    yield
    for name in ("acme_sms", "acme_sms.provider"):
        sys.modules.pop(name, None)


def smsgw(site: Path, *arguments: str, entries: Any) -> str:
    """Return what a command prints in an environment with the package."""
    environ = {**os.environ, "PYTHONPATH": str(site), "PROVIDERS_CONFIG": json.dumps(entries), "COLUMNS": "200"}
    ran = subprocess.run(
        [sys.executable, "-m", "smsgw", *arguments],
        env=environ,
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def entry(base_url: str = "https://api.acme.test/v2") -> dict[str, Any]:
    options = {"token": TOKEN, "signing_key": KEY, "base_url": base_url}
    return {"Acme": {**ON, "kind": "acme", "options": options}}


def test_the_recipes_file_is_the_packages() -> None:
    files = blocks(RECIPE, "python")
    told, project = (
        tomllib.loads(blocks(RECIPE, "toml")[0]),
        tomllib.loads((ACME / "pyproject.toml").read_text("utf-8")),
    )

    assert files[0] == (ACME / "src" / "acme_sms" / "provider.py").read_text("utf-8")
    assert told["project"].pop("dependencies") == ["smsgw"]
    assert told["project"] == project["project"]


def test_the_vendor_that_proves_the_recipe_is_short() -> None:
    assert "in under 150 lines (`src/smsgw/providers/bulksms.py`)" in RECIPE
    assert len((PACKAGE / "providers" / "bulksms.py").read_text("utf-8").splitlines()) < 150


def test_an_installed_package_is_listed_and_shows_its_requests(site: Path) -> None:
    listed = json.loads(smsgw(site, "providers", "--json", entries=entry()))
    shown = smsgw(site, "providers", "try", "Acme", "--to", SUBMIT.to, "--show-request", entries=entry())

    (acme,) = [each for each in listed["adapters"] if each["kind"] == "acme"]
    assert (acme["title"], acme["problem"]) == ("Acme SMS", None)
    assert {"send", "look-up", "reports", "sender"} <= set(acme["abilities"])
    assert "https://api.acme.test/v2/sms" in shown
    assert SUBMIT.to in shown
    assert TOKEN not in shown
    assert KEY not in shown


@pytest.mark.usefixtures("installed")
async def test_an_installed_package_sends_asks_and_reads_reports() -> None:
    async def answer(visit: Visit) -> None:
        for status, body in ((202, b'{"id": "m-1", "parts": 2, "eur": "0.14"}'), (404, b"")):
            await visit.request()
            await visit.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))

    transport = AiohttpTransport(limit=2)
    async with raw_server(answer) as server:
        acme = opened(entry(f"http://127.0.0.1:{server.port}/v2"), transport, public_url="https://sms.example.org")[
            "Acme"
        ]
        sent, looked_up = await acme.send(SUBMIT), await acme.look_up(REFERENCE)
        await transport.aclose()

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/sms HTTP/1.1")
    assert json.loads(body) == {
        "to": SUBMIT.to,
        "from": "ACME",
        "text": SUBMIT.text,
        "ttl": 540,
        "ref": str(REFERENCE),
        "callback": "https://sms.example.org/webhooks/delivery-report/Acme",
    }
    assert sent == SendResult(
        outcome=Outcome.ACCEPTED, provider_message_id="m-1", segments=2, price="0.14", currency="EUR"
    )
    assert looked_up == LookUpResult(answer=LookUp.ABSENT, detail="HTTP 404")


@pytest.mark.usefixtures("installed")
async def test_an_installed_package_verifies_before_it_parses() -> None:
    acme = opened(entry(), answering(lambda _: httpx.Response(500)))["Acme"]
    body = msgspec.json.encode({"id": "m-1", "state": "failed", "ref": str(REFERENCE), "reason": 7})
    signature = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()

    async def read(signature: str, body: bytes) -> Any:
        headers = (("x-acme-signature", signature),)
        return await acme.read_report(ReportRequest(received_at=NOW, headers=headers, body=body))

    (report,) = await read(signature, body)
    assert isinstance(report, DeliveryReport)
    assert (report.status, report.provider_message_id) == (ReportStatus.UNDELIVERED, "m-1")
    assert (UUID(report.reference or ""), report.error_code) == (REFERENCE, "7")
    assert isinstance(await read(signature, body + b" "), Forged)
    assert isinstance(await read(hmac.new(KEY.encode(), b"{}", hashlib.sha256).hexdigest(), b"{}"), Unreadable)


async def test_what_is_described_in_configuration_opens_and_sends() -> None:
    entries = {name: each for block in blocks(DESCRIBED, "json")[:2] for name, each in json.loads(block).items()}
    environ = dict.fromkeys(("ACME_API_KEY", "CARRIER_PASSWORD"), "hunter2hunter2")
    environ |= dict.fromkeys(("ACME_WEBHOOK_TOKEN", "CARRIER_WEBHOOK_TOKEN"), "a-token-of-the-address")
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "GET":
            return httpx.Response(200, content=b"OK: 4711\r\n" if len(seen) == 2 else b"ERROR 113 bad number: OK: 1")
        return httpx.Response(201, json={"message": {"id": "m-1", "parts": 1, "price": 0.07}})

    providers = opened(entries, answering(answer), environ=environ, public_url="https://sms.example.org")
    acme, carrier = providers["Acme"], providers["Old-Carrier"]
    sent = [await acme.send(SUBMIT), await carrier.send(SUBMIT), await carrier.send(SUBMIT)]

    assert [(each.outcome, each.provider_message_id) for each in sent] == [
        (Outcome.ACCEPTED, "m-1"),
        (Outcome.ACCEPTED, "4711"),
        (Outcome.INVALID_NUMBER, None),
    ]
    assert json.loads(seen[0].content)["dlr"] == {
        "url": "https://sms.example.org/webhooks/delivery-report/Acme/a-token-of-the-address"
    }
    assert seen[1].url.params["text"] == SUBMIT.text
    assert seen[0].headers["authorization"] == "Bearer hunter2hunter2"
