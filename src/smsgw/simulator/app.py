"""The simulator's addresses: ways in for messages, look-ups, the ledger, and control while it runs."""

from collections.abc import Mapping
from datetime import datetime
from heapq import merge
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp
from msgspec import Meta

from smsgw.core.events import SimulatorChanged
from smsgw.core.ports import Observer
from smsgw.simulator.carrier import Carrier
from smsgw.simulator.control import BadOrderError, read_order
from smsgw.simulator.dialects import Dialect
from smsgw.simulator.doors import Door
from smsgw.simulator.ledger import Entry
from smsgw.simulator.replies import Reply, json_reply, refusal
from smsgw.simulator.settings import DEFAULT_NAME
from smsgw.web.errors import ApiError

HttpRequest = Request[Any, Any, State]
"""What Litestar hands to a handler."""
_Moment = Annotated[datetime, Meta(tz=True)]


class Town(msgspec.Struct, frozen=True, kw_only=True):
    """All carriers of a process."""

    carriers: Mapping[str, Carrier]
    dialects: Mapping[str, Dialect]
    """Those that look-ups are asked in, by carrier."""
    doors: Mapping[str, Door]
    observer: Observer

    def carrier(self, name: str) -> Carrier:
        """Return a carrier by its name; else the caller gets a 404."""
        found = self.carriers.get(name)
        if found is None:
            raise ApiError(404, "NOT_FOUND", "There is no such provider.", details={"providers": list(self.carriers)})
        return found

    def chosen(self, request: HttpRequest) -> list[Carrier]:
        """Return the carrier that `?provider=` names, or all."""
        name = request.query_params.get("provider")
        return list(self.carriers.values()) if name is None else [self.carrier(name)]


def simulator_handlers(town: Town) -> list[HTTPRouteHandler]:
    """Return the routes. Messages and look-ups need the key; the rest is open to anybody: it is a tool for tests."""
    return [*_provider_handlers(town), *_ledger_handlers(town), *_control_handlers(town)]


def _provider_handlers(town: Town) -> list[HTTPRouteHandler]:
    async def take(request: HttpRequest) -> ASGIApp:
        # Doors answers these before Litestar sees them; what comes here has a name that nobody has.
        door = town.doors.get(request.scope["path"])
        if door is None:
            raise ApiError(404, "NOT_FOUND", "There is no such provider.", details={"providers": list(town.carriers)})
        return await door(request.scope["headers"], await request.body(), request.receive)

    async def find(request: HttpRequest, name: str) -> ASGIApp:
        carrier = town.carrier(name)
        if not town.dialects[name].knows(request.scope["headers"]):
            return refusal(401, "UNAUTHORIZED", "Unknown API key.")
        return await carrier.look_up(request.query_params.get("reference", ""), request.receive)

    @post(["/{name:str}/messages", "/messages"], status_code=202, summary="Send (provider_a)", tags=["Provider"])
    async def send(request: HttpRequest) -> ASGIApp:
        """Take a message as docs/reference/providers.md describes; without a name it goes to `default`."""
        return await take(request)

    @post("/api/sms/{name:str}", status_code=202, summary="Send (phone_text)", tags=["Provider"])
    async def send_simply(request: HttpRequest) -> ASGIApp:
        """Take `{"phone", "text"}`."""
        return await take(request)

    @get("/{name:str}/messages", summary="Look up", tags=["Provider"])
    async def look_up(request: HttpRequest, name: FromPath[str]) -> ASGIApp:
        """Answer what became of `?reference=`."""
        return await find(request, name)

    @get("/messages", summary="Look up at `default`", tags=["Provider"])
    async def look_up_default(request: HttpRequest) -> ASGIApp:
        """Answer what became of `?reference=`."""
        return await find(request, DEFAULT_NAME)

    return [send, send_simply, look_up, look_up_default]


def _ledger_handlers(town: Town) -> list[HTTPRouteHandler]:
    @get("/ledger", summary="Ledger", tags=["Simulator"])
    async def ledger(request: HttpRequest) -> ASGIApp:
        """List every acceptance, oldest first; `?provider=`, `?reference=`, `?to=` and `?since=` choose."""
        return json_reply(200, _entries(town, request))

    @get("/ledger/summary", summary="Ledger in numbers", tags=["Simulator"])
    async def summary(request: HttpRequest) -> ASGIApp:
        """Count per provider what it was asked and what it accepted, and the most of both in any second."""
        return json_reply(200, {each.name: each.tally.summary(each.name) for each in town.chosen(request)})

    @post("/ledger/reset", status_code=200, summary="Empty the ledger", tags=["Simulator"])
    async def reset(request: HttpRequest) -> ASGIApp:
        """Forget every acceptance and count from 0; `?provider=` only those of one."""
        chosen = town.chosen(request)
        for carrier in chosen:
            carrier.reset()
            town.observer(SimulatorChanged(provider=carrier.name, changes=("ledger",)))
        return json_reply(200, {"reset": [carrier.name for carrier in chosen]})

    return [ledger, summary, reset]


def _control_handlers(town: Town) -> list[HTTPRouteHandler]:
    @get("/control/{name:str}", summary="How a provider behaves", tags=["Simulator"])
    async def show(name: FromPath[str]) -> ASGIApp:
        """Answer its settings as they are now."""
        return _shown(town.carrier(name))

    @post("/control/{name:str}", status_code=200, summary="Change how a provider behaves", tags=["Simulator"])
    async def order(request: HttpRequest, name: FromPath[str]) -> ASGIApp:
        """Change the settings that the body names; `outage` begins at once, null ends it."""
        carrier = town.carrier(name)
        body = await request.body()
        try:
            asked = read_order(body, carrier.conduct, seconds=carrier.seconds)
        except BadOrderError as error:
            raise ApiError(422, "INVALID_PAYLOAD", str(error)) from None
        changed = carrier.obey(asked)
        town.observer(SimulatorChanged(provider=name, changes=changed))
        return _shown(carrier)

    return [show, order]


def _entries(town: Town, request: HttpRequest) -> list[Entry]:
    asked = request.query_params
    since = _moment(asked.get("since"))
    lists = [
        each.ledger.entries(asked.get("reference"), to=asked.get("to"), since=since) for each in town.chosen(request)
    ]
    return list(merge(*lists, key=lambda entry: entry.accepted_at))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # A + that was not escaped has become a space.
        return msgspec.convert(text.replace(" ", "+"), _Moment)
    except msgspec.ValidationError:
        raise ApiError(422, "INVALID_PAYLOAD", "since: a time as in 2026-03-01T12:00:00Z expected") from None


def _shown(carrier: Carrier) -> Reply:
    outage = carrier.outage_now
    is_on = outage is not None and outage.is_on(carrier.seconds)
    return json_reply(200, {**msgspec.to_builtins(carrier.conduct), "outage": outage if is_on else None})
