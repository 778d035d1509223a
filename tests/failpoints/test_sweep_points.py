"""A worker breaks at S1 and S2 while it picks up what waits for a retry: it is picked up once more, and sent once."""

from tests.failpoints.playing import Results, disturb, each_of, ended, scenarios
from tests.failpoints.scenarios import Played, Scenario
from tests.failpoints.stands import SECONDS, Stand


def play(stand: Stand) -> Played:
    """Nobody listens at the provider's address at first, so the message has to wait for another round."""
    caller = stand.caller(stand.gateway)
    tracking_id = caller.insist("waiting", seconds=SECONDS)
    stand.await_point()
    stand.open_provider()
    disturbed = disturb(stand)
    return ended(stand, caller.calls, disturbed, message=tracking_id)


@each_of(*scenarios("S1", "S2"))
def test_what_was_picked_up_is_picked_up_again_and_sent_once(scenario: Scenario, played: Results) -> None:
    """Nothing of a pick is there before its commit: no lease, no attempt. Embedded, whoever slept does commit it, and
    finds its lease over."""
    found = played(scenario)

    found.assert_survived()
    assert found.row().status == "SENT"
    assert found.accepts() == 1
    *before, last = found.outcomes()
    assert before[0] == "unreachable"
    assert last == "accepted"
    is_late = (scenario.point, scenario.action, scenario.ground) == ("S2", "sleep", "embedded")
    assert set(before) <= ({"unreachable", "absent"} if is_late else {"unreachable"})
