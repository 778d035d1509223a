"""A worker breaks at W1 to W8 with a message in its hands: it is one row, sent once, and comes to its end."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.failpoints.playing import Results, disturb, each_of, ended, scenarios
from tests.failpoints.reporting import deliver_until_taken, report_of
from tests.failpoints.scenarios import Played, Scenario
from tests.failpoints.stands import SECONDS, Stand
from tests.journey.process import until

WORD = "in-its-hands"
TTL_SECONDS = 16
"""Longer than the lease: with `hold` a message ends by its time."""
LATE = ("W2", "W3", "W4", "W5", "W6")
"""Where a worker that slept past its lease still has something to settle."""
HELD = [Scenario("W4", "kill", "production", "hold"), Scenario("W5", "kill", "embedded", "hold")]
HELD += [Scenario(point, "kill", "production", "hold") for point in ("W5", "W6")]
REPORTED = [Scenario(point, "kill", "production", "report") for point in ("W5", "W6")]


def play(stand: Stand) -> Played:
    """A message meets the point, another one follows. A caller who got no answer under its key insists."""
    caller = stand.caller(stand.gateway)
    body: dict[str, Any] = {"ttl_seconds": TTL_SECONDS} if stand.scenario.variant == "hold" else {}
    with ThreadPoolExecutor(1) as pool:
        send = partial(caller.send, idempotency_key=WORD, timeout=SECONDS, **body)
        calling = pool.submit(stand.until_reached, send)
        disturbed = disturb(stand)
        calling.result(SECONDS)
    caller.send(timeout=SECONDS, **body)
    tracking_id = caller.insist(WORD, seconds=SECONDS, **body)
    if stand.scenario.variant == "report":
        deliver_until_taken(stand.worker, report_of(stand, tracking_id))
    _, was_frozen = disturbed
    if was_frozen and stand.scenario.point in LATE and stand.other_worker is not stand.victim:
        until(lambda: "outcome.late" in stand.lines(), seconds=SECONDS, what="a late outcome", every=0.4)
    return ended(stand, caller.calls, disturbed, message=tracking_id)


@pytest.mark.fault("F29", "I1 I3 I4 I7")
@each_of(*scenarios("W1"))
def test_what_was_not_inserted_is_delivered_again(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_sent_once(found)
    if scenario.action != "sleep":
        assert found.outcomes() == ["accepted"]
        assert "UNKNOWN" not in found.event_types()


@pytest.mark.fault("F29", "I1 I3 I4 I7")
@each_of(*scenarios("W2"))
def test_what_was_inserted_is_one_row_when_it_is_delivered_again(scenario: Scenario, played: Results) -> None:
    """Its lease runs out, for nobody knows that it was not begun."""
    found = played(scenario)

    _assert_sent_once(found)
    assert _was_not_called(found)
    if scenario.action != "sleep":
        assert found.copies >= 1


@each_of(*scenarios("W3"))
def test_what_was_acknowledged_is_settled_when_its_lease_is_over(scenario: Scenario, played: Results) -> None:
    """Its call may just have begun."""
    found = played(scenario)

    _assert_sent_once(found)
    assert found.outcomes() == ["accepted"] or _was_not_called(found)
    if scenario.action == "kill":
        assert "UNKNOWN" in found.event_types()


@pytest.mark.fault("F30", "I1 I3 I4 I7")
@each_of(*[each for each in scenarios("W4") if each.action != "sleep"])
def test_what_was_never_sent_is_unknown_then_absent_then_sent(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_sent_once(found)
    assert found.outcomes() == ["absent", "accepted"]
    types = found.event_types()
    assert types[:2] == ["PROCESSING", "UNKNOWN"]
    assert types.index("LOOKED_UP") < types.index("RETRY_SCHEDULED")
    assert not any(event.details.get("duplicate_risk") for event in found.events())


@pytest.mark.fault("F31", "I1 I3 I4 I7")
@each_of(*[each for each in scenarios("W5", "W6") if each.action != "sleep"])
def test_what_the_provider_took_is_found_by_asking_it(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_sent_once(found)
    assert found.outcomes() == ["accepted"]
    assert found.event_types()[:2] == ["PROCESSING", "UNKNOWN"]
    assert found.event_types()[-1] == "SENT"


@pytest.mark.fault("F31", "I1 I3 I4 I7 I8")
@each_of(*REPORTED)
def test_what_the_provider_took_is_settled_by_its_report(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    found.assert_survived()
    assert found.row().status == "DELIVERED"
    assert found.outcomes() == ["accepted"]
    assert found.accepts() == 1


@pytest.mark.fault("F31", "I1 I3 I7")
@each_of(*HELD)
def test_what_nobody_can_know_is_never_sent_again_with_hold(scenario: Scenario, played: Results) -> None:
    """The provider cannot be asked. At W4 it never had the message, and that nobody can know either."""
    found = played(scenario)

    found.assert_survived()
    assert (found.row().status, found.row().reason) == ("FAILED", "outcome_unknown")
    assert found.outcomes() == ["unknown"]
    assert found.accepts() == (0 if scenario.point == "W4" else 1)


@pytest.mark.fault("F32", "I1 I3 I4 I7")
@each_of(*[each for each in scenarios("W4", "W5", "W6") if each.action == "sleep"])
def test_a_worker_that_slept_past_its_lease_changes_nothing(scenario: Scenario, played: Results) -> None:
    """It looks at its lease before it calls, and its fence is no longer the message's when it settles."""
    found = played(scenario)

    _assert_sent_once(found)
    assert _was_not_called(found) if scenario.point == "W4" else found.outcomes() == ["accepted"]
    if scenario.ground == "production":
        assert "outcome.late" in found.lines


@each_of(*scenarios("W7"))
def test_a_commit_under_way_counts_or_does_not(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_sent_once(found)
    assert found.outcomes() == ["accepted"]


@each_of(*scenarios("W8"))
def test_a_committed_outcome_stands(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_sent_once(found)
    assert found.outcomes() == ["accepted"]
    assert found.event_types() == ["PROCESSING", "SENT"]


def _was_not_called(found: Played) -> bool:
    """Whether the attempt that met the point never left: another worker took the message over, or whoever slept saw by
    itself that its lease had run short."""
    *before, last = found.outcomes()
    return bool(before) and set(before) <= {"absent", "unreachable"} and last == "accepted"


def _assert_sent_once(found: Played) -> None:
    """Every promise is kept, and the provider took each message once."""
    found.assert_survived()
    rows = found.books.rows or ()
    assert [row.status for row in rows] == ["SENT"] * len(rows)
    assert [found.accepts(row.tracking_id) for row in rows] == [1] * len(rows)
