"""What the code knows, the reference pages tell: settings, metrics, log lines, states."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from smsgw.core.failure import Outcome
from smsgw.core.message import EventType, Reason, Status
from smsgw.settings.catalogue import names
from tests.rules.sources import ROOT

_PAGES: dict[str, str] = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
_SPECIFIED = """sms_providers_config_total sms_provider_active sms_provider_operational
    sms_request_rejected_unknown_provider_total sms_request_rejected_provider_disabled_total
    sms_request_rejected_no_provider_available_total sms_config_fingerprint_mismatch_total sms_send_requests_total
    sms_send_request_latency_seconds sms_send_request_success_total sms_send_request_error_total sms_messages_total
    sms_processing_latency_seconds sms_provider_attempts_total sms_provider_switch_total sms_retry_scheduled_total
    server_a_heartbeat_last_ts db_write_errors_total db_latency_seconds"""
_WORDS: list[Any] = [*Status, *Reason, *Outcome, *EventType]


@pytest.mark.parametrize("name", sorted(_PAGES))
def test_a_page_is_as_the_code_is(name: str) -> None:
    page = Path(ROOT / "docs" / name)

    assert page.exists(), f"docs/{name} is not there: run `make docs`"
    assert _PAGES[name] == page.read_text("utf-8"), f"docs/{name} is out of date: run `make docs`"


def test_no_page_tells_of_a_provider_that_is_no_more() -> None:
    written = {f"providers/{path.name}" for path in (ROOT / "docs" / "providers").iterdir()}

    assert written == {name for name in _PAGES if name.startswith("providers/")}


def test_every_setting_is_documented() -> None:
    assert [name for name in sorted(names()) if f"`{name}`" not in _PAGES["reference/settings.md"]] == []


def test_every_metric_of_the_specification_exists() -> None:
    assert [name for name in _SPECIFIED.split() if f"| `{name}` |" not in _PAGES["reference/metrics.md"]] == []


def test_every_state_reason_outcome_and_event_is_documented() -> None:
    assert [word for word in _WORDS if f"| `{word.value}` |" not in _PAGES["reference/states.md"]] == []
