"""What a bench says at its end: one table, and what has to be known to believe it."""

from collections.abc import Mapping, Sequence

import msgspec

from smsgw.bench.histogram import Histogram
from smsgw.bench.load import Findings
from smsgw.bench.processes import Usage

MEGABYTE = 1024 * 1024


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """One process: the CPU it used for this run, and its memory at the end."""

    name: str
    cpu_seconds: float
    resident_bytes: int
    is_ours: bool = True
    """False for the load generator and the provider: tools of the bench, not of the product."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run, measured."""

    accepted: int
    refused: Mapping[int, int]
    broken: int
    seconds: float
    p50_us: int
    p99_us: int
    largest_us: int
    sent: int
    sent_seconds: float
    """From the first request to the last message in SENT."""
    spent: Sequence[Spent]

    @property
    def accepted_per_second(self) -> float:
        """202 answers per second of load."""
        return self.accepted / self.seconds if self.seconds else 0.0

    @property
    def sent_per_second(self) -> float:
        """Messages that came to SENT, per second from the first request to the last of them."""
        return self.sent / self.sent_seconds if self.sent_seconds else 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every accepted message came to SENT. A request without an answer may have been accepted too."""
        return self.accepted <= self.sent <= self.accepted + self.broken


def result(findings: Sequence[Findings], *, sent: int, sent_seconds: float, spent: Sequence[Spent]) -> Result:
    """Put together what the generator processes found."""
    latencies, refused = Histogram(), dict[int, int]()
    for each in findings:
        latencies.merge(Histogram(each.latencies, each.largest))
        for status, times in each.refused.items():
            refused[status] = refused.get(status, 0) + times
    return Result(
        accepted=sum(each.accepted for each in findings),
        refused=refused,
        broken=sum(each.broken for each in findings),
        seconds=max((each.seconds for each in findings), default=0.0),
        p50_us=latencies.percentile(50),
        p99_us=latencies.percentile(99),
        largest_us=latencies.largest,
        sent=sent,
        sent_seconds=sent_seconds,
        spent=spent,
    )


def spent(name: str, before: Usage, after: Usage, *, is_ours: bool = True) -> Spent:
    """Return what a process used between two looks."""
    return Spent(
        name=name,
        cpu_seconds=after.cpu_seconds - before.cpu_seconds,
        resident_bytes=after.resident_bytes,
        is_ours=is_ours,
    )


def lines(found: Result) -> list[str]:
    """Return the table, line by line."""
    refused = ", ".join(f"{times} x {status}" for status, times in sorted(found.refused.items())) or "none"
    outcome = "all" if found.is_complete else f"{found.accepted - found.sent:,} NOT SENT IN TIME"
    until = f"({found.sent:,} in {found.sent_seconds:.1f} s; {outcome})"
    return [
        f"accepted      {found.accepted_per_second:10,.0f} /s     ({found.accepted:,} in {found.seconds:.1f} s)",
        f"latency       p50 {_ms(found.p50_us)}   p99 {_ms(found.p99_us)}   max {_ms(found.largest_us)}",
        f"refused       {refused}; without an answer: {found.broken}",
        f"until SENT    {found.sent_per_second:10,.0f} /s     {until}",
        "",
        f"{'process':<16}{'CPU s per 1000':>16}{'CPU s':>10}{'memory MB':>12}",
        *(_row(each, found.accepted) for each in found.spent if each.is_ours),
        "tools of the bench:",
        *(_row(each, found.accepted) for each in found.spent if not each.is_ours),
    ]


def _ms(microseconds: int) -> str:
    return f"{microseconds / 1000:.2f} ms"


def _row(each: Spent, messages: int) -> str:
    per_thousand = each.cpu_seconds / messages * 1000 if messages else 0.0
    memory = f"{each.resident_bytes / MEGABYTE:12.0f}" if each.resident_bytes else f"{'-':>12}"
    return f"{each.name:<16}{per_thousand:>16.3f}{each.cpu_seconds:>10.2f}{memory}"
