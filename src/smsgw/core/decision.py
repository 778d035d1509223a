"""What happens next to a message: after an answer, after a look-up, when its timer rings."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from smsgw.core import backoff
from smsgw.core.choice import Choice, ChosenBy, PassedOver
from smsgw.core.failure import POLICIES, LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lanes import lane_of
from smsgw.core.lifecycle import Change, Timers, answered, begin, fail, finish, park, requeue, sent, step, unknown
from smsgw.core.message import Attempt, Event, EventType, Message, Reason, Status
from smsgw.core.routing import NoCandidate

LEAST_VALIDITY = timedelta(seconds=1)


class Refusal(msgspec.Struct, frozen=True):
    """A provider of this round that did not take the message, although another time or another provider may."""

    provider: str
    outcome: Outcome
    retry_after: timedelta | None = None


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One walk through the candidates: who is left to ask and who has refused."""

    left: tuple[str, ...]
    refusals: tuple[Refusal, ...] = ()
    limited: tuple[str, ...] = ()
    """Who could not be asked in this round, being at his limit or behind an open circuit: another round may."""
    awaited: str | None = None
    """The first of them who is only at his limit: when nobody else is left, the message waits for him."""
    by: ChosenBy | None = None
    """By what the next one is chosen, for the story."""
    over: Mapping[str, PassedOver] = {}
    """Who was passed over since the last call."""


class LookUpDue(msgspec.Struct, frozen=True, kw_only=True):
    """The provider of this UNKNOWN attempt shall be asked; `change` leases the message for the call."""

    change: Change
    attempt: Attempt


def start(
    message: Message,
    candidates: Sequence[str] | NoCandidate,
    now: datetime,
    *,
    timers: Timers,
    jitter: float,
    choice: Choice | None = None,
) -> tuple[Change, Round | None]:
    """Start a round for a message that is due, or end it: expired, out of attempts, nobody to ask. `choice`: how the
    first of the candidates was chosen."""
    if (over := ended(message, now, timers=timers)) is not None:
        return over, None
    if isinstance(candidates, NoCandidate):
        if candidates.is_final:
            return fail(message, candidates.reason, now), None
        return _retry(message, Round(left=()), now, timers=timers, jitter=jitter, reason=candidates.reason), None
    change = begin(message, candidates[0], now, timers, choice=choice)
    return change, Round(left=tuple(candidates[1:]), by=(choice.then or choice.by) if choice else None)


def ended(message: Message, now: datetime, *, timers: Timers) -> Change | None:
    """Return the end of a message that is due and may not be sent any more, or None."""
    if _is_over(message, now):
        return fail(message, _expired(message), now)
    if message.attempts_made >= timers.max_attempts:
        return fail(message, Reason.MAX_ATTEMPTS, now)
    return None


def decide(
    message: Message,
    attempt: Attempt,
    round_: Round,
    result: SendResult,
    now: datetime,
    *,
    timers: Timers,
    jitter: float,
    can_look_up: bool,
) -> tuple[Change, Round | None]:
    """Turn a provider's answer into the next state; a Round comes back when another provider is to be asked now."""
    ended = answered(attempt, result, now)
    if result.outcome is Outcome.ACCEPTED:
        return sent(message, ended, now, timers), None
    if result.outcome is Outcome.UNKNOWN:
        return unknown(message, ended, now, look_up=can_look_up, timers=timers), None
    policy = POLICIES[result.outcome]
    if not policy.another_now:
        reason = Reason(result.outcome.value)
        return fail(message, reason, now, finished=ended, details=_why(result)), None
    refusal = Refusal(attempt.provider, result.outcome, result.retry_after)
    walked = msgspec.structs.replace(round_, refusals=(*round_.refusals, refusal))
    if not (walked.left or walked.limited or any(POLICIES[each.outcome].same_later for each in walked.refusals)):
        return fail(message, Reason.REJECTED, now, finished=ended, details=_why(result)), None
    if _is_over(message, now):
        return fail(message, _expired(message), now, finished=ended), None
    if message.attempts_made >= timers.max_attempts:
        return fail(message, Reason.MAX_ATTEMPTS, now, finished=ended), None
    if walked.left:
        return _next_provider(message, ended, walked, now, timers, _why(result))
    if walked.awaited is not None:
        return _wait_for_room(message, ended, walked, walked.awaited, now), None
    return _retry(message, walked, now, timers=timers, jitter=jitter, finished=ended), None


def when_due(
    message: Message, last: Attempt | None, now: datetime, *, timers: Timers, can_look_up: bool
) -> Change | LookUpDue:
    """Decide about a message whose timer rang and that is not waiting for a round: a dead lease, UNKNOWN, SENT."""
    if message.status is Status.SENT:
        final = step(message, now, Status.SENT, reason=Reason.NO_REPORT, due_at=None)
        event = Event(EventType.REPORT_DEADLINE, now, message.provider_final, {"reason": Reason.NO_REPORT})
        return Change(message=final, events=(event,), previous=message.status)
    if last is not None and last.outcome is Outcome.ACCEPTED:
        # Late evidence is on the attempt although nobody moved the message: never send it again.
        return sent(message, last, now, timers)
    if message.status is Status.PROCESSING:
        return _dead_lease(message, last, now, timers=timers, can_look_up=can_look_up)
    if last is None:
        raise ValueError(f"{message.tracking_id} is {message.status} without an attempt")
    if can_look_up:
        leased = step(message, now, Status.UNKNOWN, due_at=now + timers.lease)
        return LookUpDue(change=Change(message=leased, previous=message.status), attempt=last)
    return _settle_unknown(message, last, now, timers)


def after_look_up(message: Message, attempt: Attempt, result: LookUpResult, now: datetime, *, timers: Timers) -> Change:
    """Turn a provider's answer about an UNKNOWN attempt into the next state."""
    if result.answer is LookUp.FOUND:
        known = finish(attempt, Outcome.ACCEPTED, now, provider_message_id=result.provider_message_id)
        return sent(message, known, now, timers)
    if result.answer is LookUp.CANNOT_SAY:
        return _settle_unknown(message, attempt, now, timers)
    if message.absences == 0:
        return _wait(message, attempt, now, now + timers.unknown_settle, absences=1)
    absent = finish(attempt, Outcome.ABSENT, attempt.finished_at or now)
    if now >= message.expires_at:
        return fail(message, Reason.EXPIRED, now, finished=absent)
    if message.attempts_made >= timers.max_attempts:
        return fail(message, Reason.MAX_ATTEMPTS, now, finished=absent)
    return requeue(
        message,
        now,
        due_at=now,
        rounds=message.rounds,
        details={"because": "the provider, asked twice, does not know the reference"},
        finished=absent,
        prefer=attempt.provider,
    )


def _is_over(message: Message, at: datetime) -> bool:
    """Whether no provider could be given a whole second of validity any more."""
    return message.expires_at - at < LEAST_VALIDITY


def _expired(message: Message) -> Reason:
    """Return why a message ends whose time is over; one that may have been sent before is not simply expired."""
    return Reason.OUTCOME_UNKNOWN if message.duplicate_risk else Reason.EXPIRED


def _dead_lease(message: Message, last: Attempt | None, now: datetime, *, timers: Timers, can_look_up: bool) -> Change:
    if last is None or last.outcome is not None:
        return requeue(message, now, due_at=now, rounds=message.rounds, details={"because": "the worker went away"})
    lost = finish(last, Outcome.UNKNOWN, now, detail="the worker went away during the call")
    return unknown(message, lost, now, look_up=can_look_up, timers=timers)


def _settle_unknown(message: Message, attempt: Attempt, now: datetime, timers: Timers) -> Change:
    """Apply ON_UNKNOWN where nobody can be asked."""
    if now >= message.expires_at:
        return fail(message, Reason.OUTCOME_UNKNOWN, now)
    if not timers.resend_unknown:
        return _wait(message, attempt, now, message.expires_at, absences=0)
    settled_at = (attempt.finished_at or now) + timers.unknown_settle
    if now < settled_at:
        return _wait(message, attempt, now, min(settled_at, message.expires_at), absences=0)
    if message.attempts_made >= timers.max_attempts:
        return fail(message, Reason.OUTCOME_UNKNOWN, now)
    return requeue(
        message,
        now,
        due_at=now,
        rounds=message.rounds,
        details={"duplicate_risk": True, "because": "no evidence within the settle time"},
        prefer=attempt.provider,
        duplicate_risk=True,
    )


def _wait(message: Message, attempt: Attempt, now: datetime, until: datetime, *, absences: int) -> Change:
    details = {"answer": "absent" if absences else "cannot say", "next_look_at": until.isoformat()}
    waiting = step(message, now, Status.UNKNOWN, due_at=until, absences=absences)
    event = Event(EventType.LOOKED_UP, now, attempt.provider, details)
    return Change(message=waiting, events=(event,), previous=message.status)


def _next_provider(
    message: Message, ended: Attempt, walked: Round, now: datetime, timers: Timers, why: dict[str, str]
) -> tuple[Change, Round]:
    chosen, *left = walked.left
    choice = Choice(walked.by, walked.over) if walked.by else None
    change = begin(message, chosen, now, timers, choice=choice)
    switched = Event(EventType.PROVIDER_SWITCHED, now, chosen, {"from": ended.provider, "to": chosen, **why})
    refused = tuple(dict.fromkeys((*message.refused, *_unwilling(walked))))
    leased = msgspec.structs.replace(change.message, refused=refused)
    merged = msgspec.structs.replace(change, message=leased, finished=ended, events=(switched, *change.events))
    return merged, msgspec.structs.replace(walked, left=tuple(left), over={})


def _wait_for_room(message: Message, ended: Attempt, walked: Round, awaited: str, now: datetime) -> Change:
    """Let the message wait in the lane of the next provider: those who refused it are not asked again before him."""
    refused = tuple(dict.fromkeys((*message.refused, *_unwilling(walked))))
    told = msgspec.structs.replace(message, refused=refused)
    lane = lane_of((awaited,), (), (awaited,))
    return park(told, lane, Reason.PROVIDER_AT_LIMIT, now, finished=ended, prefer=awaited)


def _retry(
    message: Message,
    walked: Round,
    now: datetime,
    *,
    timers: Timers,
    jitter: float,
    finished: Attempt | None = None,
    reason: Reason | None = None,
) -> Change:
    """End a round with another one later, never past the expiry."""
    wait = backoff.delay(message.rounds, base=timers.retry_base, cap=timers.retry_max, jitter=jitter)
    due_at = now + max(wait, _not_before(walked, timers))
    if _is_over(message, due_at):
        return fail(
            message,
            reason or _expired(message),
            now,
            finished=finished,
            details={"next_attempt_at": due_at.isoformat()},
        )
    details = {each.provider: each.outcome.value for each in walked.refusals}
    because = {"because": reason.value} if reason else {"refused": details}
    return requeue(
        message,
        now,
        due_at=due_at,
        rounds=message.rounds + 1,
        details=because,
        finished=finished,
        refused=_unwilling(walked),
    )


def _unwilling(walked: Round) -> tuple[str, ...]:
    """Return who will not take this message, today or later."""
    return tuple(each.provider for each in walked.refusals if not POLICIES[each.outcome].same_later)


def _not_before(walked: Round, timers: Timers) -> timedelta:
    """How long everybody who may be asked again has told us to wait; hostile values are clamped to the cap."""
    later = [each for each in walked.refusals if POLICIES[each.outcome].same_later]
    waits = [each.retry_after for each in later if each.retry_after is not None]
    if walked.limited or not waits or len(waits) < len(later):
        return timedelta(0)
    return min(timers.retry_max, max(min(waits), timedelta(0)))


def _why(result: SendResult) -> dict[str, str]:
    return {"outcome": result.outcome.value} | ({"detail": result.detail} if result.detail else {})
