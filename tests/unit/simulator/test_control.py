"""Orders to a running carrier."""

import pytest

from smsgw.simulator.control import BadOrderError, read_order
from smsgw.simulator.distributions import Fixed, Lognormal
from smsgw.simulator.outages import Outage
from smsgw.simulator.settings import Conduct

NOW = Conduct(latency=Lognormal(0.1, 1.0), error_rate=0.5, outages=(Outage(kind="slow", from_seconds=1, to_seconds=2),))


def test_what_is_not_named_stays() -> None:
    order = read_order(b'{"error_rate": 0, "rate_limit": 5}', NOW, seconds=0)

    assert order.conduct == Conduct(latency=NOW.latency, outages=NOW.outages, error_rate=0, rate_limit=5)
    assert read_order(b"", NOW, seconds=0).conduct == NOW


def test_a_latency_can_become_another_distribution() -> None:
    order = read_order(b'{"latency": {"kind": "fixed", "seconds": 2}, "report_delay": 0}', NOW, seconds=0)

    assert (order.conduct.latency, order.conduct.report_delay) == (Fixed(2), 0)


def test_an_outage_begins_now_and_can_be_ended() -> None:
    begun = read_order(b'{"outage": {"kind": "silence", "seconds": 5}}', NOW, seconds=100)
    ended = read_order(b'{"outage": null}', NOW, seconds=100)

    assert begun.outage == Outage(kind="silence", from_seconds=100, to_seconds=105)
    assert ended.outage is None


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"[]",
        b"\xff",
        b"[" * 20_000,
        b'{"error_rate": 2}',
        b'{"error_rate": "1"}',
        b'{"api_key": "x"}',
        b'{"latancy": 1}',
        b'{"outage": {"kind": "strike", "seconds": 1}}',
        b'{"outage": {"kind": "silence", "seconds": 0}}',
        b'{"latency": 1e999}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_makes_no_sense_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(BadOrderError) as refused:
        read_order(body, NOW, seconds=0)

    assert 0 < len(str(refused.value)) <= 200
    assert "\n" not in str(refused.value)
