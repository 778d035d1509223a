"""A gateway breaks at G1 to G7 while it works on a request: its caller insists, and there is one message."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.failpoints.playing import Results, each_of, ended, scenarios
from tests.failpoints.scenarios import GROUNDS, IDEMPOTENCY_LEASE_SECONDS, Played, Scenario
from tests.failpoints.stands import SECONDS, Stand
from tests.invariants import Call, Caller
from tests.journey.process import until
from tests.journey.product import KEY, NUMBER, OTHER_KEY, TEXT

WORD = "once-only"
BODY = {"to": NUMBER, "text": TEXT}
KEYLESS = [Scenario(point, "kill", ground, "keyless") for point in ("G3", "G5") for ground in GROUNDS]
LEASE = timedelta(seconds=IDEMPOTENCY_LEASE_SECONDS)


def play(stand: Stand) -> Played:
    """One request meets the point; its caller insists, at another gateway where there is one, until it has its 202."""
    with ThreadPoolExecutor(1) as pool:
        sender = stand.caller(stand.gateway)
        calling = pool.submit(stand.until_reached, lambda: _send_first(stand, sender))
        disturbed = _meet(stand, calling)
        retries = _insist(stand)
        if stand.victim.popen.poll() is not None:
            stand.restart()
        first = calling.result(SECONDS)
    stand.victim.wait_ready(SECONDS)
    again = [] if _is_keyless(stand.scenario) else _come_again(stand)
    return ended(stand, [*sender.calls, *retries, *again], disturbed, first=first, retries=[*retries, *again])


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
        _until_heard(lambda: caller.send(key=KEY))
    else:
        caller.insist(WORD, key=OTHER_KEY, seconds=SECONDS)
    return caller.calls


def _come_again(stand: Stand) -> list[Call]:
    """Try once more at the gateway that broke, and misuse the key there."""
    caller = stand.caller(stand.gateway)
    _until_heard(lambda: caller.send(idempotency_key=WORD, key=OTHER_KEY))
    misuse = _until_heard(lambda: caller.send(idempotency_key=WORD, key=OTHER_KEY, text=f"{TEXT} elsewhere"))
    assert misuse.status == 422, misuse.body
    return caller.calls[:-1]


def _until_heard(call: Callable[[], Call]) -> Call:
    """Call until there is an answer other than 503: a file may be too slow for the limits' 0.3 s."""
    heard: list[Call] = []

    def is_heard() -> bool:
        heard.append(call())
        return heard[-1].status not in (None, 503)

    until(is_heard, seconds=SECONDS, what="an answer")
    return heard[-1]


def _send_first(stand: Stand, caller: Caller) -> Call:
    if _is_keyless(stand.scenario):
        return caller.send(key=KEY, timeout=SECONDS)
    if stand.scenario.point != "G7" or stand.scenario.action == "sleep":
        return caller.send(key=OTHER_KEY, idempotency_key=WORD, timeout=SECONDS)
    caller.calls.append(_half_answered_call(stand))
    return caller.calls[-1]


def _half_answered_call(stand: Stand) -> Call:
    """Send the request by hand, to see what is on the wire when the connection ends: that is the Call's body."""
    place, body, began_at = urlsplit(stand.gateway.url), json.dumps(BODY).encode(), datetime.now(UTC)
    head = (
        f"POST /api/v1/sms/send HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"API-Key: {OTHER_KEY}\r\nIdempotency-Key: {WORD}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    seen = b""
    with socket.create_connection((place.hostname, place.port), SECONDS) as connection, suppress(ConnectionResetError):
        connection.sendall(head.encode() + body)
        while part := connection.recv(65536):
            seen += part
    client = str(stand.product.clients[OTHER_KEY]["id"])
    return Call(client_key=client, idempotency_key=WORD, asked=BODY, began_at=began_at, body=seen)


# --- what must have become of it --------------------------------------------------------------------------------------


@each_of(*scenarios("G1"))
def test_a_request_that_had_claimed_nothing_begins_anew(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_one_message(found)
    # Embedded, whoever slept goes on first, and its retry meets a claim.
    assert not _refusals(found) or (scenario.action, scenario.ground) == ("sleep", "embedded")
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
    assert found.used("one") >= 2


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
    assert found.used("one") >= 2


@pytest.mark.fault("F13", "I1 I3 I4 I5 I6")
@each_of(*scenarios("G6", "G7"))
def test_a_stored_answer_is_replayed(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_one_message(found)
    assert not _refusals(found)
    assert found.copies == 0
    if found.first and scenario.point == "G7" and scenario.action != "sleep":
        head, _, body = found.first.body.partition(b"\r\n\r\n")
        # A busy disk may have made the embedded set's answer a 503; half of that is worth a retry as well.
        assert head.startswith(
            (b"HTTP/1.1 202 ", b"HTTP/1.1 503 ") if scenario.ground == "embedded" else b"HTTP/1.1 202 "
        )
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
    refusals = _refusals(found)
    assert refusals <= {(409, accepted.tracking_id)}
    assert refusals or found.scenario.ground == "embedded"


def _refusals(found: Played) -> set[tuple[int, str | None]]:
    """What else the caller heard under its key, and which id was named. 503 says nothing about the key."""
    refused = [call for call in found.retries if call.status not in (None, 503) and not call.is_accepted]
    return {(call.status or 0, call.tracking_id) for call in refused}
