"""Spec section 3, steps 7 and 8: what a publish may come to, what a bug may break, and who may interrupt."""

import asyncio

import msgspec
import pytest

from smsgw.core.admission import PublishOutcome
from smsgw.core.events import Crashed, LedgerNoteLost, RequestAccepted, RequestRefused
from tests.unit.gateway.rig import DEADLINE, Rig, error_of


@pytest.mark.parametrize("key", [None, "k-1"])
@pytest.mark.parametrize(("outcome", "used"), [(PublishOutcome.REFUSED, 0), (PublishOutcome.UNKNOWN, 1)])
async def test_quota_is_given_back_only_after_a_definite_failure(
    key: str | None, outcome: PublishOutcome, used: int
) -> None:
    rig = Rig()
    rig.queue.outcomes = [outcome]

    response = await rig.send(api_key="key-b", key=key)

    assert error_of(response) == (503, "BROKER_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    assert response.json()["tracking_id"]
    assert rig.limits.released == [outcome]
    assert rig.limits.used_today("b") == used


async def test_quota_is_not_given_back_when_an_earlier_publish_ended_unknown() -> None:
    rig = Rig()
    rig.queue.outcomes = [PublishOutcome.UNKNOWN, PublishOutcome.REFUSED]

    answers = [await rig.send(api_key="key-b", key="k-1") for _ in range(2)]

    assert [error_of(each) for each in answers] == [(503, "BROKER_UNAVAILABLE")] * 2
    assert rig.limits.used_today("b") == 1


async def test_without_limits_a_failed_publish_has_nothing_to_release() -> None:
    rig = Rig()
    rig.queue.outcomes = [PublishOutcome.REFUSED]

    response = await rig.send()

    assert error_of(response) == (503, "BROKER_UNAVAILABLE")
    assert rig.limits.calls == []


async def test_after_the_confirm_the_answer_is_202_whatever_becomes_of_storing_it() -> None:
    rig = Rig()

    rig.limits.failing = {"answer"}
    away = await rig.send(key="k-1")
    rig.limits.failing, rig.limits.broken = set(), {"answer"}
    broken = await rig.send(key="k-2")

    assert [away.status_code, broken.status_code] == [202, 202]
    assert [fact.where for fact in rig.stated(Crashed)] == ["store answer"]


async def test_a_release_that_fails_changes_no_answer() -> None:
    rig = Rig()
    rig.queue.outcomes = [PublishOutcome.REFUSED, PublishOutcome.REFUSED]

    rig.limits.failing = {"release"}
    away = await rig.send(key="k-1")
    rig.limits.failing, rig.limits.broken = set(), {"release"}
    broken = await rig.send(key="k-2")

    assert [error_of(away), error_of(broken)] == [(503, "BROKER_UNAVAILABLE")] * 2


async def test_a_publisher_with_a_bug_leaves_no_claim_behind() -> None:
    rig = Rig()
    rig.publisher.bug = ZeroDivisionError("a secret")

    crashed = await rig.send(api_key="key-b", key="k-1")
    rig.publisher.bug = None
    retried = await rig.send(api_key="key-b", key="k-1")

    assert error_of(crashed) == (500, "INTERNAL_ERROR")
    assert "secret" not in crashed.text
    assert rig.limits.released == [PublishOutcome.UNKNOWN]
    assert retried.json()["tracking_id"] == crashed.json()["tracking_id"]
    (crash,) = rig.stated(Crashed)
    assert str(crash.tracking_id) == crashed.json()["tracking_id"]


async def test_a_bug_before_the_publish_gives_quota_and_claim_back() -> None:
    rig = Rig()
    sound = rig.gateway.config.current
    rig.gateway.config.current = msgspec.structs.replace(sound, fingerprint=object())

    crashed = await rig.send(api_key="key-b", key="k-1")
    used = rig.limits.used_today("b")
    rig.gateway.config.current = sound
    retried = await rig.send(api_key="key-b", key="k-1")

    assert error_of(crashed) == (500, "INTERNAL_ERROR")
    assert (rig.limits.released, used) == ([None], 0)
    assert retried.json()["tracking_id"] == crashed.json()["tracking_id"]


async def test_a_limits_store_with_a_bug_is_a_500() -> None:
    rig = Rig()
    rig.limits.broken = {"admit"}

    response = await rig.send(key="k-1")

    assert error_of(response) == (500, "INTERNAL_ERROR")
    assert rig.published == []
    assert [fact.where for fact in rig.stated(Crashed)] == ["admission"]
    assert [fact.error_code for fact in rig.stated(RequestRefused)] == ["INTERNAL_ERROR"]


async def test_a_bug_in_the_ledger_is_stated() -> None:
    rig = Rig()
    rig.limits.broken = {"note_confirmed"}

    response = await rig.send()
    await rig.gateway.close()

    assert response.status_code == 202
    assert [fact.where for fact in rig.stated(Crashed)] == ["audit ledger"]


@pytest.mark.parametrize("key", [None, "order-1"])
async def test_an_accepted_message_that_the_ledger_misses_is_stated(key: str | None) -> None:
    rig = Rig()
    rig.limits.failing = {"note_confirmed", "answer"}

    response = await rig.send(key=key)
    await rig.gateway.close()

    assert response.status_code == 202
    (envelope,) = rig.published
    assert [fact.tracking_id for fact in rig.stated(LedgerNoteLost)] == [envelope.tracking_id]


async def test_a_caller_that_leaves_does_not_stop_its_request() -> None:
    rig = Rig()
    rig.publisher.hold = asyncio.Event()
    leaving = asyncio.create_task(rig.send(key="k-1"))
    await asyncio.wait_for(rig.publisher.is_asked.wait(), DEADLINE)

    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    rig.publisher.hold.set()
    await asyncio.wait_for(rig.gateway.close(), DEADLINE)
    replay = await rig.send(key="k-1")

    assert leaving.cancelled()
    assert len(rig.published) == 1
    assert len(rig.stated(RequestAccepted)) == 1
    assert replay.headers["idempotent-replayed"] == "true"
    assert replay.json()["tracking_id"] == str(rig.published[0].tracking_id)


async def test_closing_waits_for_requests_in_flight() -> None:
    rig = Rig()
    rig.publisher.hold = asyncio.Event()
    asked = asyncio.create_task(rig.send(key="k-1"))
    await asyncio.wait_for(rig.publisher.is_asked.wait(), DEADLINE)
    closing = asyncio.create_task(rig.gateway.close())
    done, _ = await asyncio.wait({closing}, timeout=0.01)

    rig.publisher.hold.set()
    await asyncio.wait_for(closing, DEADLINE)

    assert done == set()
    assert (await asked).status_code == 202
