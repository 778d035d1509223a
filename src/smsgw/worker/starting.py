"""From a claim to running rounds: what was planned and committed is launched, the rest is given back."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from smsgw.core.events import Crashed
from smsgw.core.lifecycle import Change, step
from smsgw.core.message import Attempt, Message
from smsgw.core.ports import Clock, Observer
from smsgw.worker.dispatch import Dispatcher, moved
from smsgw.worker.planning import Planned, Planner
from smsgw.worker.slots import Slots
from smsgw.worker.waiting import WaitingLanes

PUT_OFF = timedelta(seconds=60)

Plan = Callable[[Message, datetime], Planned | None]
"""What to do about a message; None leaves it as it is."""
ClaimPlan = Callable[[Message, Attempt | None], Planned | None]
Claim = Callable[[ClaimPlan], Awaitable[Sequence[tuple[Message, Planned]]]]


class Started(msgspec.Struct, frozen=True):
    """How many messages a claim looked at, and how many of them moved."""

    found: int
    moved: int


class Starter:
    """Runs claims for those who hold slots for them."""

    def __init__(
        self,
        *,
        planner: Planner,
        lanes: WaitingLanes,
        dispatcher: Dispatcher,
        slots: Slots,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._planner = planner
        self._lanes = lanes
        self._dispatcher = dispatcher
        self._slots = slots
        self._observer = observer
        self._clock = clock

    async def start(self, taken: int, claim: Claim, plan: Plan, *, where: str) -> Started:
        """Claim, launch what is to be sent, and give back the slots (of the `taken` ones) and permits that are left,
        also when the commit fails."""
        now = self._clock()
        found: list[Message] = []
        plans: list[Planned] = []

        def remembering(message: Message, _newest: Attempt | None) -> Planned | None:
            found.append(message)
            try:
                planned = plan(message, now)
            except Exception as error:  # noqa: BLE001  (a row that nobody understands must not block its neighbours)
                self._observer(Crashed(where=where, error=error, tracking_id=message.tracking_id))
                planned = Planned(put_off(message, now), None)
            if planned is not None:
                plans.append(planned)
            return planned

        launched = 0
        try:
            claimed = await claim(remembering)
            for _, planned in claimed:
                launched += self._begin(planned)
        finally:
            self._slots.give(taken - launched)
            for planned in plans:
                self._planner.drop(planned.permit)
        return Started(len(found), len(claimed))

    def _begin(self, planned: Planned) -> bool:
        """State what was committed, and launch it if it has a round; its permit goes with it."""
        self._observer(moved(planned.change))
        self._lanes.note(planned.change.message.lane)
        if planned.round is None:
            return False
        permit, planned.permit = planned.permit, None
        self._dispatcher.launch(Planned(planned.change, planned.round, permit))
        return True


def put_off(message: Message, now: datetime) -> Change:
    """Return the message as it is, to be looked at again later; its story does not tell of it."""
    return Change(message=step(message, now, message.status, due_at=now + PUT_OFF), previous=message.status)
