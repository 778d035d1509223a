"""What a bench prints is what was found."""

from typing import Any

from smsgw.bench.load import Findings
from smsgw.bench.processes import Usage
from smsgw.bench.report import Result, lines, result, spent


def _findings(**fields: Any) -> Findings:
    plain = {"accepted": 500, "refused": {}, "broken": 0, "seconds": 2.0, "latencies": {1000: 500}, "largest": 1_234}
    return Findings(**{**plain, "cpu_seconds": 0.1, **fields})


def _result(*findings: Findings, sent: int) -> Result:
    return result(findings, sent=sent, sent_seconds=4.0, spent=[spent("gateway", Usage(1.0, 0), Usage(2.0, 2**26))])


def test_what_several_generators_found_is_added_up() -> None:
    found = _result(_findings(), _findings(refused={503: 2}, largest=5_000), sent=1000)

    assert (found.accepted, found.accepted_per_second, found.sent_per_second) == (1000, 500.0, 250.0)
    assert (found.p50_us, found.largest_us, found.refused) == (1000, 5_000, {503: 2})
    assert found.is_complete


def test_a_request_without_an_answer_may_have_been_accepted() -> None:
    assert _result(_findings(broken=1), sent=501).is_complete
    assert not _result(_findings(broken=1), sent=502).is_complete


def test_what_is_missing_cannot_be_overlooked() -> None:
    text = "\n".join(lines(_result(_findings(), sent=400)))

    assert "100 NOT SENT IN TIME" in text


def test_the_table_has_cpu_per_thousand_and_memory() -> None:
    row = next(line for line in lines(_result(_findings(), sent=500)) if line.startswith("gateway"))

    assert row.split() == ["gateway", "2.000", "1.00", "64"]
