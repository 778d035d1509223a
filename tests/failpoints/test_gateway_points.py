"""A gateway breaks at G1 to G7 while it works on a request: its caller insists, and there is one message."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.failpoints.conftest import Ground
from tests.failpoints.playing import each_of, heal, scenarios, side_by_side
from tests.failpoints.scenarios import GROUNDS, IDEMPOTENCY_LEASE_SECONDS, Played, Scenario
from tests.failpoints.stands import SECONDS, Stand
from tests.invariants import Call
from tests.journey.product import KEY, NUMBER, OTHER_KEY, TEXT

WORD = "once-only"
BODY = {"to": NUMBER, "text": TEXT}
KEYLESS = [Scenario(point, "kill", ground, "keyless") for point in ("G3", "G5") for ground in GROUNDS]
LEASE = timedelta(seconds=IDEMPOTENCY_LEASE_SECONDS)

Results = Callable[[Scenario], Played]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, ground: Ground) -> Iterator[Results]:
    with side_by_side(request, lambda scenario: ground.play(scenario, _play)) as results:
        yield results


def _play(stand: Stand) -> Played:
    """One request meets the point; its caller insists, at another gateway where there is one, until it has its 202."""
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(_keyless_call if _is_keyless(stand.scenario) else _first_call, stand)
        code, was_frozen = _meet(stand, calling)
        retries = _insist(stand)
        if stand.victim.popen.poll() is not None:
            stand.restart()
        first, head = calling.result(SECONDS)
    stand.victim.wait_ready(SECONDS)
    again = [] if _is_keyless(stand.scenario) else _come_again(stand)
    books, violations = heal(stand, [first, *retries, *again])
    return Played(
        scenario=stand.scenario,
        books=books,
        violations=violations,
        reached=stand.reached(),
        code=code,
        was_frozen=was_frozen,
        first=first,
        retries=[*retries, *again[:1]],
        head=head,
        lines=stand.lines(),
    )


def _is_keyless(scenario: Scenario) -> bool:
    return scenario.variant == "keyless"


def _meet(stand: Stand, calling: Future[Any]) -> tuple[int | None, bool]:
    """Wait until the point has done its work, or is at it; return how the process ended and whether it froze."""
    stand.await_point()
    if stand.scenario.action == "sleep":
        return None, stand.is_frozen()
    if stand.scenario.action == "raise":
        calling.result(SECONDS)
        return None, False
    code = stand.await_death()
    if stand.other_gateway is stand.gateway:
        stand.restart()
    return code, False


def _insist(stand: Stand) -> list[Call]:
    """Do what the caller does who got no answer: try again under the same key; without one, send the next message."""
    caller = stand.caller(stand.other_gateway)
    if _is_keyless(stand.scenario):
        caller.send(key=KEY)
    else:
        caller.insist(WORD, key=OTHER_KEY, seconds=SECONDS)
    return caller.calls


def _come_again(stand: Stand) -> list[Call]:
    """Try once more at the gateway that broke, and misuse the key there."""
    caller = stand.caller(stand.gateway)
    caller.send(idempotency_key=WORD, key=OTHER_KEY)
    misuse = caller.send(idempotency_key=WORD, key=OTHER_KEY, text=f"{TEXT} elsewhere")
    assert misuse.status == 422, misuse.body
    return caller.calls


def _keyless_call(stand: Stand) -> tuple[Call, bytes]:
    return stand.caller(stand.gateway).send(key=KEY, timeout=SECONDS), b""


def _first_call(stand: Stand) -> tuple[Call, bytes]:
    if stand.scenario.point == "G7" and stand.scenario.action != "sleep":
        return _half_answered_call(stand)
    return stand.caller(stand.gateway).send(key=OTHER_KEY, idempotency_key=WORD, timeout=SECONDS), b""


def _half_answered_call(stand: Stand) -> tuple[Call, bytes]:
    """Send the request by hand, to see what was on the wire when the connection ended."""
    place, body, began_at = urlsplit(stand.gateway.url), json.dumps(BODY).encode(), datetime.now(UTC)
    head = (
        f"POST /api/v1/sms/send HTTP/1.1\r\nHost: here\r\nAPI-Key: {OTHER_KEY}\r\nIdempotency-Key: {WORD}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    seen = b""
    with socket.create_connection((place.hostname, place.port), SECONDS) as connection:
        connection.sendall(head.encode() + body)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                seen += part
    client = str(stand.product.clients[OTHER_KEY]["id"])
    return Call(client_key=client, idempotency_key=WORD, asked=BODY, began_at=began_at), seen


# --- what must have become of it --------------------------------------------------------------------------------------


@each_of(*scenarios("G1"))
def test_a_request_that_had_claimed_nothing_begins_anew(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_one_message(found)
    # Embedded, whoever slept goes on first, and its retry meets a claim.
    assert _refusals(found) == [] or (scenario.action, scenario.ground) == ("sleep", "embedded")
    assert found.copies == 0


@pytest.mark.fault("F10", "I1 I3 I4 I5 I6")
@each_of(*scenarios("G2"))
def test_a_claim_is_taken_over_when_its_lease_is_over(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_one_message(found)
    _assert_taken_over(found)


@pytest.mark.fault("F11", "I1 I3 I4 I5 I6")
@each_of(*scenarios("G3"))
def test_a_unit_of_the_quota_is_taken_once(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_one_message(found)
    _assert_taken_over(found)


@pytest.mark.fault("F11", "I2 I6")
@each_of(*[each for each in KEYLESS if each.point == "G3"])
def test_without_a_key_the_unit_stays_used(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    found.assert_survived()
    assert len(found.books.rows or ()) == 1
    assert found.used("one") == 2


@pytest.mark.fault("F12", "I1 I3 I4 I5 I6")
@each_of(*scenarios("G4", "G5"))
def test_what_is_published_a_second_time_is_dropped(scenario: Scenario, played: Results) -> None:
    """Embedded, a commit that was under way at the kill, or was interrupted, may or may not have been the first."""
    found = played(scenario)

    _assert_one_message(found)
    is_certain = scenario.point == "G5" or (scenario.ground, scenario.action) == ("production", "kill")
    if scenario.action == "kill":
        _assert_taken_over(found)
        assert found.copies == 1 or not (is_certain or found.copies)


@pytest.mark.fault("F12", "I2 I6")
@each_of(*[each for each in KEYLESS if each.point == "G5"])
def test_what_was_published_without_an_answer_is_sent_all_the_same(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    found.assert_survived()
    assert len(found.books.rows or ()) == len(found.books.accepts or ()) == 2
    assert found.used("one") == 2


@pytest.mark.fault("F13", "I1 I3 I4 I5 I6")
@each_of(*scenarios("G6", "G7"))
def test_a_stored_answer_is_replayed(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_one_message(found)
    assert _refusals(found) == []
    assert found.copies == 0
    if scenario.point == "G7" and scenario.action != "sleep":
        head, _, body = found.head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202 ")
        assert body == b""


def _assert_one_message(found: Played) -> None:
    """Every promise is kept; the one request is one row, one SMS and one unit, and the broken call did not lie."""
    found.assert_survived()
    ids = {call.tracking_id for call in found.retries if call.is_accepted}
    assert [row.tracking_id for row in found.books.rows or ()] == list(ids)
    assert len(found.books.accepts or ()) == found.used("two") == len(ids) == 1
    assert found.first is not None
    assert found.first.status in _FIRST_STATUS[found.scenario.action]
    assert found.first.tracking_id in {None, *ids}


_FIRST_STATUS = {"kill": (None,), "raise": (500, None), "sleep": (202, 503)}


def _assert_taken_over(found: Played) -> None:
    """Until the lease is over there is only "in use", with the id that the key will have; then there is a 202."""
    if found.scenario.action == "sleep" and found.scenario.ground == "embedded":
        # The one process goes on before it answers anybody else.
        return
    (accepted, *_) = [call for call in found.retries if call.is_accepted]
    assert found.first is not None
    assert accepted.began_at + timedelta(seconds=accepted.seconds) >= found.first.began_at + LEASE
    early = [call for call in found.retries if call.began_at < accepted.began_at and call.status is not None]
    assert {(call.status, call.tracking_id) for call in early} <= {(409, accepted.tracking_id)}
    assert early or found.scenario.ground == "embedded"


def _refusals(found: Played) -> list[int]:
    return [call.status for call in found.retries if call.status is not None and not call.is_accepted]
