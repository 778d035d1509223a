"""One HTTP application for every role: its routes, health, readiness, metrics and documentation, behind the Shield."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from litestar import Litestar, MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ASGIApp

from smsgw import __version__
from smsgw.core.ports import Clock, Observer
from smsgw.web.docs import documentation_handlers, openapi_router
from smsgw.web.documented import documented
from smsgw.web.errors import ApiError, exception_handlers
from smsgw.web.readiness import Readiness
from smsgw.web.shield import MAX_BODY, Shield

MetricsPage = Callable[[], tuple[bytes, str]]
"""Returns the page for Prometheus and its content type."""


def build_app(
    *,
    title: str,
    description: str,
    route_handlers: Sequence[Any],
    readiness: Readiness,
    metrics_page: MetricsPage,
    observer: Observer,
    clock: Clock,
) -> ASGIApp:
    """Return the role's application; whatever happens inside, a caller gets the common error body."""
    application = Litestar(
        route_handlers=[*route_handlers, *_operations(readiness, metrics_page), *documentation_handlers()],
        exception_handlers=exception_handlers(observer=observer, clock=clock),
        openapi_config=OpenAPIConfig(
            title=title,
            version=__version__,
            description=description,
            render_plugins=[JsonRenderPlugin()],
            openapi_router=openapi_router(),
            use_handler_docstrings=True,
        ),
        debug=False,
        logging_config=None,
        request_max_body_size=MAX_BODY,
    )
    return Shield(application, observer=observer, clock=clock)


def _operations(readiness: Readiness, metrics_page: MetricsPage) -> list[HTTPRouteHandler]:
    tags = ["Operations"]
    refusals = documented()
    refusals_when_unready = documented(_not_ready({"broker": "not reachable"}))

    @get("/healthz", summary="Liveness", tags=tags, responses=refusals, sync_to_thread=False)
    def healthz() -> dict[str, str]:
        """Answer 200 while the process lives."""
        return {"status": "ok"}

    @get("/readyz", summary="Readiness", tags=tags, responses=refusals_when_unready)
    async def readyz() -> dict[str, str]:
        """Answer 200 when every dependency can be used; else 503 with `details` naming each that cannot."""
        problems = await readiness.problems()
        if problems:
            raise _not_ready(problems)
        return {"status": "ready"}

    @get("/metrics", summary="Metrics", tags=tags, responses=refusals, media_type=MediaType.TEXT, sync_to_thread=False)
    def metrics() -> Response[bytes]:
        """Answer the metrics in Prometheus' text format."""
        page, content_type = metrics_page()
        # Litestar adds the charset to every text type by itself.
        return Response(page, media_type=content_type.removesuffix("; charset=utf-8"))

    return [healthz, readyz, metrics]


def _not_ready(problems: Mapping[str, str]) -> ApiError:
    return ApiError(503, "NOT_READY", f"Not ready: {', '.join(problems)}.", details=dict(problems))
