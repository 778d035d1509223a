"""One strategy over a whole profile: what the workers do, on simulated time, with the core's own decisions.

The steps are those of worker/planning.py, dispatch.py, sweep.py and lanes.py. What is simpler: all workers share one
pool of slots and know the same at the same time, the store costs nothing, and no delivery reports come.
"""

from collections import deque
from collections.abc import Callable, Iterator
from random import Random

import msgspec

from smsgw.core.decision import LookUpDue, Round, after_look_up, decide, ended, start, when_due
from smsgw.core.failure import POLICIES, LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lanes import lane_of
from smsgw.core.lifecycle import Change, park
from smsgw.core.message import Attempt, Reason, Status
from smsgw.core.pace_rules import Room
from smsgw.core.providers import Providers, RateUnit
from smsgw.core.routing import Candidates, NoCandidate, Router
from smsgw.strategies.calls import Calls
from smsgw.strategies.carrier import Carrier
from smsgw.strategies.cases import Case
from smsgw.strategies.circuits import Circuits
from smsgw.strategies.load import Coming
from smsgw.strategies.pacing import Pacer
from smsgw.strategies.reading import configs
from smsgw.strategies.serving import Server
from smsgw.strategies.tally import Tally
from smsgw.strategies.timeline import Timeline
from smsgw.strategies.trip import Place, Trip
from smsgw.strategies.waiting import Waiting


class Replay:
    """Runs once. `told` hears how many messages have ended."""

    def __init__(self, case: Case, *, seed: int, told: Callable[[int], None] = lambda _count: None) -> None:
        settings = case.settings
        self.tally = Tally()
        self._told = told
        self._settings = settings
        self._timers = case.timers
        self._time = Timeline()
        self._dice = Random(f"{seed}:jitter").random  # noqa: S311  (no secret: the same seed shall end the same)
        self._models = case.providers
        self._carriers = {
            name: Carrier(name, model, timeout_seconds=settings.provider_timeout_seconds, seed=seed)
            for name, model in case.providers.items()
        }
        self._circuits = Circuits(
            case.providers, case.rules, time=self._time, changed=lambda: self._server.serve_circuits()
        )
        self._router = Router(
            Providers(configs(case.providers)),
            strategy=case.strategy,
            default_priority=settings.provider_default_priority,
            allows=self._circuits.allows,
        )
        self._pacer = Pacer(case.limits, case.total_limit, workers=case.workers, time=self._time)
        self._workers = case.workers
        self._free = case.workers * settings.worker_max_in_flight
        self._calls = Calls(
            case.providers, slots=self._free, time=self._time, changed=lambda name: self._server.serve_neighbours(name)
        )
        self._ready: deque[Trip] = deque()
        """Who only wants a slot: what is still in the broker, and retries that are due."""
        self._waiting = Waiting()
        self._server = Server(
            self._waiting,
            self._calls,
            self._pacer,
            time=self._time,
            slots=lambda: self._free,
            cost=self._cost,
            start=lambda trip: self._start(trip, has_waited=True),
        )
        self._arrivals = 0

    def run(self, coming: Iterator[Coming]) -> Tally:
        """Replay until every message has ended."""
        self._expect(coming)
        self._time.run()
        return self.tally

    # --- messages come, and want a slot -----------------------------------------------------------------------------

    def _expect(self, coming: Iterator[Coming]) -> None:
        each = next(coming, None)
        if each is not None:
            self._time.at(each.seconds, self._arrive, each, coming)

    def _arrive(self, each: Coming, coming: Iterator[Coming]) -> None:
        self._expect(coming)
        self._arrivals += 1
        trip = Trip(each, number=self._arrivals, now=self._time.now, default_ttl=self._settings.default_ttl_seconds)
        trip.worker = self._arrivals % self._workers
        self._want_slot(trip)

    def _want_slot(self, trip: Trip) -> None:
        if self._free:
            self._start(trip)
        else:
            self._ready.append(trip)

    def _slot_is_free(self) -> None:
        self._free += 1
        while self._free and self._ready:
            self._start(self._ready.popleft())
        self._server.serve_stalled()

    # --- a round begins, or its message waits -----------------------------------------------------------------------

    def _start(self, trip: Trip, *, has_waited: bool = False) -> None:
        """Begin a round with the first candidate that has room. Who `has_waited` is served before all others."""
        message, now = trip.message, self._time.now
        over = ended(message, now, timers=self._timers)
        if over is not None:
            self._rest(trip, over)
            return
        names = self._candidates(trip)
        if isinstance(names, Candidates):
            first = None if names.is_open else self._take_first(names, trip, has_waited=has_waited)
            if first is None:
                self._park(trip, names, is_first=has_waited)
                return
            names = Candidates((first, *(name for name in names if name != first)))
        change, round_ = start(message, names, now, timers=self._timers, jitter=self._dice())
        if change.started is None:
            self._rest(trip, change)
            return
        self._free -= 1
        self._call(trip, change, round_)

    def _candidates(self, trip: Trip) -> Candidates | NoCandidate:
        message = trip.message
        names = self._router.candidates(
            message.providers, prefer=message.prefer, refused=message.refused, country=trip.country
        )
        # In the lane of one provider, after another one of its round refused it: only that one shall be asked.
        is_awaiting = message.lane is not None and message.lane == message.prefer
        prefer = message.prefer if message.duplicate_risk or is_awaiting else None
        if prefer is None or not isinstance(names, Candidates) or prefer not in names:
            return names
        # Another provider would send it a second time for certain.
        return type(names)((prefer,))

    def _take_first(self, names: tuple[str, ...], trip: Trip, *, has_waited: bool) -> str | None:
        for name in names:
            if not has_waited and self._waiting.is_held(name):
                continue
            if self._take(name, trip):
                return name
            if self._calls.room(name) is Room.BUSY:
                return None
        return None

    def _take(self, name: str, trip: Trip) -> bool:
        if self._calls.room(name) is not Room.FREE or not self._circuits.allows(name, trip.country):
            return False
        if not self._pacer.take(name, trip.worker, self._cost(name, trip)):
            return False
        self._calls.begin(name, trip)
        trip.probe = self._circuits.begin(name, trip.country)
        return True

    def _cost(self, name: str, trip: Trip) -> int:
        return trip.segments if self._models[name].rate_unit is RateUnit.SEGMENT else 1

    def _park(self, trip: Trip, names: Candidates, *, is_first: bool) -> None:
        message = trip.message
        country = trip.country if names.is_open else ""
        reason = Reason.CIRCUIT_OPEN if names.is_open else Reason.PROVIDER_AT_LIMIT
        lane = lane_of(message.providers, message.refused, names, country=country)
        if message.lane != lane:
            self._rest(trip, park(message, lane, reason, self._time.now))
        self._server.put(trip, Place(tuple(sorted(names)), country), is_first=is_first)

    # --- a call, and what follows -------------------------------------------------------------------------------------

    def _call(self, trip: Trip, change: Change, round_: Round | None) -> None:
        attempt = change.started
        if attempt is None or round_ is None:
            raise ValueError("a call needs its intent and its round")
        trip.message, trip.round, trip.place = change.message, round_, None
        trip.is_risked = trip.is_risked or trip.message.duplicate_risk
        carrier = self._carriers[attempt.provider]
        answer = carrier.answer(self._time.seconds, trip.country)
        trip.is_last_taken = answer.is_taken
        if answer.is_taken:
            trip.taken += 1
            self.tally.charged(carrier.price(trip.segments))
        self.tally.called(attempt.provider, answer.result.outcome)
        self._time.after(answer.seconds, self._answered, trip, attempt, answer.result)

    def _answered(self, trip: Trip, attempt: Attempt, result: SendResult) -> None:
        name, round_, message = attempt.provider, trip.round, trip.message
        if round_ is None:
            raise ValueError("an answer without a call")
        self._circuits.note(name, trip.country, result.outcome, trip.probe)
        if result.outcome is Outcome.THROTTLED:
            self._pacer.throttled(name, result)
        self._end_call(name, trip)
        if round_.left and POLICIES[result.outcome].another_now:
            round_ = self._next_with_room(trip, round_)
        change, next_round = decide(
            message,
            attempt,
            round_,
            result,
            self._time.now,
            timers=self._timers,
            jitter=self._dice(),
            can_look_up=self._models[name].can_look_up,
        )
        trip.attempt = change.finished
        if next_round is not None:
            self._call(trip, change, next_round)
            self._server.serve_stalled()
            return
        if round_.left and POLICIES[result.outcome].another_now:
            self._end_call(round_.left[0], trip)  # its token was taken for nothing: the message's life is over
        self._rest(trip, change)
        if trip.message.lane is not None and round_.awaited is not None:
            self._server.put(trip, Place((round_.awaited,)), is_first=False)
        self._slot_is_free()

    def _next_with_room(self, trip: Trip, round_: Round) -> Round:
        """Return the round with the next provider in front that may be asked now; who may not is set aside, and the
        first of them who is well is the one to wait for."""
        limited, awaited, left = list(round_.limited), round_.awaited, round_.left
        while left and (self._waiting.is_held(left[0]) or not self._take(left[0], trip)):
            limited.append(left[0])
            if awaited is None and self._circuits.allows(left[0], trip.country):
                awaited = left[0]
            left = left[1:]
        return msgspec.structs.replace(round_, left=left, limited=tuple(limited), awaited=awaited)

    def _end_call(self, name: str, trip: Trip) -> None:
        if self._calls.end(name, trip):
            self._server.stalled(name)

    # --- a message rests ----------------------------------------------------------------------------------------------

    def _rest(self, trip: Trip, change: Change) -> None:
        message = trip.message = change.message
        trip.place = None
        if message.status in (Status.SENT, Status.FAILED):
            self.tally.end(trip, self._time.seconds)
            self._told(self.tally.ended)
        elif message.due_at is not None:
            self._time.on(message.due_at, self._ring, trip, message.fence)

    def _ring(self, trip: Trip, fence: int) -> None:
        """Act when a message's timer rings, unless it has gone on meanwhile."""
        message = trip.message
        if message.fence != fence:
            return
        if message.status is Status.QUEUED:
            trip.place = None
            self._want_slot(trip)
            return
        can_look_up = trip.attempt is not None and self._models[trip.attempt.provider].can_look_up
        due = when_due(message, trip.attempt, self._time.now, timers=self._timers, can_look_up=can_look_up)
        if isinstance(due, LookUpDue):
            answer = LookUpResult(answer=LookUp.FOUND if trip.is_last_taken else LookUp.ABSENT)
            due = after_look_up(due.change.message, due.attempt, answer, self._time.now, timers=self._timers)
        self._rest(trip, due)
