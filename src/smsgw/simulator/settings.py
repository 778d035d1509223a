"""What a simulated provider is told at start."""

from pathlib import Path

import msgspec


class SimulatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `smsgw mock-provider` can be told; rates are shares from 0 to 1 of all messages."""

    host: str = "127.0.0.1"
    port: int = 9100
    """0 takes a free one."""
    api_key: str = "demo-key"
    webhook_url: str = ""
    """Where reports go; empty for none."""
    webhook_secret: str = ""
    """Signs the reports; empty for the API key."""
    latency: float = 0.05
    """Mean seconds before an answer."""
    jitter: float = 0.2
    """Spread of the latency: 0.2 means from 80 % to 120 % of it."""
    error_rate: float = 0
    """Answered 500 and not sent."""
    throttle_rate: float = 0
    """Answered 429 and not sent."""
    reject_rate: float = 0
    """Refused with REJECTED."""
    hang_rate: float = 0
    """Accepted and never answered."""
    report_delay: float = 1
    """Seconds from the acceptance to its report."""
    no_report_rate: float = 0
    duplicate_report_rate: float = 0
    look_up: bool = True
    """Whether look-ups are answered; else 501."""
    seed: int = 1
    magic: bool = True
    """Whether numbers with magic endings misbehave."""
    journal: Path | None = None
    """A file that outlives the process: acceptances and reports that still wait are taken up again from it."""
    ledger_size: int = 100_000
    """How many acceptances are remembered, for look-ups and GET /ledger."""

    @property
    def secret(self) -> bytes:
        """The key of the reports' signatures."""
        return (self.webhook_secret or self.api_key).encode()
