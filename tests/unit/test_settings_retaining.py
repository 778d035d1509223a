"""RETAIN_TEXT_DAYS and RETAIN_MESSAGES_DAYS: what they mean, and when a start is refused."""

import json
from datetime import timedelta

import pytest

from smsgw.core.data_care import Kept, Retention
from smsgw.settings import SettingsError, load_worker

_PROVIDERS = json.dumps({"Local-SMS": {"is_active": True, "is_operational": True}})
_DAY = timedelta(days=1)


def _retention(**environ: str) -> Retention:
    return load_worker({"PROVIDERS_CONFIG": _PROVIDERS, **environ}).retention


def test_everything_is_kept_unless_somebody_says_otherwise() -> None:
    retention = _retention()

    assert retention == Retention()
    assert retention.periods() == {}


def test_texts_may_go_before_messages() -> None:
    retention = _retention(RETAIN_TEXT_DAYS="7", RETAIN_MESSAGES_DAYS="90")

    assert retention.periods() == {Kept.TEXTS: 7 * _DAY, Kept.MESSAGES: 90 * _DAY, Kept.REPORTS: 90 * _DAY}


def test_reports_are_kept_for_a_week_at_least() -> None:
    retention = _retention(RETAIN_MESSAGES_DAYS="4")

    assert retention.periods() == {Kept.MESSAGES: 4 * _DAY, Kept.REPORTS: 7 * _DAY}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"RETAIN_TEXT_DAYS": "-1"}, "RETAIN_TEXT_DAYS: must be at least 0"),
        ({"RETAIN_TEXT_DAYS": "36501"}, "RETAIN_TEXT_DAYS: must be at most 36500"),
        ({"RETAIN_MESSAGES_DAYS": "soon"}, "RETAIN_MESSAGES_DAYS: a whole number expected"),
        (
            {"RETAIN_TEXT_DAYS": "6", "MAX_TTL_SECONDS": "604800"},
            "RETAIN_TEXT_DAYS: 6 is shorter than MAX_TTL_SECONDS (604800) allows",
        ),
        ({"RETAIN_MESSAGES_DAYS": "3"}, "RETAIN_MESSAGES_DAYS: 3 is less than 4, the least that MAX_TTL_SECONDS, "),
        (
            {"RETAIN_MESSAGES_DAYS": "30", "MAX_TTL_SECONDS": "2592000"},
            "RETAIN_MESSAGES_DAYS: 30 is less than 33, ",
        ),
        (
            {"RETAIN_MESSAGES_DAYS": "2", "MAX_TTL_SECONDS": "3600", "REPORT_DEADLINE_SECONDS": "60"},
            "RETAIN_MESSAGES_DAYS: 2 is less than 3, ",
        ),
        (
            {"RETAIN_TEXT_DAYS": "8", "RETAIN_MESSAGES_DAYS": "7"},
            "RETAIN_TEXT_DAYS: 8 is more than RETAIN_MESSAGES_DAYS (7)",
        ),
    ],
)
def test_a_start_that_would_erase_what_is_needed_is_refused_in_one_line(given: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _retention(**given)

    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_periods_that_are_just_long_enough_are_taken() -> None:
    retention = _retention(RETAIN_TEXT_DAYS="1", RETAIN_MESSAGES_DAYS="4")

    assert retention == Retention(texts=_DAY, messages=4 * _DAY)
