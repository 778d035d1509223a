"""What the operations API stands on, and what its routes share: the key with `ops`, names in paths, examples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.datastructures import ResponseSpec

from smsgw.core.buckets import Rates
from smsgw.core.events import OperatorActed
from smsgw.core.keys import Client, Clients
from smsgw.core.lifecycle import Timers
from smsgw.core.phone import Numbers
from smsgw.core.ports import Clock, Observer, Store
from smsgw.core.providers import Providers
from smsgw.core.routing import Strategy
from smsgw.core.traffic import Traffic
from smsgw.core.wishes import TextRules
from smsgw.web.documented import documented
from smsgw.web.errors import ApiError
from smsgw.worker.choosing import Choosing
from smsgw.worker.direct import DirectSender
from smsgw.worker.http.responses import KeyedOperation, limits_unavailable, not_found, store_unavailable, unauthorized
from smsgw.worker.http.status import client_of
from smsgw.worker.shares import ShareBook

OPS = "ops"
TAGS = ["Operations API"]
_REFUSAL = "The API key is missing, unknown or inactive, or lacks the scope `ops`."


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How this worker chooses and what limits it."""

    strategy: Strategy = Strategy.PRIORITY
    default_priority: int = 100
    rates: Rates = Rates()
    numbers: Numbers = Numbers()
    texts: TextRules = TextRules()
    timers: Timers = Timers()


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Everything that an operator may ask about or change."""

    clients: Callable[[], Clients]
    configured: Callable[[], Providers]
    store: Store
    traffic: Traffic
    choosing: Choosing
    shares: ShareBook
    direct: DirectSender
    rule: Rule
    observer: Observer
    clock: Clock

    def operator(self, request: Request[Any, Any, Any]) -> Client:
        """Return the client whose key has the scope `ops`; anybody else is a stranger."""
        client = client_of(request, self.clients(), self.clock())
        if client is None or OPS not in client.scopes:
            raise ops_refused()
        return client

    def named(self, name: str) -> str:
        """Return the canonical name of a name or alias in a path."""
        canonical = self.configured().resolve(name)
        if canonical is None:
            raise not_found("provider")
        return canonical

    def acted(self, client: Client, action: str, provider: str | None = None) -> None:
        """State that an operator changed something."""
        self.observer(OperatorActed(action=action, provider=provider, client_key=client.client_key))


def ops_refused() -> ApiError:
    """Return the refusal of a key that may not operate; as everywhere, why is not told."""
    return unauthorized(_REFUSAL)


def refusals(*errors: ApiError) -> dict[int, ResponseSpec]:
    """Return the OpenAPI entries of what a route refuses with."""
    return documented(ops_refused(), *errors)


def operation(
    example: Any, *, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
) -> type[KeyedOperation]:
    """Return an operation with a key, an example of its answer, and with what its handler reads raw: the query's
    parameters by name, the body."""
    shown = msgspec.to_builtins(example)
    parameters = [{"in": "query", "required": False, "name": name, **each} for name, each in (query or {}).items()]

    @dataclass
    class RawOperation(KeyedOperation):
        def to_schema(self) -> dict[str, Any]:
            said = super().to_schema()
            said["parameters"] = [*said["parameters"], *parameters]
            # Put in here, because Litestar leaves out of an example what is null.
            said["responses"]["200"]["content"]["application/json"]["example"] = shown
            return {**said, "requestBody": body} if body else said

    return RawOperation


NO_PROVIDER = not_found("provider")
NO_STORE = store_unavailable()
NO_LIMITS = limits_unavailable()
