"""The log: one JSON line each, nothing in it that must not be told."""

import io
import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from smsgw.core import events
from smsgw.core.message import Status
from smsgw.telemetry.lines import IGNORED, LINES, log_facts
from smsgw.telemetry.logs import crash_site, open_log, redacted
from tests.unit.telemetry.samples import ID, NUMBER, RETRY, SENT, SWITCHED, TEXT, every_fact, moved


@pytest.fixture
def _libraries() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(output: io.BytesIO) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in output.getvalue().splitlines()]


def told(*facts: events.Fact, level: str = "debug") -> list[dict[str, Any]]:
    output = io.BytesIO()
    listen = log_facts(open_log("server-a", level, is_terminal=False, output=output, libraries=False))
    for fact in facts:
        listen(fact)
    return lines(output)


def test_a_line_has_the_agreed_fields() -> None:
    (line,) = told(events.RequestAccepted(tracking_id=ID, client_key="shop", to=NUMBER, country="IR", seconds=0.0123))

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "service": "server-a",
        "message": "message.accepted",
        "tracking_id": str(ID),
        "client_key": "shop",
        "to": "+98912***4567",
        "country": "IR",
        "milliseconds": 12.3,
    }


def test_every_fact_has_a_line_or_is_ignored_on_purpose() -> None:
    known = set(events.Fact.__subclasses__())

    assert set(LINES) | IGNORED == known
    assert not set(LINES) & IGNORED
    assert {type(fact) for fact in every_fact()} == known


def test_no_number_text_or_credential_is_told() -> None:
    written = msgspec.json.encode(told(*every_fact())).decode()

    assert NUMBER not in written
    assert "73511" not in written
    assert "credential-1" not in written
    assert "Local-SMS" in written


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (moved(Status.QUEUED, None), "message.queued"),
        (moved(Status.PROCESSING, None), "message.queued"),
        (moved(Status.FAILED, None, reason="expired"), "message.failed"),
        (moved(Status.SENT, Status.PROCESSING, SENT), "message.sent"),
        (moved(Status.SENT, Status.SENT, SENT), "message.sent"),
        (moved(Status.PROCESSING, Status.PROCESSING, SWITCHED), "message.provider_switched"),
        (moved(Status.QUEUED, Status.PROCESSING, RETRY, reason="retry_scheduled"), "message.retry_scheduled"),
        (moved(Status.DELIVERED, Status.SENT), "message.delivered"),
        (moved(Status.UNKNOWN, Status.PROCESSING), "message.unknown"),
    ],
)
def test_names_of_moves(fact: events.Fact, name: str) -> None:
    (line,) = told(fact)

    assert line["message"] == name
    assert line["tracking_id"] == str(ID)
    assert line["provider"] == "Provider-A"


def test_the_gate_logs_its_refusals_by_the_agreed_name() -> None:
    (line,) = told(events.GateBlocked(error_code="PROVIDER_DISABLED", client_key="shop", providers=("Local-SMS",)))

    assert (line["message"], line["providers"]) == ("provider_gate.blocked", ["Local-SMS"])


def test_the_level_filters() -> None:
    assert [line["message"] for line in told(*every_fact(), level="error")] == [
        "audit_log.entry_lost",
        "message.poisoned",
        "dependency.lost",
        "config.reload_failed",
        "crashed",
    ]


def test_a_crash_tells_where_and_what_kind_but_not_what_it_said() -> None:
    (crash,) = [fact for fact in every_fact() if isinstance(fact, events.Crashed)]

    site = crash_site(crash.error)

    assert site.startswith("builtins.RuntimeError at ")
    assert "builtins.ValueError" in site
    assert "samples.py" in site
    assert TEXT not in site


@pytest.mark.parametrize("is_terminal", [False, True])
def test_control_characters_do_not_break_a_line(is_terminal: bool) -> None:
    output = io.BytesIO()
    log = open_log("s", "info", is_terminal=is_terminal, output=output, libraries=False)

    log.info("x", value='a\r\nb\x00\x1b[2J{"level":"fake"}\u2028c', other="\ud800")

    assert output.getvalue().count(b"\n") == 1
    assert b"\r" not in output.getvalue()
    assert b"\x1b[2J" not in output.getvalue()


def test_a_value_that_is_no_json_is_told_all_the_same() -> None:
    output = io.BytesIO()
    log = open_log("s", "info", is_terminal=False, output=output, libraries=False)

    log.info("x", huge=1 << 80, kind=ValueError, bad="\ud800")

    (line,) = lines(output)
    assert line["message"].strip("'") == "x"


@pytest.mark.usefixtures("_libraries")
def test_libraries_speak_through_the_same_lines_from_warning_on() -> None:
    output = io.BytesIO()
    open_log("s", "info", is_terminal=False, output=output)

    logging.getLogger("aio_pika.robust").info("not told")
    logging.getLogger("uvicorn.error").warning("lost %s", NUMBER)
    try:
        int(TEXT)
    except ValueError:
        logging.getLogger("sqlalchemy.pool").exception("bad")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old", UserWarning, stacklevel=1)

    first, second, third = lines(output)
    assert (first["level"], first["logger"], first["text"]) == ("warning", "uvicorn.error", "lost +98912***4567")
    assert (second["level"], second["message"]) == ("error", "library.said")
    assert second["exception"].startswith("builtins.ValueError at ")
    assert third["logger"] == "py.warnings"
    assert TEXT.encode() not in output.getvalue()


@pytest.mark.usefixtures("_libraries")
def test_opening_twice_does_not_double_the_lines() -> None:
    first, second = io.BytesIO(), io.BytesIO()
    open_log("s", "info", is_terminal=False, output=first)
    open_log("s", "info", is_terminal=False, output=second)

    logging.getLogger("x").warning("once")

    assert (len(lines(first)), len(lines(second))) == (0, 1)


def test_long_words_of_others_are_cut() -> None:
    assert len(redacted("a" * 5000)) == 2000


def test_a_line_is_cheap() -> None:
    """A loose bound: about 6 us on the development machine, where 15 us were asked for."""
    listen = log_facts(open_log("s", "info", is_terminal=False, output=io.BytesIO(), libraries=False))
    fact = events.RequestAccepted(tracking_id=ID, client_key="shop", to=NUMBER, country="IR", seconds=0.01)
    rounds = 2000

    began = time.process_time()
    for _ in range(rounds):
        listen(fact)
    seconds = (time.process_time() - began) / rounds

    assert seconds < 0.000_1
