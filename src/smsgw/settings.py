"""Settings: read once from the environment and `.env`, checked whole, handed over as frozen structs."""

import os
import re
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values

from smsgw.core.admission import ClaimRules
from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.keys import ClientConfigError, Clients
from smsgw.core.lifecycle import Timers
from smsgw.core.providers import ProviderConfigError, Providers
from smsgw.core.routing import Strategy

T = TypeVar("T")


class SettingsError(Exception):
    """A setting is wrong; the message is one line that names the variable and the mistake, and holds no secret."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A raw JSON setting: from the variable, or from its `_FILE`."""

    raw: str
    path: Path | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 hex of the raw string."""
        return config_fingerprint(self.raw)


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a role listens and how it stops."""

    service_name: str
    instance: str
    host: str
    port: int
    log_level: str = "info"
    drain_seconds: float = 3.0
    """Between "not ready" and "stop accepting", so that a load balancer can look away."""


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
    ingress_rate_limit: float = 0
    default_ttl_seconds: int = 3600
    min_ttl_seconds: int = 10
    max_ttl_seconds: int = 86_400
    heartbeat_interval_seconds: float = 60


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `smsgw worker` needs."""

    http: HttpSettings
    queue: QueueSettings
    limits_url: str
    database_url: str
    clients: Clients
    providers: Providers
    providers_document: Document
    timers: Timers
    strategy: Strategy = Strategy.PRIORITY
    default_priority: int = 100
    max_in_flight: int = 200
    provider_timeout: timedelta = timedelta(seconds=20)
    expected_clients_fingerprint: str = ""
    expected_providers_fingerprint: str = ""
    quota_prefix: str = "quota"
    claim_rules: ClaimRules = ClaimRules()


def environment(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> dict[str, str]:
    """Return the process environment over the values of `.env` in the current directory."""
    from_file = dotenv_values(dotenv or Path(".env"), interpolate=False)
    return {**{name: value or "" for name, value in from_file.items()}, **(os.environ if environ is None else environ)}


def load_gateway(environ: Mapping[str, str]) -> GatewaySettings:
    """Return the gateway's settings; raises SettingsError."""
    read = _Reader(environ)
    clients_document, clients = read.clients(required=True)
    providers_document, providers = read.providers()
    low, default, high = read.ttl_bounds()
    ttl = read.whole("IDEMPOTENCY_TTL_SECONDS", 86_400, low=1)
    return GatewaySettings(
        http=read.http("SERVER_A", "server-a", 8000),
        queue=read.queue(),
        limits_url=read.limits_url(),
        clients=clients,
        clients_document=clients_document,
        providers=providers,
        providers_document=providers_document,
        claim_rules=read.claim_rules(ttl),
        gate_enabled=read.switch("PROVIDER_GATE_ENABLED", default=True),
        idempotency_ttl_seconds=ttl,
        idempotency_error_ttl_seconds=read.whole("IDEMPOTENCY_ERROR_TTL_SECONDS", 60, low=1),
        quota_prefix=read.word("QUOTA_PREFIX", "quota"),
        ingress_rate_limit=read.number("INGRESS_RATE_LIMIT", 0, low=0),
        default_ttl_seconds=default,
        min_ttl_seconds=low,
        max_ttl_seconds=high,
        heartbeat_interval_seconds=read.number("HEARTBEAT_INTERVAL_SECONDS", 60, low=0.1),
    )


def load_worker(environ: Mapping[str, str]) -> WorkerSettings:
    """Return the worker's settings; raises SettingsError."""
    read = _Reader(environ)
    _, clients = read.clients(required=False)
    providers_document, providers = read.providers()
    timeout = read.number("PROVIDER_TIMEOUT_SECONDS", 20, low=0.1)
    return WorkerSettings(
        http=read.http("SERVER_B", "server-b", 9000),
        queue=read.queue(),
        limits_url=read.limits_url(),
        database_url=read.database_url(),
        clients=clients,
        providers=providers,
        providers_document=providers_document,
        timers=read.timers(timeout),
        strategy=read.choice("SMART_SELECTION_STRATEGY", Strategy, Strategy.PRIORITY),
        default_priority=read.whole("PROVIDER_DEFAULT_PRIORITY", 100, low=0),
        max_in_flight=read.whole("WORKER_MAX_IN_FLIGHT", 200, low=1),
        provider_timeout=timedelta(seconds=timeout),
        expected_clients_fingerprint=read.fingerprint("EXPECTED_CLIENTS_FINGERPRINT"),
        expected_providers_fingerprint=read.fingerprint("EXPECTED_PROVIDERS_FINGERPRINT"),
        quota_prefix=read.word("QUOTA_PREFIX", "quota"),
    )


class _Reader:
    """Reads single settings and complains about them by name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def word(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,100}", value):
            raise SettingsError(f"{name}: 1 to 100 of A-Z a-z 0-9 . _ : - expected")
        return value

    def number(self, name: str, default: float, *, low: float) -> float:
        return float(self._bounded(name, default, low, float, "a number"))

    def whole(self, name: str, default: int, *, low: int) -> int:
        return int(self._bounded(name, default, low, int, "a whole number"))

    def _bounded(self, name: str, default: Any, low: Any, convert: Callable[[str], Any], what: str) -> Any:
        raw = self.text(name, "")
        if not raw:
            return default
        try:
            value = convert(raw)
        except ValueError:
            raise SettingsError(f"{name}: {what} expected, got {raw!r}") from None
        if not low <= value < 1e12:
            raise SettingsError(f"{name}: must be at least {low:g}, got {raw}")
        return value

    def switch(self, name: str, *, default: bool) -> bool:
        raw = self.text(name, str(default)).lower()
        if raw in ("true", "1", "yes", "on"):
            return True
        if raw in ("false", "0", "no", "off"):
            return False
        raise SettingsError(f"{name}: true or false expected, got {raw!r}")

    def choice(self, name: str, kind: Callable[[str], T], default: Any) -> T:
        raw = self.text(name, str(default)).lower()
        try:
            return kind(raw)
        except ValueError:
            words = ", ".join(each.value for each in type(default))
            raise SettingsError(f"{name}: {raw!r} does not exist; one of {words}") from None

    def fingerprint(self, name: str) -> str:
        raw = self.text(name, "").lower()
        if raw and not re.fullmatch(r"[0-9a-f]{64}", raw):
            raise SettingsError(f"{name}: 64 hex digits expected (see `smsgw config fingerprint`)")
        return raw

    def http(self, prefix: str, service: str, port: int) -> HttpSettings:
        number = self.whole(f"{prefix}_PORT", port, low=0)
        if number > 65535:
            raise SettingsError(f"{prefix}_PORT: must be at most 65535, got {number}")
        level = self.text("LOG_LEVEL", "info").lower()
        if level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"LOG_LEVEL: {level!r} does not exist; one of debug, info, warning, error")
        return HttpSettings(
            service_name=self.word("SERVICE_NAME", service),
            instance=f"{socket.gethostname()}-{os.getpid()}",
            host=self.text(f"{prefix}_HOST", "0.0.0.0"),  # noqa: S104  (spec section 2: the default)
            port=number,
            log_level=level,
            drain_seconds=self.number("DRAIN_SECONDS", 3, low=0),
        )

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name, default)
        scheme = urlsplit(value).scheme.lower()
        if scheme not in schemes:
            given = f"{scheme}://" if scheme else "no scheme"
            expected = ", ".join(f"{each}://" for each in schemes)
            raise SettingsError(f"{name}: unknown scheme ({given}); one of {expected} expected")
        return value

    def queue(self) -> QueueSettings:
        amqp = self.url("RABBITMQ_URL", "amqp://guest:guest@rabbitmq:5672/", ("amqp", "amqps"))
        return QueueSettings(
            url=self.url("QUEUE_URL", amqp, ("amqp", "amqps", "sqlite")),
            outbound=self.word("RABBITMQ_QUEUE_OUTBOUND", "sms.outbound"),
            heartbeat=self.word("RABBITMQ_QUEUE_HEARTBEAT", "a.heartbeat"),
            prefetch=self.whole("RABBITMQ_PREFETCH", 32, low=1),
        )

    def limits_url(self) -> str:
        redis = self.url("REDIS_URL", "redis://redis:6379/0", ("redis", "rediss", "unix"))
        return self.url("LIMITS_URL", redis, ("redis", "rediss", "unix", "sqlite"))

    def database_url(self) -> str:
        schemes = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "sqlite")
        return self.url("DATABASE_URL", "postgresql://smsgw:smsgw@postgres:5432/smsgw", schemes)

    def ttl_bounds(self) -> tuple[int, int, int]:
        low = self.whole("MIN_TTL_SECONDS", 10, low=1)
        default = self.whole("DEFAULT_TTL_SECONDS", 3600, low=1)
        high = self.whole("MAX_TTL_SECONDS", 86_400, low=1)
        if high > 30 * 86_400:
            raise SettingsError(f"MAX_TTL_SECONDS: must be at most {30 * 86_400}, got {high}")
        if not low <= default <= high:
            raise SettingsError(
                f"DEFAULT_TTL_SECONDS: {default} is not within MIN_TTL_SECONDS {low} and MAX_TTL_SECONDS {high}"
            )
        return low, default, high

    def claim_rules(self, ttl_seconds: int) -> ClaimRules:
        lease = self.number("IDEMPOTENCY_LEASE_SECONDS", 10, low=1)
        return ClaimRules(lease=timedelta(seconds=lease), ttl=timedelta(seconds=ttl_seconds))

    def timers(self, provider_timeout: float) -> Timers:
        lease = self.number("LEASE_SECONDS", 45, low=1)
        if lease < provider_timeout + 10:
            raise SettingsError(
                f"LEASE_SECONDS: {lease:g} is less than PROVIDER_TIMEOUT_SECONDS + 10 ({provider_timeout + 10:g})"
            )
        on_unknown = self.text("ON_UNKNOWN", "resend").lower()
        if on_unknown not in ("resend", "hold"):
            raise SettingsError(f"ON_UNKNOWN: {on_unknown!r} does not exist; one of resend, hold")
        return Timers(
            max_attempts=self.whole("MAX_SEND_ATTEMPTS", 10, low=1),
            retry_base=timedelta(seconds=self.number("RETRY_BASE_SECONDS", 2, low=0.01)),
            retry_max=timedelta(seconds=self.number("RETRY_MAX_SECONDS", 300, low=0.01)),
            lease=timedelta(seconds=lease),
            unknown_settle=timedelta(seconds=self.number("UNKNOWN_SETTLE_SECONDS", 60, low=0.1)),
            resend_unknown=on_unknown == "resend",
            report_deadline=timedelta(seconds=self.number("REPORT_DEADLINE_SECONDS", 259_200, low=1)),
        )

    def document(self, name: str) -> Document | None:
        inline, path = self._environ.get(name, ""), self.text(f"{name}_FILE", "")
        if inline.strip() and path:
            raise SettingsError(f"{name}: set either {name} or {name}_FILE, not both")
        return read_document(name, Path(path)) if path else (Document(raw=inline) if inline.strip() else None)

    def clients(self, *, required: bool) -> tuple[Document, Clients]:
        document = self.document("CLIENT_CONFIG")
        if document is None:
            if required:
                raise SettingsError(
                    'CLIENT_CONFIG: required, e.g. {"<api key>": {"name": "shop", "is_active": true, "daily_quota": 9}}'
                )
            return Document(raw="{}"), Clients({})
        return document, parse_clients(document)

    def providers(self) -> tuple[Document, Providers]:
        document = self.document("PROVIDERS_CONFIG")
        if document is None:
            raise SettingsError(
                'PROVIDERS_CONFIG: required, e.g. {"Local-SMS": {"is_active": true, "is_operational": true}}'
            )
        return document, parse_providers(document)


def read_document(name: str, path: Path) -> Document:
    """Return a configuration file's text less one final newline; raises SettingsError naming the variable."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{name}_FILE: cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        ) from None
    return Document(raw=text.removesuffix("\n"), path=path)


def parse_clients(document: Document) -> Clients:
    """Return the clients of a document; raises SettingsError."""
    try:
        return Clients.parse(document.raw)
    except ClientConfigError as error:
        raise SettingsError(f"CLIENT_CONFIG: {error}") from None


def parse_providers(document: Document) -> Providers:
    """Return the providers of a document; raises SettingsError."""
    try:
        return Providers.parse(document.raw)
    except ProviderConfigError as error:
        raise SettingsError(f"PROVIDERS_CONFIG: {error}") from None
