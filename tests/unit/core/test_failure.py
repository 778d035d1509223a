"""The failure table, row by row, as design.md has it."""

import pytest

from smsgw.core.failure import POLICIES, Health, Outcome

_TABLE = [
    (Outcome.ACCEPTED, False, False, Health.SUCCESS),
    (Outcome.INVALID_NUMBER, False, False, Health.NEUTRAL),
    (Outcome.OPTED_OUT, False, False, Health.NEUTRAL),
    (Outcome.REJECTED, False, True, Health.NEUTRAL),
    (Outcome.CREDENTIALS, True, True, Health.OPENS_CIRCUIT),
    (Outcome.THROTTLED, True, True, Health.NEUTRAL),
    (Outcome.UNREACHABLE, True, True, Health.FAILURE),
    (Outcome.UNKNOWN, False, False, Health.FAILURE),
    (Outcome.ABSENT, True, False, Health.NEUTRAL),
]


@pytest.mark.parametrize(("outcome", "same_later", "another_now", "health"), _TABLE)
def test_each_outcome_means_what_the_design_says(
    outcome: Outcome, same_later: bool, another_now: bool, health: Health
) -> None:
    policy = POLICIES[outcome]

    assert (same_later, another_now, health) == (policy.same_later, policy.another_now, policy.health)


def test_every_outcome_has_a_row() -> None:
    assert set(Outcome) == set(POLICIES) == {row[0] for row in _TABLE}
