"""Places where messages wait take turns, as the worker's lanes do."""

from uuid import UUID

from smsgw.strategies.load import Coming
from smsgw.strategies.timeline import START
from smsgw.strategies.trip import Place, Trip
from smsgw.strategies.waiting import Waiting

ONE, EITHER = Place(("A",)), Place(("A", "B"))


def _trip(number: int) -> Trip:
    coming = Coming(seconds=0.0, providers=(), country="DE", segments=1, ttl_seconds=None)
    return Trip(coming, number=number, now=START, default_ttl=60)


def test_a_place_that_was_served_lets_the_others_have_their_turn() -> None:
    waiting = Waiting()
    for number, place in enumerate((ONE, ONE, EITHER, EITHER)):
        waiting.put(_trip(number), place, is_first=False)
    before = waiting.in_turn("A")

    waiting.served(ONE)

    assert [ONE, EITHER] == before
    assert [EITHER, ONE] == waiting.in_turn("A")
    assert [EITHER] == waiting.in_turn("B")


def test_who_has_left_by_another_way_is_passed_over_and_holds_nobody_back() -> None:
    waiting = Waiting()
    gone, next_one = _trip(1), _trip(2)
    waiting.put(gone, ONE, is_first=False)
    waiting.put(next_one, ONE, is_first=False)
    gone.place = None

    front = waiting.front(ONE)
    next_one.place = None

    assert front is not None
    assert UUID(int=2) == front.message.tracking_id
    assert waiting.front(ONE) is None
    assert not waiting.is_held("A")
