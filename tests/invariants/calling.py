"""A caller with a memory: sends like tests/journey/calling.py and keeps every request with its answer."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx

from tests.invariants.ledgers import Call
from tests.journey.process import Process, http, until
from tests.journey.product import KEY, NUMBER, TEXT


class Caller:
    """Sends to gateways in turn; may be used by several threads. `calls` is the client's ledger."""

    def __init__(self, clients: Mapping[str, Mapping[str, Any]], *gateways: Process) -> None:
        self.calls: list[Call] = []
        self._ids = {key: str(client["id"]) for key, client in clients.items()}
        self._gateways: Sequence[Process] = gateways
        self._turns = count()

    def send(self, *, key: str = KEY, idempotency_key: str | None = None, timeout: float = 10, **body: Any) -> Call:
        """POST one send request to the next gateway; a connection that fails is a Call without a status."""
        gateway = self._gateways[next(self._turns) % len(self._gateways)]
        asked = {"to": NUMBER, "text": TEXT, **body}
        headers = {"API-Key": key} | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
        began_at, began = datetime.now(UTC), time.monotonic()
        answer: httpx.Response | None = None
        try:
            answer = http.post(gateway.url + "/api/v1/sms/send", json=asked, headers=headers, timeout=timeout)
        except httpx.TransportError:
            answer = None
        call = Call(
            client_key=self._ids[key],
            idempotency_key=idempotency_key,
            asked=asked,
            began_at=began_at,
            seconds=time.monotonic() - began,
            status=answer.status_code if answer is not None else None,
            body=answer.content if answer is not None else b"",
            retry_after=answer.headers.get("Retry-After") if answer is not None else None,
        )
        self.calls.append(call)
        return call

    def insist(self, idempotency_key: str, *, seconds: float = 40, **arguments: Any) -> str:
        """Send as a careful caller does: the same key until a 202 comes; return its tracking_id."""

        def once() -> str | None:
            call = self.send(idempotency_key=idempotency_key, **arguments)
            assert call.status in (None, 202, 408, 409, 503), (call.status, call.body)
            return call.tracking_id if call.is_accepted else None

        return until(once, seconds=seconds, what=f"a 202 for {idempotency_key}")
