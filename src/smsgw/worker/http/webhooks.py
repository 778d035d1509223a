"""`POST /webhooks/delivery-report/{provider}`: verified before it is parsed, stored before it is answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw import failpoints
from smsgw.core.events import ReportReceived, ReportRefused
from smsgw.core.message import DeliveryReport, ReceivedReport
from smsgw.core.ports import (
    Clock,
    Forged,
    Observer,
    Provider,
    ReportRequest,
    Store,
    StoreUnavailableError,
    Unreadable,
)
from smsgw.core.providers import Providers
from smsgw.web.documented import documented
from smsgw.worker.http.responses import not_found, store_unavailable, unauthorized

_FORGED = "The signature is missing or wrong."


class ReportInbox:
    """Takes webhook calls: reads each with the provider it is addressed to, and stores what was in it."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        configured: Callable[[], Providers],
        observer: Observer,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._providers = providers
        self._configured = configured
        self._observer = observer
        self._clock = clock
        self._wake = wake

    async def receive(self, name: str, call: ReportRequest) -> None:
        """Store the reports of one call; raises the ApiError that the provider should get instead of a 200."""
        provider = self._providers.get(self._configured().resolve(name) or "")
        if provider is None:
            raise not_found("provider")
        read = provider.read_report(call)
        if isinstance(read, Forged):
            self._observer(ReportRefused(provider=provider.name, is_forged=True, why=read.why))
            raise unauthorized(_FORGED)
        if isinstance(read, Unreadable):
            # Authentic, so it gets its 200: refused, it would come again for days and say nothing more.
            self._observer(ReportRefused(provider=provider.name, is_forged=False, why=read.why))
            return
        if read:
            await self._keep(provider.name, read)

    async def _keep(self, provider: str, reports: Sequence[DeliveryReport]) -> None:
        now = self._clock()
        received = [ReceivedReport(provider=provider, report=each, received_at=now) for each in reports]
        failpoints.reach("D1")
        try:
            new = await self._store.store_reports(received)
        except StoreUnavailableError:
            raise store_unavailable() from None
        self._observer(ReportReceived(provider=provider, count=len(received), new=new))
        self._wake()
        failpoints.reach("D2")


def webhook_handler(inbox: ReportInbox) -> HTTPRouteHandler:
    """Return the route handler."""

    @post(
        "/webhooks/delivery-report/{provider:str}",
        status_code=200,
        operation_id="deliveryReport",
        summary="Delivery report of a provider",
        tags=["Webhooks"],
        responses=documented(unauthorized(_FORGED), not_found("provider"), store_unavailable()),
    )
    async def delivery_report(request: Request[Any, Any, Any], provider: FromPath[str]) -> dict[str, bool]:
        """Take a report in the provider's own format, signed as the provider signs. 200 means that it is stored, known
        or not; a provider should repeat it after anything else."""
        await inbox.receive(provider, _call(request, await request.body()))
        return {"success": True}

    return delivery_report


def _call(request: Request[Any, Any, Any], body: bytes) -> ReportRequest:
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.scope["headers"]]
    return ReportRequest(headers=headers, body=body, query=request.scope["query_string"].decode("latin-1"))
