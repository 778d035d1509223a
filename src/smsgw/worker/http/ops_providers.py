"""`GET /api/sms/providers`, `/api/sms/{provider}/status`, `/api/sms/rate-limits`: who there is, how much may leave."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from smsgw.core.buckets import Bucket, Limit
from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.providers import RateUnit
from smsgw.core.traffic import TOTAL, bucket_of
from smsgw.worker.http.operations import NO_LIMITS, NO_PROVIDER, TAGS, Operations, operation, refusals
from smsgw.worker.http.ops_health import CIRCUIT_EXAMPLE, CircuitView, circuit_view
from smsgw.worker.http.responses import limits_unavailable
from smsgw.worker.limits import limits_of


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as it is configured, defaults filled in; its options are never told."""

    name: str
    aliases: tuple[str, ...]
    kind: str
    is_active: bool
    is_operational: bool
    note: str | None
    priority: int
    weight: int
    rate_limit: float | None
    """Per second; null for none."""
    rate_unit: RateUnit
    rate_burst_seconds: float
    circuit: str


class ProvidersView(msgspec.Struct, frozen=True):
    """Every configured provider."""

    providers: list[ProviderView]


class BucketView(msgspec.Struct, frozen=True, kw_only=True):
    """A rate limit and what is left of it now; all null but the unit where there is no limit."""

    rate: float | None = None
    unit: RateUnit = RateUnit.MESSAGE
    burst_seconds: float | None = None
    tokens: float | None = None
    """That may be used now, by whichever worker; below 0 after a message that cost more than there was."""
    factor: float | None = None
    """The share of the rate that is used since the provider said "too much"; it recovers to 1."""
    closed_until: datetime | None = None


class ProviderBucketView(BucketView, frozen=True, kw_only=True):
    """A provider's rate limit."""

    provider: str


class RateLimitsView(msgspec.Struct, frozen=True, kw_only=True):
    """Every rate limit, over all workers."""

    total: BucketView
    """TOTAL_RATE_LIMIT."""
    providers: list[ProviderBucketView]


class ProviderStatusView(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider does."""

    provider: ProviderView
    health: CircuitView
    """As a whole; by country: `GET /api/sms/health/{provider}`."""
    calls_under_way: int
    """At the worker that answers."""
    limit: BucketView
    """`tokens`, `factor` and `closed_until` are null while the limits store is away."""


_PROVIDER = ProviderView(
    name="Provider-A",
    aliases=("a",),
    kind="provider_a",
    is_active=True,
    is_operational=True,
    note="contract 4711",
    priority=10,
    weight=3,
    rate_limit=50.0,
    rate_unit=RateUnit.MESSAGE,
    rate_burst_seconds=1.0,
    circuit="closed",
)
_BUCKET = BucketView(rate=50.0, burst_seconds=1.0, tokens=21.5, factor=1.0)
_TOTAL_BUCKET = BucketView(rate=200.0, burst_seconds=1.0, tokens=88.0, factor=1.0)
_PROVIDERS = ProvidersView([_PROVIDER])
_STATUS = ProviderStatusView(provider=_PROVIDER, health=CIRCUIT_EXAMPLE, calls_under_way=3, limit=_BUCKET)
_RATE_LIMITS = RateLimitsView(
    total=_TOTAL_BUCKET,
    providers=[
        ProviderBucketView(
            provider="Provider-A",
            rate=50.0,
            burst_seconds=1.0,
            tokens=0.0,
            factor=0.7,
            closed_until=datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC),
        )
    ],
)


def provider_handlers(ops: Operations) -> Sequence[HTTPRouteHandler]:
    """Return the route handlers."""
    return [_providers(ops), _provider_status(ops), _rate_limits(ops)]


def _providers(ops: Operations) -> HTTPRouteHandler:
    @get(
        "/api/sms/providers",
        operation_class=operation(_PROVIDERS),
        operation_id="providers",
        summary="All providers",
        tags=TAGS,
        responses=refusals(),
    )
    async def providers(request: Request[Any, Any, Any]) -> ProvidersView:
        """Answer every configured provider, also those that are switched off, with the state of its circuit."""
        ops.operator(request)
        return ProvidersView([_provider_view(ops, name) for name in ops.configured()])

    return providers


def _provider_status(ops: Operations) -> HTTPRouteHandler:
    @get(
        "/api/sms/{provider:str}/status",
        operation_class=operation(_STATUS),
        operation_id="providerStatus",
        summary="How one provider does",
        tags=TAGS,
        responses=refusals(NO_PROVIDER),
    )
    async def provider_status(request: Request[Any, Any, Any], provider: FromPath[str]) -> ProviderStatusView:
        """Answer one provider (name or alias, in any case): configuration, circuit, calls under way, tokens at hand."""
        ops.operator(request)
        return await _status_view(ops, ops.named(provider))

    return provider_status


def _rate_limits(ops: Operations) -> HTTPRouteHandler:
    @get(
        "/api/sms/rate-limits",
        operation_class=operation(_RATE_LIMITS),
        operation_id="rateLimits",
        summary="Rate limits and what is left of them",
        tags=TAGS,
        responses=refusals(NO_LIMITS),
    )
    async def rate_limits(request: Request[Any, Any, Any]) -> RateLimitsView:
        """Answer the rate limits over all workers with the tokens that there are now; asking takes none."""
        ops.operator(request)
        try:
            return await _rate_limits_view(ops)
        except LimitsUnavailableError:
            raise limits_unavailable() from None

    return rate_limits


def _provider_view(ops: Operations, name: str) -> ProviderView:
    configured = ops.configured()
    config = configured[name]
    limit = limits_of(configured, ops.rule.rates).get(bucket_of(name))
    return ProviderView(
        name=name,
        aliases=config.aliases,
        kind=configured.kind_of(name),
        is_active=config.is_active,
        is_operational=config.is_operational,
        note=config.note,
        priority=ops.rule.default_priority if config.priority is None else config.priority,
        weight=config.weight,
        rate_limit=limit.rate if limit else None,
        rate_unit=config.rate_unit,
        rate_burst_seconds=config.rate_burst_seconds,
        circuit=ops.choosing.health.of(name).whole.state,
    )


async def _status_view(ops: Operations, name: str) -> ProviderStatusView:
    limit = limits_of(ops.configured(), ops.rule.rates).get(bucket_of(name))
    bucket = None
    if limit is not None:
        try:
            bucket = (await ops.traffic.buckets({bucket_of(name): limit}))[bucket_of(name)]
        except LimitsUnavailableError:
            # The rest is worth telling all the more: this is when an operator asks.
            bucket = None
    return ProviderStatusView(
        provider=_provider_view(ops, name),
        health=circuit_view(ops.choosing.health.of(name).whole),
        calls_under_way=ops.choosing.pacer.calls_of(name),
        limit=BucketView(**_bucket_fields(limit, bucket, ops.configured()[name].rate_unit)),
    )


async def _rate_limits_view(ops: Operations) -> RateLimitsView:
    configured = ops.configured()
    limits = limits_of(configured, ops.rule.rates)
    buckets = await ops.traffic.buckets(limits)

    def fields(bucket: str, unit: RateUnit) -> dict[str, Any]:
        return _bucket_fields(limits.get(bucket), buckets.get(bucket), unit)

    return RateLimitsView(
        total=BucketView(**fields(TOTAL, RateUnit.MESSAGE)),
        providers=[
            ProviderBucketView(provider=name, **fields(bucket_of(name), configured[name].rate_unit))
            for name in configured
        ],
    )


def _bucket_fields(limit: Limit | None, bucket: Bucket | None, unit: RateUnit) -> dict[str, Any]:
    fields: dict[str, Any] = {"unit": unit}
    if limit is not None:
        fields |= {"rate": limit.rate, "burst_seconds": limit.burst_seconds}
    if bucket is not None:
        is_closed = bucket.closed_until is not None and bucket.closed_until > bucket.at
        closed_until = bucket.closed_until if is_closed else None
        fields |= {"tokens": round(bucket.tokens, 3), "factor": round(bucket.factor, 3), "closed_until": closed_until}
    return fields
