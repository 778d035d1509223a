"""A worker breaks at D1 to D4 with a delivery report in its hands: it is applied once, whoever has to repeat it."""

from tests.failpoints.playing import Results, disturb, each_of, ended, scenarios
from tests.failpoints.reporting import PATIENCE_SECONDS, deliver, deliver_until_taken, report_of
from tests.failpoints.scenarios import Played, Scenario
from tests.failpoints.stands import SECONDS, Stand
from tests.journey.calling import reaches
from tests.journey.product import KEY


def play(stand: Stand) -> Played:
    """A message is SENT; its report meets the point. Where it was stored before, the provider does not repeat it until
    the message is DELIVERED; it does then, as if it had not heard the answer."""
    caller = stand.caller(stand.gateway)
    tracking_id = caller.insist("reported", seconds=SECONDS)
    reaches(stand.worker, tracking_id, "SENT", key=KEY, seconds=SECONDS)
    report = report_of(stand, tracking_id)
    # Who only dies or fails answers, or is gone; on a busy machine that may take its time.
    patience = PATIENCE_SECONDS if stand.scenario.action == "sleep" else SECONDS
    first = deliver(stand.worker, report, patience=patience)
    disturbed = disturb(stand)
    if stand.scenario.point == "D1":
        deliver_until_taken(stand.other_worker, report)
    if stand.other_worker is stand.victim:
        stand.victim.wait_ready(SECONDS)
    reaches(stand.other_worker, tracking_id, "DELIVERED", key=KEY, seconds=SECONDS)
    stand.victim.wait_ready(SECONDS)
    deliver_until_taken(stand.worker, report)
    return ended(stand, caller.calls, disturbed, message=tracking_id, answered=first)


@each_of(*scenarios("D1", "D2"))
def test_a_report_without_an_answer_is_repeated_and_counts_once(scenario: Scenario, played: Results) -> None:
    found = played(scenario)

    _assert_applied_once(found)
    assert found.answered == (500 if scenario.action == "raise" else None)


@each_of(*scenarios("D3", "D4"))
def test_a_stored_report_is_applied_once_whoever_lives(scenario: Scenario, played: Results) -> None:
    """Its 200 may just not have left when the process died or froze."""
    found = played(scenario)

    _assert_applied_once(found)
    assert found.answered in ((200,) if scenario.action == "raise" else (200, None))


def _assert_applied_once(found: Played) -> None:
    found.assert_survived()
    assert found.row().status == "DELIVERED"
    # On a busy machine the call before all this may have been too slow for its deadline, and been looked up.
    told = [each for each in found.event_types() if each not in ("UNKNOWN", "LOOKED_UP")]
    assert told == ["PROCESSING", "SENT", "REPORT", "DELIVERED"]
    assert found.accepts() == 1
