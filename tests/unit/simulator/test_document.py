"""The document of many carriers."""

import json
from typing import Any

import pytest

from smsgw.simulator.distributions import Lognormal
from smsgw.simulator.document import CarriersError, read_carriers
from smsgw.simulator.settings import CarrierSettings

USUAL = CarrierSettings(latency=0, seed=7, webhook_url="http://127.0.0.1:1/hook")


def read(document: Any) -> dict[str, CarrierSettings]:
    return read_carriers(json.dumps(document).encode(), USUAL)


def test_what_a_provider_leaves_out_is_as_usual() -> None:
    latency = {"kind": "lognormal", "median_seconds": 0.1, "p99_seconds": 1}

    carriers = read({"fast": {}, "slow": {"latency": latency, "rate_limit": 5, "webhook_url": ""}})

    assert carriers["fast"] == USUAL
    assert (carriers["slow"].latency, carriers["slow"].rate_limit) == (Lognormal(0.1, 1), 5)
    assert (carriers["slow"].webhook_url, carriers["slow"].seed) == ("", 7)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]", "an object"),
        (b"{}", "an object"),
        (b'{"a": 5}', "a: an object of settings"),
        (b'{"a": {"latancy": 1}}', "a: Object contains unknown field `latancy`"),
        (b'{"a": {"error_rate": 1.5}}', "a: Expected `float` <= 1.0 - at `$.error_rate`"),
        (b'{"a": {"latency": {"kind": "pareto"}}}', "a: Invalid value 'pareto'"),
        (b'{"a": {"outages": [{"kind": "silence", "from_seconds": 5, "to_seconds": 1}]}}', "not before to_seconds"),
        (b'{"a": {}, "a": {}}', "'a' stands twice"),
        (b'{"a": {"seed": 1, "seed": 2}}', "'seed' stands twice"),
        (b'{"a/b": {}}', "'a/b': a name of"),
        (b'{"": {}}', "'': a name of"),
        (b'{"Ledger": {}}', "'Ledger' is an address of the simulator's own"),
        (json.dumps({f"p{number}": {} for number in range(101)}).encode(), "101 providers; at most 100"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_wrong_is_said_in_one_line(text: bytes, why: str) -> None:
    with pytest.raises(CarriersError) as refused:
        read_carriers(text, USUAL)

    assert why in str(refused.value)
    assert "\n" not in str(refused.value)
