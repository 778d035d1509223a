"""Spec section 3, steps 5 and 6: every row of the gate, the daily quota, the ingress rate, a store that is away."""

import asyncio
from typing import Any

import pytest

from smsgw.core.events import GateBlocked, RequestRefused
from smsgw.core.ports import LimitsUnavailableError
from tests.unit.gateway.rig import PROVIDERS, SEND, Rig, error_of

NAMES = list(PROVIDERS)
NONE_USABLE = {"Provider-B": PROVIDERS["Provider-B"], "Provider-C": PROVIDERS["Provider-C"]}
GATE_ROWS = [
    (["No-Such"], None, (422, "UNKNOWN_PROVIDER"), ()),
    (["Provider-A", "No-Such"], None, (422, "UNKNOWN_PROVIDER"), ()),
    (["Provider-B"], None, (409, "PROVIDER_DISABLED"), ("Provider-B",)),
    (["provider-c"], None, (409, "PROVIDER_DISABLED"), ("Provider-C",)),
    (["Provider-B", "Provider-C"], None, (409, "ALL_PROVIDERS_DISABLED"), ("Provider-B", "Provider-C")),
    (None, NONE_USABLE, (503, "NO_PROVIDER_AVAILABLE"), ()),
]


def _body(providers: list[str] | None) -> dict[str, Any]:
    return SEND if providers is None else {**SEND, "providers": providers}


@pytest.mark.parametrize(("providers", "configured", "expected", "blamed"), GATE_ROWS)
async def test_a_gate_refusal_without_a_key_touches_no_store(
    providers: list[str] | None, configured: dict[str, Any] | None, expected: tuple[int, str], blamed: tuple[str, ...]
) -> None:
    rig = Rig(providers=configured)

    response = await rig.send(_body(providers), api_key="key-b")

    assert error_of(response) == expected
    assert "tracking_id" not in response.json()
    assert rig.limits.calls == []
    (fact,) = rig.stated(GateBlocked)
    assert (fact.error_code, fact.client_key, fact.providers) == (expected[1], "b", blamed)
    assert [each.error_code for each in rig.stated(RequestRefused)] == [expected[1]]


@pytest.mark.parametrize(("providers", "configured", "expected", "blamed"), GATE_ROWS)
async def test_a_gate_refusal_with_a_key_is_stored_for_a_minute_and_takes_no_quota(
    providers: list[str] | None, configured: dict[str, Any] | None, expected: tuple[int, str], blamed: tuple[str, ...]
) -> None:
    rig = Rig(providers=configured, INGRESS_RATE_LIMIT="1")

    first = await rig.send(_body(providers), api_key="key-b", key="k-1")
    rig.sleep(59)
    replay = await rig.send(_body(providers), api_key="key-b", key="k-1")
    rig.sleep(2)
    again = await rig.send(_body(providers), api_key="key-b", key="k-1")

    assert error_of(first) == error_of(again) == expected
    assert replay.content == first.content
    assert replay.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in again.headers
    assert first.json()["tracking_id"] == again.json()["tracking_id"]
    assert rig.limits.used_today("b") == 0
    assert rig.limits.books.buckets == {}
    assert len(rig.stated(GateBlocked)) == 2


async def test_an_unknown_provider_is_told_which_there_are() -> None:
    rig = Rig()

    response = await rig.send(_body(["Provider-A", "No-Such"]))

    assert response.json()["details"] == {"unknown": "No-Such", "allowed": NAMES}


async def test_a_long_unknown_name_is_still_unknown_and_cut_short() -> None:
    rig = Rig()

    response = await rig.send(_body(["x" * 255]))

    assert error_of(response) == (422, "UNKNOWN_PROVIDER")
    assert response.json()["details"]["unknown"] == "x" * 64


async def test_no_provider_says_when_to_try_again() -> None:
    rig = Rig(providers=NONE_USABLE)

    answers = [await rig.send(key="k-1"), await rig.send(key="k-1")]

    assert [each.headers["retry-after"] for each in answers] == ["1", "1"]
    assert answers[1].headers["idempotent-replayed"] == "true"


async def test_a_gate_that_is_off_still_resolves_names() -> None:
    rig = Rig(PROVIDER_GATE_ENABLED="false")

    passed = await rig.send(_body(["provider-b"]))
    unknown = await rig.send(_body(["No-Such"]))

    assert passed.status_code == 202
    assert rig.published[0].providers_effective == ("Provider-B",)
    assert error_of(unknown) == (422, "UNKNOWN_PROVIDER")


async def test_a_used_key_wins_over_the_gate() -> None:
    rig = Rig()
    first = await rig.send(_body(["Provider-A"]), key="k-1")
    closed = Rig(providers={**PROVIDERS, "Provider-A": PROVIDERS["Provider-B"]})
    closed.limits.books = rig.limits.books

    response = await closed.send(_body(["Provider-A"]), key="k-1")

    assert response.content == first.content
    assert closed.stated(GateBlocked) == []


async def test_the_quota_ends_and_says_when_it_begins_anew() -> None:
    rig = Rig()

    answers = [await rig.send(api_key="key-b") for _ in range(3)]

    assert [each.status_code for each in answers] == [202, 202, 429]
    assert error_of(answers[2]) == (429, "TOO_MANY_REQUESTS")
    assert answers[2].headers["retry-after"] == str(12 * 3600)
    assert len(rig.published) == 2


async def test_a_quota_of_zero_is_none() -> None:
    rig = Rig()

    response = await rig.send(api_key="key-zero")

    assert error_of(response) == (429, "TOO_MANY_REQUESTS")


async def test_the_quota_begins_anew_at_midnight_utc() -> None:
    rig = Rig()
    for _ in range(3):
        await rig.send(api_key="key-b")
    rig.sleep(12 * 3600)

    response = await rig.send(api_key="key-b")

    assert response.status_code == 202


async def test_an_exhausted_quota_is_stored_for_a_minute_with_its_tracking_id() -> None:
    rig = Rig()

    first = await rig.send(api_key="key-zero", key="k-1")
    rig.sleep(59)
    replay = await rig.send(api_key="key-zero", key="k-1")
    rig.sleep(2)
    again = await rig.send(api_key="key-zero", key="k-1")

    assert replay.content == first.content
    assert replay.headers["idempotent-replayed"] == "true"
    assert int(replay.headers["retry-after"]) == 12 * 3600 - 59
    assert error_of(again) == (429, "TOO_MANY_REQUESTS")
    assert again.json()["tracking_id"] == first.json()["tracking_id"]


async def test_a_retry_counts_once() -> None:
    rig = Rig()
    rig.limits.failing = {"answer"}
    await rig.send(api_key="key-b", key="k-1")
    rig.limits.failing = set()
    rig.sleep(10)

    await rig.send(api_key="key-b", key="k-1")

    assert rig.limits.used_today("b") == 1


async def test_the_ingress_rate_is_not_stored() -> None:
    rig = Rig(INGRESS_RATE_LIMIT="1")
    await rig.send(api_key="key-b", key="k-1")

    limited = await rig.send(api_key="key-b", key="k-2")
    rig.sleep(1)
    retried = await rig.send(api_key="key-b", key="k-2")

    assert error_of(limited) == (429, "RATE_LIMITED")
    assert limited.headers["retry-after"] == "1"
    assert retried.status_code == 202
    assert retried.json()["tracking_id"] == limited.json()["tracking_id"]
    assert rig.limits.used_today("b") == 2


async def test_the_ingress_rate_holds_for_requests_without_a_key() -> None:
    rig = Rig(INGRESS_RATE_LIMIT="2")

    answers = [await rig.send() for _ in range(3)]

    assert [each.status_code for each in answers] == [202, 202, 429]


@pytest.mark.parametrize("body", [SEND, _body(["Provider-B"]), {**SEND, "text": ""}])
async def test_with_the_store_away_a_request_with_a_key_is_refused(body: dict[str, Any]) -> None:
    rig = Rig()
    rig.limits.fail = True

    response = await rig.send(body, key="k-1")

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    assert rig.published == []
    await rig.gateway.close()


async def test_with_the_store_away_a_quota_cannot_be_counted() -> None:
    rig = Rig()
    rig.limits.fail = True

    response = await rig.send(api_key="key-b")

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert rig.published == []


async def test_with_the_store_away_what_needs_no_limits_is_served() -> None:
    rig = Rig()
    rig.limits.fail = True

    response = await rig.send()
    await rig.gateway.close()

    assert response.status_code == 202
    assert len(rig.published) == 1


async def test_a_claim_whose_reply_was_lost_is_released_behind_the_caller() -> None:
    rig = Rig()
    made = rig.limits.admit

    async def reply_lost(ask: Any) -> Any:
        await made(ask)
        raise LimitsUnavailableError("reply lost")

    rig.limits.admit = reply_lost  # type: ignore[method-assign]
    refused = await rig.send(api_key="key-b", key="k-1")
    await rig.gateway.close()
    rig.limits.admit = made  # type: ignore[method-assign]

    retried = await rig.send(api_key="key-b", key="k-1")

    assert error_of(refused) == (503, "STORE_UNAVAILABLE")
    assert retried.status_code == 202
    assert rig.limits.used_today("b") == 1


async def test_the_audit_ledger_delays_nobody() -> None:
    rig = Rig()
    rig.limits.hold = asyncio.Event()

    response = await rig.send()
    before = list(rig.limits.calls)
    rig.limits.hold.set()
    await rig.gateway.close()

    assert response.status_code == 202
    assert (before, rig.limits.calls) == ([], ["note_confirmed"])
    assert [str(each) for _, each in rig.limits.books.confirmed] == [response.json()["tracking_id"]]
