"""Reading what vendors say, with hypothesis on the parts that take anything."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.ports import Forged, ReportRequest, Unreadable
from smsgw.providers.provider_a import Config, ProviderA
from smsgw.providers.reading import (
    MAX_DETAIL,
    MAX_RETRY_AFTER,
    amount,
    code,
    currency,
    decode,
    moment,
    retry_after,
    segments,
    without,
)
from tests.providers.cases.provider_a import signed
from tests.providers.opening import NOW

ADAPTER = ProviderA(Config(base_url="http://provider.test", api_key="key", webhook_secret="secret"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        (" 5 ", 5),
        ("0", 0),
        ("0005", 5),
        ("86401", 86400),
        ("9999999999", 86400),
        ("9" * 5000, None),
        ("-1", None),
        ("+5", None),
        ("5.0", None),
        ("٥", None),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 14:01:00 +0200", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:01:00", 60),
        ("Sun, 99 Mar 2026 12:01:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    wait = retry_after(value, NOW)

    assert expected == (None if wait is None else wait.total_seconds())


@given(st.text())
def test_no_retry_after_raises_or_leaves_its_bounds(value: str) -> None:
    wait = retry_after(value, NOW)

    assert wait is None or timedelta(0) <= wait <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("E_1", "E_1"),
        (30003, "30003"),
        (True, None),
        (None, None),
        (1.5, None),
        ("a b", None),
        ("", None),
        ("x" * 65, None),
        ([], None),
    ],
)
def test_codes(value: Any, expected: str | None) -> None:
    assert code(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("", None),
        (None, None),
    ],
)
def test_moments(value: str | None, expected: datetime | None) -> None:
    assert moment(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.0792", "0.0792"),
        ("-0.00750", "0.00750"),
        (0.01, "0.01"),
        (7, "7"),
        (1e-05, "0.00001"),
        (float("nan"), None),
        (float("inf"), None),
        pytest.param(10**5000, None, id="huge"),
        ("1" * 5000, None),
        ("1e400", None),
        ("1e99", None),
        ("", None),
        (True, None),
        (["1"], None),
    ],
)
def test_amounts(value: Any, expected: str | None) -> None:
    assert amount(value) == expected


def test_an_amount_per_part_is_told_for_all_of_them() -> None:
    assert amount(0.1, times=3) == "0.3"


@pytest.mark.parametrize(("value", "expected"), [("usd", "USD"), ("EUR", "EUR"), ("EU", None), (None, None), (7, None)])
def test_currencies(value: Any, expected: str | None) -> None:
    assert currency(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1), ("3", 3), (255, 255), (256, None), (0, None), (-1, None), (1.0, None), (True, None), ("x", None)],
)
def test_segments(value: Any, expected: int | None) -> None:
    assert segments(value) == expected


def test_what_a_vendor_echoes_is_removed() -> None:
    detail = "HTTP 400 code 987654 for +4915112345678 or 4915112345678, key abcd, HTTP 1234"

    shown = without(detail, ("your code is 987654", "+4915112345678", "abcd", "1"))

    assert shown == "HTTP 400 code [removed] for [removed] or [removed], key [removed], HTTP 1234"


def test_a_detail_is_short() -> None:
    assert len(without("x" * 10_000, ()) or "") == MAX_DETAIL


@given(st.binary())
def test_decoding_never_raises(body: bytes) -> None:
    decode(body, dict[str, int])

    assert decode(body + b"\x00", dict[str, int]) is None


@given(st.binary())
def test_no_signed_body_makes_the_report_reader_raise(body: bytes) -> None:
    read = ADAPTER.read_report(signed(body, "secret"))

    assert not isinstance(read, Forged)


@given(st.lists(st.tuples(st.sampled_from(["x-signature", "x-other"]), st.text())), st.binary())
def test_no_unsigned_call_is_anything_but_forged(headers: list[tuple[str, str]], body: bytes) -> None:
    read = ADAPTER.read_report(ReportRequest(received_at=NOW, headers=headers, body=body))

    assert isinstance(read, Forged)
    assert not isinstance(read, Unreadable)
