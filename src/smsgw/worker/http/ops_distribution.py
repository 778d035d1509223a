"""`/api/sms/distribution-stats`: the share of the calls that each provider got, and the one that it should get."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler

from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.routing import Strategy
from smsgw.core.shares import Shares, Tally, expected
from smsgw.worker.http.operations import NO_LIMITS, TAGS, Operations, operation, refusals
from smsgw.worker.http.responses import limits_unavailable


class ShareView(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's part. Calls are all that were made: also failovers, retries, messages that name their provider,
    and direct sends."""

    provider: str
    calls: int
    accepted: int
    share: float | None
    """Of the calls of all providers; null before any."""
    weight: int
    expected_share: float
    """Of the messages that smsgw chooses the provider of, while all providers are well and have room."""


class DistributionView(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers have counted since the last reset, or since a day without any call."""

    strategy: Strategy
    since: datetime | None
    """Null before any call."""
    calls: int
    providers: list[ShareView]


_EXAMPLE = DistributionView(
    strategy=Strategy.WEIGHTED,
    since=datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    calls=1000,
    providers=[
        ShareView(provider="Provider-A", calls=750, accepted=748, share=0.75, weight=3, expected_share=0.75),
        ShareView(provider="Provider-B", calls=250, accepted=250, share=0.25, weight=1, expected_share=0.25),
    ],
)


def distribution_handlers(ops: Operations) -> Sequence[HTTPRouteHandler]:
    """Return the route handlers."""

    @get(
        "/api/sms/distribution-stats",
        operation_class=operation(_EXAMPLE),
        operation_id="distributionStats",
        summary="Who got how many calls",
        tags=TAGS,
        responses=refusals(NO_LIMITS),
    )
    async def distribution_stats(request: Request[Any, Any, Any]) -> DistributionView:
        """Answer the calls of every configured provider over all workers; the others' last second may be missing."""
        ops.operator(request)
        try:
            return _view(ops, await ops.shares.read())
        except LimitsUnavailableError:
            raise limits_unavailable() from None

    @post(
        "/api/sms/distribution-stats/reset",
        status_code=200,
        operation_class=operation(_EXAMPLE),
        operation_id="resetDistributionStats",
        summary="Begin to count anew",
        tags=TAGS,
        responses=refusals(NO_LIMITS),
    )
    async def reset_distribution_stats(request: Request[Any, Any, Any]) -> DistributionView:
        """Set the counts of all workers to 0; whose turn it is stays. The reset is logged."""
        client = ops.operator(request)
        try:
            shares = await ops.shares.reset()
        except LimitsUnavailableError:
            raise limits_unavailable() from None
        ops.acted(client, "distribution.reset")
        return _view(ops, shares)

    return [distribution_stats, reset_distribution_stats]


def _view(ops: Operations, shares: Shares) -> DistributionView:
    configured, rule = ops.configured(), ops.rule
    tallies = {name: shares.tallies.get(name, Tally()) for name in configured}
    calls = sum(tally.calls for tally in tallies.values())
    should = expected(configured, rule.strategy, rule.default_priority)
    return DistributionView(
        strategy=rule.strategy,
        since=datetime.fromtimestamp(shares.since, UTC) if shares.since else None,
        calls=calls,
        providers=[
            ShareView(
                provider=name,
                calls=tally.calls,
                accepted=tally.accepted,
                share=round(tally.calls / calls, 6) if calls else None,
                weight=configured[name].weight,
                expected_share=round(should[name], 6),
            )
            for name, tally in tallies.items()
        ],
    )
