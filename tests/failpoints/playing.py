"""How scenarios are played: all of a module side by side, each to the moment when everything is quiet again."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest

from tests.failpoints.scenarios import ACTIONS, GROUNDS, Played, Scenario, violations
from tests.failpoints.stands import SECONDS, Stand
from tests.invariants import Books, Call, Violation
from tests.journey.process import until

SIDE_BY_SIDE = 6
"""More would have to share two cores while they start, and a hundred connections of PostgreSQL."""

Play = Callable[[Stand], Played]
Results = Callable[[Scenario], Played]


def scenarios(*points: str) -> list[Scenario]:
    """Return every action at each of the points on both sets."""
    return [Scenario(*each) for each in product(points, ACTIONS, GROUNDS)]


def each_of(*chosen: Scenario) -> pytest.MarkDecorator:
    """Give a test one of the scenarios at a time."""
    return pytest.mark.parametrize("scenario", chosen, ids=str)


@contextmanager
def side_by_side(request: pytest.FixtureRequest, play: Callable[[Scenario], Played]) -> Iterator[Results]:
    """Start every scenario that tests of this module ask for, a few at a time, in the tests' order; gives a function
    that waits for one of them."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        started = {each: pool.submit(play, each) for each in _asked_for(request)}
        try:
            yield lambda scenario: started[scenario].result()
        finally:
            for each in started.values():
                each.cancel()


def _asked_for(request: pytest.FixtureRequest) -> list[Scenario]:
    here = [each for each in request.session.items if isinstance(each, pytest.Function) and each.path == request.path]
    asked = [each.callspec.params["scenario"] for each in here if hasattr(each, "callspec")]
    return list(dict.fromkeys(each for each in asked if isinstance(each, Scenario)))


def disturb(stand: Stand) -> tuple[int | None, bool]:
    """Wait until the point is reached, and see the process through it; return how it ended and whether it froze."""
    stand.await_point()
    action = stand.scenario.action
    if action == "kill":
        code = stand.await_death()
        stand.restart()
        return code, False
    return None, action == "sleep" and stand.is_frozen()


def ended(stand: Stand, calls: Sequence[Call], disturbed: tuple[int | None, bool], **what: Any) -> Played:
    """Wait until every promise is kept; return that, how the process was disturbed, and `what` else was seen."""
    code, was_frozen = disturbed
    books, broken = _heal(stand, calls)
    return Played(
        scenario=stand.scenario,
        books=books,
        violations=broken,
        reached=stand.reached(),
        code=code,
        was_frozen=was_frozen,
        lines=stand.lines(),
        **what,
    )


def _heal(stand: Stand, calls: Sequence[Call]) -> tuple[Books, list[Violation]]:
    """Wait until every promise is kept; return the books and what is broken when the time is over."""
    stand.victim.wait_ready(SECONDS)
    found: list[tuple[Books, list[Violation]]] = []

    def is_healed() -> bool:
        books = stand.books(calls)
        found[:] = [(books, violations(books, stand.scenario))]
        return not found[0][1] and _is_done(books)

    try:
        until(is_healed, seconds=SECONDS, what="healed", every=0.4)
    except AssertionError:
        if not found[0][1]:
            raise
    return found[0]


def _is_done(books: Books) -> bool:
    return all(row.status in ("SENT", "DELIVERED", "FAILED") for row in books.rows or ())
