"""The metrics: exact names, closed label sets, right counts."""

import re
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

import smsgw
from smsgw.core import events
from smsgw.core.message import Status
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.telemetry.metrics import Metrics
from tests.unit.telemetry.samples import NOW, PROVIDERS, every_fact, moved

SPECIFIED = {
    "sms_providers_config_total",
    'sms_provider_active{provider="Provider-A"}',
    'sms_provider_operational{provider="Local-SMS"}',
    'sms_request_rejected_unknown_provider_total{client="shop"}',
    'sms_request_rejected_provider_disabled_total{client="shop",provider="Local-SMS"}',
    'sms_request_rejected_no_provider_available_total{client="shop"}',
    'sms_config_fingerprint_mismatch_total{kind="clients"}',
    "sms_send_requests_total",
    "sms_send_request_latency_seconds_bucket",
    "sms_send_request_success_total",
    "sms_send_request_error_total",
    'sms_messages_total{status="SENT"}',
    "sms_processing_latency_seconds_bucket",
    'sms_provider_attempts_total{outcome="rejected",provider="Provider-A"}',
    'sms_provider_switch_total{from="Provider-A",to="Local-SMS"}',
    "sms_retry_scheduled_total",
    "server_a_heartbeat_last_ts",
    "db_write_errors_total",
    "db_latency_seconds_bucket",
}
"""Section 7, with the labels that `every_fact` gives."""


def observed(*facts: events.Fact) -> Metrics:
    metrics = Metrics()
    for fact in facts:
        metrics.observe(fact)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def samples(metrics: Metrics) -> list[str]:
    """Return every series of the page, as a scraper reads it."""
    families = text_string_to_metric_families(metrics.page()[0].decode())
    return [
        sample.name
        + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items())) + "}" if sample.labels else "")
        for family in families
        for sample in family.samples
    ]


@pytest.mark.parametrize("name", sorted(SPECIFIED))
def test_every_specified_metric_is_exposed_under_its_exact_name(name: str) -> None:
    series = samples(observed(*every_fact()))

    assert any(each == name or each.startswith(name + "{le=") for each in series)


def test_unlabelled_metrics_are_there_before_the_first_fact() -> None:
    series = set(samples(Metrics()))

    assert {name for name in SPECIFIED if "{" not in name and "bucket" not in name} <= series
    assert {f'sms_messages_total{{status="{status}"}}' for status in Status} <= series


def test_the_page_names_its_format_and_the_process() -> None:
    page, content_type = Metrics().page()

    assert content_type.startswith("text/plain; version=0.0.4")
    assert b"process_resident_memory_bytes" in page
    assert b"# TYPE sms_providers_config_total gauge" in page
    assert b"_created" not in page


def test_requests_are_counted_by_how_they_ended() -> None:
    metrics = observed(
        events.RequestAccepted(tracking_id=uuid4(), client_key="shop", to="", country="DE", seconds=0.01),
        events.RequestReplayed(client_key="shop", status=202, seconds=0.01),
        events.RequestReplayed(client_key="shop", status=409, seconds=0.01),
        events.RequestRefused(error_code="X", status=422, client_key="shop", tracking_id=None, seconds=0.01),
    )

    assert value(metrics, "sms_send_requests_total") == 4
    assert value(metrics, "sms_send_request_success_total") == 2
    assert value(metrics, "sms_send_request_error_total") == 2
    assert value(metrics, "sms_send_request_latency_seconds_count") == 4
    assert value(metrics, "smsgw_requests_refused_total", error_code="X") == 1


def test_segments_and_costs_are_counted_by_provider_and_currency() -> None:
    metrics = observed(
        events.ConfigLoaded(providers=PROVIDERS),
        events.CostTold(provider="Provider-A", segments=2, price="0.07", currency="EUR"),
        events.CostTold(provider="Provider-A", segments=0, price="0.03", currency="EUR"),
        events.CostTold(provider="Provider-A", segments=1, price="-5", currency="EUR"),
        events.CostTold(provider="Provider-A", segments=1, price="120"),
        events.CostTold(provider="nobody", segments=4),
    )

    assert value(metrics, "smsgw_segments_sent_total", provider="Provider-A") == 4
    assert value(metrics, "smsgw_segments_sent_total", provider="Local-SMS") == 0
    assert value(metrics, "smsgw_segments_sent_total", provider="other") == 4
    assert value(metrics, "smsgw_cost_total", provider="Provider-A", currency="EUR") == pytest.approx(0.1)
    assert value(metrics, "smsgw_cost_total", provider="Provider-A", currency="unknown") == 120


def test_a_vendor_that_makes_up_currencies_makes_few_series() -> None:
    codes = [f"A{one}{other}" for one in "ABCDEF" for other in "ABCDEF"]
    metrics = observed(*(events.CostTold(provider="A", segments=1, price="1", currency=code) for code in codes))

    assert value(metrics, "smsgw_cost_total", provider="other", currency="other") == len(codes) - 10
    assert len([each for each in samples(metrics) if each.startswith("smsgw_cost_total")]) == 11


def test_messages_are_counted_when_their_status_changes() -> None:
    metrics = observed(
        moved(Status.QUEUED, None),
        moved(Status.SENT, Status.PROCESSING, seconds=0.5),
        moved(Status.SENT, Status.SENT),
    )

    assert value(metrics, "sms_messages_total", status="QUEUED") == 1
    assert value(metrics, "sms_messages_total", status="SENT") == 1
    assert value(metrics, "sms_processing_latency_seconds_sum") == 0.5


def test_reports_are_counted_by_what_became_of_them() -> None:
    metrics = observed(*every_fact())

    results = {
        result: value(metrics, "smsgw_reports_total", provider="Provider-A", result=result)
        for result in ("new", "known", "forged", "unreadable", "unmatched", "given_up")
    }
    assert results == {"new": 2, "known": 1, "forged": 1, "unreadable": 1, "unmatched": 1, "given_up": 1}


def test_an_operator_sees_what_waits_and_what_is_away() -> None:
    metrics = observed(*every_fact())

    assert value(metrics, "smsgw_queue_depth") == 7
    assert value(metrics, "smsgw_dead_letters") == 1
    assert value(metrics, "smsgw_backlog", status="QUEUED") == 4
    assert value(metrics, "smsgw_dependency_up", dependency="broker") == 0
    assert value(metrics, "smsgw_dependency_up", dependency="limits") == 1
    assert value(metrics, "db_write_errors_total") == 1
    assert value(metrics, "smsgw_ledger_notes_lost_total") == 1


@pytest.mark.parametrize(("kind", "errors"), [("write", 1), ("read", 0)])
def test_write_errors_are_failed_writes_only(kind: str, errors: int) -> None:
    operations = _operations(kind)

    for operation in operations:
        metrics = observed(events.StoreCalled(operation=operation, rows=0, seconds=0.01, is_failed=True))
        assert value(metrics, "db_write_errors_total") == errors, operation
        assert value(metrics, "db_latency_seconds_count") == 1

    assert {"write": "apply", "read": "problem"}[kind] in operations


def _operations(kind: str) -> set[str]:
    """Return the names that the store gives its transactions of this kind: no new one is forgotten here."""
    files = (Path(smsgw.__file__).parent / "transports" / "stores" / "database").glob("*.py")
    call = re.compile(rf'_transactions\.{kind}\(\s*"(\w+)"')
    return {name for file in files for name in call.findall(file.read_text("utf-8"))}


def test_the_heartbeat_is_the_gateways_own_time() -> None:
    metrics = observed(events.HeartbeatSeen(instance="a", ts=NOW))

    assert value(metrics, "server_a_heartbeat_last_ts") == NOW.timestamp()


def test_a_gateway_that_is_no_more_does_not_make_the_others_look_dead() -> None:
    earlier = NOW - timedelta(hours=1)

    metrics = observed(events.HeartbeatSeen(instance="a", ts=NOW), events.HeartbeatSeen(instance="b", ts=earlier))

    assert value(metrics, "server_a_heartbeat_last_ts") == NOW.timestamp()


def test_the_age_of_a_heartbeat_is_reckoned_when_it_is_read() -> None:
    now = NOW.timestamp()
    metrics = Metrics(clock=lambda: now)
    metrics.observe(events.HeartbeatSeen(instance="a", ts=NOW, interval_seconds=10))
    metrics.observe(events.HeartbeatSeen(instance="b", ts=NOW - timedelta(seconds=5), interval_seconds=60))
    before = value(metrics, "smsgw_gateways_silent")

    now += 31

    assert before == 0
    assert value(metrics, "smsgw_gateway_heartbeat_age_seconds", instance="a") == 31
    assert value(metrics, "smsgw_gateway_heartbeat_age_seconds", instance="b") == 36
    assert value(metrics, "smsgw_gateways_silent") == 1


def test_a_gateway_that_was_silent_for_a_day_is_forgotten() -> None:
    now = NOW.timestamp()
    metrics = Metrics(clock=lambda: now)
    metrics.observe(events.HeartbeatSeen(instance="a", ts=NOW))

    now += 86_401
    for _ in range(2):
        metrics.observe(events.HeartbeatSeen(instance="a", ts=NOW))

    assert value(metrics, "smsgw_gateway_heartbeat_age_seconds", instance="a") is None
    assert value(metrics, "smsgw_gateways_silent") == 0


def test_of_too_many_gateways_the_newest_hundred_are_shown() -> None:
    metrics = Metrics(clock=NOW.timestamp)
    for number in range(150):
        metrics.observe(events.HeartbeatSeen(instance=f"gateway-{number}", ts=NOW - timedelta(seconds=150 - number)))

    shown = [each for each in samples(metrics) if each.startswith("smsgw_gateway_heartbeat_age_seconds")]

    assert len(shown) == 100
    assert 'smsgw_gateway_heartbeat_age_seconds{instance="gateway-149"}' in shown
    assert 'smsgw_gateway_heartbeat_age_seconds{instance="gateway-49"}' not in shown


def test_a_reload_shows_the_new_set() -> None:
    smaller = Providers({"New": ProviderConfig(is_active=False, is_operational=True)})

    metrics = observed(events.ConfigLoaded(providers=PROVIDERS), events.ConfigLoaded(providers=smaller))

    assert value(metrics, "sms_providers_config_total") == 1
    assert value(metrics, "sms_provider_active", provider="New") == 0
    assert value(metrics, "sms_provider_active", provider="Provider-A") is None


def test_strangers_make_no_series() -> None:
    metrics = observed(*every_fact())

    def flood() -> int:
        for number in range(100):
            name = f"stranger-{number}"
            metrics.observe(events.ReportRefused(provider=name, is_forged=True, why="x"))
            metrics.observe(events.GateBlocked(error_code="PROVIDER_DISABLED", client_key="shop", providers=(name,)))
            metrics.observe(events.FingerprintMismatch(kind=name, instance=name, expected="a", seen="b"))
            metrics.observe(events.DependencyLost(dependency=name, detail="x"))
        return len(samples(metrics))

    assert flood() == flood()


def test_a_fact_that_nobody_counts_is_no_error() -> None:
    metrics = Metrics()

    metrics.observe(object())

    assert value(metrics, "smsgw_crashes_total") == 0


def test_a_look_at_the_backlog_tells_how_long_the_longest_waited() -> None:
    metrics = observed(
        events.BacklogSeen(
            counts={Status.QUEUED: 4}, overdue_seconds=7.5, in_lane_seconds=90, reports_overdue_seconds=2
        )
    )

    assert value(metrics, "smsgw_backlog", status="QUEUED") == 4
    assert value(metrics, "smsgw_overdue_seconds") == 7.5
    assert value(metrics, "smsgw_oldest_in_lane_seconds") == 90
    assert value(metrics, "smsgw_reports_overdue_seconds") == 2
