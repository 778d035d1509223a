"""`/webhooks/delivery-report/{provider}`: verified before it is parsed, stored before it is answered."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import CacheControlHeader
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw.core.events import ReportRefused
from smsgw.core.ports import (
    Clock,
    Forged,
    Observer,
    Provider,
    ReportRequest,
    Store,
    Unproved,
    Unreadable,
    WrongMethod,
)
from smsgw.core.providers import Providers
from smsgw.web.documented import documented
from smsgw.web.errors import STANDARD, ApiError
from smsgw.web.shield import ASKED
from smsgw.worker.http.peer import Network, peer_of
from smsgw.worker.http.responses import not_found, proof_unavailable, store_unavailable, unauthorized
from smsgw.worker.keeping import ReportKeeper

Decorator = Callable[..., Callable[[Any], HTTPRouteHandler]]
_PATH = "/webhooks/delivery-report/{provider:str}"
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
        self._providers = providers
        self._configured = configured
        self._observer = observer
        self._keeper = ReportKeeper(store=store, observer=observer, clock=clock, wake=wake)

    async def receive(self, name: str, call: ReportRequest) -> None:
        """Store the reports of one call; raises the ApiError that the provider should get instead of a 200."""
        provider = self._providers.get(self._configured().resolve(name) or "")
        if provider is None:
            raise not_found("provider")
        read = await provider.read_report(call)
        if isinstance(read, Forged):
            self._observer(ReportRefused(provider=provider.name, is_forged=True, why=read.why))
            raise _refusal(read)
        if isinstance(read, Unreadable):
            # Authentic, so it gets its 200: refused, it would come again for days and say nothing more.
            self._observer(ReportRefused(provider=provider.name, is_forged=False, why=read.why))
            return
        if read and not await self._keeper.keep(provider.name, read):
            raise store_unavailable()


def webhook_handlers(inbox: ReportInbox, trusted_proxies: Sequence[Network]) -> list[HTTPRouteHandler]:
    """Return the routes: POST and GET, for vendors of either habit, and both with the token of those that sign nothing
    in the address. A token is a credential: nothing here may say it again."""

    async def take(request: Request[Any, Any, Any], provider: str, token: str) -> dict[str, bool]:
        if request.scope.get(ASKED) == "HEAD":
            # It would be read as a GET, and something would come of it.
            raise _method_not_allowed("GET", "POST")
        await inbox.receive(provider, _call(request, await request.body(), token, trusted_proxies))
        return {"success": True}

    return [handler for method in (post, get) for handler in _handlers(method, take)]


def _handlers(method: Decorator, take: Callable[..., Awaitable[dict[str, bool]]]) -> list[HTTPRouteHandler]:
    word = method.__name__.capitalize()
    described: dict[str, Any] = {
        "status_code": 200,
        "summary": "Delivery report of a provider",
        "tags": ["Webhooks"],
        "responses": documented(unauthorized(_FORGED), not_found("provider"), store_unavailable(), proof_unavailable()),
        "cache_control": CacheControlHeader(no_store=True),
    }

    @method(_PATH, operation_id=f"deliveryReport{word}", **described)
    async def delivery_report(request: Request[Any, Any, Any], provider: FromPath[str]) -> dict[str, bool]:
        """Take a report in the provider's own format, signed as the provider signs. 200 means that it is stored, known
        or not; a provider should repeat it after anything else."""
        return await take(request, provider, "")

    @method(f"{_PATH}/{{token:str}}", operation_id=f"deliveryReportWithToken{word}", **described)
    async def delivery_report_with_token(
        request: Request[Any, Any, Any], provider: FromPath[str], token: FromPath[str]
    ) -> dict[str, bool]:
        """Take a report of a provider that signs nothing: the token (`options.webhook_token`) is its proof."""
        return await take(request, provider, token)

    return [delivery_report, delivery_report_with_token]


def _call(
    request: Request[Any, Any, Any], body: bytes, token: str, trusted_proxies: Sequence[Network]
) -> ReportRequest:
    scope = request.scope
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    client = scope["client"]
    forwarded = [value for name, value in headers if name == "x-forwarded-for"]
    return ReportRequest(
        headers=headers,
        body=body,
        received_at=datetime.now(UTC),
        method=scope["method"],
        query=scope["query_string"].decode("latin-1"),
        token=token,
        peer=peer_of(client[0], forwarded, trusted_proxies) if client else "",
    )


def _refusal(read: Forged) -> ApiError:
    if isinstance(read, WrongMethod):
        return _method_not_allowed("POST")
    return proof_unavailable() if isinstance(read, Unproved) else unauthorized(_FORGED)


def _method_not_allowed(*allowed: str) -> ApiError:
    return ApiError(405, *STANDARD[405], details={"allowed": list(allowed)}, headers={"allow": ", ".join(allowed)})
