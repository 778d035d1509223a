"""What each role needs to know, whole and checked: frozen structs without a way back to the environment."""

from datetime import timedelta

import msgspec

from smsgw.core.admission import ClaimRules
from smsgw.core.buckets import Rates
from smsgw.core.data_care import Retention
from smsgw.core.health import Rules
from smsgw.core.keys import Clients
from smsgw.core.lifecycle import Timers
from smsgw.core.phone import NumberCheck
from smsgw.core.providers import Providers
from smsgw.core.routing import Strategy
from smsgw.settings.configs import Document
from smsgw.settings.reading import Network


class TraceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where traces go. OTEL_* variables that are not named here are read by the exporter itself."""

    endpoint: str
    """The collector's OTLP/HTTP address, without a final slash and without `/v1/traces`."""
    ratio: float = 1.0
    """Share of the messages whose traces are kept."""
    service_name: str


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a role listens and how it stops."""

    service_name: str
    instance: str
    host: str
    port: int
    log_level: str = "info"
    drain_seconds: float = 3.0
    """Between "not ready" and "stop accepting", so that a load balancer can look away."""
    traces: TraceSettings | None = None
    """None: there are none, and nothing that makes them is imported."""


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The queue's URL and names."""

    url: str
    outbound: str = "sms.outbound"
    heartbeat: str = "a.heartbeat"
    prefetch: int = 32

    @property
    def dead(self) -> str:
        """The dead-letter queue's name."""
        return f"{self.outbound}.dead"


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The console on the worker's port."""

    is_enabled: bool = True
    url: str = ""
    """Where browsers reach it, without a final slash; empty: wherever they say they do."""
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `smsgw gateway` needs."""

    http: HttpSettings
    queue: QueueSettings
    limits_url: str
    clients: Clients
    clients_document: Document
    providers: Providers
    providers_document: Document
    claim_rules: ClaimRules
    gate_enabled: bool = True
    idempotency_ttl_seconds: int = 86_400
    idempotency_error_ttl_seconds: int = 60
    quota_prefix: str = "quota"
    default_region: str = ""
    number_check: NumberCheck = NumberCheck.FORM
    max_segments: int = 0
    smart_encoding: bool = False
    ingress_rate_limit: float = 0
    total_rate_limit: float = 200
    """Of the second front door."""
    max_queue_depth: int = 0
    default_ttl_seconds: int = 3600
    min_ttl_seconds: int = 10
    max_ttl_seconds: int = 86_400
    heartbeat_interval_seconds: float = 60
    database_url: str = ""
    """Of the overlay that the console writes; empty: this gateway is isolated and goes by its configuration alone."""


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `smsgw worker` needs."""

    http: HttpSettings
    queue: QueueSettings
    limits_url: str
    database_url: str
    clients: Clients
    clients_document: Document
    providers: Providers
    providers_document: Document
    timers: Timers
    strategy: Strategy = Strategy.PRIORITY
    default_priority: int = 100
    default_region: str = ""
    """Of the numbers of direct sends, and so the next three."""
    number_check: NumberCheck = NumberCheck.FORM
    max_segments: int = 0
    smart_encoding: bool = False
    rates: Rates = Rates()
    health: Rules = Rules()
    max_in_flight: int = 200
    provider_timeout: timedelta = timedelta(seconds=20)
    public_url: str = ""
    """Without a final slash."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded-For is believed."""
    expected_clients_fingerprint: str = ""
    expected_providers_fingerprint: str = ""
    quota_prefix: str = "quota"
    claim_rules: ClaimRules = ClaimRules()
    console: ConsoleSettings = ConsoleSettings()
    retention: Retention = Retention()


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the services are: what `smsgw audit` and `smsgw dead` need."""

    queue: QueueSettings
    limits_url: str
    database_url: str
    quota_prefix: str = "quota"
    claim_rules: ClaimRules = ClaimRules()
