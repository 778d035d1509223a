"""From names and text to the settings of a role: which variables are read, with which defaults and bounds."""

import socket
from collections.abc import Mapping
from datetime import timedelta

from smsgw.core.admission import ClaimRules
from smsgw.core.buckets import Rates
from smsgw.core.health import Rules
from smsgw.core.lifecycle import Timers
from smsgw.core.phone import NumberCheck, Numbers
from smsgw.core.providers import Providers
from smsgw.core.routing import Strategy, weight_problem
from smsgw.settings.configs import clients_of, providers_of
from smsgw.settings.reading import MOST_SECONDS, Reader, SettingsError
from smsgw.settings.retaining import retention_of
from smsgw.settings.roles import (
    ConsoleSettings,
    GatewaySettings,
    HttpSettings,
    OperatorSettings,
    QueueSettings,
    TraceSettings,
    WorkerSettings,
)

MOST_RATE = 1_000_000
_LONGEST_TTL = 30 * 86_400
_MOST_SEGMENTS = 255
"""Of one message (TS 23.040); the longest text takes 15."""


def load_gateway(environ: Mapping[str, str]) -> GatewaySettings:
    """Return the gateway's settings; raises SettingsError."""
    read = Reader(environ)
    clients_document, clients = clients_of(read, required=True)
    providers_document, providers = providers_of(read)
    low, default, high = _ttl_bounds(read)
    ttl = read.whole("IDEMPOTENCY_TTL_SECONDS", 86_400, low=1, high=MOST_SECONDS)
    lease = read.seconds("IDEMPOTENCY_LEASE_SECONDS", 10, low=1)
    return GatewaySettings(
        http=_http(read, "SERVER_A", "server-a", 8000),
        queue=_queue(read),
        limits_url=_limits_url(read),
        clients=clients,
        clients_document=clients_document,
        providers=providers,
        providers_document=providers_document,
        claim_rules=ClaimRules(lease=timedelta(seconds=lease), ttl=timedelta(seconds=ttl)),
        gate_enabled=read.switch("PROVIDER_GATE_ENABLED", default=True),
        idempotency_ttl_seconds=ttl,
        idempotency_error_ttl_seconds=read.whole("IDEMPOTENCY_ERROR_TTL_SECONDS", 60, low=1, high=MOST_SECONDS),
        quota_prefix=read.word("QUOTA_PREFIX", "quota"),
        default_region=_region(read),
        number_check=read.choice("NUMBER_CHECK", NumberCheck.FORM),
        max_segments=read.whole("MAX_SEGMENTS", 0, low=0, high=_MOST_SEGMENTS),
        smart_encoding=read.switch("SMART_ENCODING", default=False),
        ingress_rate_limit=read.number("INGRESS_RATE_LIMIT", 0, low=0, high=MOST_RATE),
        total_rate_limit=read.number("TOTAL_RATE_LIMIT", 200, low=0, high=MOST_RATE),
        max_queue_depth=read.whole("MAX_QUEUE_DEPTH", 0, low=0),
        default_ttl_seconds=default,
        min_ttl_seconds=low,
        max_ttl_seconds=high,
        heartbeat_interval_seconds=read.seconds("HEARTBEAT_INTERVAL_SECONDS", 60, low=0.1),
        # The gateway stands alone unless somebody gives it the database: the worker's default is none of its business.
        database_url=_database_url(read) if read.text("DATABASE_URL", "") else "",
    )


def load_worker(environ: Mapping[str, str]) -> WorkerSettings:
    """Return the worker's settings; raises SettingsError."""
    read = Reader(environ)
    clients_document, clients = clients_of(read, required=False)
    providers_document, providers = providers_of(read)
    timeout = read.seconds("PROVIDER_TIMEOUT_SECONDS", 20, low=0.1)
    timers = _timers(read, timeout)
    return WorkerSettings(
        http=_http(read, "SERVER_B", "server-b", 9000),
        queue=_queue(read),
        limits_url=_limits_url(read),
        database_url=_database_url(read),
        clients=clients,
        clients_document=clients_document,
        providers=providers,
        providers_document=providers_document,
        timers=timers,
        strategy=_worker_strategy(read, providers),
        default_priority=read.whole("PROVIDER_DEFAULT_PRIORITY", 100, low=0),
        default_region=_region(read),
        number_check=read.choice("NUMBER_CHECK", NumberCheck.FORM),
        max_segments=read.whole("MAX_SEGMENTS", 0, low=0, high=_MOST_SEGMENTS),
        smart_encoding=read.switch("SMART_ENCODING", default=False),
        rates=Rates(
            read.number("PROVIDER_RATE_LIMIT", 50, low=0, high=MOST_RATE),
            read.number("TOTAL_RATE_LIMIT", 200, low=0, high=MOST_RATE),
        ),
        health=_health(read),
        max_in_flight=read.whole("WORKER_MAX_IN_FLIGHT", 200, low=1, high=100_000),
        provider_timeout=timedelta(seconds=timeout),
        public_url=read.public_url("PUBLIC_URL"),
        trusted_proxies=read.networks("TRUSTED_PROXIES"),
        expected_clients_fingerprint=read.fingerprint("EXPECTED_CLIENTS_FINGERPRINT"),
        expected_providers_fingerprint=read.fingerprint("EXPECTED_PROVIDERS_FINGERPRINT"),
        quota_prefix=read.word("QUOTA_PREFIX", "quota"),
        console=_console(read),
        retention=retention_of(read, longest_ttl=_longest_ttl(read), report_deadline=timers.report_deadline),
    )


def _console(read: Reader) -> ConsoleSettings:
    return ConsoleSettings(
        is_enabled=read.switch("CONSOLE_ENABLED", default=True),
        url=read.public_url("CONSOLE_URL"),
        idle=timedelta(seconds=read.seconds("CONSOLE_IDLE_SECONDS", 1800, low=10)),
        longest=timedelta(seconds=read.seconds("CONSOLE_SESSION_SECONDS", 43_200, low=10)),
    )


def _worker_strategy(read: Reader, providers: Providers) -> Strategy:
    strategy = read.choice("SMART_SELECTION_STRATEGY", Strategy.PRIORITY)
    if problem := weight_problem(providers, strategy):
        raise SettingsError(f"PROVIDERS_CONFIG: {problem}")
    return strategy


def _health(read: Reader) -> Rules:
    return Rules(
        window_seconds=read.number("HEALTH_WINDOW_SECONDS", 60, low=1, high=86_400),
        min_sample=read.whole("HEALTH_MIN_SAMPLE", 10, low=1, high=1_000_000),
        failure_ratio=read.number("HEALTH_FAILURE_RATIO", 0.5, low=0.01, high=1),
        open_seconds=read.number("HEALTH_OPEN_SECONDS", 30, low=0.1, high=86_400),
    )


def load_operator(environ: Mapping[str, str]) -> OperatorSettings:
    """Return where the services are, for commands that start no role; raises SettingsError."""
    read = Reader(environ)
    return OperatorSettings(
        queue=_queue(read),
        limits_url=_limits_url(read),
        database_url=_database_url(read),
        quota_prefix=read.word("QUOTA_PREFIX", "quota"),
    )


def database_url(environ: Mapping[str, str]) -> str:
    """Return DATABASE_URL, the one setting that `smsgw migrate` needs; raises SettingsError."""
    return _database_url(Reader(environ))


def console_address(environ: Mapping[str, str]) -> str:
    """Return where the console is, without a final slash: CONSOLE_URL, else this machine; raises SettingsError."""
    read = Reader(environ)
    port = read.whole("SERVER_B_PORT", 9000, low=0, high=65_535)
    return read.public_url("CONSOLE_URL") or f"http://127.0.0.1:{port}"


def _http(read: Reader, prefix: str, service: str, port: int) -> HttpSettings:
    number = read.whole(f"{prefix}_PORT", port, low=0, high=65_535)
    service_name = read.word("SERVICE_NAME", service)
    return HttpSettings(
        service_name=service_name,
        traces=_traces(read, service_name),
        # The same after a restart, so that heartbeats and metrics do not collect instances that are no more.
        instance=f"{socket.gethostname()}:{number}",
        host=read.text(f"{prefix}_HOST", "0.0.0.0"),  # noqa: S104  (spec section 2: the default)
        port=number,
        log_level=read.one_of("LOG_LEVEL", ("debug", "info", "warning", "error"), "info"),
        # With the worker's 20 s for its own work (worker/app.py) a stop stays within 25 s: spec section 9.
        drain_seconds=read.number("DRAIN_SECONDS", 3, low=0, high=5),
    )


def _traces(read: Reader, service_name: str) -> TraceSettings | None:
    ratio = read.number("OTEL_TRACES_SAMPLER_ARG", 1, low=0, high=1)
    name = read.word("OTEL_SERVICE_NAME", service_name)
    endpoint = read.public_url("OTEL_EXPORTER_OTLP_ENDPOINT")
    return TraceSettings(endpoint=endpoint, ratio=ratio, service_name=name) if endpoint else None


def _queue(read: Reader) -> QueueSettings:
    amqp = read.url("RABBITMQ_URL", "amqp://guest:guest@rabbitmq:5672/", ("amqp", "amqps"))
    queue = QueueSettings(
        url=read.url("QUEUE_URL", amqp, ("amqp", "amqps", "redis", "rediss", "unix", "sqlite")),
        outbound=read.word("RABBITMQ_QUEUE_OUTBOUND", "sms.outbound"),
        heartbeat=read.word("RABBITMQ_QUEUE_HEARTBEAT", "a.heartbeat"),
        prefetch=read.whole("RABBITMQ_PREFETCH", 32, low=1, high=65_535),
    )
    if queue.heartbeat in (queue.outbound, queue.dead):
        # Heartbeats among messages would be buried as poison, and the broker refuses one queue with two shapes.
        taken = "the outbound queue's name" if queue.heartbeat == queue.outbound else "the dead-letter queue's name"
        raise SettingsError(f"RABBITMQ_QUEUE_HEARTBEAT: {queue.heartbeat!r} is {taken}; every queue needs its own")
    return queue


def _limits_url(read: Reader) -> str:
    redis = read.url("REDIS_URL", "redis://redis:6379/0", ("redis", "rediss", "unix"))
    return read.url("LIMITS_URL", redis, ("redis", "rediss", "unix", "sqlite"))


def _database_url(read: Reader) -> str:
    schemes = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "sqlite")
    return read.url("DATABASE_URL", "postgresql://smsgw:smsgw@postgres:5432/smsgw", schemes)


def _region(read: Reader) -> str:
    region = read.text("DEFAULT_REGION", "")
    try:
        return Numbers(region).region
    except ValueError as error:
        raise SettingsError(f"DEFAULT_REGION: {error}") from None


def _ttl_bounds(read: Reader) -> tuple[int, int, int]:
    low = read.whole("MIN_TTL_SECONDS", 10, low=1, high=_LONGEST_TTL)
    default = read.whole("DEFAULT_TTL_SECONDS", 3600, low=1, high=_LONGEST_TTL)
    high = _longest_ttl(read)
    if not low <= default <= high:
        raise SettingsError(
            f"DEFAULT_TTL_SECONDS: {default} is not within MIN_TTL_SECONDS {low} and MAX_TTL_SECONDS {high}"
        )
    return low, default, high


def _longest_ttl(read: Reader) -> int:
    return read.whole("MAX_TTL_SECONDS", 86_400, low=1, high=_LONGEST_TTL)


def _timers(read: Reader, provider_timeout: float) -> Timers:
    lease = read.seconds("LEASE_SECONDS", 45, low=1)
    if lease < provider_timeout + 10:
        raise SettingsError(
            f"LEASE_SECONDS: {lease:g} is less than PROVIDER_TIMEOUT_SECONDS + 10 ({provider_timeout + 10:g})"
        )
    return Timers(
        max_attempts=read.whole("MAX_SEND_ATTEMPTS", 10, low=1),
        retry_base=timedelta(seconds=read.seconds("RETRY_BASE_SECONDS", 2, low=0.01)),
        retry_max=timedelta(seconds=read.seconds("RETRY_MAX_SECONDS", 300, low=0.01)),
        lease=timedelta(seconds=lease),
        unknown_settle=timedelta(seconds=read.seconds("UNKNOWN_SETTLE_SECONDS", 60, low=0.1)),
        resend_unknown=read.one_of("ON_UNKNOWN", ("resend", "hold"), "resend") == "resend",
        report_deadline=timedelta(seconds=read.seconds("REPORT_DEADLINE_SECONDS", 259_200, low=1)),
    )
