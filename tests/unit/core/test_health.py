"""Health: what opens a circuit, what closes it, and what neither does."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.failure import POLICIES, Health, Outcome
from smsgw.core.health import (
    CLOSE_AFTER,
    LONGEST_OPEN,
    MOST_COUNTRIES,
    Cell,
    Observed,
    ProviderHealth,
    Rules,
    State,
    update,
)

RULES = Rules()
NOW = 1_800_000_000.0
NEUTRAL = [each for each in Outcome if POLICIES[each].health is Health.NEUTRAL]

observed = st.builds(
    Observed,
    country=st.sampled_from(["DE", "BD", "IR"]),
    outcome=st.sampled_from(list(Outcome)),
    count=st.integers(1, 20),
    is_probe=st.booleans(),
)
story = st.lists(st.tuples(st.floats(0, 50), st.lists(observed, max_size=5)), max_size=30)


def saw(outcome: Outcome, count: int = 1, country: str = "DE", *, is_probe: bool = False) -> Observed:
    """Return outcomes of calls to one country."""
    return Observed(country, outcome, count, is_probe)


def after(
    *steps: tuple[float, list[Observed]], rules: Rules = RULES, start: ProviderHealth | None = None
) -> ProviderHealth:
    """Return the health after what was seen at these seconds."""
    health = start or ProviderHealth()
    for seconds, seen in steps:
        health = update(health, seen, NOW + seconds, rules)
    return health


def opened(rules: Rules = RULES) -> ProviderHealth:
    """Return a provider that has just failed ten times."""
    return after((0, [saw(Outcome.UNREACHABLE, 10)]), rules=rules)


# --- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("good", "bad", "state"), [(5, 5, State.OPEN), (6, 5, State.CLOSED), (0, 9, State.CLOSED)])
def test_it_opens_when_enough_of_enough_calls_fail(good: int, bad: int, state: State) -> None:
    health = after(
        (0, [saw(Outcome.ACCEPTED, good), saw(Outcome.UNREACHABLE, bad)] if good else [saw(Outcome.UNKNOWN, bad)])
    )

    assert health.whole.state is state


def test_it_says_why_and_until_when() -> None:
    health = opened()

    assert health.whole.reason == "10 of 10 calls failed within 60 s"
    assert (health.whole.since, health.whole.until) == (NOW, NOW + 30)
    assert health.allows("DE") is State.OPEN


def test_failures_that_have_left_the_window_do_not_count() -> None:
    assert after((0, [saw(Outcome.UNREACHABLE, 9)]), (66, [saw(Outcome.UNREACHABLE, 9)])).whole.state is State.CLOSED
    assert after((0, [saw(Outcome.UNREACHABLE, 9)]), (50, [saw(Outcome.UNREACHABLE, 1)])).whole.state is State.OPEN


def test_one_refusal_of_our_account_opens_at_once_for_all_countries() -> None:
    health = after((0, [saw(Outcome.ACCEPTED, 1000)]), (1, [saw(Outcome.CREDENTIALS, 1, "BD")]))

    assert health.whole.state is State.OPEN
    assert health.allows("DE") is State.OPEN
    assert health.whole.reason.startswith("credentials")


@given(st.sampled_from(NEUTRAL), st.integers(1, 1000))
def test_what_says_nothing_about_the_provider_changes_nothing(outcome: Outcome, count: int) -> None:
    before = after((0, [saw(Outcome.ACCEPTED, 3), saw(Outcome.UNKNOWN, 2)]))

    assert after((1, [saw(outcome, count)]), start=before) == before


# --- probing ----------------------------------------------------------------------------------------------------------


def test_it_is_half_open_when_its_time_has_come_and_closes_after_some_good_probes() -> None:
    assert after((29.9, []), start=opened()).whole.state is State.OPEN
    health = after((30, []), start=opened())
    assert health.whole.state is State.HALF_OPEN

    for number in range(CLOSE_AFTER):
        assert health.whole.state is State.HALF_OPEN
        health = after((31 + number, [saw(Outcome.ACCEPTED, is_probe=True)]), start=health)

    assert health.whole == Cell(since=NOW + 33, reason="10 of 10 calls failed within 60 s")


def test_each_failed_probe_doubles_the_wait_up_to_a_bound() -> None:
    health, waits = opened(), []
    for _ in range(6):
        seconds = health.whole.until - NOW
        health = after((seconds, []), (seconds, [saw(Outcome.UNREACHABLE, is_probe=True)]), start=health)
        waits.append(health.whole.until - NOW - seconds)

    assert waits == [60, 120, 240, 240, 240, 240]
    assert max(waits) == LONGEST_OPEN * RULES.open_seconds


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNREACHABLE, Outcome.UNKNOWN])
def test_who_left_before_it_opened_changes_nothing(outcome: Outcome) -> None:
    half_open = after((30, []), start=opened())

    assert after((5, [saw(outcome, 50)]), start=opened()).whole == opened().whole
    assert after((31, [saw(outcome, 50)]), start=half_open).whole == half_open.whole


def test_a_probe_that_is_throttled_tells_nothing_and_one_with_a_bad_number_is_as_good_as_any() -> None:
    half_open = after((30, []), start=opened())

    assert after((31, [saw(Outcome.THROTTLED, is_probe=True)]), start=half_open).whole == half_open.whole
    assert after((31, [saw(Outcome.INVALID_NUMBER, is_probe=True)]), start=half_open).whole.probes == 1


# --- countries --------------------------------------------------------------------------------------------------------


def test_a_country_alone_is_opened_while_the_provider_works_for_others() -> None:
    health = after((0, [saw(Outcome.ACCEPTED, 100), saw(Outcome.UNKNOWN, 50, "BD")]))

    assert (health.allows("BD"), health.allows("DE")) == (State.OPEN, State.CLOSED)
    assert (health.whole.good, health.whole.bad) == (100, 0)
    assert health.countries["BD"].reason == "50 of 50 calls failed within 60 s"


def test_who_is_not_reached_is_not_reached_for_any_country() -> None:
    health = after((0, [saw(Outcome.ACCEPTED, 15), saw(Outcome.UNREACHABLE, 20, "BD")]))

    assert health.whole.state is State.OPEN
    assert "BD" not in health.countries


def test_with_the_whole_open_its_countries_begin_anew() -> None:
    health = after((0, [saw(Outcome.UNKNOWN, 10, "DE"), saw(Outcome.UNKNOWN, 10, "BD")]))

    assert health.whole.state is State.OPEN
    assert health.countries == {}


def test_a_country_that_alone_fails_its_probe_does_not_keep_the_provider_from_the_others() -> None:
    # With too few calls to the others, the first failures opened the whole.
    health = after((0, [saw(Outcome.UNKNOWN, 10, "BD")]), (30, []))

    health = after(
        (31, [saw(Outcome.ACCEPTED, is_probe=True)]), (32, [saw(Outcome.UNKNOWN, 1, "BD", is_probe=True)]), start=health
    )
    assert (health.allows("DE"), health.allows("BD")) == (State.HALF_OPEN, State.OPEN)

    health = after(*((33 + n, [saw(Outcome.ACCEPTED, is_probe=True)]) for n in range(2)), start=health)
    assert (health.allows("DE"), health.allows("BD")) == (State.CLOSED, State.OPEN)
    assert health.countries["BD"].until == NOW + 62


@pytest.mark.parametrize(
    ("country", "outcome"), [("DE", Outcome.UNKNOWN), ("BD", Outcome.UNREACHABLE), ("BD", Outcome.CREDENTIALS)]
)
def test_a_probe_that_fails_for_more_than_one_country_opens_the_whole_again(country: str, outcome: Outcome) -> None:
    half_open = after((30, []), start=opened())

    health = after(
        (31, [saw(Outcome.ACCEPTED, is_probe=True)]), (32, [saw(outcome, 1, country, is_probe=True)]), start=half_open
    )

    assert health.whole.state is State.OPEN
    assert health.whole.until == NOW + 32 + 60


def test_of_too_many_countries_the_busiest_are_kept() -> None:
    names = [f"{first}{second}" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJ"]

    health = after((0, [saw(Outcome.ACCEPTED, number + 1, name) for number, name in enumerate(names)]))

    assert set(health.countries) == set(names[-MOST_COUNTRIES:])
    assert health.whole.good == sum(range(1, 101))


# --- whatever happens -------------------------------------------------------------------------------------------------


def _play(steps: list[tuple[float, list[Observed]]]) -> list[tuple[float, ProviderHealth]]:
    now, health, told = NOW, ProviderHealth(), []
    for gap, seen in steps:
        now += gap
        health = update(health, seen, now, RULES)
        told.append((now, health))
    return told


@given(story)
def test_every_state_makes_sense(steps: list[tuple[float, list[Observed]]]) -> None:
    for now, health in _play(steps):
        for cell in (health.whole, *health.countries.values()):
            assert 0 <= cell.probes < CLOSE_AFTER
            assert all(now - RULES.window_seconds - 5 < slot.number * 5 <= now for slot in cell.slots)
            assert all(slot.good >= 0 and slot.bad >= 0 for slot in cell.slots)
            if cell.state is State.OPEN:
                assert now < cell.until <= now + LONGEST_OPEN * RULES.open_seconds
            if cell.state is not State.CLOSED:
                assert cell.reason
                assert cell.openings >= 1
                assert cell.slots == ()
            else:
                assert cell.openings == 0


@given(story)
def test_it_survives_being_written_down(steps: list[tuple[float, list[Observed]]]) -> None:
    for _, health in _play(steps):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(health), type=ProviderHealth) == health


@given(story)
def test_nothing_opens_without_enough_failures_or_a_refused_account(steps: list[tuple[float, list[Observed]]]) -> None:
    bad = sum(each.count for _, seen in steps for each in seen if POLICIES[each.outcome].health is Health.FAILURE)
    is_refused = any(each.outcome is Outcome.CREDENTIALS for _, seen in steps for each in seen)

    if bad < RULES.failure_ratio * RULES.min_sample and not is_refused:
        assert all(health.whole.state is State.CLOSED for _, health in _play(steps))


@given(story, st.floats(0, 3600))
def test_a_provider_that_works_again_is_used_again(steps: list[tuple[float, list[Observed]]], later: float) -> None:
    told = _play(steps)
    now, health = told[-1] if told else (NOW, ProviderHealth())
    now += later + LONGEST_OPEN * RULES.open_seconds

    for number in range(2 * CLOSE_AFTER):
        is_probe = update(health, [], now + number, RULES).allows("DE") is State.HALF_OPEN
        health = update(health, [saw(Outcome.ACCEPTED, is_probe=is_probe)], now + number, RULES)

    assert health.allows("DE") is State.CLOSED


@given(st.lists(observed, max_size=8))
def test_a_clock_that_is_set_back_breaks_nothing(seen: list[Observed]) -> None:
    health = update(after((3600, [saw(Outcome.ACCEPTED, 5)])), seen, NOW, RULES)

    assert all(slot.number * 5 <= NOW for slot in health.whole.slots)


def test_a_clock_that_is_set_back_an_hour_does_not_keep_a_circuit_open_for_an_hour() -> None:
    opened = update(ProviderHealth(), [saw(Outcome.UNREACHABLE, RULES.min_sample)], NOW, RULES)
    assert opened.whole.state is State.OPEN

    assert update(opened, [], NOW - 1, RULES).whole.state is State.OPEN
    assert update(opened, [], NOW - 3600, RULES).whole.state is State.HALF_OPEN
