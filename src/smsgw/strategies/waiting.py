"""Where messages wait that nobody may be asked about now: first come, first served, in places that take turns."""

from collections import deque

from smsgw.strategies.trip import Place, Trip


class Waiting:
    """The queues of all places. Who has left a place by another way (its life was over) is passed over."""

    def __init__(self) -> None:
        self._queues: dict[Place, deque[Trip]] = {}
        self._at_limit: dict[str, dict[Place, None]] = {}
        """The places where somebody waits, or waited, for this provider's tokens; who was served last is at the end, as
        with the worker's lanes."""

    def put(self, trip: Trip, place: Place, *, is_first: bool) -> None:
        """Let a message wait; one that only could not leave yet stays the first."""
        trip.place = place
        queue = self._queues.get(place) or self._opened(place)
        if is_first:
            queue.appendleft(trip)
        else:
            queue.append(trip)

    def front(self, place: Place) -> Trip | None:
        """Return who has waited longest there."""
        queue = self._queues.get(place)
        while queue and queue[0].place != place:
            queue.popleft()
        return queue[0] if queue else None

    def is_held(self, provider: str) -> bool:
        """Whether somebody waits for this provider's tokens: who comes later may not take them."""
        return any(self.front(place) for place in self._at_limit.get(provider, ()))

    def in_turn(self, provider: str) -> list[Place]:
        """Return the places where somebody waits for this provider's tokens, in the order of their turns."""
        return [place for place in self._at_limit.get(provider, ()) if self.front(place)]

    def served(self, place: Place) -> None:
        """Let the other places have their turn before this one."""
        for name in place.providers:
            places = self._at_limit[name]
            del places[place]
            places[place] = None

    def count(self, place: Place) -> int:
        """How many wait there, about."""
        return len(self._queues.get(place, ()))

    def pop(self, place: Place) -> Trip:
        """Take the first one out."""
        return self._queues[place].popleft()

    def behind_circuits(self) -> list[Place]:
        """Return the places where somebody waits for a circuit."""
        return [place for place in self._queues if place.country and self.front(place)]

    def _opened(self, place: Place) -> deque[Trip]:
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = deque()
            for name in () if place.country else place.providers:
                self._at_limit.setdefault(name, {})[place] = None
        return queue
