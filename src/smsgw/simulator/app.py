"""The simulated provider's HTTP side: take a message, answer a look-up, show the ledger."""

import asyncio
import hmac
import random
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from smsgw.simulator.behaviour import Behaviour, behaviour_for, latency
from smsgw.simulator.journal import Journal
from smsgw.simulator.ledger import Entry, Ledger
from smsgw.simulator.reports import Reporter
from smsgw.simulator.settings import SimulatorSettings

HttpRequest = Request[Any, Any, State]
MAX_HANG_SECONDS = 300.0
_JSON = "application/json"
_REFUSED = "The simulated provider refuses this message."


class Message(msgspec.Struct, frozen=True):
    """What a caller asks to send."""

    to: Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}\Z")]
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    reference: Annotated[str, Meta(min_length=1, max_length=128)]
    validity_seconds: Annotated[int, Meta(ge=1)] = 86_400


class Simulator:
    """One simulated provider: its books, its dice, its reports. Idempotent on nothing."""

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        reporter: Reporter,
        journal: Journal,
        stop: asyncio.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._reporter = reporter
        self._journal = journal
        self._stop = stop
        self._clock = clock
        self._dice = random.Random(settings.seed).random  # noqa: S311  (dice, repeatable on purpose)
        self._authorization = f"Bearer {settings.api_key}".encode()
        self.ledger = Ledger(settings.ledger_size)
        for entry in journal.entries():
            self.ledger.add(entry)
        self.accepted = 0

    async def send(self, request: HttpRequest) -> Response[bytes]:
        """Take a message, or refuse it, as its number or the dice want it."""
        if not self._knows(request):
            return refusal(401, "UNAUTHORIZED", "Unknown API key.")
        try:
            message = msgspec.json.decode(await request.body(), type=Message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return refusal(400, "MALFORMED", "The body is not a message.")
        behaviour = behaviour_for(message.to, self._settings, self._dice)
        if wait := latency(self._settings, self._dice):
            await asyncio.sleep(wait)
        if behaviour.status >= 400:
            return refusal(
                behaviour.status, behaviour.error_code or "ERROR", _REFUSED, retry_after=behaviour.retry_after
            )
        entry = self._accept(message, behaviour)
        return await self._answer(request, entry, behaviour)

    async def look_up(self, request: HttpRequest) -> Response[bytes]:
        """Say what became of a reference."""
        if not self._knows(request):
            return refusal(401, "UNAUTHORIZED", "Unknown API key.")
        if not self._settings.look_up:
            return refusal(501, "NOT_SUPPORTED", "Look-ups are switched off.")
        entry = self.ledger.newest(request.query_params.get("reference", ""))
        if entry is None:
            return refusal(404, "NOT_FOUND", "This reference is unknown.")
        return json_response(200, {"message_id": entry.message_id, "status": entry.status})

    def _knows(self, request: HttpRequest) -> bool:
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self._authorization)

    def _accept(self, message: Message, behaviour: Behaviour) -> Entry:
        entry = Entry(reference=message.reference, message_id=f"m-{uuid4().hex}", accepted_at=self._clock())
        self.ledger.add(entry)
        self._journal.accept(entry, behaviour.report_status if behaviour.reports else None)
        self.accepted += 1
        if not behaviour.is_reported_first:
            for _ in range(behaviour.reports):
                self._reporter.report_later(entry, behaviour.report_status, seconds=self._settings.report_delay)
        return entry

    async def _answer(self, request: HttpRequest, entry: Entry, behaviour: Behaviour) -> Response[bytes]:
        if behaviour.is_reported_first:
            await self._reporter.report_now(entry, behaviour.report_status)
        if behaviour.is_hanging:
            await self._hang(request)
        if behaviour.is_garbled:
            return Response(b"<html>It works!", status_code=behaviour.status, media_type="text/html")
        return json_response(behaviour.status, {"message_id": entry.message_id})

    async def _hang(self, request: HttpRequest) -> None:
        """Wait until the caller gives up, or the simulator stops, and for five minutes at most."""
        gone = asyncio.create_task(_disconnected(request))
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({gone, stopped}, timeout=MAX_HANG_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, stopped):
            task.cancel()


def simulator_handlers(simulator: Simulator) -> list[HTTPRouteHandler]:
    """Return the routes: POST and GET /messages with the API key; GET /ledger for anybody, it names nobody."""

    @post("/messages", status_code=202, summary="Send", tags=["Provider"])
    async def send(request: HttpRequest) -> Response[bytes]:
        """Take a message as docs/reference/providers.md describes."""
        return await simulator.send(request)

    @get("/messages", summary="Look up", tags=["Provider"])
    async def look_up(request: HttpRequest) -> Response[bytes]:
        """Answer what became of `?reference=`."""
        return await simulator.look_up(request)

    @get("/ledger", summary="Ledger", tags=["Simulator"])
    async def ledger(request: HttpRequest) -> Response[bytes]:
        """List every acceptance, oldest first; `?reference=` only those of one reference."""
        return json_response(200, simulator.ledger.entries(request.query_params.get("reference")))

    return [send, look_up, ledger]


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Return a JSON answer."""
    return Response(msgspec.json.encode(body), status_code=status, media_type=_JSON, headers=headers)


def refusal(status: int, error_code: str, message: str, *, retry_after: str | None = None) -> Response[bytes]:
    """Return a refusal in the provider's form."""
    headers = {"retry-after": retry_after} if retry_after else None
    return json_response(status, {"error_code": error_code, "message": message}, headers)


async def _disconnected(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
