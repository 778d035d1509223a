"""The front doors: HTTP on this side, the admission on the other, and nothing decided here."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Operation
from litestar.types import ASGIApp, Receive, Scope, Send

from smsgw import failpoints
from smsgw.gateway.admission import Admitter, Submission
from smsgw.gateway.answers import Answer
from smsgw.gateway.doors import Door
from smsgw.web.content_type import says_json


def door_handler(
    admitter: Admitter, door: Door, path: str, *, operation: type[Operation], operation_id: str, summary: str
) -> HTTPRouteHandler:
    """Return the handler of one of a door's paths: bytes in, bytes out, because `core` has to parse them anyway."""

    @post(path, operation_class=operation, operation_id=operation_id, summary=summary, tags=["Messages"])
    async def send_sms(request: Request[Any, Any, Any]) -> ASGIApp:
        """Take one message for delivery. Success means that it is safely queued; what becomes of it is told by the
        worker's `GET /api/status/{tracking_id}`."""
        submission = _submission(request.scope["headers"], await _body(request.receive))
        return Reply(await admitter.handle(submission, door))

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
    traceparent = b""
    for name, value in headers:
        if name == b"api-key":
            api_keys.append(value)
        elif name == b"idempotency-key":
            idempotency_keys.append(value)
        elif name == b"content-type":
            content_types.append(value)
        elif name == b"traceparent":
            traceparent = value
    is_json = len(content_types) == 1 and says_json(content_types[0])
    return Submission(
        api_keys=api_keys,
        idempotency_keys=idempotency_keys,
        is_json=is_json,
        body=body,
        traceparent=traceparent,
    )


async def _body(receive: Any) -> bytes:
    """Read the body; the Shield before us has bounded it and has it in one piece."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body
