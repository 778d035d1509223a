"""`POST /api/v1/sms/send`: HTTP on this side, the admission on the other, and nothing decided here."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from smsgw import failpoints
from smsgw.gateway.admission import PATH, Admitter, Submission
from smsgw.gateway.answers import Answer
from smsgw.gateway.http.description import send_operation

UTF_8 = (b"utf-8", b"utf8", b"us-ascii")


def send_handler(admitter: Admitter) -> HTTPRouteHandler:
    """Return the route handler: bytes in, bytes out, because `core` has to parse them anyway."""

    operation = send_operation(admitter.ttl_bounds)

    @post(PATH, operation_class=operation, operation_id="sendSms", summary="Send one SMS", tags=["Messages"])
    async def send_sms(request: Request[Any, Any, Any]) -> ASGIApp:
        """Take one message for delivery. 202 means that it is safely queued; what becomes of it is told by the worker's
        `GET /api/status/{tracking_id}`."""
        answer = await admitter.handle(_submission(request.scope["headers"], await _body(request.receive)))
        return Reply(answer)

    return send_sms


class Reply(msgspec.Struct, frozen=True):
    """An Answer as an ASGI application: the cheapest response that Litestar can pass on."""

    answer: Answer

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        answer = self.answer
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        start = send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await failpoints.under_way("G7", start)
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _submission(headers: Any, body: bytes) -> Submission:
    api_keys: list[bytes] = []
    idempotency_keys: list[bytes] = []
    content_types: list[bytes] = []
    for name, value in headers:
        if name == b"api-key":
            api_keys.append(value)
        elif name == b"idempotency-key":
            idempotency_keys.append(value)
        elif name == b"content-type":
            content_types.append(value)
    is_json = len(content_types) == 1 and _is_json(content_types[0])
    return Submission(api_keys=api_keys, idempotency_keys=idempotency_keys, is_json=is_json, body=body)


def _is_json(content_type: bytes) -> bool:
    if content_type == b"application/json":
        return True
    kind, *parameters = (part.strip().lower() for part in content_type.split(b";"))
    # JSON is UTF-8 (RFC 8259, section 8.1); a charset that says otherwise contradicts the body.
    other = [each for each in parameters if each.startswith(b"charset=") and each[8:].strip(b'"') not in UTF_8]
    return kind == b"application/json" and not other


async def _body(receive: Any) -> bytes:
    """Read the body; the Shield before us has bounded it and has it in one piece."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body
