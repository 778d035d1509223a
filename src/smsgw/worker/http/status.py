"""`GET /api/status/{tracking_id}`: the whole story of one message, for the client that sent it and nobody else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw.core.country import country_of
from smsgw.core.keys import Client, Clients
from smsgw.core.message import Event
from smsgw.core.ports import Clock, Store, StoreUnavailableError, Story
from smsgw.web.documented import documented
from smsgw.worker.http.responses import KeyedOperation, not_found, store_unavailable, unauthorized


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one provider; `outcome` is null while it runs."""

    number: int
    provider: str
    outcome: str | None
    provider_message_id: str | None
    started_at: datetime
    finished_at: datetime | None
    segments: int | None
    """As the provider counts them."""
    price: str | None
    """Of all segments, a decimal number; null where the provider has not told it."""
    currency: str | None
    """ISO 4217."""


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the story."""

    event_type: str
    provider: str | None
    details: dict[str, Any]
    created_at: datetime


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """A message, its attempts and its events, oldest first. Times are ISO 8601 in UTC."""

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
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    attempts: list[AttemptView]
    events: list[EventView]


def status_handler(*, store: Store, clients: Callable[[], Clients], clock: Clock) -> HTTPRouteHandler:
    """Return the route handler."""

    @get(
        "/api/status/{tracking_id:str}",
        operation_class=KeyedOperation,
        operation_id="messageStatus",
        summary="What became of a message",
        tags=["Messages"],
        responses=documented(unauthorized(), not_found("message"), store_unavailable()),
    )
    async def message_status(request: Request[Any, Any, Any], tracking_id: FromPath[str]) -> StatusView:
        """Answer with the message, every attempt and every event. Needs the `API-Key` of the client that sent it; a
        message of another client does not exist."""
        client = authenticate(request, clients(), clock())
        known_id = uuid_of(tracking_id)
        if known_id is None:
            raise not_found("message")
        try:
            story = await store.story(known_id, client.client_key)
        except StoreUnavailableError:
            raise store_unavailable() from None
        if story is None:
            raise not_found("message")
        return _view(story)

    return message_status


def authenticate(request: Request[Any, Any, Any], clients: Clients, now: datetime) -> Client:
    """Return the active client whose key was sent, exactly once; any scope will do."""
    client = client_of(request, clients, now)
    if client is None:
        raise unauthorized()
    return client


def client_of(request: Request[Any, Any, Any], clients: Clients, now: datetime) -> Client | None:
    """Return the active client whose key was sent, exactly once, or None."""
    keys = [value for name, value in request.scope["headers"] if name == b"api-key"]
    # With surrogates the text becomes the very bytes again that were sent: no two keys can be taken for one.
    return clients.authenticate(keys[0].decode("ascii", "surrogateescape") if len(keys) == 1 else None, now)


def uuid_of(text: str) -> UUID | None:
    """Return the id if it is written as we write ids; UUID() would also take braces and URNs."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text.lower() else None


def _view(story: Story) -> StatusView:
    message = story.message
    return StatusView(
        tracking_id=message.tracking_id,
        client_key=message.client_key,
        to=message.to,
        country=country_of(message.to),
        sender=message.sender,
        status=message.status,
        reason=message.reason,
        provider_final=message.provider_final,
        created_at=message.created_at,
        updated_at=message.updated_at,
        expires_at=message.expires_at,
        attempts=[
            AttemptView(
                number=each.number,
                provider=each.provider,
                outcome=each.outcome,
                provider_message_id=each.provider_message_id,
                started_at=each.started_at,
                finished_at=each.finished_at,
                segments=each.segments,
                price=each.price,
                currency=each.currency,
            )
            for each in story.attempts
        ],
        events=[event_view(each) for each in story.events],
    )


def event_view(event: Event) -> EventView:
    """Return a line of the story as it is shown."""
    return EventView(
        event_type=event.event_type, provider=event.provider, details=event.details, created_at=event.created_at
    )
