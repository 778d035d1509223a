"""The gateway put together: ports in, route handlers, checks and tasks out."""

from collections.abc import Sequence

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from smsgw.core.ports import Clock, Limits, Observer, Publisher, QueueAdmin
from smsgw.gateway.admission import Admitter
from smsgw.gateway.config import ConfigHolder
from smsgw.gateway.doors import phone_door, send_door
from smsgw.gateway.fullness import QueueGuard
from smsgw.gateway.heartbeat import Heartbeat
from smsgw.gateway.http.description import phone_operation, send_operation
from smsgw.gateway.http.send import door_handler
from smsgw.settings import GatewaySettings
from smsgw.web.app import MetricsPage, build_app
from smsgw.web.documented import documented
from smsgw.web.readiness import Readiness

TITLE = "smsgw gateway"
DESCRIPTION = (
    "Takes SMS requests, answers once they are safely queued, and never sends one twice for one Idempotency-Key."
)


class Gateway:
    """One gateway: `heartbeat.run` and, if there is one, `guard.run` are its tasks, `config.reload` answers SIGHUP,
    `close` comes last."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        limits: Limits,
        publisher: Publisher,
        observer: Observer,
        clock: Clock,
        queue: QueueAdmin | None = None,
    ) -> None:
        """Guard the queue's depth where MAX_QUEUE_DEPTH and `queue` are given."""
        self.doors = (send_door(settings), phone_door(settings))
        self.guard: QueueGuard | None = None
        if queue is not None and settings.max_queue_depth:
            self.guard = QueueGuard(queue.depth, limit=settings.max_queue_depth, observer=observer)
        self.config = ConfigHolder(settings, observer=observer)
        self.admitter = Admitter(
            limits=limits,
            publisher=publisher,
            config=self.config,
            settings=settings,
            observer=observer,
            clock=clock,
            guard=self.guard,
        )
        self.heartbeat = Heartbeat(
            publisher=publisher, config=self.config, settings=settings, observer=observer, clock=clock
        )

    async def close(self) -> None:
        """Wait for requests in flight; limits and publisher must still be open."""
        await self.admitter.close()


def build_gateway_handlers(gateway: Gateway) -> Sequence[HTTPRouteHandler]:
    """Return the gateway's routes, so that `smsgw dev` can put them beside the worker's."""
    send, phone = gateway.doors
    first = door_handler(
        gateway.admitter,
        send,
        send.path,
        operation=send_operation(send.rules),
        operation_id="sendSms",
        summary="Send one SMS",
    )
    second = [
        door_handler(
            gateway.admitter,
            phone,
            path,
            operation=phone_operation(phone.rules),
            operation_id=f"sendSmsByPhone{number}",
            summary="Send one SMS through any provider",
        )
        for number, path in enumerate(phone.paths, 1)
    ]
    return [first, *second, _health()]


def _health() -> HTTPRouteHandler:
    @get("/health", summary="Liveness", tags=["Operations"], responses=documented(), sync_to_thread=False)
    def health() -> dict[str, str]:
        """Answer 200 while the process lives."""
        return {"status": "healthy"}

    return health


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
