"""`POST /api/sms/{provider}`: one call of one provider, for an operator who tests it."""

import math
from typing import Any
from uuid import UUID, uuid4

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw.core.body import Malformed
from smsgw.core.direct_request import DirectRequest, read_direct_request
from smsgw.core.failure import Outcome
from smsgw.core.ports import LimitsUnavailableError, StoreUnavailableError
from smsgw.core.sender import PATTERN, refusal
from smsgw.core.wishes import MAX_TEXT
from smsgw.web.content_type import is_json
from smsgw.web.errors import STANDARD, ApiError
from smsgw.worker.direct import MOST_AT_ONCE, AtLimit, Done, Order
from smsgw.worker.http.operations import NO_PROVIDER, TAGS, Operations, Rule, operation, refusals
from smsgw.worker.http.responses import limits_unavailable, store_unavailable

CROWDED = f"{MOST_AT_ONCE} direct sends are under way at this worker already."


class DirectView(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider said."""

    success: bool
    """Whether it took the message."""
    message_id: UUID
    """The tracking_id, for `GET /api/sms/requests/{id}`."""
    provider: str
    outcome: str
    provider_message_id: str | None
    detail: str | None
    status: str
    """Of the message. PROCESSING: the outcome could not be written yet."""
    milliseconds: float


_EXAMPLE = DirectView(
    success=True,
    message_id=UUID("3f0c5b1e-6f0a-4c59-9d0f-4c4f0f6a2f11"),
    provider="Provider-A",
    outcome="accepted",
    provider_message_id="m-902ded41",
    detail=None,
    status="SENT",
    milliseconds=103.018,
)


def direct_handler(ops: Operations) -> HTTPRouteHandler:
    """Return the route handler."""

    @post(
        "/api/sms/{provider:str}",
        status_code=200,
        operation_class=operation(_EXAMPLE, body=_body(ops.rule)),
        operation_id="directSend",
        summary="Send one SMS through one provider, now",
        tags=TAGS,
        responses=refusals(
            _malformed("the body is not UTF-8"),
            NO_PROVIDER,
            _disabled("Provider-A"),
            _invalid({"text": "must have 1 to 1000 characters"}),
            _at_limit(AtLimit(0.4)),
            store_unavailable(),
        ),
    )
    async def direct_send(request: Request[Any, Any, Any], provider: FromPath[str]) -> DirectView:
        """Test a provider: one real call, past the queue, also when it is not operational or its circuit is open. It
        takes a token of the rate limits and counts for the provider's health; nothing repeats it. 200 means that the
        provider was called: `success` and `outcome` tell how it answered."""
        client, name = ops.operator(request), ops.named(provider)
        given = _read(request.scope["headers"], await request.body(), ops.rule)
        if forbidden := given.sender and refusal(given.sender, client.senders):
            raise _invalid({"sender": forbidden})
        if not ops.direct.has_adapter(name):
            raise _disabled(name)
        order = Order(
            tracking_id=uuid4(),
            client_key=client.client_key,
            provider=name,
            to=given.to,
            text=given.text,
            sender=given.sender,
        )
        ops.acted(client, "direct.send", name)
        return _view(order, await _send(ops, order))

    return direct_send


async def _send(ops: Operations, order: Order) -> Done:
    try:
        sent = await ops.direct.send(order)
    except StoreUnavailableError:
        raise store_unavailable() from None
    except LimitsUnavailableError:
        raise limits_unavailable() from None
    if isinstance(sent, AtLimit):
        raise _at_limit(sent)
    return sent


def _read(headers: Any, body: bytes, rule: Rule) -> DirectRequest:
    if not is_json(headers):
        raise ApiError(415, *STANDARD[415])
    given = read_direct_request(body, rule.numbers, rule.texts)
    if isinstance(given, Malformed):
        raise _malformed(given.why)
    if not isinstance(given, DirectRequest):
        raise _invalid(given.fields)
    return given


def _view(order: Order, done: Done) -> DirectView:
    return DirectView(
        success=done.result.outcome is Outcome.ACCEPTED,
        message_id=order.tracking_id,
        provider=order.provider,
        outcome=done.result.outcome,
        provider_message_id=done.result.provider_message_id,
        detail=done.result.detail,
        status=done.status,
        milliseconds=round(done.seconds * 1000, 3),
    )


def _malformed(why: str) -> ApiError:
    return ApiError(400, "INVALID_PAYLOAD", "The body is not JSON of the right shape.", details={"body": why})


def _invalid(fields: dict[str, str]) -> ApiError:
    return ApiError(422, "INVALID_PAYLOAD", "The payload breaks a rule.", details=dict(fields))


def _disabled(provider: str) -> ApiError:
    return ApiError(409, "PROVIDER_DISABLED", "The provider is not active.", details={"providers": [provider]})


def _at_limit(limit: AtLimit) -> ApiError:
    seconds = max(1, math.ceil(limit.wait_seconds))
    why = CROWDED if limit.is_crowded else "The provider, or all of them together, is at its rate limit."
    return ApiError(429, "RATE_LIMITED", why, headers={"retry-after": str(seconds)})


def _body(rule: Rule) -> dict[str, Any]:
    """Describe the body; Litestar sees only bytes."""
    numbers = rule.numbers
    number = {"type": "string", "description": numbers.rule}
    if not numbers.region:
        number |= {"pattern": r"^\+[1-9][0-9]{6,14}$"}
    text = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_TEXT,
        "pattern": r"^[^\u0000]*[^\u0000\s][^\u0000]*$",
        "description": "Not only white space, no NUL.",
    }
    wishes = {
        "sender": {"type": "string", "pattern": PATTERN, "description": "Only what the key's client may use."},
        "max_segments": {"type": "integer", "minimum": 1},
        "smart_encoding": {"type": "boolean", "default": rule.texts.smart_encoding},
    }
    schema = {
        "oneOf": [
            {
                "type": "object",
                "additionalProperties": False,
                "required": [name, "text"],
                "properties": {name: number, "text": text, **wishes},
            }
            for name in ("phone", "to")
        ]
    }
    example = {"phone": "+989121234567", "text": "A test"}
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
