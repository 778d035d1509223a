"""What the story of a message says about the choice of its provider: the rule, and who was passed over."""

from typing import Any

import pytest

from smsgw.core.choice import MOST_TOLD, Choice, ChosenBy, PassedOver
from smsgw.core.decision import decide, start
from smsgw.core.failure import Outcome
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.routing import Candidates, Router, Strategy
from tests.unit.core.building import NOW, TIMERS, answer, message


def config(*, off: str = "", priority: int | None = None, is_draining: bool = False) -> ProviderConfig:
    return ProviderConfig(
        is_active=off != "inactive",
        is_operational=off != "not operational",
        is_draining=is_draining,
        priority=priority,
    )


WELL = {"A": config(priority=1), "B": config(priority=2), "C": config(priority=3)}


def why(chosen: str, configs: dict[str, ProviderConfig], strategy: Strategy, **about: Any) -> Choice:
    """Return what is told when `chosen` has a token and those before it had none."""
    ill = about.pop("ill", "")
    router = Router(Providers(configs), strategy=strategy, default_priority=100, allows=lambda name, _: name not in ill)
    asked = message(**about)
    names = router.candidates(asked.providers, prefer=asked.prefer, refused=asked.refused, country="DE")
    assert isinstance(names, Candidates)
    return router.why(chosen, names, message=asked, country="DE")


@pytest.mark.parametrize(
    ("chosen", "configs", "strategy", "about", "expected"),
    [
        ("A", WELL, Strategy.PRIORITY, {}, {"choice": "priority"}),
        ("A", WELL, Strategy.ROUND_ROBIN, {}, {"choice": "round_robin"}),
        ("A", WELL, Strategy.WEIGHTED, {}, {"choice": "weighted"}),
        ("B", WELL, Strategy.PRIORITY, {"providers": ("B",)}, {"choice": "exclusive"}),
        ("B", WELL, Strategy.PRIORITY, {"providers": ("B", "A")}, {"choice": "order"}),
        ("B", WELL, Strategy.PRIORITY, {"prefer": "B"}, {"choice": "prefer"}),
        ("B", WELL, Strategy.PRIORITY, {}, {"choice": "priority", "over": {"A": "at_limit"}}),
        ("B", WELL, Strategy.PRIORITY, {"ill": "A"}, {"choice": "priority", "over": {"A": "circuit_open"}}),
        ("A", WELL, Strategy.PRIORITY, {"ill": "C"}, {"choice": "priority"}),
        ("A", WELL, Strategy.ROUND_ROBIN, {"ill": "C"}, {"choice": "round_robin", "over": {"C": "circuit_open"}}),
        ("B", WELL, Strategy.PRIORITY, {"refused": ("A",)}, {"choice": "priority", "over": {"A": "refused_before"}}),
        ("A", WELL, Strategy.PRIORITY, {"prefer": "C"}, {"choice": "priority", "over": {"C": "at_limit"}}),
        (
            "A",
            {**WELL, "B": config(off="not operational"), "C": config(off="inactive")},
            Strategy.ROUND_ROBIN,
            {},
            {"choice": "round_robin", "over": {"B": "disabled"}},
        ),
        (
            "C",
            {**WELL, "A": config(is_draining=True), "B": config(off="inactive")},
            Strategy.PRIORITY,
            {"providers": ("A", "B", "C")},
            {"choice": "order", "over": {"A": "draining", "B": "disabled"}},
        ),
    ],
)
def test_the_rule_is_told_and_who_was_passed_over(
    chosen: str, configs: dict[str, ProviderConfig], strategy: Strategy, about: dict[str, Any], expected: dict[str, Any]
) -> None:
    said = why(chosen, configs, strategy, **about).details()

    assert said == expected


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    over = {f"p{number}": PassedOver.AT_LIMIT for number in range(MOST_TOLD + 3)}

    said = Choice(ChosenBy.PRIORITY, over).details()

    assert list(said["over"]) == [f"p{number}" for number in range(MOST_TOLD)]
    assert said["more"] == 3


def test_the_next_one_of_a_round_says_who_was_passed_over_since() -> None:
    choice = Choice(ChosenBy.PREFER, {}, ChosenBy.PRIORITY)
    begun, round_ = start(message(), Candidates("AC"), NOW, timers=TIMERS, jitter=1.0, choice=choice)
    assert begun.started is not None
    assert round_ is not None
    skipped = type(round_)(left=("C",), by=round_.by, over={"B": PassedOver.CIRCUIT_OPEN})

    change, left = decide(
        begun.message,
        begun.started,
        skipped,
        answer(Outcome.UNREACHABLE),
        NOW,
        timers=TIMERS,
        jitter=1.0,
        can_look_up=False,
    )

    assert begun.events[0].details == {"attempt": 1, "choice": "prefer"}
    assert change.events[1].details == {"attempt": 2, "choice": "priority", "over": {"B": "circuit_open"}}
    assert left is not None
    assert left.over == {}
