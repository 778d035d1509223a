"""The common error body."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from smsgw.web.errors import STANDARD, ApiError, error_body, standard_body

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_what_is_not_known_is_left_out() -> None:
    body = error_body("A_CODE", "A message.", timestamp=NOW)

    assert msgspec.json.decode(body) == {
        "error_code": "A_CODE",
        "message": "A message.",
        "timestamp": "2026-01-02T03:04:05.000006Z",
    }


def test_everything_that_is_known_is_told() -> None:
    tracking_id = UUID(int=1)

    body = error_body("A", "B", details={"allowed": ("x",)}, tracking_id=tracking_id, timestamp=NOW)

    decoded = msgspec.json.decode(body)
    assert decoded["details"] == {"allowed": ["x"]}
    assert decoded["tracking_id"] == str(tracking_id)


def test_an_unlisted_status_is_a_bad_request() -> None:
    assert msgspec.json.decode(standard_body(418, NOW))["error_code"] == "BAD_REQUEST"


def test_codes_are_stable_words() -> None:
    assert all(code.replace("_", "").isupper() for code, _ in STANDARD.values())


def test_an_api_error_keeps_what_it_was_given() -> None:
    error = ApiError(429, "RATE_LIMITED", "Slow down.", headers={"Retry-After": "1"})

    assert (error.status, error.error_code, error.message) == (429, "RATE_LIMITED", "Slow down.")
    assert (error.details, error.tracking_id, error.headers) == (None, None, {"Retry-After": "1"})
