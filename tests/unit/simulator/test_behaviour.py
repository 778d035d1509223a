"""What happens to a message: magic endings first, then the dice."""

import random
from collections import Counter

import pytest

from smsgw.simulator.behaviour import MAGIC, Behaviour, behaviour_for, latency
from smsgw.simulator.settings import SimulatorSettings

PLAIN = "+4915112345678"


def never() -> float:
    raise AssertionError("no dice are needed here")


@pytest.mark.parametrize("ending", sorted(MAGIC))
def test_a_magic_ending_needs_no_dice(ending: str) -> None:
    assert behaviour_for(f"+49151{ending}", SimulatorSettings(error_rate=1), never) is MAGIC[ending]


def test_magic_can_be_switched_off() -> None:
    assert behaviour_for("+491510001", SimulatorSettings(magic=False), lambda: 0.5) == Behaviour()


@pytest.mark.parametrize(
    ("rate", "status", "error_code"),
    [("error_rate", 500, "INTERNAL"), ("throttle_rate", 429, "THROTTLED"), ("reject_rate", 400, "REJECTED")],
)
def test_a_rate_of_one_refuses_everything(rate: str, status: int, error_code: str) -> None:
    settings = SimulatorSettings(**{rate: 1})  # type: ignore[arg-type]

    behaviour = behaviour_for(PLAIN, settings, lambda: 0.999)

    assert (status, error_code) == (behaviour.status, behaviour.error_code)


def test_rates_are_shares_of_all_messages() -> None:
    settings = SimulatorSettings(error_rate=0.1, throttle_rate=0.2, reject_rate=0.3)
    throws = iter(range(100))

    seen = Counter(behaviour_for(PLAIN, settings, lambda: (next(throws) + 0.5) / 100).status for _ in range(100))

    assert seen == {500: 10, 429: 20, 400: 30, 202: 40}


def test_accepted_messages_hang_and_report_by_their_rates() -> None:
    settings = SimulatorSettings(hang_rate=1, duplicate_report_rate=1)

    assert behaviour_for(PLAIN, settings, lambda: 0.5) == Behaviour(is_hanging=True, reports=2)
    assert behaviour_for(PLAIN, SimulatorSettings(no_report_rate=1), lambda: 0.5).reports == 0


def test_the_same_seed_throws_the_same_dice() -> None:
    settings = SimulatorSettings(error_rate=0.5, hang_rate=0.5)

    first, second = (
        [behaviour_for(PLAIN, settings, dice) for _ in range(50)]
        for dice in (random.Random(3).random, random.Random(3).random)
    )

    assert first == second


def test_latency_spreads_around_its_mean_and_is_never_negative() -> None:
    settings = SimulatorSettings(latency=1, jitter=0.2)

    assert [latency(settings, lambda value=value: value) for value in (0, 0.5, 1)] == [0.8, 1, 1.2]  # type: ignore[misc]
    assert latency(SimulatorSettings(latency=1, jitter=5), lambda: 0) == 0
    assert latency(SimulatorSettings(latency=0), never) == 0
