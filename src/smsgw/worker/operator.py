"""What an operator does to a message, carried out: looked up, decided, committed under its fence, stated."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from smsgw.core.events import OperatorActed
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import EventType, Message
from smsgw.core.operator_actions import (
    ERASED,
    NotPossible,
    Verdict,
    cancel,
    copy_id,
    copy_of,
    is_erased,
    resend,
    resolve,
)
from smsgw.core.ports import Arrival, Clock, Observer, Store, Story
from smsgw.worker.dispatch import moved

MOVED = NotPossible("It moved meanwhile, and nothing was changed. Look at it again.")


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What was committed."""

    before: Message
    after: Message
    copy: UUID | None = None
    """The message that a resend made."""


class MessageActions:
    """Cancels, resolves and sends again. Every method returns None where there is no such message, and raises
    StoreUnavailableError when nobody knows whether something was changed; doing it again is safe."""

    def __init__(self, *, store: Store, timers: Timers, observer: Observer, clock: Clock) -> None:
        self._store = store
        self._timers = timers
        self._observer = observer
        self._clock = clock

    async def cancel(self, tracking_id: UUID, *, user: str) -> Acted | NotPossible | None:
        """End a message that waits."""
        return await self._change(
            tracking_id, "message.cancel", user, lambda story: cancel(story.message, self._clock())
        )

    async def resolve(
        self, tracking_id: UUID, verdict: Verdict, *, attempt: int, user: str
    ) -> Acted | NotPossible | None:
        """Settle an UNKNOWN message by the user's word about the attempt with this number."""

        def decide(story: Story) -> Change | NotPossible:
            about = next((each for each in story.attempts if each.number == attempt), None)
            return resolve(story.message, about, verdict, self._clock(), timers=self._timers)

        return await self._change(tracking_id, "message.resolve", user, decide)

    async def resend(self, tracking_id: UUID, *, fence: int, user: str) -> Acted | NotPossible | None:
        """Send a message again that stood with this fence when the user decided. The same call again, after an outage
        or a second click, makes no second copy, and makes up for a first that was interrupted."""
        story = await self._store.story(tracking_id, None)
        if story is None:
            return None
        copy = copy_id(tracking_id, fence)
        if _is_marked(story, copy):
            if copy in await self._store.missing([copy]):
                if is_erased(story.message):
                    return ERASED
                await self._take_in(copy_of(story.message, copy, self._clock()))
            return Acted(before=story.message, after=story.message, copy=copy)
        if story.message.fence != fence:
            return MOVED
        made = resend(story.message, copy, self._clock())
        if isinstance(made, NotPossible):
            return made
        if not await self._store.apply(made.mark):
            return MOVED
        self._observer(moved(made.mark))
        self._observer(OperatorActed(action="message.resend", user=user, tracking_id=tracking_id))
        await self._take_in(made.copy)
        return Acted(before=story.message, after=made.mark.message, copy=copy)

    async def _change(
        self, tracking_id: UUID, action: str, user: str, decide: Callable[[Story], Change | NotPossible]
    ) -> Acted | NotPossible | None:
        story = await self._store.story(tracking_id, None)
        if story is None:
            return None
        change = decide(story)
        if isinstance(change, NotPossible):
            return change
        if not await self._store.apply(change):
            return MOVED
        self._observer(moved(change))
        self._observer(OperatorActed(action=action, user=user, tracking_id=tracking_id))
        return Acted(before=story.message, after=change.message)

    async def _take_in(self, copy: Change) -> None:
        (taken,) = await self._store.take_in([Arrival(change=copy)])
        if taken is not None:
            self._observer(moved(taken))


def _is_marked(story: Story, copy: UUID) -> bool:
    """Whether this very resend was begun before."""
    told = (event.details.get("resent_as") for event in story.events if event.event_type is EventType.RESENT)
    return str(copy) in told
