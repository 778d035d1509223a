"""`/api/sms/health`: the circuits of providers and countries as all workers share them, and the reset of one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw.core.health import Cell, Rules, State
from smsgw.core.ports import LimitsUnavailableError
from smsgw.worker.http.operations import NO_LIMITS, NO_PROVIDER, TAGS, Operations, operation, refusals
from smsgw.worker.http.responses import limits_unavailable


class CircuitView(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit and the window of outcomes behind it. What says nothing about the provider is in neither count."""

    state: State
    since: datetime | None
    until: datetime | None
    """When an open circuit lets a probe through."""
    reason: str | None
    """Why it opened last."""
    good: int
    bad: int
    sample: int


class CountryView(CircuitView, frozen=True, kw_only=True):
    """The circuit of one country at a provider; only countries with calls in the window or a circuit of their own."""

    country: str
    """ISO 3166, by the number's calling code."""


class ProviderHealthView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's health. Unless the whole is closed, no country's circuit counts."""

    provider: str
    whole: CircuitView
    countries: list[CountryView]


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """The health of all providers, and the rules that it is judged by."""

    rules: Rules
    providers: list[ProviderHealthView]


_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
CIRCUIT_EXAMPLE = CircuitView(state=State.CLOSED, since=_AT, until=None, reason=None, good=118, bad=2, sample=120)
_COUNTRY = CountryView(
    country="IR",
    state=State.OPEN,
    since=_AT,
    until=datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC),
    reason="6 of 11 calls failed within 60 s",
    good=0,
    bad=0,
    sample=0,
)
_PROVIDER = ProviderHealthView(provider="Provider-A", whole=CIRCUIT_EXAMPLE, countries=[_COUNTRY])
_HEALTH = HealthView(rules=Rules(), providers=[_PROVIDER])


def health_handlers(ops: Operations) -> Sequence[HTTPRouteHandler]:
    """Return the route handlers."""
    return [_health(ops), _provider_health(ops), _reset_health(ops)]


def _health(ops: Operations) -> HTTPRouteHandler:
    @get(
        "/api/sms/health",
        operation_class=operation(_HEALTH),
        operation_id="providersHealth",
        summary="Health of all providers",
        tags=TAGS,
        responses=refusals(),
    )
    async def health(request: Request[Any, Any, Any]) -> HealthView:
        """Answer every provider's circuits as this worker knows them; the workers exchange what they know several times
        a second. While the limits store is away they stay as they were."""
        ops.operator(request)
        return HealthView(
            rules=ops.choosing.health.rules, providers=[_health_view(ops, name) for name in ops.configured()]
        )

    return health


def _provider_health(ops: Operations) -> HTTPRouteHandler:
    @get(
        "/api/sms/health/{provider:str}",
        operation_class=operation(_PROVIDER),
        operation_id="providerHealth",
        summary="Health of one provider",
        tags=TAGS,
        responses=refusals(NO_PROVIDER),
    )
    async def provider_health(request: Request[Any, Any, Any], provider: FromPath[str]) -> ProviderHealthView:
        """Answer one provider's circuits: as a whole, and by country of the destination."""
        ops.operator(request)
        return _health_view(ops, ops.named(provider))

    return provider_health


def _reset_health(ops: Operations) -> HTTPRouteHandler:
    @post(
        "/api/sms/health/{provider:str}/reset",
        status_code=200,
        operation_class=operation(_PROVIDER),
        operation_id="resetProviderHealth",
        summary="Close a provider's circuits",
        tags=TAGS,
        responses=refusals(NO_PROVIDER, NO_LIMITS),
    )
    async def reset_health(request: Request[Any, Any, Any], provider: FromPath[str]) -> ProviderHealthView:
        """Forget every outcome of this provider and close its circuits, at all workers within a second. It opens again
        when its calls go on failing. The reset is logged."""
        client, name = ops.operator(request), ops.named(provider)
        try:
            await ops.choosing.health.reset(name)
        except LimitsUnavailableError:
            raise limits_unavailable() from None
        ops.acted(client, "health.reset", name)
        return _health_view(ops, name)

    return reset_health


def circuit_view(cell: Cell) -> CircuitView:
    """Return a circuit as it is shown."""
    return CircuitView(**_circuit_fields(cell))


def _health_view(ops: Operations, name: str) -> ProviderHealthView:
    known = ops.choosing.health.of(name)
    countries = [
        CountryView(country=country, **_circuit_fields(cell)) for country, cell in sorted(known.countries.items())
    ]
    return ProviderHealthView(provider=name, whole=circuit_view(known.whole), countries=countries)


def _circuit_fields(cell: Cell) -> dict[str, Any]:
    return {
        "state": cell.state,
        "since": _time(cell.since),
        "until": _time(cell.until) if cell.state is State.OPEN else None,
        "reason": cell.reason or None,
        "good": cell.good,
        "bad": cell.bad,
        "sample": cell.sample,
    }


def _time(unix: float) -> datetime | None:
    """Return a time; nobody has noted the state of what never had a call."""
    return datetime.fromtimestamp(unix, UTC) if unix else None
