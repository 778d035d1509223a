"""What a simulated carrier is told at start, and what of it may change while it runs."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from smsgw.simulator.distributions import Distribution, Seconds
from smsgw.simulator.outages import Outage

Share = Annotated[float, Meta(ge=0, le=1)]
"""Of all messages, or of all accepted ones."""
PerSecond = Annotated[float, Meta(ge=0, le=1_000_000)]
Duration = Seconds | Distribution
"""Seconds, or a distribution by its `kind`."""
Text = Annotated[str, Meta(max_length=2048)]

Credentials = Annotated[dict[str, Text], Meta(max_length=16)]

DEFAULT_NAME = "default"
"""The provider that answers at /messages when there is no configuration."""
NUMBERED = tuple(f"provider{number}" for number in range(1, 6))
"""The further ones that are there without a configuration."""


class Conduct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a carrier treats messages; POST /control changes it while it runs. Rates are shares from 0 to 1."""

    latency: Duration = 0.05
    """Until an answer. A number is a mean that spreads by `jitter`."""
    jitter: Share = 0.2
    """0.2 means from 80 % to 120 % of a latency that is a number."""
    error_rate: Share = 0
    """Answered 500 and not sent."""
    throttle_rate: Share = 0
    """Answered 429 and not sent."""
    reject_rate: Share = 0
    """Refused with REJECTED."""
    hang_rate: Share = 0
    """Accepted and never answered."""
    garbage_rate: Share = 0
    """Accepted and answered 200 with garbage."""
    rate_limit: PerSecond = 0
    """Messages per second; what is over it gets 429 and Retry-After. 0 is none."""
    rate_unit: Literal["message", "segment"] = "message"
    """What the limit, and the most in any second, are counted in."""
    rate_burst: Annotated[float, Meta(ge=1, le=1_000_000)] | None = None
    """With it the limit is a token bucket so deep; without, a sliding window: never more in any second."""
    outages: Annotated[tuple[Outage, ...], Meta(max_length=100)] = ()
    """By schedule, in seconds since the start."""
    report_delay: Duration = 1.0
    """From the acceptance to its report."""
    late_report_rate: Share = 0
    """Reported after `late_report_delay` instead."""
    late_report_delay: Duration = 30.0
    no_report_rate: Share = 0
    """Never reported."""
    duplicate_report_rate: Share = 0
    """Reported twice."""
    reordered_report_rate: Share = 0
    """`delivered` is reported first, `sent` after it."""
    early_report_rate: Share = 0
    """Reported before the answer."""
    undelivered_rate: Share = 0
    """Reported `undelivered`."""
    look_up: bool = True
    """Whether look-ups are answered; else 501."""
    magic: bool = True
    """Whether numbers with magic endings misbehave."""


class CarrierSettings(Conduct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about one carrier."""

    api_key: Text = "demo-key"
    """The Bearer key of its `provider_a` side."""
    phone_text_key: Text = ""
    """The Bearer key of its `phone_text` side; empty when none is needed."""
    webhook_url: Text = ""
    """Where reports go; empty for none."""
    webhook_secret: Text = ""
    """Signs the reports; empty for the API key."""
    impersonate: Text = msgspec.field(name="as", default="")
    """The vendor that it plays instead of `provider_a` and `phone_text`."""
    credentials: Credentials = {}
    """The vendor's, where they are not the usual ones; what signs reports is among them."""
    seed: int = 1
    """Of the dice; every carrier has dice of its own."""
    ledger_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    """How many acceptances are remembered, for look-ups and GET /ledger."""

    @property
    def secret(self) -> bytes:
        """The key of the reports' signatures."""
        return (self.webhook_secret or self.api_key).encode()

    @property
    def conduct(self) -> Conduct:
        """What of it may change while the carrier runs."""
        return Conduct(**{name: getattr(self, name) for name in Conduct.__struct_fields__})


class SimulatorSettings(CarrierSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `smsgw mock-provider` can be told: a process, and one carrier or many."""

    host: str = "127.0.0.1"
    port: int = 9100
    """0 takes a free one."""
    smpp_port: Annotated[int, Meta(ge=0, le=65535)] = 2775
    """Where the carriers listen that play `smpp`, all at one port; 0 takes a free one."""
    journal: Path | None = None
    """A file that outlives the process: acceptances and reports that still wait are taken up again from it."""
    carriers: dict[str, CarrierSettings] = {}
    """By name. Without any: `default`, which answers at /messages, and `provider1` to `provider5`, all as told here."""

    def all_carriers(self) -> dict[str, CarrierSettings]:
        """Return the settings of every carrier."""
        return self.carriers or dict.fromkeys((DEFAULT_NAME, *NUMBERED), self)
