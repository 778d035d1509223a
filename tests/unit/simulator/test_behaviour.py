"""What happens to a message: magic endings first, then the dice."""

import random
from collections import Counter

import pytest

from smsgw.simulator.behaviour import MAGIC, Behaviour, behaviour_for, fate_of, in_outage, over_limit
from smsgw.simulator.outages import Outage
from smsgw.simulator.settings import Conduct, SimulatorSettings

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
    throws = [(number + 0.5) / 100 for number in range(100)]

    seen = Counter(behaviour_for(PLAIN, settings, lambda throw=throw: throw).status for throw in throws)  # type: ignore[misc]

    assert seen == {500: 10, 429: 20, 400: 30, 202: 40}


def test_accepted_messages_hang_and_report_by_their_rates() -> None:
    settings = SimulatorSettings(hang_rate=1, duplicate_report_rate=1)

    assert behaviour_for(PLAIN, settings, lambda: 0.5) == Behaviour(
        is_hanging=True, reports=("delivered", "delivered"), meaning=MAGIC["0010"].meaning
    )
    assert behaviour_for(PLAIN, SimulatorSettings(no_report_rate=1), lambda: 0.5).reports == ()


def test_the_same_seed_throws_the_same_dice() -> None:
    settings = SimulatorSettings(error_rate=0.5, hang_rate=0.5)

    first, second = (
        [behaviour_for(PLAIN, settings, dice) for _ in range(50)]
        for dice in (random.Random(3).random, random.Random(3).random)
    )

    assert first == second


def test_latency_spreads_around_its_mean_and_needs_no_dice_at_0() -> None:
    conduct = Conduct(latency=1, jitter=0.2, report_delay=0)

    slow, usual, fast = (fate_of(PLAIN, conduct, lambda value=value: value) for value in (0.999999, 0.5, 0))  # type: ignore[misc]

    assert [round(each.latency, 3) for each in (slow, usual, fast)] == [1.2, 1, 0.8]
    assert fate_of(PLAIN, Conduct(latency=0), lambda: 0.5).latency == 0


@pytest.mark.parametrize(
    ("rate", "reports"),
    [
        ("no_report_rate", ()),
        ("duplicate_report_rate", ("delivered", "delivered")),
        ("reordered_report_rate", ("delivered", "sent")),
        ("undelivered_rate", ("undelivered",)),
    ],
)
def test_reports_by_their_rates(rate: str, reports: tuple[str, ...]) -> None:
    assert behaviour_for(PLAIN, Conduct(**{rate: 1}), lambda: 0.5).reports == reports  # type: ignore[arg-type]


def test_reports_come_early_or_late_by_their_rates() -> None:
    early = behaviour_for(PLAIN, Conduct(early_report_rate=1), lambda: 0.5)
    late = fate_of(PLAIN, Conduct(late_report_rate=1, late_report_delay=77.0), lambda: 0.5)

    assert early.is_reported_first
    assert round(late.report_delay) == 77


def test_an_outage_goes_before_magic_and_a_slow_one_only_delays() -> None:
    fate = fate_of("+491510001", Conduct(latency=0), lambda: 0.5)

    down = in_outage(fate, Outage(kind="http_500", from_seconds=0, to_seconds=1))
    slow = in_outage(fate, Outage(kind="slow", from_seconds=0, to_seconds=1, slow_seconds=4))

    assert (down.behaviour.status, slow.behaviour.status) == (500, 400)
    assert slow.latency == fate.latency + 4


@pytest.mark.parametrize(("seconds", "told"), [(0.001, "1"), (1, "1"), (1.2, "2"), (30, "30")])
def test_retry_after_is_whole_seconds_and_at_least_one(seconds: float, told: str) -> None:
    throttled = over_limit(fate_of(PLAIN, Conduct(), lambda: 0.5), seconds)

    assert (throttled.behaviour.status, throttled.behaviour.retry_after) == (429, told)


def test_every_magic_number_says_what_it_means() -> None:
    assert [ending for ending, behaviour in MAGIC.items() if not behaviour.meaning] == []
