"""`/webhooks/delivery-report/{provider}`: verified, stored, answered, in this order."""

from ipaddress import ip_network

import pytest

from smsgw.core.events import ReportReceived, ReportRefused
from tests.unit.worker_http.rig import NOW, Rig, error_of


@pytest.mark.parametrize("name", ["Provider-A", "provider-a", "PROVIDER-A", "fast", "FAST"])
async def test_a_report_is_stored_before_it_is_answered(name: str) -> None:
    rig = Rig()

    response = await rig.report([["r-1", "DELIVERED"]], to=name)

    assert (response.status_code, response.json()) == (200, {"success": True})
    (parked,) = rig.store.inbox.values()
    assert (parked.received.provider, parked.received.report.reference, parked.received.received_at) == (
        "Provider-A",
        "r-1",
        NOW,
    )
    assert rig.woken == 1
    assert rig.facts == [ReportReceived(provider="Provider-A", count=1, new=1)]


async def test_a_report_that_comes_twice_is_stored_once() -> None:
    rig = Rig()

    answers = [await rig.report([["r-1", "DELIVERED"], ["r-2", "SENT"]]) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 200]
    assert [(fact.count, fact.new) for fact in rig.facts] == [(2, 2), (2, 0)]


async def test_a_forged_report_is_refused_unread() -> None:
    rig = Rig()

    response = await rig.report(b"{", signature="bad")

    assert error_of(response) == (401, "UNAUTHORIZED")
    assert rig.store.inbox == {}
    assert rig.woken == 0
    assert rig.facts == [ReportRefused(provider="Provider-A", is_forged=True, why="the signature is wrong")]


async def test_a_report_that_cannot_be_proved_now_may_come_again() -> None:
    rig = Rig()

    response = await rig.report([["r-1", "DELIVERED"]], signature="unknown")

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.json()["details"] == {"proof": "not reachable"}
    assert response.headers["retry-after"] == "1"
    assert rig.store.inbox == {}
    assert rig.facts == [ReportRefused(provider="Provider-A", is_forged=True, why="its key cannot be had")]


async def test_an_authentic_report_that_says_nothing_is_not_asked_for_again() -> None:
    rig = Rig()

    response = await rig.report(b"nonsense")

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert rig.store.inbox == {}
    assert rig.facts == [ReportRefused(provider="Provider-A", is_forged=False, why="not JSON")]


async def test_a_call_without_reports_is_taken() -> None:
    rig = Rig()

    response = await rig.report([])

    assert response.status_code == 200
    assert (rig.facts, rig.woken) == ([], 0)


@pytest.mark.parametrize("name", ["nobody", "Provider-B", "%00", "Provider-A%20", "x" * 500])
async def test_a_provider_without_an_adapter_does_not_exist(name: str) -> None:
    rig = Rig()

    response = await rig.report([["r-1", "DELIVERED"]], to=name)

    assert error_of(response) == (404, "NOT_FOUND")


async def test_a_store_that_is_away_makes_the_provider_come_again() -> None:
    rig = Rig()
    rig.store.fail = True

    response = await rig.report([["r-1", "DELIVERED"]])

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    assert rig.woken == 0


async def test_the_provider_sees_the_call_as_it_came() -> None:
    rig = Rig()

    await rig.ask(
        "POST",
        "/webhooks/delivery-report/fast?token=t&x=%C3%A9",
        content=b"\xff\x00",
        headers=[("X-Signature", "good"), ("X-Many", "1"), ("x-many", "2"), ("Content-Type", "text/xml")],
    )

    (call,) = rig.provider.calls
    assert (call.body, call.query) == (b"\xff\x00", "token=t&x=%C3%A9")
    assert [value for name, value in call.headers if name == "x-many"] == ["1", "2"]


PATH = "/webhooks/delivery-report/Provider-A"


def rig_of_both() -> Rig:
    """Return a rig whose provider calls with either method."""
    rig = Rig()
    rig.provider.methods = ("POST", "GET")
    return rig


async def test_a_get_is_taken_as_a_post_is() -> None:
    rig = rig_of_both()

    stored = await rig.report([["r-1", "DELIVERED"]], method="GET")
    forged = await rig.report([["r-1", "DELIVERED"]], method="GET", signature="bad")
    rig.store.fail = True
    away = await rig.report([["r-2", "DELIVERED"]], method="GET")

    assert (stored.status_code, stored.json()) == (200, {"success": True})
    assert stored.headers["cache-control"] == "no-store"
    assert error_of(forged) == (401, "UNAUTHORIZED")
    assert error_of(away) == (503, "STORE_UNAVAILABLE")
    assert [call.method for call in rig.provider.calls] == ["GET"] * 3


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_token_in_the_address_reaches_the_provider(method: str) -> None:
    rig = rig_of_both()

    response = await rig.ask(method, f"{PATH}/good-token?status=x", content=b"[]")

    assert response.status_code == 200
    (call,) = rig.provider.calls
    assert (call.method, call.token, call.query, call.peer) == (method, "good-token", "status=x", "127.0.0.1")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_wrong_token_is_refused_like_a_wrong_signature_and_said_nowhere(method: str) -> None:
    rig = rig_of_both()

    by_token = await rig.ask(method, f"{PATH}/wrong-token-zq81?key=query-zq81")
    by_signature = await rig.report([], signature="bad")

    assert (by_token.status_code, by_token.content) == (by_signature.status_code, by_signature.content)
    assert "zq81" not in by_token.text + str(by_token.headers) + str(rig.facts)


@pytest.mark.parametrize(
    "path", ["/webhooks/delivery-report/nobody/tok-zq81", f"{PATH}/tok-zq81/more", f"{PATH}/%74ok-zq81"]
)
async def test_what_is_not_found_does_not_repeat_the_token(path: str) -> None:
    rig = Rig()

    response = await rig.ask("POST", path)

    assert error_of(response) == (404, "NOT_FOUND")
    assert "zq81" not in response.text + str(response.headers) + str(rig.facts)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/good-token"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
async def test_no_other_method_is_taken(method: str, path: str) -> None:
    rig = rig_of_both()

    response = await rig.ask(method, path, headers={"X-Signature": "good"})

    assert response.status_code == 405
    assert rig.provider.calls == []


async def test_a_provider_may_take_posts_alone() -> None:
    rig = Rig()

    response = await rig.ask("GET", f"{PATH}/good-token")

    assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"
    assert rig.facts == [ReportRefused(provider="Provider-A", is_forged=True, why="it posts")]


async def test_the_description_holds_no_example_of_a_token() -> None:
    described = (await Rig().ask("GET", "/openapi.json")).json()["paths"][
        "/webhooks/delivery-report/{provider}/{token}"
    ]

    assert set(described) == {"get", "post"}
    assert "example" not in str([each["parameters"] for each in described.values()])


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("client", "forwarded", "peer"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        # A stranger's word about himself.
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1 , 10.9.9.9, fd00::1"], "198.51.100.1"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("fd00::5", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.1,,  ,"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], ""),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2, \u00e9"], ""),
        ("a-socket", ["198.51.100.1"], ""),
    ],
)
async def test_whom_a_call_comes_from(client: str, forwarded: list[str], peer: str) -> None:
    rig = Rig(trusted_proxies=PROXIES)
    headers = [("X-Signature", "good"), *(("X-Forwarded-For", each.encode()) for each in forwarded)]

    await rig.ask("POST", PATH, peer=client, content=b"[]", headers=headers)

    assert [call.peer for call in rig.provider.calls] == [peer]


async def test_nobody_is_believed_who_is_not_configured() -> None:
    rig = Rig()

    await rig.ask("POST", PATH, peer="127.0.0.1", headers={"X-Signature": "good", "X-Forwarded-For": "6.6.6.6"})

    assert [call.peer for call in rig.provider.calls] == ["127.0.0.1"]
