"""Every setting on one page: what docs/reference/settings.md is made of and what `.env.example` is held against."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """Who reads a setting."""

    GATEWAY = "gateway"
    WORKER = "worker"
    BOTH = "both"
    COMMANDS = "send, status"


class Setting(msgspec.Struct, frozen=True):
    """One variable. The default is as one would write it; empty means that there is none."""

    name: str
    default: str
    role: Role
    meaning: str


_G, _W, _B, _C = Role.GATEWAY, Role.WORKER, Role.BOTH, Role.COMMANDS

SETTINGS: dict[str, tuple[Setting, ...]] = {
    "Clients and providers": (
        Setting(
            "CLIENT_CONFIG",
            "",
            _B,
            "JSON: API key → {name, is_active, daily_quota, id?, scopes?, senders?, expires_at?}; the gateway needs it",
        ),
        Setting("CLIENT_CONFIG_FILE", "", _B, "a file instead of CLIENT_CONFIG, never both; read again on SIGHUP"),
        Setting(
            "PROVIDERS_CONFIG",
            "",
            _B,
            "JSON: provider → {is_active, is_operational, aliases?, kind?, options?, …}; required",
        ),
        Setting(
            "PROVIDERS_CONFIG_FILE", "", _B, "a file instead of PROVIDERS_CONFIG, never both; read again on SIGHUP"
        ),
        Setting(
            "PROVIDER1_URL",
            "",
            _B,
            "and PROVIDER2_URL to PROVIDER99_URL, instead of PROVIDERS_CONFIG: the address of a provider that takes "
            "`{phone, text}`; `provider1` is asked first",
        ),
        Setting(
            "EXPECTED_CLIENTS_FINGERPRINT",
            "",
            _W,
            "SHA-256 that gateways should run with; a differing heartbeat is counted and logged",
        ),
        Setting(
            "EXPECTED_PROVIDERS_FINGERPRINT",
            "",
            _W,
            "the same for PROVIDERS_CONFIG; `smsgw config fingerprint` prints both",
        ),
    ),
    "Where things are": (
        Setting("REDIS_URL", "redis://redis:6379/0", _B, "Redis, unless LIMITS_URL says otherwise"),
        Setting("RABBITMQ_URL", "amqp://guest:guest@rabbitmq:5672/", _B, "RabbitMQ, unless QUEUE_URL says otherwise"),
        Setting(
            "QUEUE_URL",
            "RABBITMQ_URL",
            _B,
            "the queue: amqp://, amqps://, redis://, rediss://, unix:// or sqlite:///FILE",
        ),
        Setting(
            "LIMITS_URL",
            "REDIS_URL",
            _B,
            "idempotency, quota and rates: redis://, rediss://, unix:// or sqlite:///FILE",
        ),
        Setting(
            "DATABASE_URL",
            "postgresql://smsgw:smsgw@postgres:5432/smsgw",
            _B,
            "messages: postgresql:// (also +asyncpg, +psycopg) or sqlite:///FILE; `smsgw migrate` reads it too. The "
            "gateway has no default: only where it is given, it reads the console's changes there and takes them up",
        ),
        Setting(
            "RABBITMQ_QUEUE_OUTBOUND",
            "sms.outbound",
            _B,
            "the queue of messages; dead letters go to the same name with .dead",
        ),
        Setting("RABBITMQ_QUEUE_HEARTBEAT", "a.heartbeat", _B, "the queue of gateways' heartbeats"),
        Setting("RABBITMQ_PREFETCH", "32", _W, "broker messages on their way to one worker at a time"),
    ),
    "HTTP and logs": (
        Setting("SERVER_A_HOST", "0.0.0.0", _G, "address the gateway listens on"),  # noqa: S104
        Setting("SERVER_A_PORT", "8000", _G, "port the gateway listens on"),
        Setting("SERVER_B_HOST", "0.0.0.0", _W, "address the worker listens on"),  # noqa: S104
        Setting("SERVER_B_PORT", "9000", _W, "port the worker listens on"),
        Setting(
            "PUBLIC_URL",
            "",
            _W,
            "where the outside world reaches the worker, e.g. https://sms.example.org: providers are told to send "
            "their delivery reports below it",
        ),
        Setting(
            "TRUSTED_PROXIES",
            "",
            _W,
            "addresses and networks (CIDR, with commas between) whose X-Forwarded-For is believed when a webhook may "
            "be called from some addresses only, and when the console counts guesses; there X-Forwarded-Proto too",
        ),
        Setting("SERVICE_NAME", "server-a / server-b", _B, "`service` in logs and heartbeats"),
        Setting("LOG_LEVEL", "info", _B, "debug, info, warning or error"),
        Setting(
            "DRAIN_SECONDS",
            "3",
            _B,
            "after SIGTERM: not ready, but still serving, so that a load balancer can look away; at most 5",
        ),
    ),
    "Traces": (
        Setting(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "",
            _B,
            "a collector's OTLP/HTTP address, e.g. http://collector:4318: turns traces on, which need `smsgw[otel]`",
        ),
        Setting(
            "OTEL_TRACES_SAMPLER_ARG",
            "1",
            _B,
            "share of the messages that are traced, 0 to 1; the tracking id decides, at gateway and worker alike",
        ),
        Setting("OTEL_SERVICE_NAME", "", _B, "`service.name` of the traces; empty: SERVICE_NAME"),
    ),
    "Requests": (
        Setting(
            "PROVIDER_GATE_ENABLED", "true", _G, "false: names are resolved, doomed requests are accepted all the same"
        ),
        Setting(
            "IDEMPOTENCY_TTL_SECONDS", "86400", _G, "how long an Idempotency-Key, its tracking id and its 202 are kept"
        ),
        Setting("IDEMPOTENCY_ERROR_TTL_SECONDS", "60", _G, "how long a stored refusal is replayed"),
        Setting("IDEMPOTENCY_LEASE_SECONDS", "10", _G, "after it, a retry takes a dead request over"),
        Setting("QUOTA_PREFIX", "quota", _B, "first part of the quota counters' names"),
        Setting(
            "DEFAULT_REGION",
            "",
            _B,
            "ISO 3166 region, e.g. BD: numbers may also be written as they are dialled there; empty: E.164 only; the "
            "worker uses it for direct sends",
        ),
        Setting(
            "NUMBER_CHECK",
            "form",
            _B,
            "what a number must be: form (E.164), possible (as long as its country's numbers are) or valid (in a range "
            "that its country has given out); the worker uses it for direct sends",
        ),
        Setting(
            "MAX_SEGMENTS",
            "0",
            _B,
            "segments that a text may take; a request's `max_segments` may be lower; 0 is no limit; the worker uses it "
            "for direct sends",
        ),
        Setting(
            "SMART_ENCODING",
            "false",
            _B,
            "true: typographic characters become plain ones where that makes a text GSM 7-bit, unless a request says "
            "otherwise; the worker uses it for direct sends",
        ),
        Setting("INGRESS_RATE_LIMIT", "0", _G, "requests per second over all gateways; 0 is no limit"),
        Setting(
            "TOTAL_RATE_LIMIT",
            "200",
            _B,
            "at the worker, messages per second over all workers; at the gateway, requests per second to `/api/sms` "
            "over all gateways, a bucket of its own; 0 is no limit",
        ),
        Setting(
            "MAX_QUEUE_DEPTH",
            "0",
            _G,
            "broker messages (of one or several SMS each) that may wait; more of them, and requests get a 503; 0 is no "
            "limit",
        ),
        Setting("MIN_TTL_SECONDS", "10", _G, "shortest `ttl_seconds` of a request"),
        Setting("DEFAULT_TTL_SECONDS", "3600", _G, "`ttl_seconds` of a request without one"),
        Setting(
            "MAX_TTL_SECONDS",
            "86400",
            _B,
            "longest `ttl_seconds` of a request, at most 30 days; the worker holds RETAIN_* against it",
        ),
        Setting("HEARTBEAT_INTERVAL_SECONDS", "60", _G, "seconds between two heartbeats"),
    ),
    "Sending": (
        Setting(
            "SMART_SELECTION_STRATEGY",
            "priority",
            _W,
            "who is asked first when a request names nobody: priority, round_robin or weighted",
        ),
        Setting("PROVIDER_DEFAULT_PRIORITY", "100", _W, "priority of a provider without one; lower is asked first"),
        Setting(
            "PROVIDER_RATE_LIMIT",
            "50",
            _W,
            "messages per second through one provider, over all workers, unless it has a `rate_limit`; 0 is no limit",
        ),
        Setting("HEALTH_WINDOW_SECONDS", "60", _W, "the time whose calls tell how a provider does"),
        Setting("HEALTH_MIN_SAMPLE", "10", _W, "fewer calls than this say nothing"),
        Setting("HEALTH_FAILURE_RATIO", "0.5", _W, "share of failed calls from which a circuit opens"),
        Setting(
            "HEALTH_OPEN_SECONDS", "30", _W, "how long it stays open before a probe; doubled by each probe that fails"
        ),
        Setting("WORKER_MAX_IN_FLIGHT", "200", _W, "provider calls that one worker makes at the same time"),
        Setting("MAX_SEND_ATTEMPTS", "10", _W, "provider calls over a message's life"),
        Setting("PROVIDER_TIMEOUT_SECONDS", "20", _W, "a whole provider call (connecting: at most 3)"),
        Setting("LEASE_SECONDS", "45", _W, "a worker's hold on a message; at least PROVIDER_TIMEOUT_SECONDS + 10"),
        Setting("RETRY_BASE_SECONDS", "2", _W, "backoff: min(max, base · 2^n) times 0.5 to 1.0"),
        Setting("RETRY_MAX_SECONDS", "300", _W, "the max of that, also for a provider's Retry-After"),
        Setting(
            "ON_UNKNOWN",
            "resend",
            _W,
            "a call of which nobody knows the outcome: resend (may duplicate) or hold (may lose)",
        ),
        Setting(
            "UNKNOWN_SETTLE_SECONDS", "60", _W, "how long to wait for evidence before that, and between two look-ups"
        ),
        Setting("REPORT_DEADLINE_SECONDS", "259200", _W, "SENT without a report becomes final"),
    ),
    "Data care": (
        Setting(
            "RETAIN_TEXT_DAYS",
            "0",
            _W,
            "texts of messages that will not be sent any more are erased so many days after the request; 0 keeps them",
        ),
        Setting(
            "RETAIN_MESSAGES_DAYS",
            "0",
            _W,
            "final messages are deleted so many days after the request, with their attempts and events, and delivery "
            "reports so many (at least 7) after they came; 0 keeps them",
        ),
    ),
    "Console": (
        Setting("CONSOLE_ENABLED", "true", _W, "false: the worker has no console"),
        Setting(
            "CONSOLE_URL",
            "",
            _W,
            "where browsers reach the console, e.g. https://sms-console.example.org: forms from any other origin are "
            "refused, and with https:// cookies are for HTTPS alone; empty: the host that the browser asked for",
        ),
        Setting("CONSOLE_IDLE_SECONDS", "1800", _W, "a session of the console that nobody uses for so long is over"),
        Setting("CONSOLE_SESSION_SECONDS", "43200", _W, "every session of the console is over then"),
    ),
    "Command line": (
        Setting("SMSGW_URL", "http://127.0.0.1:8000", _C, "the gateway that `smsgw send` talks to"),
        Setting("SMSGW_WORKER_URL", "http://127.0.0.1:9000", _C, "the worker that `smsgw status` talks to"),
        Setting("SMSGW_API_KEY", "", _C, "the API key of both"),
    ),
}
"""By chapter, in the order in which somebody who sets smsgw up meets them."""


def names() -> frozenset[str]:
    """Return the name of every setting."""
    return frozenset(setting.name for chapter in SETTINGS.values() for setting in chapter)
