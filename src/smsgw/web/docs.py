"""The API's description and its documentation page: served by us, so that it works without internet."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from swagger_ui_bundle import swagger_ui_path

_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}
_TYPES = {"css": "text/css", "js": "text/javascript", "png": "image/png", "html": "text/html"}
_FROM_BUNDLE = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
_OURS = frozenset({"docs.css", "docs.js"})


def openapi_router() -> Router:
    """Return the router that Litestar hangs its OpenAPI handlers on; we answer before they are asked."""
    return Router("/schema", route_handlers=[], include_in_schema=False, before_request=_answer_schema)


def documentation_handlers() -> list[HTTPRouteHandler]:
    """Return the handlers of `/openapi.json`, `/docs` and the page's assets."""

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _document(request)

    @get("/docs", include_in_schema=False, sync_to_thread=False)
    def docs_page() -> Response[bytes]:
        return _page()

    @get("/docs/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
    def docs_asset(name: FromPath[str]) -> Response[bytes]:
        if name not in _FROM_BUNDLE and name not in _OURS:
            raise NotFoundException
        return _file(name, {**_HEADERS, "cache-control": "public, max-age=3600"})

    return [openapi_json, docs_page, docs_asset]


def _answer_schema(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer everything under /schema: a page for a browser, else the document."""
    path = request.scope["path"].rstrip("/")
    if path == "/schema" and "text/html" in request.headers.get("accept", ""):
        return _page()
    if path in ("/schema", "/schema/openapi.json"):
        return _document(request)
    raise NotFoundException


def _document(request: Request[Any, Any, Any]) -> Response[bytes]:
    headers = {"x-content-type-options": "nosniff", "vary": "accept"}
    return Response(_encoded(request.app), media_type="application/json", headers=headers)


@lru_cache(maxsize=4)
def _encoded(app: Any) -> bytes:
    return msgspec.json.encode(app.openapi_schema.to_schema(), enc_hook=str)


def _page() -> Response[bytes]:
    return _file("docs.html", {**_HEADERS, "vary": "accept"})


def _file(name: str, headers: dict[str, str]) -> Response[bytes]:
    return Response(_content(name), media_type=_TYPES[name.rsplit(".", 1)[-1]], headers=headers)


@lru_cache(maxsize=8)
def _content(name: str) -> bytes:
    if name in _FROM_BUNDLE:
        return bytes((swagger_ui_path / name).read_bytes())
    return files("smsgw.web").joinpath("assets", name).read_bytes()
