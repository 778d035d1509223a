"""Who waits is served: when there are tokens again, a slot, a circuit that lets somebody through."""

from collections.abc import Callable

from smsgw.core.pace_rules import BATCH, Room
from smsgw.strategies.calls import Calls
from smsgw.strategies.pacing import Pacer
from smsgw.strategies.timeline import Timeline
from smsgw.strategies.trip import Place, Trip
from smsgw.strategies.waiting import Waiting

_CIRCUITS = ""
"""Among the providers whose messages wait for a slot: those that wait for a circuit. No provider has this name."""


class Server:
    """The worker's sweep over its lanes, which take turns, without the waiting in between."""

    def __init__(
        self,
        waiting: Waiting,
        calls: Calls,
        pacer: Pacer,
        *,
        time: Timeline,
        slots: Callable[[], int],
        cost: Callable[[str, Trip], int],
        start: Callable[[Trip], None],
    ) -> None:
        """`start` begins a round, or lets the message go on waiting as the first of its place."""
        self._waiting = waiting
        self._calls = calls
        self._pacer = pacer
        self._time = time
        self._slots = slots
        self._cost = cost
        self._start = start
        self._stalled: dict[str, None] = {}
        """Providers with tokens for somebody who waits, and no slot."""
        self._wakes: dict[str, float] = {}

    def put(self, trip: Trip, place: Place, *, is_first: bool) -> None:
        """Let a message wait, and wake it when one of its providers has tokens."""
        self._waiting.put(trip, place, is_first=is_first)
        if not place.country:
            for name in place.providers:
                self._wake(name)

    def stalled(self, name: str) -> None:
        """Note that a provider may have room for who waits; `serve_stalled` looks."""
        self._stalled[name] = None

    def serve_stalled(self) -> None:
        """Serve who only waited for a slot."""
        while self._slots() and self._stalled:
            name = next(iter(self._stalled))
            del self._stalled[name]
            self._serve(name) if name else self.serve_circuits()

    def serve_circuits(self) -> None:
        """Let those look again who wait for a circuit; the first who still may not leave speaks for all behind him."""
        for place in self._waiting.behind_circuits():
            while self._waiting.front(place):
                if not self._slots():
                    self._stalled[_CIRCUITS] = None
                    return
                trip = self._waiting.pop(place)
                self._start(trip)
                if trip.place == place:
                    break

    def serve_neighbours(self, name: str) -> None:
        """Serve who waits for this provider or for another one, now that this one is known to hang."""
        for each in dict.fromkeys(each for place in self._waiting.in_turn(name) for each in place.providers):
            self._serve(each)

    def _wake(self, name: str) -> None:
        """Serve who waits for this provider when it has tokens again."""
        wait = self._pacer.waits_seconds(name)
        at = self._time.seconds + wait
        if wait > 0 and not self._time.seconds < self._wakes.get(name, 0.0) <= at:
            self._wakes[name] = at
            self._time.at(at, self._serve, name)

    def _serve(self, name: str) -> None:
        """Let the places where somebody waits for this provider take turns while there are slots and tokens."""
        has_moved = True
        while has_moved:
            has_moved = False
            for place in self._waiting.in_turn(name):
                started, has_more = self._serve_place(name, place)
                if started:
                    self._waiting.served(place)
                    has_moved = True
                if not has_more:
                    return

    def _serve_place(self, name: str, place: Place) -> tuple[int, bool]:
        """Begin rounds of those who wait there; return how many, and whether there may be room for others."""
        started = 0
        while started < BATCH and (trip := self._waiting.front(place)) is not None:
            if not self._slots():
                self._stalled[name] = None
                return started, False
            if self._calls.room(name) is not Room.FREE:
                return started, False  # the end of a call serves them
            wanted = min(self._waiting.count(place), self._slots(), BATCH)
            if not self._pacer.has(name, trip.worker, self._cost(name, trip), wanted=wanted):
                self._wake(name)
                return started, False
            self._start(self._waiting.pop(place))
            if trip.place == place:
                break  # he waits for another one, who is busy
            started += 1
        return started, True
