"""What the product's callers do: send, ask, insist."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.journey.process import Process, http, until
from tests.journey.product import KEY, NUMBER, TEXT

CALLERS = 12


def send(
    gateway: Process, *, key: str = KEY, idempotency_key: str | None = None, timeout: float = 10, **body: Any
) -> httpx.Response:
    """POST one send request."""
    headers = {"API-Key": key} | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
    payload = {"to": NUMBER, "text": TEXT, **body}
    return http.post(gateway.url + "/api/v1/sms/send", json=payload, headers=headers, timeout=timeout)


def accepted(gateway: Process, **arguments: Any) -> str:
    """Send one message that must be accepted; return its tracking_id."""
    response = send(gateway, **arguments)
    assert response.status_code == 202, response.text
    return str(response.json()["tracking_id"])


def insist(gateways: Sequence[Process], idempotency_key: str, *, seconds: float = 40, **body: Any) -> str:
    """Send as a careful caller does: the same key until a 202 comes, from whichever gateway; return its tracking_id."""
    turns = 0

    def once() -> str | None:
        nonlocal turns
        turns += 1
        try:
            response = send(gateways[turns % len(gateways)], idempotency_key=idempotency_key, **body)
        except httpx.TransportError:
            return None
        if response.status_code in (409, 503):
            return None
        assert response.status_code == 202, response.text
        return str(response.json()["tracking_id"])

    return until(once, seconds=seconds, what=f"a 202 for {idempotency_key}")


class Load:
    """Messages sent by several callers in the background, one key each, until every one has its 202."""

    def __init__(self, count: int, call: Callable[[int], str]) -> None:
        self._pool = ThreadPoolExecutor(CALLERS)
        self._count = count
        self._done = 0
        self._lock = threading.Lock()
        self._calls = [self._pool.submit(self._counted, call, number) for number in range(count)]

    def _counted(self, call: Callable[[int], str], number: int) -> str:
        result = call(number)
        with self._lock:
            self._done += 1
        return result

    def wait_for(self, count: int, *, seconds: float = 30) -> None:
        """Wait until so many calls have come back."""
        until(
            lambda: self._done >= count or any(each.done() and each.exception() for each in self._calls),
            seconds=seconds,
            what=lambda: f"{count} answers, have {self._done}",
        )

    def results(self) -> list[str]:
        """Wait for all calls and return what they returned; raises what a call raised."""
        with self._pool:
            return [each.result(60) for each in self._calls]


def story(worker: Process, tracking_id: str, *, key: str = KEY) -> dict[str, Any] | None:
    """Return a message's status, or None while the worker does not know it."""
    response = http.get(f"{worker.url}/api/status/{tracking_id}", headers={"API-Key": key})
    if response.status_code == 404:
        return None
    assert response.status_code == 200, response.text
    return dict(response.json())


def stories(worker: Process, tracking_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the status of every one of the messages, which the worker must know."""
    found = [story(worker, each) for each in tracking_ids]
    assert None not in found
    return [each for each in found if each]


def reaches(worker: Process, tracking_id: str, *statuses: str, key: str = KEY, seconds: float = 20) -> dict[str, Any]:
    """Wait until a message has one of the statuses; return its story."""
    last: dict[str, Any] | None = None

    def there() -> dict[str, Any] | None:
        nonlocal last
        last = story(worker, tracking_id, key=key)
        return last if last and last["status"] in statuses else None

    return until(there, seconds=seconds, what=lambda: f"{tracking_id} {statuses}: {json.dumps(last, indent=1)}")


def event_types(told: Mapping[str, Any]) -> list[str]:
    """Return the types of a story's events, oldest first."""
    return [event["event_type"] for event in told["events"]]


def outcomes(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return provider and outcome of a story's attempts, in order."""
    return [(attempt["provider"], attempt["outcome"]) for attempt in told["attempts"]]


def ledger(provider: Process, tracking_id: str | None = None) -> list[dict[str, Any]]:
    """Return what a mock provider has accepted, of one message or of all."""
    query = {"reference": tracking_id} if tracking_id else {}
    return list(http.get(provider.url + "/ledger", params=query).json())
