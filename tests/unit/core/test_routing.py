"""Whom a message may be sent through, in which order."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.message import Reason
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.routing import NoCandidate, Router, Strategy


def _router(strategy: Strategy = Strategy.PRIORITY, /, **providers: dict[str, Any]) -> Router:
    usable = {"is_active": True, "is_operational": True}
    configs = {name: ProviderConfig(**{**usable, **fields}) for name, fields in providers.items()}
    return Router(Providers(configs), strategy=strategy, default_priority=100)


_OFF: dict[str, Any] = {"is_active": False}
_BROKEN: dict[str, Any] = {"is_operational": False}


def test_exclusive_is_never_overridden() -> None:
    router = _router(A=_OFF, B={})

    assert NoCandidate(Reason.PROVIDER_DISABLED, is_final=True) == router.candidates(["A"], prefer=None)
    assert router.candidates(["B"], prefer=None) == ("B",)
    assert NoCandidate(Reason.PROVIDER_DISABLED, is_final=True) == router.candidates(["nobody"], prefer=None)


def test_prioritised_keeps_the_callers_order_and_skips_the_disabled() -> None:
    router = _router(A={}, B=_BROKEN, C={"priority": 1})

    assert router.candidates(["C", "B", "A"], prefer=None) == ("C", "A")
    assert router.candidates(["A", "C"], prefer=None) == ("A", "C")


def test_prioritised_with_nobody_left_is_final() -> None:
    router = _router(A=_OFF, B=_BROKEN, C={})

    assert NoCandidate(Reason.ALL_PROVIDERS_DISABLED, is_final=True) == router.candidates(["A", "B"], prefer=None)


@pytest.mark.parametrize("strategy", Strategy)
def test_smart_selection_with_nobody_may_wait(strategy: Strategy) -> None:
    router = _router(strategy, A=_OFF, B=_BROKEN)

    assert NoCandidate(Reason.NO_PROVIDER_AVAILABLE, is_final=False) == router.candidates([], prefer=None)


def test_priority_lower_first_default_in_between_ties_as_configured() -> None:
    router = _router(D={"priority": 101}, A={}, C={"priority": 99}, B={}, E={"priority": 0}, F=_OFF)

    assert router.candidates([], prefer=None) == ("E", "C", "A", "B", "D")


def test_a_resend_asks_the_same_provider_first() -> None:
    router = _router(A={}, B={}, C=_OFF)

    assert router.candidates([], prefer="B") == ("B", "A")
    assert router.candidates(["A", "B"], prefer="B") == ("B", "A")
    assert router.candidates([], prefer="C") == ("A", "B")


def test_round_robin_takes_turns_and_fails_over_to_the_others() -> None:
    router = _router(Strategy.ROUND_ROBIN, A={}, B={}, C={})

    rounds = [router.candidates([], prefer=None) for _ in range(4)]

    assert rounds == [("A", "B", "C"), ("B", "C", "A"), ("C", "A", "B"), ("A", "B", "C")]


def test_weighted_is_smooth() -> None:
    router = _router(Strategy.WEIGHTED, A={"weight": 5}, B={"weight": 1}, C={"weight": 1})

    first = [router.candidates([], prefer=None)[0] for _ in range(7)]  # type: ignore[index]

    assert "".join(first) == "AABACAA"


def test_all_weights_zero_takes_turns() -> None:
    router = _router(Strategy.WEIGHTED, A={"weight": 0}, B={"weight": 0})

    assert [router.candidates([], prefer=None) for _ in range(2)] == [("A", "B"), ("B", "A")]


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6).filter(any), st.integers(1, 3))
def test_weighted_is_exact_over_every_whole_cycle(weights: list[int], cycles: int) -> None:
    configs = {f"P{number}": {"weight": weight} for number, weight in enumerate(weights)}
    router = _router(Strategy.WEIGHTED, **configs)

    chosen = [router.candidates([], prefer=None) for _ in range(sum(weights) * cycles)]

    firsts = Counter(each[0] for each in chosen if isinstance(each, tuple))
    assert {name: config["weight"] * cycles for name, config in configs.items() if config["weight"]} == firsts
    assert all(set(each) == set(configs) for each in chosen if isinstance(each, tuple))


@given(
    wanted=st.lists(st.sampled_from("ABCD"), unique=True),
    usable=st.sets(st.sampled_from("ABCD")),
    strategy=st.sampled_from(Strategy),
    prefer=st.none() | st.sampled_from("ABCD"),
)
def test_a_candidate_is_wanted_usable_and_named_once(
    wanted: list[str], usable: set[str], strategy: Strategy, prefer: str | None
) -> None:
    router = _router(strategy, **{name: {"is_active": name in usable} for name in "ABCD"})

    candidates = router.candidates(wanted, prefer=prefer)

    expected = usable & set(wanted or "ABCD")
    assert expected == (set() if isinstance(candidates, NoCandidate) else set(candidates))
    assert isinstance(candidates, NoCandidate) or len(candidates) == len(set(candidates))


_DRAINING: dict[str, Any] = {"is_draining": True}


@pytest.mark.parametrize("strategy", Strategy)
def test_smart_selection_gives_a_draining_provider_nothing(strategy: Strategy) -> None:
    router, alone = _router(strategy, A=_DRAINING, B={}), _router(strategy, A=_DRAINING)

    assert ("B",) == router.candidates([], prefer="A")
    assert NoCandidate(Reason.NO_PROVIDER_AVAILABLE, is_final=False) == alone.candidates([], prefer=None)


def test_what_can_go_only_through_a_draining_provider_is_sent() -> None:
    router = _router(A=_DRAINING, B={}, C=_OFF, D={**_OFF, **_DRAINING})

    assert ("A",) == router.candidates(["A"], prefer=None)
    assert ("A",) == router.candidates(["C", "A"], prefer=None)
    assert ("B",) == router.candidates(["A", "B"], prefer=None)
    assert ("A",) == router.candidates(["A", "B"], prefer=None, refused=["B"])
    assert NoCandidate(Reason.PROVIDER_DISABLED, is_final=True) == router.candidates(["D"], prefer=None)
