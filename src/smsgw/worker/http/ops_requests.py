"""`GET /api/sms/requests`: the messages of all clients, page by page, and the whole story of one. Never a text."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw.core.country import country_of
from smsgw.core.message import Attempt, EventType, Message
from smsgw.core.ports import StoreUnavailableError, Story
from smsgw.web.errors import ApiError
from smsgw.worker.http import cursor
from smsgw.worker.http.operations import NO_STORE, TAGS, Operations, operation, refusals
from smsgw.worker.http.request_query import PARAMETERS, Query, read_query
from smsgw.worker.http.responses import not_found, store_unavailable
from smsgw.worker.http.status import EventView, event_view, uuid_of


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A message as an operator may see it: with its whole number, without its text."""

    tracking_id: UUID
    client_key: str
    to: str
    country: str
    """Of the number, ISO 3166; ZZ: of none."""
    sender: str | None
    """As it was asked for; null: the provider's default."""
    status: str
    reason: str | None
    provider_final: str | None
    providers: tuple[str, ...]
    """That its sender asked for; empty: smsgw chooses."""
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    due_at: datetime | None
    """When it is looked at next."""
    lane: str | None
    """What it waits for: a provider with room."""
    attempts_made: int


class RequestsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page, newest first. One with `next` may be short, or even empty: it is as far as one look goes."""

    requests: list[RequestView]
    next: str | None
    """The `cursor` of the next page; null on the last one."""


class AnswerView(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one provider with what it said; `outcome` is null while it runs."""

    number: int
    provider: str
    outcome: str | None
    provider_message_id: str | None
    detail: str | None
    """Its code or the transport's complaint."""
    report: str | None
    """The delivery report that counts."""
    started_at: datetime
    finished_at: datetime | None
    part_ids: tuple[str, ...]
    """Of a long message whose parts the provider reports each by an id of its own."""
    segments: int | None
    """As the provider counts them."""
    price: str | None
    """Of all segments, a decimal number; null where the provider has not told it."""
    currency: str | None
    """ISO 4217."""


class RequestStoryView(RequestView, frozen=True, kw_only=True):
    """A message with every call and every event, oldest first."""

    attempts: list[AnswerView]
    events: list[EventView]


_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
_MESSAGE: dict[str, Any] = {
    "tracking_id": UUID("3f0c5b1e-6f0a-4c59-9d0f-4c4f0f6a2f11"),
    "client_key": "web-shop",
    "to": "+989121234567",
    "country": "IR",
    "sender": None,
    "status": "UNKNOWN",
    "reason": "outcome_unknown",
    "provider_final": None,
    "providers": ("Provider-A",),
    "created_at": _AT,
    "updated_at": _AT,
    "expires_at": datetime(2026, 1, 31, 13, 0, tzinfo=UTC),
    "due_at": datetime(2026, 1, 31, 12, 1, tzinfo=UTC),
    "lane": None,
    "attempts_made": 1,
}
_PAGE = RequestsView(requests=[RequestView(**_MESSAGE)], next=cursor.encode(4711))
_STORY = RequestStoryView(
    **_MESSAGE,
    attempts=[
        AnswerView(
            number=1,
            provider="Provider-A",
            outcome="unknown",
            provider_message_id=None,
            detail="502 without an error code",
            report=None,
            started_at=_AT,
            finished_at=_AT,
            part_ids=(),
            segments=None,
            price=None,
            currency=None,
        )
    ],
    events=[
        EventView(event_type=EventType.PROCESSING, provider="Provider-A", details={"attempt": 1}, created_at=_AT),
        EventView(event_type=EventType.UNKNOWN, provider="Provider-A", details={"attempt": 1}, created_at=_AT),
    ],
)


def request_handlers(ops: Operations) -> Sequence[HTTPRouteHandler]:
    """Return the route handlers."""
    return [_requests(ops), _one_request(ops)]


def _requests(ops: Operations) -> HTTPRouteHandler:
    @get(
        "/api/sms/requests",
        operation_class=operation(_PAGE, query=PARAMETERS),
        operation_id="requests",
        summary="Messages of all clients",
        tags=TAGS,
        responses=refusals(wrong_query({"limit": "must be 1 to 500"}), NO_STORE),
    )
    async def requests(request: Request[Any, Any, Any]) -> RequestsView:
        """Answer messages newest first, page by page: ask again with `cursor` set to `next` until it is null. Numbers
        are shown whole, texts never."""
        ops.operator(request)
        query = read_query(request.scope["query_string"], ops.configured())
        if not isinstance(query, Query):
            raise wrong_query(query)
        try:
            page = await ops.store.requests(query.wanted, before=query.before, limit=query.limit)
        except StoreUnavailableError:
            raise store_unavailable() from None
        next_page = cursor.encode(page.next_before) if page.next_before else None
        return RequestsView(requests=[RequestView(**_fields(each)) for each in page.messages], next=next_page)

    return requests


def _one_request(ops: Operations) -> HTTPRouteHandler:
    @get(
        "/api/sms/requests/{request_id:str}",
        operation_class=operation(_STORY),
        operation_id="request",
        summary="One message with every provider's answer",
        tags=TAGS,
        responses=refusals(not_found("message"), NO_STORE),
    )
    async def one_request(request: Request[Any, Any, Any], request_id: FromPath[str]) -> RequestStoryView:
        """Answer any client's message (its tracking_id) with every call, what the provider said to it, and every
        event."""
        ops.operator(request)
        tracking_id = uuid_of(request_id)
        try:
            story = await ops.store.story(tracking_id, None) if tracking_id else None
        except StoreUnavailableError:
            raise store_unavailable() from None
        if story is None:
            raise not_found("message")
        return _story_view(story)

    return one_request


def wrong_query(problems: dict[str, str]) -> ApiError:
    """Return the refusal of a query that breaks rules."""
    return ApiError(422, "INVALID_PAYLOAD", "The query breaks a rule.", details=dict(problems))


def _fields(message: Message) -> dict[str, Any]:
    kept = {name: getattr(message, name) for name in RequestView.__struct_fields__ if name != "country"}
    return {**kept, "country": country_of(message.to)}


def _story_view(story: Story) -> RequestStoryView:
    return RequestStoryView(
        **_fields(story.message),
        attempts=[_answer_view(each) for each in story.attempts],
        events=[event_view(each) for each in story.events],
    )


def _answer_view(attempt: Attempt) -> AnswerView:
    return AnswerView(
        number=attempt.number,
        provider=attempt.provider,
        outcome=attempt.outcome,
        provider_message_id=attempt.provider_message_id,
        detail=attempt.detail,
        report=attempt.report.word if attempt.report is not None else None,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        part_ids=attempt.part_ids,
        segments=attempt.segments,
        price=attempt.price,
        currency=attempt.currency,
    )
