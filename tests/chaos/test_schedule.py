"""The schedule is its seed's, and only breaks what is whole."""

from itertools import pairwise

import pytest

from tests.chaos.schedule import FOREMOST, MENU, REST, schedule


def test_a_seed_replays() -> None:
    assert schedule(7, 60) == schedule(7, 60)


def test_seeds_differ() -> None:
    assert len({schedule(seed, 60) for seed in range(50)}) == 50


@pytest.mark.parametrize("seconds", [5, 20, 60, 600])
def test_faults_end_with_the_load_and_let_a_component_rest(seconds: float) -> None:
    for seed in range(20):
        faults = schedule(seed, seconds)

        assert faults
        assert [each.at for each in faults] == sorted(each.at for each in faults)
        assert all(each.at + each.seconds <= seconds + 0.01 for each in faults)
        for component in MENU:
            own = [each for each in faults if each.component == component]
            assert all(later.at >= former.at + former.seconds + REST - 0.01 for former, later in pairwise(own))


def test_a_minute_has_many_faults_and_almost_all_of_the_foremost() -> None:
    for seed in range(20):
        faults = schedule(seed, 60)

        assert len(faults) >= 14
        assert len(set(FOREMOST) - {(each.component, each.kind) for each in faults}) <= 2


def test_ten_minutes_have_all_there_is() -> None:
    cards = {(component, kind) for component, kinds in MENU.items() for kind in kinds}

    assert {(each.component, each.kind) for each in schedule(1, 600)} == cards
