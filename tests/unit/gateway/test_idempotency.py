"""Spec section 3, steps 2, 4 and 8: replay, in use, reused, take-over, and what each costs in round trips."""

import asyncio

import pytest

from smsgw.core.admission import PublishOutcome
from smsgw.core.events import RequestAccepted, RequestReplayed
from tests.unit.gateway.rig import DEADLINE, SEND, Rig, error_of


async def test_a_valid_request_with_a_key_takes_two_round_trips() -> None:
    rig = Rig()

    await rig.send(key="k-1")

    assert rig.limits.calls == ["admit", "answer"]


async def test_a_repeated_request_is_replayed_byte_for_byte() -> None:
    rig = Rig()
    first = await rig.send(key="k-1")
    rig.sleep(3600)

    second = await rig.send(key="k-1")

    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert len(rig.published) == 1
    assert [fact.status for fact in rig.stated(RequestReplayed)] == [202]
    assert len(rig.stated(RequestAccepted)) == 1


async def test_the_same_json_written_differently_is_the_same_request() -> None:
    rig = Rig()
    first = await rig.send(key="k-1")
    body = b'{ "text" : "Your code is 12\\u0033\\u0034",\n "to":"+989121234567"}'

    second = await rig.send(body, key="k-1")

    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"


async def test_a_default_that_is_written_out_is_another_request() -> None:
    rig = Rig()
    await rig.send(key="k-1")

    response = await rig.send({**SEND, "ttl_seconds": 3600}, key="k-1")

    assert error_of(response) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_key_with_another_body_is_reused() -> None:
    rig = Rig()
    first = await rig.send(key="k-1")

    response = await rig.send({**SEND, "text": "other"}, key="k-1")

    assert error_of(response) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert first.json()["tracking_id"] not in response.text
    assert len(rig.published) == 1


async def test_two_clients_may_use_one_key() -> None:
    rig = Rig()

    answers = [await rig.send(key="k-1"), await rig.send({**SEND, "text": "other"}, key="k-1", api_key="key-b")]

    assert [each.status_code for each in answers] == [202, 202]


async def test_while_the_first_runs_the_others_are_told_to_wait() -> None:
    rig = Rig()
    rig.publisher.hold = asyncio.Event()
    first = asyncio.create_task(rig.send(key="k-1"))
    await asyncio.wait_for(rig.publisher.is_asked.wait(), DEADLINE)

    same = await rig.send(key="k-1")
    other = await rig.send({**SEND, "text": "other"}, key="k-1")
    invalid = await rig.send({**SEND, "text": ""}, key="k-1")
    rig.publisher.hold.set()
    done = await first

    assert error_of(same) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert same.headers["retry-after"] == "1"
    assert same.json()["tracking_id"] == done.json()["tracking_id"]
    assert error_of(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert error_of(invalid) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_fifty_identical_requests_make_one_message() -> None:
    rig = Rig()

    answers = await asyncio.gather(*(rig.send(key="k-1", api_key="key-b") for _ in range(50)))

    assert {each.status_code for each in answers} <= {202, 409}
    assert len({each.json()["tracking_id"] for each in answers}) == 1
    assert len({each.content for each in answers if each.status_code == 202}) == 1
    assert len(rig.published) == 1
    assert rig.limits.used_today("b") == 1


async def test_of_two_bodies_under_one_key_exactly_one_wins() -> None:
    rig = Rig()

    answers = await asyncio.gather(*(rig.send({**SEND, "text": text}, key="k-1") for text in ("a", "b") * 10))

    assert len({each.content for each in answers if each.status_code == 202}) == 1
    assert len(rig.published) == 1
    losers = {"b" if rig.published[0].text == "a" else "a"}
    assert {text for text, each in zip(("a", "b") * 10, answers, strict=True) if each.status_code == 422} == losers


async def test_a_payload_that_breaks_a_rule_does_not_use_the_key_up() -> None:
    rig = Rig()

    refused = await rig.send({**SEND, "text": ""}, key="k-1")
    mended = await rig.send(key="k-1")

    assert error_of(refused) == (422, "INVALID_PAYLOAD")
    assert mended.status_code == 202
    assert rig.limits.calls == ["look_up", "admit", "answer"]


async def test_a_used_key_wins_over_a_payload_that_breaks_a_rule() -> None:
    rig = Rig()
    await rig.send(key="k-1")

    response = await rig.send({**SEND, "text": ""}, key="k-1")

    assert error_of(response) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_what_was_valid_yesterday_is_replayed_although_the_rules_are_stricter_today() -> None:
    rig = Rig()
    body = {**SEND, "ttl_seconds": 600}
    first = await rig.send(body, key="k-1")
    stricter = Rig(MAX_TTL_SECONDS="500", DEFAULT_TTL_SECONDS="60")
    stricter.limits.books = rig.limits.books

    second = await stricter.send(body, key="k-1")
    without = await stricter.send(body)

    assert second.content == first.content
    assert error_of(without) == (422, "INVALID_PAYLOAD")


async def test_a_dead_request_is_taken_over_after_its_lease_with_its_tracking_id() -> None:
    rig = Rig()
    rig.publisher.hold = asyncio.Event()
    dead = asyncio.create_task(rig.send(key="k-1"))
    await asyncio.wait_for(rig.publisher.is_asked.wait(), DEADLINE)
    early = await rig.send(key="k-1")
    rig.sleep(rig.rules.lease.total_seconds())
    rig.publisher.hold.set()

    late, awoken = await asyncio.gather(rig.send(key="k-1"), dead)

    assert error_of(early) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert late.status_code == awoken.status_code == 202
    assert late.content == awoken.content
    assert {str(each.tracking_id) for each in rig.published} == {early.json()["tracking_id"]}


async def test_a_retry_after_a_lost_answer_is_stated_as_a_takeover() -> None:
    rig = Rig()
    rig.limits.failing = {"answer"}
    first = await rig.send(key="k-1")
    rig.limits.failing = set()
    rig.sleep(10)

    second = await rig.send(key="k-1")

    assert second.content == first.content
    assert "idempotent-replayed" not in second.headers
    assert [fact.is_takeover for fact in rig.stated(RequestAccepted)] == [False, True]


async def test_the_answer_is_kept_for_its_time_and_no_longer() -> None:
    rig = Rig(IDEMPOTENCY_TTL_SECONDS="100")
    first = await rig.send(key="k-1")
    rig.sleep(99)
    replay = await rig.send(key="k-1")
    rig.sleep(2)

    fresh = await rig.send(key="k-1")

    assert replay.content == first.content
    assert fresh.status_code == 202
    assert fresh.json()["tracking_id"] != first.json()["tracking_id"]


@pytest.mark.parametrize("outcome", [PublishOutcome.REFUSED, PublishOutcome.UNKNOWN])
async def test_a_retry_after_a_failed_publish_runs_at_once_as_the_same_message(outcome: PublishOutcome) -> None:
    rig = Rig()
    rig.queue.outcomes = [outcome]

    refused = await rig.send(key="k-1")
    retried = await rig.send(key="k-1")

    assert error_of(refused) == (503, "BROKER_UNAVAILABLE")
    assert retried.status_code == 202
    assert retried.json()["tracking_id"] == refused.json()["tracking_id"]
    assert {str(each.tracking_id) for each in rig.published} == {refused.json()["tracking_id"]}


async def test_after_a_failed_publish_the_key_still_belongs_to_its_body() -> None:
    rig = Rig()
    rig.queue.outcomes = [PublishOutcome.REFUSED]
    await rig.send(key="k-1")

    response = await rig.send({**SEND, "text": "other"}, key="k-1")

    assert error_of(response) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_without_a_key_equal_requests_are_two_messages() -> None:
    rig = Rig()

    answers = [await rig.send(), await rig.send()]

    assert len({each.json()["tracking_id"] for each in answers}) == 2
