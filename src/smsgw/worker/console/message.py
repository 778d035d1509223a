"""One message: facts, time line, why each provider was asked, and what an operator may do about it."""

import re
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.audit_log import AuditFilter
from smsgw.core.country import country_of
from smsgw.core.explaining import explain
from smsgw.core.message import Attempt, Event, EventType, Message, Status
from smsgw.core.operator_actions import NotPossible, Verdict, cancel, copy_id, resend, resend_warning
from smsgw.core.people import Role
from smsgw.core.phone import mask
from smsgw.core.ports import StoreUnavailableError, Story
from smsgw.core.wording import event_words, outcome_words, reason_words
from smsgw.worker.console.answers import Answer, NoSuchPageError, Page, Redirect
from smsgw.worker.console.console import Console
from smsgw.worker.console.noted import note, state_lost
from smsgw.worker.console.routes import Route, action, page
from smsgw.worker.console.visit import Visit
from smsgw.worker.http.status import uuid_of
from smsgw.worker.operator import Acted, MessageActions

MOST_ENTRIES = 50
_AT = "/console/messages/{tracking_id:str}"
_VERDICTS = frozenset(each.value for each in Verdict)
_MOST_NUMBER = 2**31 - 1
_NUMBER = re.compile(
    r"(?P<id>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)|\d(?:[\s().\-/\u2010-\u2013]{0,3}\d){6,}"
)
"""What may be a number, also as people write one; our own ids are none."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the time line."""

    event: Event
    words: str
    link: str = ""
    """The other message that it names."""
    stored: str = ""
    """Its details as they are stored; empty for who may not see them."""


def routes(console: Console) -> Sequence[Route]:
    """Return the message's page and its actions."""
    actions = MessageActions(
        store=console.store, timers=console.operations.rule.timers, observer=console.observer, clock=console.clock
    )

    async def show(visit: Visit) -> Answer:
        return await _page(console, visit)

    async def cancel_it(visit: Visit) -> Answer:
        doing = actions.cancel(_id(visit), user=visit.somebody.name)
        return await _act(console, visit, "message.cancel", doing, notice="message-cancelled")

    async def resolve_it(visit: Visit) -> Answer:
        verdict = visit.form.one_of("verdict", _VERDICTS)
        attempt = visit.form.whole("attempt", least=1, most=_MOST_NUMBER)
        if verdict is None or attempt is None:
            return await _page(console, visit, problem="Say which attempt, and what became of it.")
        doing = actions.resolve(_id(visit), Verdict(verdict), attempt=attempt, user=visit.somebody.name)
        told = {"verdict": verdict, "attempt": attempt}
        return await _act(console, visit, "message.resolve", doing, notice="message-resolved", told=told)

    async def resend_it(visit: Visit) -> Answer:
        fence = visit.form.whole("fence", least=1, most=_MOST_NUMBER)
        if fence is None:
            return await _page(console, visit, problem="The form is incomplete: load the page again.")
        doing = actions.resend(_id(visit), fence=fence, user=visit.somebody.name)
        told = {"resent_as": str(copy_id(_id(visit), fence))}
        return await _act(console, visit, "message.resend", doing, notice="message-resent", told=told)

    return [
        page(_AT, Role.VIEWER, show),
        action(f"{_AT}/cancel", Role.OPERATOR, cancel_it),
        action(f"{_AT}/resolve", Role.OPERATOR, resolve_it),
        action(f"{_AT}/resend", Role.OPERATOR, resend_it),
    ]


def _id(visit: Visit) -> UUID:
    tracking_id = uuid_of(visit.path["tracking_id"])
    if tracking_id is None:
        raise NoSuchPageError
    return tracking_id


async def _act(
    console: Console,
    visit: Visit,
    what: str,
    doing: Awaitable[Acted | NotPossible | None],
    *,
    notice: str,
    told: dict[str, Any] | None = None,
) -> Answer:
    """Do it, note it in the audit log, and show the message that is to be looked at next."""
    try:
        done = await doing
    except StoreUnavailableError:
        # Nobody knows whether it was committed.
        state_lost(console, visit.entry(what, str(_id(visit))))
        raise
    if done is None:
        raise NoSuchPageError
    if isinstance(done, NotPossible):
        return await _page(console, visit, problem=done.why)
    after = _state(done.after) | (told or {})
    await note(console, visit.entry(what, str(_id(visit)), before=_state(done.before), after=after))
    return Redirect(to=f"/console/messages/{done.copy or done.after.tracking_id}", notice=notice)


def _state(message: Message) -> dict[str, Any]:
    return {"status": message.status.value, "reason": message.reason}


async def _page(console: Console, visit: Visit, *, problem: str = "") -> Page:
    story = await console.store.story(_id(visit), None)
    if story is None:
        raise NoSuchPageError
    if problem:
        visit.form.refuse("", f"{problem} Nothing was changed.")
    message = story.message
    priority = console.operations.rule.default_priority
    context = {
        "message": message,
        "country": country_of(message.to),
        "reason": reason_words(message.reason),
        "lines": [_line(event, visit) for event in story.events],
        "attempts": [_attempt(each, visit) for each in story.attempts],
        "explanations": explain(story, console.configured(), default_priority=priority),
        "costs": _costs(story.attempts),
        "form": visit.form,
        "lost_copies": await _lost_copies(console, story),
        "entries": await _entries(console, visit, message),
        **_possible(message, visit),
    }
    return Page(template="message.html", context=context, status=422 if problem else 200)


def _possible(message: Message, visit: Visit) -> dict[str, Any]:
    """Return which actions the page offers, and why not where somebody may look for one."""
    again = resend(message, copy_id(message.tracking_id, message.fence), visit.now)
    return {
        "may_cancel": not isinstance(cancel(message, visit.now), NotPossible),
        "may_resolve": message.status is Status.UNKNOWN,
        "may_resend": not isinstance(again, NotPossible),
        "why_no_resend": again.why if isinstance(again, NotPossible) else "",
        "resend_warning": resend_warning(message) or "",
    }


def _line(event: Event, visit: Visit) -> Line:
    details = event.details
    other = details.get("resent_as") or details.get("resend_of") or details.get("duplicate_of") or ""
    return Line(
        event=event,
        words=_masked(event_words(event), visit),
        link=other if uuid_of(str(other)) else "",
        stored="" if visit.is_masked or not event.details else msgspec.json.encode(event.details).decode(),
    )


def _attempt(attempt: Attempt, visit: Visit) -> tuple[Attempt, str, str]:
    """Return an attempt with what its provider wrote as this user may see it, its outcome in words, and the detail."""
    given_id = _masked(attempt.provider_message_id or "", visit)
    shown = msgspec.structs.replace(attempt, provider_message_id=given_id or None)
    return shown, outcome_words(attempt.outcome), _masked(attempt.detail or "", visit)


def _masked(words: str, visit: Visit) -> str:
    """Return a provider's words as this user may see them: they may quote a number."""
    return _NUMBER.sub(lambda found: found["id"] or mask(found[0]), words) if visit.is_masked else words


def _costs(attempts: Sequence[Attempt]) -> list[str]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in attempts:
        if each.price is not None:
            sums[each.currency or ""] += Decimal(each.price)
    return [f"{price:f} {currency}".strip() for currency, price in sums.items()]


async def _lost_copies(console: Console, story: Story) -> list[str]:
    """Return resends that were begun and never came to be: an outage came between."""
    told = [event.details.get("resent_as", "") for event in story.events if event.event_type is EventType.RESENT]
    copies = [copy for copy in map(uuid_of, told) if copy is not None]
    return sorted(str(copy) for copy in await console.store.missing(copies)) if copies else []


async def _entries(console: Console, visit: Visit, message: Message) -> Sequence[Any]:
    if not visit.may(Role.OPERATOR):
        return ()
    wanted = AuditFilter(subject=str(message.tracking_id))
    return await console.books.audit_log.entries(wanted, before=None, limit=MOST_ENTRIES)
