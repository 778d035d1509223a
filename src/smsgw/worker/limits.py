"""The token buckets behind the rate limits, by the names that all workers know them by."""

from smsgw.core.buckets import Limit, Rates
from smsgw.core.providers import Providers
from smsgw.core.traffic import TOTAL, bucket_of
from smsgw.worker.pacing import limit_of


def limits_of(providers: Providers, rates: Rates) -> dict[str, Limit]:
    """Return the limit of every bucket that there is: of each provider with a rate, and of TOTAL_RATE_LIMIT."""
    limits = {bucket_of(name): limit_of(providers[name], rates.provider) for name in providers}
    limits[TOTAL] = Limit(rates.total) if rates.total > 0 else None
    return {bucket: limit for bucket, limit in limits.items() if limit is not None}
