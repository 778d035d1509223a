"""`POST /api/sms/{provider}`: one call of one provider, past the queue, with everything on record."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from smsgw.core.buckets import Limit, Rates
from smsgw.core.decision import when_due
from smsgw.core.events import AttemptFinished, Crashed, MessageMoved, OperatorActed
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Status
from smsgw.core.phone import NumberCheck, Numbers
from smsgw.core.ports import Arrival, StoreUnavailableError, Submit
from smsgw.core.traffic import TOTAL, bucket_of
from smsgw.core.wishes import TextRules
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.direct import MOST_AT_ONCE
from smsgw.worker.http.operations import Rule
from tests.unit.worker.rig import ACCEPTED, UNKNOWN, UNREACHABLE, ScriptedProvider
from tests.unit.worker_http.operating import PROVIDERS, OpsRig
from tests.unit.worker_http.rig import error_of

BODY = {"phone": "+989121234567", "text": "A test"}
THROTTLED = SendResult(outcome=Outcome.THROTTLED, detail="429", retry_after=timedelta(seconds=3))


class WatchedStore(MemoryStore):
    """Fails where it is told to; says what was on record when a provider was called."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []

    async def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        """Fail if told so."""
        self._fail("take_in")
        return await super().take_in(arrivals)

    async def apply(self, change: Change) -> bool:
        """Fail if told so."""
        self._fail("apply")
        return await super().apply(change)

    def _fail(self, name: str) -> None:
        if name in self.failures:
            self.failures.remove(name)
            raise StoreUnavailableError("told to fail")


class Witness(ScriptedProvider):
    """Notes what the store knew of the message when it was called."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__("Provider-A")
        self.store = store
        self.seen: list[tuple[Status, Outcome | None]] = []

    async def send(self, submit: Submit) -> SendResult:
        """Look at the books, then take the message."""
        message = self.store.messages[submit.reference]
        self.seen.append((message.status, self.store.attempts[submit.reference][1].outcome))
        return await super().send(submit)


async def _send(rig: OpsRig, name: str = "Provider-A", body: Any = None, **arguments: Any) -> Any:
    return await rig.ask("POST", f"/{name}", json=body or BODY, **arguments)


@pytest.mark.parametrize("name", ["Provider-A", "provider-a", "FAST"])
@pytest.mark.parametrize("body", [BODY, {"to": "+989121234567", "text": "A test"}])
async def test_the_provider_is_called_and_its_answer_told(name: str, body: dict[str, str]) -> None:
    adapter = ScriptedProvider("Provider-A")
    rig = OpsRig(adapter)

    response = await _send(rig, name, body)

    told = response.json()
    assert response.status_code == 200
    assert told.pop("milliseconds") >= 0
    tracking_id = told.pop("message_id")
    assert told == {
        "success": True,
        "provider": "Provider-A",
        "outcome": "accepted",
        "provider_message_id": "m-1",
        "detail": None,
        "status": "SENT",
    }
    (submit,) = adapter.submits
    assert (str(submit.reference), submit.to, submit.text) == (tracking_id, "+989121234567", "A test")


async def test_a_sender_is_handed_on_if_the_key_may_use_it() -> None:
    adapter = ScriptedProvider("Provider-A")
    rig = OpsRig(adapter)

    sent = await _send(rig, body={**BODY, "sender": "12345"})
    refused = await _send(rig, body={**BODY, "sender": "Bank"})

    assert sent.status_code == 200
    assert [submit.sender for submit in adapter.submits] == ["12345"]
    assert error_of(refused) == (422, "INVALID_PAYLOAD")
    assert "not among" in refused.json()["details"]["sender"]


async def test_a_providers_default_sender_stands_for_the_senders() -> None:
    adapter = ScriptedProvider("Provider-A")
    rig = OpsRig(adapter, configs={"Provider-A": {**PROVIDERS["Provider-A"], "senders": {"IR": "Shop"}}})

    await _send(rig)

    assert [submit.sender for submit in adapter.submits] == ["Shop"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({**BODY, "text": "x" * 400}, {"text"}),
        ({**BODY, "text": "’" * 60, "max_segments": 1}, set()),
        ({**BODY, "phone": "+447700900123"}, {"phone"}),
    ],
)
async def test_the_rules_of_texts_and_numbers_are_those_of_the_doors(body: dict[str, Any], fields: set[str]) -> None:
    adapter = ScriptedProvider("Provider-A")
    texts = TextRules(max_segments=2, smart_encoding=True)
    rig = OpsRig(adapter, rule=Rule(texts=texts, numbers=Numbers(check=NumberCheck.VALID)))

    response = await _send(rig, body=body)

    assert set(response.json().get("details", ())) == fields
    assert [submit.text for submit in adapter.submits] == ([] if fields else ["'" * 60])


async def test_everything_is_on_record_from_before_the_call() -> None:
    store = MemoryStore()
    witness = Witness(store)
    rig = OpsRig(witness, store=store)

    tracking_id = (await _send(rig)).json()["message_id"]
    story = await rig.get(f"/requests/{tracking_id}")

    assert witness.seen == [(Status.PROCESSING, None)]
    assert (story["client_key"], story["status"], story["provider_final"]) == ("operator", "SENT", "Provider-A")
    assert [(each["outcome"], each["provider_message_id"]) for each in story["attempts"]] == [("accepted", "m-1")]
    assert [each["event_type"] for each in story["events"]] == ["PROCESSING", "SENT"]


async def test_it_is_stated_like_every_other_call() -> None:
    rig = OpsRig(ScriptedProvider("Provider-A"))

    await _send(rig)

    assert rig.told(OperatorActed) == [
        OperatorActed(action="direct.send", provider="Provider-A", client_key="operator")
    ]
    assert [fact.outcome for fact in rig.told(AttemptFinished)] == [Outcome.ACCEPTED]
    assert [fact.change.message.status for fact in rig.told(MessageMoved)] == [Status.PROCESSING, Status.SENT]
    assert (await rig.get("/distribution-stats"))["providers"][0]["calls"] == 1


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (SendResult(outcome=Outcome.INVALID_NUMBER, detail="400 INVALID_NUMBER"), "FAILED"),
        (SendResult(outcome=Outcome.REJECTED), "FAILED"),
        (SendResult(outcome=Outcome.CREDENTIALS), "FAILED"),
        (THROTTLED, "FAILED"),
        (UNREACHABLE, "FAILED"),
        (UNKNOWN, "UNKNOWN"),
    ],
)
async def test_what_the_provider_did_not_take_is_told_and_not_tried_again(result: SendResult, status: str) -> None:
    adapter = ScriptedProvider("Provider-A", result)
    rig = OpsRig(adapter)

    told = (await _send(rig)).json()

    assert (told["success"], told["outcome"], told["detail"]) == (False, result.outcome, result.detail)
    assert told["status"] == status
    message = rig.store.messages[UUID(told["message_id"])]
    assert message.status == status
    assert (message.due_at is None) == (status == "FAILED")


async def test_what_nobody_knows_of_a_test_is_never_sent_again() -> None:
    rig = OpsRig(ScriptedProvider("Provider-A", UNKNOWN))
    message = rig.store.messages[UUID((await _send(rig)).json()["message_id"])]
    last = rig.store.attempts[message.tracking_id][1]
    assert message.due_at is not None

    change = when_due(message, last, message.due_at, timers=Timers(), can_look_up=False)

    assert isinstance(change, Change)
    assert change.message.status is Status.FAILED


async def test_a_provider_that_can_be_asked_is_asked_about_it() -> None:
    adapter = ScriptedProvider("Provider-A", UNKNOWN, look_ups=[LookUpResult(answer=LookUp.FOUND)])
    rig = OpsRig(adapter)

    message = rig.store.messages[UUID((await _send(rig)).json()["message_id"])]

    assert message.due_at == rig.now


async def test_a_provider_may_be_tested_that_is_not_operational() -> None:
    rig = OpsRig(ScriptedProvider("Provider-B"))

    told = (await _send(rig, "Provider-B")).json()

    assert (told["success"], told["provider"]) == (True, "Provider-B")


async def test_a_provider_that_is_not_active_is_not_called() -> None:
    adapter = ScriptedProvider("Provider-C")
    rig = OpsRig(adapter)

    response = await _send(rig, "Provider-C")

    assert error_of(response) == (409, "PROVIDER_DISABLED")
    assert response.json()["details"] == {"providers": ["Provider-C"]}
    assert (adapter.submits, rig.store.messages) == ([], {})


async def test_a_provider_may_be_tested_behind_an_open_circuit_and_its_outcome_counts() -> None:
    rig = OpsRig(ScriptedProvider("Provider-A", ACCEPTED, SendResult(outcome=Outcome.CREDENTIALS)))
    health = rig.operations.choosing.health

    await _send(rig)
    await health.run_once()
    good = health.of("Provider-A").whole.good
    await _send(rig)
    await health.run_once()
    is_allowed = health.allows("Provider-A", "IR")
    third = await _send(rig)

    assert (good, is_allowed) == (1, False)
    assert third.json()["success"] is True


async def test_it_takes_a_token_of_both_limits() -> None:
    rig = OpsRig(ScriptedProvider("Provider-A"), rule=Rule(rates=Rates(total=200)))

    await _send(rig, body={"phone": "+989121234567", "text": "x" * 161})
    buckets = await rig.traffic.buckets({bucket_of("Provider-A"): Limit(10, 2), TOTAL: Limit(200)})

    assert (buckets[bucket_of("Provider-A")].tokens, buckets[TOTAL].tokens) == (13.0, 99.0)
    assert rig.operations.choosing.pacer.calls_of("Provider-A") == 0


@pytest.mark.parametrize(
    ("configs", "rates"),
    [({"rate_limit": 0.1}, Rates()), ({}, Rates(total=0.1))],
    ids=["of the provider", "of all"],
)
async def test_without_a_token_nothing_is_sent_and_nothing_stored(configs: dict[str, Any], rates: Rates) -> None:
    adapter = ScriptedProvider("Provider-A")
    entry = {"is_active": True, "is_operational": True, **configs}
    rig = OpsRig(adapter, configs={"Provider-A": entry}, rule=Rule(rates=rates))

    first = await _send(rig)
    second = await _send(rig)

    assert first.status_code == 200
    assert error_of(second) == (429, "RATE_LIMITED")
    assert second.headers["retry-after"] == "10"
    assert (len(adapter.submits), len(rig.store.messages)) == (1, 1)


async def test_with_the_limits_store_away_nothing_is_sent_and_it_is_named() -> None:
    adapter = ScriptedProvider("Provider-A")
    # The second that it waits for a token passes.
    rig = OpsRig(adapter, monotonic=time.monotonic)
    rig.traffic.fail = True

    response = await _send(rig)

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.json()["details"] == {"limits": "not reachable"}
    assert adapter.submits == []


async def test_without_the_intent_on_record_nothing_is_sent() -> None:
    adapter, store = ScriptedProvider("Provider-A"), WatchedStore()
    store.failures = ["take_in"]
    rig = OpsRig(adapter, store=store)

    response = await _send(rig)

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert adapter.submits == []
    assert rig.operations.choosing.pacer.calls_of("Provider-A") == 0


async def test_an_outage_after_the_call_is_waited_out() -> None:
    store = WatchedStore()
    store.failures = ["apply", "apply"]
    rig = OpsRig(ScriptedProvider("Provider-A"), store=store)

    told = (await _send(rig)).json()

    assert told["status"] == "SENT"
    assert rig.store.messages[UUID(told["message_id"])].status is Status.SENT


class Outage(ScriptedProvider):
    """Takes the message; then the database is away."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__("Provider-A")
        self.store = store

    async def send(self, submit: Submit) -> SendResult:
        """Take it, and end the database."""
        self.store.fail = True
        return await super().send(submit)


async def test_a_long_outage_after_the_call_is_waited_out_behind_the_callers_back() -> None:
    store = MemoryStore()
    rig = OpsRig(Outage(store), store=store, settle_seconds=0.01)

    told = (await _send(rig)).json()
    before = store.messages[UUID(told["message_id"])].status
    store.fail = False
    async with asyncio.timeout(5):
        while store.messages[UUID(told["message_id"])].status is Status.PROCESSING:
            await asyncio.sleep(0.01)

    assert (told["success"], told["outcome"], told["status"]) == (True, "accepted", "PROCESSING")
    assert (before, store.messages[UUID(told["message_id"])].status) == (Status.PROCESSING, Status.SENT)


async def test_a_worker_that_stops_does_not_wait_for_the_database() -> None:
    store = MemoryStore()
    rig = OpsRig(Outage(store), store=store, settle_seconds=0.01)
    told = (await _send(rig)).json()

    async with asyncio.timeout(5):
        await rig.operations.direct.close()

    # Its lease brings it back as UNKNOWN.
    assert store.messages[UUID(told["message_id"])].status is Status.PROCESSING


class SlowStore(MemoryStore):
    """A commit takes two seconds of the worker's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 100.0

    async def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        """Commit slowly."""
        self.seconds += 2
        return await super().take_in(arrivals)


@pytest.mark.parametrize(
    ("rate", "outcome", "tokens"), [(10, "accepted", 8.0), (0.1, "throttled", 0.0)], ids=["left", "none left"]
)
async def test_a_token_that_went_stale_during_the_commit_is_not_used(rate: float, outcome: str, tokens: float) -> None:
    adapter, store = ScriptedProvider("Provider-A"), SlowStore()
    config = {"is_active": True, "is_operational": True, "rate_limit": rate, "rate_burst_seconds": 2}
    rig = OpsRig(adapter, configs={"Provider-A": config}, store=store, monotonic=lambda: store.seconds)

    told = (await _send(rig)).json()
    buckets = await rig.traffic.buckets({bucket_of("Provider-A"): Limit(rate, 2)})

    assert told["outcome"] == outcome
    assert len(adapter.submits) == (outcome == "accepted")
    assert buckets[bucket_of("Provider-A")].tokens == tokens + (5.0 if rate == 10 else 0.0)
    assert rig.operations.choosing.pacer.calls_of("Provider-A") == 0


async def test_an_outcome_that_came_too_late_is_kept_as_evidence() -> None:
    adapter = ScriptedProvider("Provider-A")
    adapter.hold = asyncio.Event()
    rig = OpsRig(adapter)

    sending = asyncio.create_task(_send(rig))
    async with asyncio.timeout(10):
        while not adapter.submits:
            await asyncio.sleep(0)
    (message,) = rig.store.messages.values()
    last = rig.store.attempts[message.tracking_id][1]
    lost = when_due(message, last, rig.now, timers=Timers(), can_look_up=False)
    assert isinstance(lost, Change)
    await rig.store.apply(lost)
    adapter.hold.set()
    told = (await sending).json()

    assert (told["success"], told["status"]) == (True, "UNKNOWN")
    assert rig.store.attempts[message.tracking_id][1].provider_message_id == "m-1"


async def test_a_bug_in_an_adapter_is_an_unknown_outcome() -> None:
    class Broken(ScriptedProvider):
        async def send(self, submit: Submit) -> SendResult:
            raise ZeroDivisionError

    rig = OpsRig(Broken("Provider-A"))

    told = (await _send(rig)).json()

    assert (told["outcome"], told["status"]) == ("unknown", "UNKNOWN")
    assert [fact.where for fact in rig.told(Crashed)] == ["provider Provider-A"]


async def test_calls_at_one_worker_are_bounded() -> None:
    adapter = ScriptedProvider("Provider-A")
    adapter.hold = asyncio.Event()
    rig = OpsRig(adapter, configs={"Provider-A": {"is_active": True, "is_operational": True}})

    sending = [asyncio.create_task(_send(rig)) for _ in range(MOST_AT_ONCE)]
    async with asyncio.timeout(10):
        while len(adapter.submits) < MOST_AT_ONCE:
            await asyncio.sleep(0)
    one_more = await _send(rig)
    adapter.hold.set()
    others = await asyncio.gather(*sending)
    after = await _send(rig)

    assert error_of(one_more) == (429, "RATE_LIMITED")
    assert "direct sends are under way" in one_more.json()["message"]
    assert {each.status_code for each in (*others, after)} == {200}


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 422, {"phone", "text"}),
        ({"text": "A test"}, 422, {"phone"}),
        ({"to": "+989121234567"}, 422, {"text"}),
        ({"phone": "+989121234567", "to": "+989121234567", "text": "A test"}, 422, {"to"}),
        ({"phone": "12", "text": "A test"}, 422, {"phone"}),
        ({"to": 989121234567, "text": "A test"}, 422, {"to"}),
        ({"phone": "+989121234567", "text": " "}, 422, {"text"}),
        ({"phone": "+989121234567", "text": "x" * 1001}, 422, {"text"}),
        ({"phone": "+989121234567", "text": "a\x00b"}, 422, {"text"}),
        ({"phone": "+989121234567", "text": "A test", "providers": ["Provider-B"]}, 422, {"providers"}),
        ([], 400, {"body"}),
        ({"phone": "+989121234567", "text": "\ud800"}, 400, {"body"}),
    ],
)
async def test_a_body_that_breaks_a_rule_is_refused_by_name(body: Any, status: int, named: set[str]) -> None:
    adapter = ScriptedProvider("Provider-A")
    rig = OpsRig(adapter)

    response = await rig.ask(
        "POST", "/Provider-A", content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )

    assert error_of(response) == (status, "INVALID_PAYLOAD")
    assert set(response.json()["details"]) == named
    assert adapter.submits == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"phone": "\xff"}',
        b"[" * 100,
        b'{"text": "a", "text": "b"}',
        b"99999999999999999999",
    ],
)
async def test_a_body_that_is_no_json_is_malformed(content: bytes) -> None:
    rig = OpsRig(ScriptedProvider("Provider-A"))

    response = await rig.ask("POST", "/Provider-A", content=content, headers={"Content-Type": "application/json"})

    assert error_of(response) == (400, "INVALID_PAYLOAD")


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-16", ""])
async def test_only_json_is_taken(content_type: str) -> None:
    rig = OpsRig(ScriptedProvider("Provider-A"))

    response = await rig.ask("POST", "/Provider-A", content=b"{}", headers={"Content-Type": content_type})

    assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_reserved_words_are_no_providers() -> None:
    rig = OpsRig(ScriptedProvider("Provider-A"))

    answers = [await _send(rig, name) for name in ("providers", "health", "requests", "rate-limits", "send")]

    assert [error_of(each)[0] for each in answers] == [405, 405, 405, 405, 404]
