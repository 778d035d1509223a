"""Everything that the console answers: its routes, its assets, and a page for what is not there."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw.core.people import Role
from smsgw.worker.console import (
    account,
    audit_log_page,
    clients,
    dashboard,
    erasure,
    message,
    messages,
    providers_page,
    sign_in,
    users,
)
from smsgw.worker.console.answers import Answer, NoSuchPageError
from smsgw.worker.console.console import Console
from smsgw.worker.console.rendering import ASSETS, asset
from smsgw.worker.console.routes import HEADERS, Route, page, route_handlers
from smsgw.worker.console.visit import Visit

FOR_EVER = "public, max-age=31536000, immutable"


def console_routes(console: Console) -> Sequence[Route]:
    """Return every route with its role: what the tests walk over."""
    return [
        *sign_in.routes(console),
        *erasure.routes(console),
        *users.routes(console),
        *account.routes(console),
        *audit_log_page.routes(console),
        *dashboard.routes(console),
        *providers_page.routes(console),
        *messages.routes(console),
        *message.routes(console),
        *clients.routes(console),
        page("/console/{rest:path}", Role.VIEWER, _nothing),
    ]


def console_handlers(console: Console) -> list[HTTPRouteHandler]:
    """Return the handlers of the console."""
    return [*route_handlers(console, console_routes(console)), _assets()]


async def _nothing(_: Visit) -> Answer:
    raise NoSuchPageError


def _assets() -> HTTPRouteHandler:
    @get("/console/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
    def console_asset(name: FromPath[str]) -> Response[Any]:
        if name not in ASSETS:
            return Response(b"", status_code=404, headers=HEADERS)
        return Response(asset(name), media_type=ASSETS[name], headers={**HEADERS, "cache-control": FOR_EVER})

    return console_asset
