"""The gateway put together: ports in, route handlers, checks and tasks out."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from smsgw.core.ports import Clock, Limits, Observer, Publisher
from smsgw.gateway.admission import Admitter
from smsgw.gateway.config import ConfigHolder
from smsgw.gateway.heartbeat import Heartbeat
from smsgw.gateway.http.send import send_handler
from smsgw.settings import GatewaySettings
from smsgw.web.app import MetricsPage, build_app
from smsgw.web.readiness import Readiness

TITLE = "smsgw gateway"
DESCRIPTION = (
    "Takes SMS requests, answers once they are safely queued, and never sends one twice for one Idempotency-Key."
)


class Gateway:
    """One gateway: `heartbeat.run` is its only task, `config.reload` answers SIGHUP, `close` comes last."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        limits: Limits,
        publisher: Publisher,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self.config = ConfigHolder(settings, observer=observer)
        self.admitter = Admitter(
            limits=limits,
            publisher=publisher,
            config=self.config,
            settings=settings,
            observer=observer,
            clock=clock,
        )
        self.heartbeat = Heartbeat(
            publisher=publisher, config=self.config, settings=settings, observer=observer, clock=clock
        )

    async def close(self) -> None:
        """Wait for requests in flight; limits and publisher must still be open."""
        await self.admitter.close()


def build_gateway_handlers(gateway: Gateway) -> Sequence[HTTPRouteHandler]:
    """Return the gateway's routes, so that `smsgw dev` can put them beside the worker's."""
    return [send_handler(gateway.admitter)]


def build_gateway_app(
    gateway: Gateway, *, readiness: Readiness, metrics_page: MetricsPage, observer: Observer, clock: Clock
) -> ASGIApp:
    """Return the application of a process that is a gateway and nothing else."""
    return build_app(
        title=TITLE,
        description=DESCRIPTION,
        route_handlers=build_gateway_handlers(gateway),
        readiness=readiness,
        metrics_page=metrics_page,
        observer=observer,
        clock=clock,
    )
