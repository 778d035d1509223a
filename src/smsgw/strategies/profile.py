"""What a replay is given: traffic, and models of the providers that it goes through."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from smsgw.core.providers import RateUnit
from smsgw.core.routing import Strategy

MOST_SECONDS = 30 * 86_400
MOST_MESSAGES = 5_000_000

Share = Annotated[float, Meta(ge=0, le=1)]
Part = Annotated[float, Meta(gt=0, le=1_000_000)]
"""Of all parts that stand beside it."""
Seconds = Annotated[float, Meta(ge=0, le=MOST_SECONDS)]
Rate = Annotated[float, Meta(ge=0, le=1_000_000)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
FailureKind = Literal[
    "unreachable", "unknown", "silent", "rejected", "throttled", "credentials", "invalid_number", "opted_out"
]
"""The outcomes of core/failure.py. `silent` is an unknown one that takes PROVIDER_TIMEOUT_SECONDS."""


class Phase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of time with a steady load: `per_second`, or `messages` in all."""

    seconds: Annotated[float, Meta(gt=0, le=MOST_SECONDS)]
    per_second: Rate | None = None
    messages: Annotated[int, Meta(ge=0, le=MOST_MESSAGES)] | None = None

    @property
    def count(self) -> int:
        """How many messages come."""
        return self.messages if self.messages is not None else round(self.seconds * (self.per_second or 0))


class Stream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the messages, and what its client asks for: no providers is smart selection."""

    share: Part = 1.0
    providers: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    ttl_seconds: Annotated[int, Meta(ge=1, le=MOST_SECONDS)] | None = None
    """None: DEFAULT_TTL_SECONDS."""


class Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the messages by the length of their text."""

    share: Part = 1.0
    characters: Annotated[int, Meta(ge=1, le=1000)]
    is_unicode: bool = False
    """With a character that GSM 03.38 does not have: 70 instead of 160 fit into a segment."""


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lognormal: half of the answers come sooner than the median, one in a hundred later than the p99."""

    median_seconds: Annotated[float, Meta(gt=0, le=3600)] = 0.2
    p99_seconds: Annotated[float, Meta(gt=0, le=3600)] = 1.0


class Outage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of the calls fails, or is slower by a factor, from one second of the replay to another."""

    from_seconds: Seconds
    to_seconds: Seconds
    kind: FailureKind | Literal["slow"] = "unreachable"
    share: Share = 1.0
    countries: tuple[Country, ...] = ()
    """Empty: all of them."""
    factor: Annotated[float, Meta(ge=1, le=1000)] = 10.0


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider: first our side, as in PROVIDERS_CONFIG, then how it behaves."""

    priority: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    rate_limit: Rate | None = None
    """None: PROVIDER_RATE_LIMIT, 0: no limit."""
    rate_unit: RateUnit = RateUnit.MESSAGE
    rate_burst_seconds: Annotated[float, Meta(ge=0.1, le=60)] = 1.0

    capacity: Rate = 0.0
    """Calls per second that it takes; beyond them it answers 429. 0 is no end."""
    retry_after_seconds: Annotated[float, Meta(ge=0, le=3600)] | None = 1.0
    """What its 429 says; null: nothing."""
    latency: Latency = Latency()
    failures: dict[FailureKind, Share] = {}
    """Shares of all calls."""
    outages: Annotated[tuple[Outage, ...], Meta(max_length=1000)] = ()
    unknown_taken: Share = 0.5
    """The share of the calls of unknown outcome whose message it took all the same."""
    can_look_up: bool = False
    """Whether it can be asked about such a call."""
    price: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0
    price_unit: RateUnit = RateUnit.MESSAGE


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=str.upper):
    """The worker's settings that matter here, under their names and with their defaults (settings/catalogue.py)."""

    default_ttl_seconds: Annotated[int, Meta(ge=1, le=MOST_SECONDS)] = 3600
    worker_max_in_flight: Annotated[int, Meta(ge=1, le=100_000)] = 200
    max_send_attempts: Annotated[int, Meta(ge=1, le=1000)] = 10
    provider_timeout_seconds: Annotated[float, Meta(gt=0, le=3600)] = 20.0
    provider_default_priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    provider_rate_limit: Rate = 50.0
    total_rate_limit: Rate = 200.0
    retry_base_seconds: Annotated[float, Meta(gt=0, le=MOST_SECONDS)] = 2.0
    retry_max_seconds: Annotated[float, Meta(gt=0, le=MOST_SECONDS)] = 300.0
    on_unknown: Literal["resend", "hold"] = "resend"
    unknown_settle_seconds: Seconds = 60.0
    health_window_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    health_min_sample: Annotated[int, Meta(ge=1, le=1_000_000)] = 10
    health_failure_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    health_open_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 30.0


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a variant changes about one provider; null leaves it as it is."""

    priority: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    rate_limit: Rate | None = None


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A strategy with other numbers, compared under a name of its own."""

    name: Name
    strategy: Strategy
    providers: dict[Name, Change] = {}
    settings: dict[str, Any] = {}
    workers: Annotated[int, Meta(ge=1, le=1000)] | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document."""

    phases: Annotated[tuple[Phase, ...], Meta(min_length=1, max_length=10_000)]
    arrivals: Literal["random", "even"] = "random"
    """`random`: each message at any moment of its phase, as independent people would."""
    traffic: Annotated[tuple[Stream, ...], Meta(min_length=1, max_length=1000)] = (Stream(),)
    countries: Annotated[dict[Country, Part], Meta(min_length=1, max_length=300)] = field(
        default_factory=lambda: {"DE": 1.0}
    )
    texts: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1000)] = (Text(characters=100),)
    providers: Annotated[dict[Name, Model], Meta(min_length=1, max_length=64)]
    workers: Annotated[int, Meta(ge=1, le=1000)] = 1
    settings: Settings = Settings()
    variants: Annotated[tuple[Variant, ...], Meta(max_length=32)] = ()

    @property
    def messages(self) -> int:
        """How many messages come in all."""
        return sum(phase.count for phase in self.phases)
