"""Traces are off until a collector is named; then both roles agree on what is kept."""

import json

import pytest

from smsgw.settings import SettingsError, TraceSettings, load_gateway, load_worker

_NEEDED = {
    "CLIENT_CONFIG": json.dumps({"key": {"name": "shop", "is_active": True, "daily_quota": 9}}),
    "PROVIDERS_CONFIG": json.dumps({"Local-SMS": {"is_active": True, "is_operational": True}}),
}
_COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


def test_traces_are_off_where_no_collector_is_named() -> None:
    given = {**_NEEDED, "OTEL_TRACES_SAMPLER_ARG": "0.5"}

    assert load_gateway(given).http.traces is None
    assert load_worker(given).http.traces is None


def test_a_collector_turns_them_on_at_both_roles() -> None:
    given = {**_NEEDED, **_COLLECTOR}

    gateway, worker = load_gateway(given).http.traces, load_worker(given).http.traces

    assert gateway == TraceSettings(endpoint="http://collector:4318", ratio=1, service_name="server-a")
    assert worker == TraceSettings(endpoint="http://collector:4318", ratio=1, service_name="server-b")


def test_the_name_falls_back_to_the_services() -> None:
    given = {**_NEEDED, **_COLLECTOR, "SERVICE_NAME": "edge", "OTEL_TRACES_SAMPLER_ARG": "0.25"}

    fallen_back = load_gateway(given).http.traces
    named = load_gateway({**given, "OTEL_SERVICE_NAME": "sms-edge"}).http.traces

    assert fallen_back == TraceSettings(endpoint="http://collector:4318", ratio=0.25, service_name="edge")
    assert named == TraceSettings(endpoint="http://collector:4318", ratio=0.25, service_name="sms-edge")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_SAMPLER_ARG", "much"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: ") as refused:
        load_gateway({**_NEEDED, **_COLLECTOR, name: value})

    assert "\n" not in str(refused.value)
