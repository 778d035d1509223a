"""A carrier that plays a vendor: found by file, reading whatever comes, and behaving as every carrier does."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from smsgw.simulator.carrier import Carrier, Surroundings
from smsgw.simulator.control import read_order
from smsgw.simulator.document import read_carriers
from smsgw.simulator.doors import Desks, doors_of
from smsgw.simulator.journal import Journal
from smsgw.simulator.replies import Reply
from smsgw.simulator.reports import Reporter
from smsgw.simulator.settings import CarrierSettings
from smsgw.simulator.vendors.base import Call, Refusal, VendorError, reference_in
from smsgw.simulator.vendors.registry import open_vendor, vendors

AT = datetime(2026, 11, 21, tzinfo=UTC)
KEY = {"authorization": "Bearer KEYdemo"}
MESSAGE = {"from": "ACME", "to": "+4915112345678", "text": "Your code is 1234", "webhook_url": "http://h.test/?ref=r-1"}


class World:
    """Carriers that play telnyx, whose clock stands."""

    def __init__(self, reporter: Reporter, journal: Journal) -> None:
        self.now = 0.0
        self._around = Surroundings(
            reporter=reporter,
            journal=journal,
            stop=asyncio.Event(),
            clock=lambda: AT,
            ticks=lambda: self.now,
        )

    def carrier(self, name: str = "default", **settings: Any) -> Carrier:
        told = {"latency": 0, "impersonate": "telnyx", **settings}
        return Carrier(name, CarrierSettings(**told), self._around)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with Reporter(clock=lambda: AT) as reporter:
        yield World(reporter, Journal(None))


def scope(method: str = "POST", path: str = "/v2/messages", headers: Mapping[str, str] = KEY) -> dict[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    addressed = {"path": path, "raw_path": path.encode(), "query_string": b""}
    return {"type": "http", "method": method, "headers": raw, **addressed}


async def ask(carrier: Carrier, body: Any = MESSAGE, **called: Any) -> Reply:
    asked = scope(**called)
    visit = Desks([carrier]).find(asked)
    assert visit is not None
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await visit.take(asked, raw, _gone)


async def _gone() -> Any:
    return {"type": "http.disconnect"}


def codes(reply: Reply) -> list[str]:
    return [each["code"] for each in json.loads(reply.body)["errors"]]


# --- vendors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", vendors())
def test_every_vendor_has_words_for_every_refusal(kind: str) -> None:
    vendor = open_vendor(kind, {})

    replies = [vendor.refused(refusal) for refusal in Refusal]

    assert vendor.documentation.startswith("https://")
    assert all(route.partition(" ")[2].startswith("/") for route in vendor.routes.values())
    assert all(reply.body and 200 <= reply.status < 600 for reply in replies)


@pytest.mark.parametrize("kind", ["nobody", "", "../base", "base", "registry", "Twilio", "a" * 500, "os"])
def test_nobody_else_can_be_played(kind: str) -> None:
    with pytest.raises(VendorError, match="can be played") as refused:
        open_vendor(kind, {})

    assert "twilio" in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("credentials", [{"api_kee": "hunter2"}, {"private_key": "hunter2"}])
def test_wrong_credentials_are_named_and_not_shown(credentials: dict[str, str]) -> None:
    with pytest.raises(VendorError) as refused:
        open_vendor("telnyx", credentials)

    assert next(iter(credentials)) in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_document_may_name_a_vendor_for_each_carrier() -> None:
    usual = CarrierSettings(impersonate="twilio")
    document = {"a": {"as": "telnyx", "credentials": {"api_key": "k"}}, "b": {}, "c": {"as": ""}}

    found = read_carriers(json.dumps(document).encode(), usual)

    assert {name: each.impersonate for name, each in found.items()} == {"a": "telnyx", "b": "twilio", "c": ""}
    assert found["a"].credentials == {"api_key": "k"}


# --- addresses --------------------------------------------------------------------------------------------------------


async def test_a_vendor_answers_below_its_carriers_name_and_the_default_at_the_root(world: World) -> None:
    named, root = world.carrier("telco"), world.carrier()
    desks = Desks([root, named])

    found = {
        path: desks.find(scope(path=path)) for path in ("/v2/messages", "/telco/v2/messages", "/default/v2/messages")
    }

    assert {path: visit.carrier.name for path, visit in found.items() if visit} == {
        "/v2/messages": "default",
        "/telco/v2/messages": "telco",
        "/default/v2/messages": "default",
    }
    assert doors_of(named, CarrierSettings()) == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/messages"),
        ("POST", "/ledger/reset"),
        ("GET", "/healthz"),
        ("POST", "/v2/messages/"),
        ("POST", "/V2/messages"),
        ("GET", "/v2/messages/a/b"),
        ("GET", "/v2/messages/"),
        ("POST", "/telcov2/messages"),
    ],
)
async def test_what_is_no_route_of_the_vendor_goes_on(world: World, method: str, path: str) -> None:
    assert Desks([world.carrier()]).find(scope(method, path)) is None


async def test_who_plays_nobody_has_no_desk(world: World) -> None:
    assert Desks([world.carrier(impersonate="")]).find(scope()) is None


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": ""}, "10004"),
        ({"text": "x" * 5001}, "10004"),
        ({"text": "\ud800"}, "10004"),
        ({"webhook_url": "http://h.test/" + "x" * 2048}, "10004"),
        ({"to": "somebody"}, "40310"),
        ({"to": "+1"}, "40310"),
        ({"to": ["+4915112345678"]}, "40310"),
    ],
)
async def test_messages_that_are_none_are_refused_and_counted(world: World, changes: Any, code: str) -> None:
    carrier = world.carrier()

    reply = await ask(carrier, {**MESSAGE, **changes})

    assert codes(reply) == [code]
    assert carrier.tally.summary("default").results["malformed"] == 1
    assert carrier.ledger.entries() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 60_000, b"null", b'{"to":', b"\x00"])
async def test_bodies_that_are_none_are_refused(world: World, body: bytes) -> None:
    assert (await ask(world.carrier(), body)).status == 422


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic S0VZZGVtbzo=", "Basic \xff", "KEYdemo"])
async def test_strangers_are_refused_and_counted(world: World, given: str) -> None:
    carrier = world.carrier()

    reply = await ask(carrier, headers={"authorization": given})

    assert (reply.status, codes(reply)) == (401, ["10009"])
    assert carrier.tally.summary("default").results["unauthorized"] == 1


def test_calls_are_read_without_raising() -> None:
    def call(body: bytes = b"", authorization: str = "", query: str = "") -> Call:
        headers = {"authorization": authorization}
        return Call(
            route="r",
            parts={},
            method="POST",
            path="/",
            whole_path="/",
            query=query,
            headers=headers,
            body=body,
            now=AT,
        )

    assert call(b"a=1&a=2&b=%20").form == {"a": "2", "b": " "}
    assert call(b"\xff").form == {}
    assert call(b"&".join([b"a=1"] * 500)).form == {}
    assert call(query="a=%E9").parameters == {"a": "\ufffd"}
    assert (call(b'{"a": 1}').object, call(b"[1]").object) == ({"a": 1}, {})
    assert call(authorization="Basic dTpwOnE=").basic == ("u", "p:q")
    assert [call(authorization=each).basic for each in ("Basic !", "Basic /w==", "Bearer x", "")] == [("", "")] * 4
    assert (call(authorization="bearer  x").bearer, call(authorization="x").bearer) == ("x", "")
    assert [reference_in(each) for each in ("http://h?ref=r", "http://h", "http://[::1", "")] == ["r", "", "", ""]


# --- conduct ----------------------------------------------------------------------------------------------------------


async def test_an_acceptance_keeps_what_the_vendor_repeats(world: World) -> None:
    carrier = world.carrier()

    reply = await ask(carrier)

    (entry,) = carrier.ledger.entries()
    assert json.loads(reply.body)["data"]["id"] == entry.message_id
    assert (entry.reference, entry.to) == ("r-1", MESSAGE["to"])
    assert (entry.known.sender, entry.known.callback, entry.known.segments) == ("ACME", MESSAGE["webhook_url"], 1)


async def test_rates_and_outages_are_told_in_the_vendors_words(world: World) -> None:
    carrier = world.carrier(rate_limit=1)

    first, second = await ask(carrier), await ask(carrier)
    carrier.obey(
        read_order(b'{"rate_limit": 0, "outage": {"kind": "http_401", "seconds": 9}}', carrier.conduct, seconds=0)
    )
    third = await ask(carrier)

    assert (first.status, second.status, codes(second)) == (200, 429, ["10011"])
    assert dict(second.headers)[b"retry-after"] == b"1"
    assert (third.status, codes(third)) == (401, ["10009"])


async def test_look_ups_share_outages_and_may_be_switched_off(world: World) -> None:
    carrier = world.carrier()
    message_id = json.loads((await ask(carrier)).body)["data"]["id"]
    told = {"method": "GET", "path": f"/v2/messages/{message_id}"}

    found, unknown = await ask(carrier, **told), await ask(carrier, method="GET", path="/v2/messages/unknown")
    carrier.obey(read_order(b'{"outage": {"kind": "http_500", "seconds": 9}}', carrier.conduct, seconds=0))
    failing = await ask(carrier, **told)
    carrier.obey(read_order(b'{"outage": {"kind": "silence", "seconds": 9}}', carrier.conduct, seconds=0))
    gone = await ask(carrier, **told)
    carrier.obey(read_order(b'{"outage": null, "look_up": false}', carrier.conduct, seconds=0))
    off = await ask(carrier, **told)

    assert json.loads(found.body)["data"]["id"] == message_id
    assert [reply.status for reply in (unknown, failing, gone, off)] == [404, 500, 503, 501]
    assert codes(failing) == ["10007"]


async def test_a_restart_remembers_where_a_report_goes(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with Reporter(clock=lambda: AT) as reporter:
        with closing(Journal(path)) as first:
            await ask(World(reporter, first).carrier())
        with closing(Journal(path)) as second:
            again = World(reporter, second).carrier()

    (entry,) = again.ledger.entries()
    assert entry.known.callback == MESSAGE["webhook_url"]
    assert again.impersonation is not None
    (call,) = again.impersonation.calls(entry, "delivered", AT)
    assert call.url == MESSAGE["webhook_url"]
