"""Every setting: its default, its override, and every mistake as one line that names it and tells no secret."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from smsgw.core.lifecycle import Timers
from smsgw.core.phone import NumberCheck
from smsgw.core.routing import Strategy
from smsgw.settings import (
    GatewaySettings,
    SettingsError,
    WorkerSettings,
    database_url,
    load_gateway,
    load_worker,
)

_SECRET = "hunter2"
_CLIENTS = json.dumps({_SECRET: {"name": "shop", "is_active": True, "daily_quota": 9}})
_PROVIDERS = json.dumps({"Local-SMS": {"is_active": True, "is_operational": True, "options": {"api_key": _SECRET}}})
_NEEDED = {"CLIENT_CONFIG": _CLIENTS, "PROVIDERS_CONFIG": _PROVIDERS}
_SHA = hashlib.sha256(b"x").hexdigest()


def _gateway(**given: str) -> GatewaySettings:
    return load_gateway({**_NEEDED, **given})


def _worker(**given: str) -> WorkerSettings:
    return load_worker({**_NEEDED, **given})


def _value(settings: Any, path: str) -> Any:
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings.total_seconds() if isinstance(settings, timedelta) else settings


_GATEWAY = [
    ("http.service_name", "SERVICE_NAME", "server-a", "edge", "edge"),
    ("http.host", "SERVER_A_HOST", "0.0.0.0", "127.0.0.1", "127.0.0.1"),
    ("http.port", "SERVER_A_PORT", 8000, "8080", 8080),
    ("http.log_level", "LOG_LEVEL", "info", "DEBUG", "debug"),
    ("http.drain_seconds", "DRAIN_SECONDS", 3, "0", 0),
    ("queue.url", "RABBITMQ_URL", "amqp://guest:guest@rabbitmq:5672/", "amqps://u:p@h/", "amqps://u:p@h/"),
    ("queue.url", "QUEUE_URL", "amqp://guest:guest@rabbitmq:5672/", "sqlite:///q.db", "sqlite:///q.db"),
    ("queue.outbound", "RABBITMQ_QUEUE_OUTBOUND", "sms.outbound", "out", "out"),
    ("queue.dead", "RABBITMQ_QUEUE_OUTBOUND", "sms.outbound.dead", "out", "out.dead"),
    ("queue.heartbeat", "RABBITMQ_QUEUE_HEARTBEAT", "a.heartbeat", "beat", "beat"),
    ("limits_url", "REDIS_URL", "redis://redis:6379/0", "rediss://h:1/2", "rediss://h:1/2"),
    ("limits_url", "LIMITS_URL", "redis://redis:6379/0", "sqlite:///l.db", "sqlite:///l.db"),
    ("gate_enabled", "PROVIDER_GATE_ENABLED", True, "False", False),
    ("gate_enabled", "PROVIDER_GATE_ENABLED", True, "0", False),
    ("idempotency_ttl_seconds", "IDEMPOTENCY_TTL_SECONDS", 86_400, "60", 60),
    ("claim_rules.ttl", "IDEMPOTENCY_TTL_SECONDS", 86_400, "60", 60),
    ("claim_rules.lease", "IDEMPOTENCY_LEASE_SECONDS", 10, "7.5", 7.5),
    ("idempotency_error_ttl_seconds", "IDEMPOTENCY_ERROR_TTL_SECONDS", 60, "5", 5),
    ("quota_prefix", "QUOTA_PREFIX", "quota", "q", "q"),
    ("ingress_rate_limit", "INGRESS_RATE_LIMIT", 0, "99.5", 99.5),
    ("total_rate_limit", "TOTAL_RATE_LIMIT", 200, "0", 0),
    ("max_queue_depth", "MAX_QUEUE_DEPTH", 0, "50000", 50_000),
    ("default_region", "DEFAULT_REGION", "", "BD", "BD"),
    ("number_check", "NUMBER_CHECK", NumberCheck.FORM, "Valid", NumberCheck.VALID),
    ("max_segments", "MAX_SEGMENTS", 0, "3", 3),
    ("smart_encoding", "SMART_ENCODING", False, "true", True),
    ("default_ttl_seconds", "DEFAULT_TTL_SECONDS", 3600, "60", 60),
    ("min_ttl_seconds", "MIN_TTL_SECONDS", 10, "1", 1),
    ("max_ttl_seconds", "MAX_TTL_SECONDS", 86_400, "2592000", 2_592_000),
    ("heartbeat_interval_seconds", "HEARTBEAT_INTERVAL_SECONDS", 60, "0.5", 0.5),
]
_WORKER = [
    ("http.service_name", "SERVICE_NAME", "server-b", "edge", "edge"),
    ("http.host", "SERVER_B_HOST", "0.0.0.0", "::1", "::1"),
    ("http.port", "SERVER_B_PORT", 9000, "0", 0),
    ("queue.prefetch", "RABBITMQ_PREFETCH", 32, "200", 200),
    (
        "database_url",
        "DATABASE_URL",
        "postgresql://smsgw:smsgw@postgres:5432/smsgw",
        "sqlite:///m.db",
        "sqlite:///m.db",
    ),
    ("strategy", "SMART_SELECTION_STRATEGY", Strategy.PRIORITY, "Weighted", Strategy.WEIGHTED),
    ("strategy", "SMART_SELECTION_STRATEGY", Strategy.PRIORITY, "round_robin", Strategy.ROUND_ROBIN),
    ("default_priority", "PROVIDER_DEFAULT_PRIORITY", 100, "0", 0),
    ("default_region", "DEFAULT_REGION", "", "BD", "BD"),
    ("number_check", "NUMBER_CHECK", NumberCheck.FORM, "possible", NumberCheck.POSSIBLE),
    ("max_segments", "MAX_SEGMENTS", 0, "3", 3),
    ("smart_encoding", "SMART_ENCODING", False, "true", True),
    ("max_in_flight", "WORKER_MAX_IN_FLIGHT", 200, "1", 1),
    ("provider_timeout", "PROVIDER_TIMEOUT_SECONDS", 20, "5", 5),
    ("expected_clients_fingerprint", "EXPECTED_CLIENTS_FINGERPRINT", "", _SHA.upper(), _SHA),
    ("expected_providers_fingerprint", "EXPECTED_PROVIDERS_FINGERPRINT", "", _SHA, _SHA),
    ("quota_prefix", "QUOTA_PREFIX", "quota", "q", "q"),
    ("timers.max_attempts", "MAX_SEND_ATTEMPTS", 10, "3", 3),
    ("timers.retry_base", "RETRY_BASE_SECONDS", 2, "0.1", 0.1),
    ("timers.retry_max", "RETRY_MAX_SECONDS", 300, "60", 60),
    ("timers.lease", "LEASE_SECONDS", 45, "30", 30),
    ("timers.unknown_settle", "UNKNOWN_SETTLE_SECONDS", 60, "5", 5),
    ("timers.resend_unknown", "ON_UNKNOWN", True, "HOLD", False),
    ("timers.report_deadline", "REPORT_DEADLINE_SECONDS", 259_200, "60", 60),
]


@pytest.mark.parametrize(("path", "name", "default", "given", "override"), _GATEWAY)
def test_the_gateways_settings(path: str, name: str, default: Any, given: str, override: Any) -> None:
    assert default == _value(_gateway(), path)
    assert default == _value(_gateway(**{name: "  "}), path)
    assert override == _value(_gateway(**{name: f" {given} "}), path)


@pytest.mark.parametrize(("path", "name", "default", "given", "override"), _WORKER)
def test_the_workers_settings(path: str, name: str, default: Any, given: str, override: Any) -> None:
    assert default == _value(_worker(), path)
    assert override == _value(_worker(**{name: given}), path)


def test_the_defaults_are_those_of_the_core() -> None:
    assert Timers() == _worker().timers


_NUMBERS = [
    *("DRAIN_SECONDS", "SERVER_A_PORT", "SERVER_B_PORT", "INGRESS_RATE_LIMIT", "HEARTBEAT_INTERVAL_SECONDS"),
    *("TOTAL_RATE_LIMIT", "MAX_QUEUE_DEPTH", "MAX_SEGMENTS"),
    *("IDEMPOTENCY_TTL_SECONDS", "IDEMPOTENCY_LEASE_SECONDS", "IDEMPOTENCY_ERROR_TTL_SECONDS"),
    *("DEFAULT_TTL_SECONDS", "MIN_TTL_SECONDS", "MAX_TTL_SECONDS", "RABBITMQ_PREFETCH", "WORKER_MAX_IN_FLIGHT"),
    *("PROVIDER_DEFAULT_PRIORITY", "PROVIDER_TIMEOUT_SECONDS", "MAX_SEND_ATTEMPTS", "RETRY_BASE_SECONDS"),
    *("RETRY_MAX_SECONDS", "LEASE_SECONDS", "UNKNOWN_SETTLE_SECONDS", "REPORT_DEADLINE_SECONDS"),
]
_URLS = ["RABBITMQ_URL", "QUEUE_URL", "REDIS_URL", "LIMITS_URL", "DATABASE_URL"]
_WORDS = ["SERVICE_NAME", "RABBITMQ_QUEUE_OUTBOUND", "RABBITMQ_QUEUE_HEARTBEAT", "QUOTA_PREFIX"]
_MISTAKES = [
    *((name, wrong) for name in _NUMBERS for wrong in ("many", "-1", "1e300", "nan", "inf", "0x10", "1 2")),
    *((name, f"{scheme}{_SECRET}@h") for name in _URLS for scheme in ("mysql://u:", "", "u:", "://", "http://u:")),
    *((name, "redis://[") for name in ("REDIS_URL", "LIMITS_URL")),
    ("REDIS_URL", f"redis://:{_SECRET}@h:port/0"),
    ("REDIS_URL", f"redis://:{_SECRET}@h:99999/0"),
    ("REDIS_URL", "redis://"),
    ("RABBITMQ_URL", "amqp:///"),
    ("LIMITS_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///"),
    ("DATABASE_URL", f"mysql+asyncpg://u:{_SECRET}@h/d"),
    *((name, wrong) for name in _WORDS for wrong in ("a b", "a/b", "ü", "x" * 101, "a\nb")),
    ("PROVIDER_GATE_ENABLED", "maybe"),
    *(("DEFAULT_REGION", wrong) for wrong in ("bd", "BGD", "880", "001", "ZZ", "B\nD", "x" * 999)),
    ("SMART_ENCODING", "perhaps"),
    ("NUMBER_CHECK", "strict"),
    ("MAX_SEGMENTS", "256"),
    ("SMART_SELECTION_STRATEGY", "random"),
    ("ON_UNKNOWN", "panic"),
    ("LOG_LEVEL", "loud"),
    *((f"EXPECTED_{kind}_FINGERPRINT", wrong) for kind in ("CLIENTS", "PROVIDERS") for wrong in ("x", "0" * 63)),
    ("SERVER_A_PORT", "65536"),
    ("SERVER_B_PORT", "65536"),
    ("SERVER_A_PORT", "80.5"),
    ("DRAIN_SECONDS", "5.1"),
    ("MAX_SEND_ATTEMPTS", "0"),
    ("MAX_TTL_SECONDS", "2592001"),
    ("LEASE_SECONDS", "29.9"),
    ("CLIENT_CONFIG", f'{{"{_SECRET}": '),
    ("CLIENT_CONFIG", f'{{"{_SECRET}": {{"name": "x", "is_active": true, "daily_quota": 1, "colour": "{_SECRET}"}}}}'),
    ("CLIENT_CONFIG", f'{{"{_SECRET}": {{"name": "x", "is_active": "{_SECRET}", "daily_quota": 1}}}}'),
    ("CLIENT_CONFIG", f'{{"{_SECRET} ": {{"name": "x", "is_active": true, "daily_quota": 1}}}}'),
    ("CLIENT_CONFIG", f'["{_SECRET}"]'),
    ("CLIENT_CONFIG", f'{{"clients": {_CLIENTS}}}'),
    ("PROVIDERS_CONFIG", '{"A": {"is_active": true, "is_operational": true, "two\\nlines\\u202e": 1}}'),
    ("PROVIDERS_CONFIG", f'{{"A": {{"is_active": true, "is_operational": true, "{"x" * 5000}": 1}}}}'),
    ("CLIENT_CONFIG", f"{_CLIENTS[:-1]}, {_CLIENTS[1:]}"),
    ("CLIENT_CONFIG", _CLIENTS.replace('"name"', '"name": "x", "name"')),
    ("PROVIDERS_CONFIG", f"{_PROVIDERS[:-1]}, {_PROVIDERS[1:]}"),
    ("PROVIDERS_CONFIG", _PROVIDERS.replace('"api_key"', '"api_key": 1, "api_key"')),
    ("CLIENT_CONFIG_FILE", "/nowhere/clients.json"),
    ("PROVIDERS_CONFIG", f'{{"A": {{"options": "{_SECRET}"}}}}'),
    ("PROVIDERS_CONFIG", f'{{"A": {_SECRET}}}'),
    ("PROVIDERS_CONFIG", '{"send": {"is_active": true, "is_operational": true}}'),
    ("PROVIDERS_CONFIG_FILE", "/nowhere/\nproviders.json"),
]


@pytest.mark.parametrize(("name", "wrong"), _MISTAKES)
def test_a_mistake_is_one_line_that_names_the_variable_and_tells_no_secret(name: str, wrong: str) -> None:
    needed = {key: value for key, value in _NEEDED.items() if f"{key}_FILE" != name}
    loaders = [load_gateway, load_worker]

    problems = []
    for load in loaders:
        try:
            load({**needed, name: wrong})
        except SettingsError as error:
            problems.append(str(error))

    assert problems, f"{name}={wrong!r} was taken"
    for problem in problems:
        assert problem.split(": ")[0] in (name, "DEFAULT_TTL_SECONDS", "LEASE_SECONDS")
        assert "\n" not in problem
        assert _SECRET not in problem
        assert len(problem) < 300


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"SMART_SELECTION_STRATEGY": "x"},
            "SMART_SELECTION_STRATEGY: 'x' does not exist; one of priority,",
        ),
        ({"REDIS_URL": "http://h"}, "REDIS_URL: unknown scheme 'http' - one of redis://, rediss://, unix:// expected"),
        ({"LEASE_SECONDS": "25"}, "LEASE_SECONDS: 25 is less than PROVIDER_TIMEOUT_SECONDS + 10 (30)"),
        ({"PROVIDER_TIMEOUT_SECONDS": "40"}, "LEASE_SECONDS: 45 is less than PROVIDER_TIMEOUT_SECONDS + 10 (50)"),
        ({"PROVIDERS_CONFIG": ""}, "PROVIDERS_CONFIG: required, e.g. "),
        (
            {"RABBITMQ_QUEUE_HEARTBEAT": "sms.outbound"},
            "RABBITMQ_QUEUE_HEARTBEAT: 'sms.outbound' is the outbound queue's name; every queue needs its own",
        ),
        (
            {"RABBITMQ_QUEUE_OUTBOUND": "a", "RABBITMQ_QUEUE_HEARTBEAT": "a.dead"},
            "RABBITMQ_QUEUE_HEARTBEAT: 'a.dead' is the dead-letter queue's name; every queue needs its own",
        ),
        ({"RABBITMQ_PREFETCH": "x"}, "RABBITMQ_PREFETCH: a whole number expected, got 'x'"),
        ({"WORKER_MAX_IN_FLIGHT": "0"}, "WORKER_MAX_IN_FLIGHT: must be at least 1, got '0'"),
    ],
)
def test_the_line_says_what_to_do(given: Mapping[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _worker(**given)

    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(("low", "default", "high"), [("20", "10", "30"), ("10", "40", "30"), ("40", "40", "30")])
def test_the_default_ttl_is_within_its_bounds(low: str, default: str, high: str) -> None:
    with pytest.raises(SettingsError, match=r"DEFAULT_TTL_SECONDS: .* is not within MIN_TTL_SECONDS"):
        _gateway(MIN_TTL_SECONDS=low, DEFAULT_TTL_SECONDS=default, MAX_TTL_SECONDS=high)


@pytest.mark.parametrize("url", ["postgresql+asyncpg://u:p@h/d", "postgresql+psycopg://h/d", "postgres://h/d",
                                 "postgresql:///d?host=/run/postgresql", "sqlite:////var/lib/smsgw.db"])  # fmt: skip
def test_database_urls_of_older_set_ups_are_taken(url: str) -> None:
    assert url == _worker(DATABASE_URL=url).database_url == database_url({"DATABASE_URL": url})


def test_all_weights_zero_stops_a_worker_that_would_choose_by_weight() -> None:
    entry = {"is_active": True, "is_operational": True, "weight": 0}
    config = json.dumps({"A": entry, "B": entry})

    with pytest.raises(SettingsError, match=r"^PROVIDERS_CONFIG: .*the weight of every active provider is 0$"):
        _worker(PROVIDERS_CONFIG=config, SMART_SELECTION_STRATEGY="weighted")
    assert _worker(PROVIDERS_CONFIG=config).providers.usable() == ("A", "B")


def test_what_each_role_requires() -> None:
    with pytest.raises(SettingsError, match="CLIENT_CONFIG: required"):
        load_gateway({"PROVIDERS_CONFIG": _PROVIDERS})
    with pytest.raises(SettingsError, match="PROVIDERS_CONFIG: required"):
        load_gateway({"CLIENT_CONFIG": _CLIENTS})
    assert len(load_worker({"PROVIDERS_CONFIG": _PROVIDERS}).clients) == 0


@pytest.mark.parametrize(
    ("given", "public_url"),
    [
        ({}, ""),
        ({"PUBLIC_URL": "https://sms.example.org/"}, "https://sms.example.org"),
        ({"PUBLIC_URL": " http://10.0.0.1:9000/a/b/ "}, "http://10.0.0.1:9000/a/b"),
    ],
)
def test_where_the_outside_world_reaches_the_worker(given: dict[str, str], public_url: str) -> None:
    assert public_url == _worker(**given).public_url


@pytest.mark.parametrize(
    "value",
    [
        "sms.example.org",
        "ftp://sms.example.org",
        "https://",
        "https://sms.example.org/?hunter2",
        "https://sms.example.org/#hunter2",
        "https://me:hunter2@sms.example.org",
        "https://sms.example.org/two words",
        "https://sms.example.org/" + "x" * 1000,
    ],
)
def test_a_public_url_that_is_none_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^PUBLIC_URL: ") as caught:
        _worker(PUBLIC_URL=value)

    assert "hunter2" not in str(caught.value)


def test_proxies_that_are_trusted() -> None:
    told = _worker(TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.7,fd00::/8,").trusted_proxies

    assert ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"] == [str(each) for each in told]
    assert _worker().trusted_proxies == ()


@pytest.mark.parametrize("value", ["everybody", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8 fd00::/8"])
def test_a_proxy_that_is_no_network_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^TRUSTED_PROXIES: .* is no address and no network"):
        _worker(TRUSTED_PROXIES=value)
