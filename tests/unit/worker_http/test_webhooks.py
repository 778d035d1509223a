"""`POST /webhooks/delivery-report/{provider}`: verified, stored, answered, in this order."""

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


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_taken(method: str) -> None:
    rig = Rig()

    response = await rig.ask(method, "/webhooks/delivery-report/Provider-A")

    assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
