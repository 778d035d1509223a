"""From sums of traffic to what the console shows of them: lines per minute, rates, quantiles. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from smsgw.core.rollup import WAITS, Sums
from smsgw.worker.console.charts import Bar, Series

COUNTED = ("accepted", "sent", "delivered", "failed")


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """How far back somebody looks, in which steps, and how often that is worth a new look."""

    word: str
    title: str
    last: str
    """In words: the last …"""
    length: timedelta
    step: timedelta
    every: int
    """Seconds between two looks."""


RANGES = {
    each.word: each
    for each in (
        Range(
            word="1h",
            title="1 hour",
            last="last hour",
            length=timedelta(hours=1),
            step=timedelta(minutes=1),
            every=5,
        ),
        Range(
            word="6h",
            title="6 hours",
            last="last 6 hours",
            length=timedelta(hours=6),
            step=timedelta(minutes=5),
            every=15,
        ),
        Range(
            word="24h",
            title="24 hours",
            last="last 24 hours",
            length=timedelta(hours=24),
            step=timedelta(minutes=15),
            every=30,
        ),
    )
}


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider, or one country, did in some time."""

    name: str
    sent: int
    delivered: int
    failed: int
    unknown: int
    calls: int
    bad_calls: int
    delivery_rate: float | None
    """Delivered of those sent in the same time; reports come later, so the newest are not all in it."""
    call_seconds: float | None
    """On average."""
    p50: str
    p95: str
    """The bounds of the classes that these quantiles of the time to SENT are in."""


def since_of(range_: Range, now: datetime) -> datetime:
    """Return when the first step of a range begins; steps begin at round times, so that a line does not jump."""
    step = range_.step.total_seconds()
    last = now.timestamp() // step * step
    return datetime.fromtimestamp(last, now.tzinfo) - range_.length + range_.step


def times_of(range_: Range, now: datetime) -> list[datetime]:
    """Return when each step begins, the one that is going on now included."""
    since = since_of(range_, now)
    return [since + range_.step * index for index in range(int(range_.length / range_.step))]


def lines(steps: Mapping[datetime, Sums], range_: Range, now: datetime) -> list[Series]:
    """Return what was accepted, sent, delivered and failed per minute, step by step."""
    times, nothing = times_of(range_, now), Sums()
    known = [steps.get(at, nothing) for at in times]
    ends = [later for _, later in pairwise(times)] + [now]
    # The step that is going on is divided by what there was of it, and by half a minute at least.
    minutes = [max(0.5, (end - at).total_seconds() / 60) for at, end in zip(times, ends, strict=True)]
    return [
        Series(name=name, values=[getattr(each, name) / length for each, length in zip(known, minutes, strict=True)])
        for name in COUNTED
    ]


def totals(groups: Mapping[str, Sums], most: int | None = None) -> list[Total]:
    """Return the totals of the busiest, these first; what belongs to nobody (an empty name) is left out."""
    named = [(name, sums) for name, sums in groups.items() if name]
    return [total(*each) for each in sorted(named, key=lambda each: (-each[1].calls - each[1].sent, each[0]))[:most]]


def total(name: str, sums: Sums) -> Total:
    """Return what these sums say of a provider or a country."""
    sent, calls = sums.sent, sums.calls
    return Total(
        name=name,
        sent=sent,
        delivered=sums.delivered,
        failed=sums.failed,
        unknown=sums.unknown,
        calls=calls,
        bad_calls=sums.bad_calls,
        delivery_rate=min(1.0, sums.delivered / sent) if sent else None,
        call_seconds=sums.call_ms / calls / 1000 if calls else None,
        p50=quantile(sums.waits, 0.5),
        p95=quantile(sums.waits, 0.95),
    )


def wait_bars(waits: Sequence[int]) -> list[Bar]:
    """Return how many messages became SENT within each class of waits; nothing where none did."""
    names = [*(f"≤{bound:g} s" for bound in WAITS), "more"]
    return [Bar(name, count) for name, count in zip(names, waits, strict=True)] if any(waits) else []


def quantile(waits: Sequence[int], share: float) -> str:
    """Return in which class a quantile lies, as words: `≤ 2 s`; a dash without any."""
    total = sum(waits)
    if not total:
        return "–"
    reached = 0
    for bound, count in zip(WAITS, waits, strict=False):
        reached += count
        if reached >= share * total:
            return f"≤ {bound:g} s"
    return f"> {WAITS[-1]:g} s"
