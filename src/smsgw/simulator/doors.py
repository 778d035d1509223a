"""The way of a message into the simulator: a dictionary, where the router of a whole application would cost as much as
all the rest. What has no door here goes to the application behind."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from litestar.types import ASGIApp, Receive, Send

from smsgw.simulator.carrier import Carrier
from smsgw.simulator.dialects import phone_text, provider_a
from smsgw.simulator.replies import Reply
from smsgw.simulator.settings import DEFAULT_NAME, CarrierSettings
from smsgw.simulator.vendors.base import Call

Door = Callable[[Any, bytes, Receive], Awaitable[Reply]]
"""Takes headers, body and the way to hear that the caller left."""


class Doors:
    """An ASGI application; its requests come through the Shield, with the body in one piece."""

    def __init__(self, doors: Mapping[str, Door], behind: ASGIApp, *, desks: "Desks | None" = None) -> None:
        self._doors = doors
        self._behind = behind
        self._desks = desks or Desks(())

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        door = self._doors.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        visit = self._desks.find(scope) if door is None else None
        if door is None and visit is None:
            await self._behind(scope, receive, send)
            return
        message: Any = await receive()
        if door:
            reply = await door(scope["headers"], message["body"], receive)
        else:
            assert visit is not None
            reply = await visit.take(scope, message["body"], receive)
        await reply(scope, receive, send)


class Visit(msgspec.Struct, frozen=True):
    """A call at the right desk of the right carrier."""

    carrier: Carrier
    path: str
    route: str
    parts: dict[str, str]

    async def take(self, scope: Any, body: bytes, receive: Receive) -> Reply:
        """Return the answer."""
        call = Call(
            route=self.route,
            parts=self.parts,
            method=scope["method"],
            path=self.path,
            whole_path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            now=self.carrier.now,
        )
        return await self.carrier.visit(call, receive)


class Desks:
    """Where carriers that play vendors are asked: below `/{name}`, and for the default one at the root."""

    def __init__(self, carriers: Iterable[Carrier]) -> None:
        played = [(carrier, carrier.impersonation) for carrier in carriers if carrier.impersonation]
        self._desks = [(f"/{carrier.name}", carrier, vendor) for carrier, vendor in played]
        # The root comes last: a carrier's own name goes before it.
        self._desks += [("", carrier, vendor) for carrier, vendor in played if carrier.name == DEFAULT_NAME]

    def find(self, scope: Any) -> Visit | None:
        """Return who answers an address; None when no vendor does."""
        if not self._desks or scope["type"] != "http":
            return None
        path: str = scope["path"]
        for prefix, carrier, vendor in self._desks:
            if not path.startswith(f"{prefix}/"):
                continue
            below = path.removeprefix(prefix)
            if routed := vendor.route(scope["method"], below):
                return Visit(carrier, below, *routed)
        return None


def doors_of(carrier: Carrier, settings: CarrierSettings) -> dict[str, Door]:
    """Return a carrier's doors by path; one that plays a vendor has a desk instead."""
    if carrier.impersonation:
        return {}
    direct, simple = provider_a(settings), phone_text(settings)

    async def ask(headers: Any, body: bytes, receive: Receive) -> Reply:
        return await carrier.send(direct, headers, body, receive)

    async def ask_simply(headers: Any, body: bytes, receive: Receive) -> Reply:
        return await carrier.send(simple, headers, body, receive)

    doors: dict[str, Door] = {f"/{carrier.name}/messages": ask, f"/api/sms/{carrier.name}": ask_simply}
    if carrier.name == DEFAULT_NAME:
        doors["/messages"] = ask
    return doors
