"""Who hears what a worker states."""

from typing import Any

from smsgw.core.events import Crashed, DependencyBack
from smsgw.wiring.operations import heard_by

FACT = DependencyBack(dependency="database")


def test_everybody_hears_every_fact() -> None:
    one: list[Any] = []
    other: list[Any] = []

    heard_by(one.append, other.append)(FACT)

    assert [FACT] == one == other


def test_a_listener_that_fails_is_told_and_never_felt() -> None:
    facts: list[Any] = []

    def fail(_fact: Any, /) -> None:
        raise ZeroDivisionError

    heard_by(facts.append, fail)(FACT)

    assert [DependencyBack, Crashed] == [type(fact) for fact in facts]
