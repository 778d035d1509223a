"""The hub: everybody hears every fact, and nobody's failure is felt by the teller."""

import io
from typing import Any

from smsgw.core.events import HeartbeatSent
from smsgw.telemetry import Telemetry
from smsgw.telemetry.logs import open_log
from smsgw.telemetry.metrics import Metrics
from tests.unit.telemetry.samples import every_fact


class _Broken(io.BytesIO):
    def write(self, _: Any) -> int:
        raise BrokenPipeError


def _telemetry(output: io.BytesIO, *listeners: Any) -> Telemetry:
    log = open_log("s", "debug", is_terminal=False, output=output, libraries=False)
    return Telemetry(log=log, metrics=Metrics(), listeners=listeners)


def test_every_listener_hears_every_fact() -> None:
    facts = every_fact()
    heard: list[Any] = []
    output = io.BytesIO()
    telemetry = _telemetry(output, heard.append)

    for fact in facts:
        telemetry.observer(fact)

    assert heard == facts
    assert b"message.accepted" in output.getvalue()
    assert telemetry.metrics.registry.get_sample_value("sms_send_requests_total") == 3


def test_a_failing_listener_is_written_down_and_the_others_hear_on() -> None:
    heard: list[Any] = []
    output = io.BytesIO()

    def fail(_: Any) -> None:
        raise ZeroDivisionError("secret")

    telemetry = _telemetry(output, fail, heard.append)

    telemetry.observer(HeartbeatSent())

    assert heard == [HeartbeatSent()]
    assert b"telemetry.failed" in output.getvalue()
    assert b"secret" not in output.getvalue()
    assert telemetry.metrics.registry.get_sample_value("smsgw_telemetry_failures_total") == 1


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    telemetry = _telemetry(_Broken())

    telemetry.observer(HeartbeatSent())

    assert telemetry.metrics.registry.get_sample_value("smsgw_telemetry_failures_total") == 1
