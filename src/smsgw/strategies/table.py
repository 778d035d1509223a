"""What is printed: one column per strategy."""

from collections.abc import Callable, Iterator, Sequence

from rich.table import Table

from smsgw.core.failure import Outcome
from smsgw.strategies.tally import Summary

Row = tuple[str, Callable[[Summary], str]]
NOTE = (
    "accepted: a provider took it; no delivery reports are replayed. risked: sent again after an unknown outcome.\n"
    "duplicates: of these, those that were taken twice."
)


def table_of(summaries: Sequence[Summary]) -> Table:
    """Return the comparison."""
    table = Table(title=f"{summaries[0].messages:,} messages", title_justify="left")
    table.add_column("")
    for summary in summaries:
        table.add_column(summary.name, justify="right")
    for name, show in _rows(summaries):
        table.add_row(name, *(show(summary) for summary in summaries))
    return table


def _rows(summaries: Sequence[Summary]) -> Iterator[Row]:
    yield "accepted", lambda summary: f"{summary.sent:,}"
    yield "  of all", lambda summary: f"{summary.sent / max(1, summary.messages):.2%}"
    for reason in sorted({reason for summary in summaries for reason in summary.failed}):
        yield f"failed: {reason}", _failed(reason)
    for which in ("p50", "p95", "p99", "max"):
        yield f"seconds to accepted, {which}", _seconds(which)
    yield "all ended after", lambda summary: f"{summary.ended_after_seconds:,.0f} s"
    yield "cost", lambda summary: f"{summary.cost:,.2f}"
    yield "  per 1000 accepted", lambda summary: f"{1000 * summary.cost / summary.sent:,.2f}" if summary.sent else "-"
    for provider in sorted({name for summary in summaries for name in summary.calls}):
        yield f"share of {provider}", _share(provider)
    yield "calls", lambda summary: f"{sum(sum(calls.values()) for calls in summary.calls.values()):,}"
    for outcome in (Outcome.THROTTLED, Outcome.UNREACHABLE, Outcome.UNKNOWN):
        yield f"  {outcome}", _outcome(outcome)
    yield "duplicates risked", lambda summary: f"{summary.risked:,}"
    yield "duplicates", lambda summary: f"{summary.duplicates:,}"


def _failed(reason: str) -> Callable[[Summary], str]:
    return lambda summary: f"{summary.failed.get(reason, 0):,}"


def _seconds(which: str) -> Callable[[Summary], str]:
    return lambda summary: f"{summary.seconds[which]:.2f}" if summary.seconds else "-"


def _share(provider: str) -> Callable[[Summary], str]:
    return lambda summary: f"{summary.sent_by.get(provider, 0) / max(1, summary.sent):.1%}"


def _outcome(outcome: Outcome) -> Callable[[Summary], str]:
    return lambda summary: f"{sum(calls.get(outcome, 0) for calls in summary.calls.values()):,}"
