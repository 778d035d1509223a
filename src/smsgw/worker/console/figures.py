"""From sums of traffic to what the console shows of them: lines per minute, rates, quantiles. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from smsgw.core.rollup import HOUR, MINUTE, WAITS, Cell
from smsgw.worker.console.charts import Bar, Series

COUNTED = ("accepted", "sent", "delivered", "failed")


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """How far back somebody looks, in sums of which grain, and how often that is worth a new look."""

    word: str
    title: str
    length: timedelta
    grain: int
    step: timedelta
    every: int
    """Seconds between two looks."""


RANGES = {
    each.word: each
    for each in (
        Range(
            word="1h",
            title="1 hour",
            length=timedelta(hours=1),
            grain=MINUTE,
            step=timedelta(minutes=1),
            every=5,
        ),
        Range(
            word="6h",
            title="6 hours",
            length=timedelta(hours=6),
            grain=MINUTE,
            step=timedelta(minutes=5),
            every=15,
        ),
        # In hours: a day of minutes is ten thousand sums, more than a page may read.
        Range(
            word="24h",
            title="24 hours",
            length=timedelta(hours=24),
            grain=HOUR,
            step=timedelta(hours=1),
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


def lines(cells: Iterable[Cell], range_: Range, now: datetime) -> list[Series]:
    """Return what was accepted, sent, delivered and failed per minute, step by step."""
    times = times_of(range_, now)
    sums = {name: [0] * len(times) for name in COUNTED}
    for cell in cells:
        index = int((cell.starts_at - times[0]) / range_.step)
        if cell.starts_at >= times[0] and index < len(times):
            for name in COUNTED:
                sums[name][index] += getattr(cell, name)
    ends = [later for _, later in pairwise(times)] + [now]
    # The step that is going on is divided by what there was of it, and by half a minute at least.
    minutes = [max(0.5, (end - at).total_seconds() / 60) for at, end in zip(times, ends, strict=True)]
    return [
        Series(name=name, values=[count / length for count, length in zip(counts, minutes, strict=True)])
        for name, counts in sums.items()
    ]


def counted(cells: Iterable[Cell]) -> dict[str, int]:
    """Return the sums of all cells."""
    known = list(cells)
    return {name: sum(getattr(cell, name) for cell in known) for name in (*COUNTED, "unknown")}


def totals(cells: Iterable[Cell], key: Callable[[Cell], str]) -> list[Total]:
    """Return the totals by a key, the busiest first; what belongs to nobody (an empty key) is left out."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if name := key(cell):
            groups.setdefault(name, []).append(cell)
    found = [_total(name, group) for name, group in groups.items()]
    return sorted(found, key=lambda each: (-each.calls - each.sent, each.name))


def wait_bars(cells: Iterable[Cell]) -> list[Bar]:
    """Return how many messages became SENT within each class of waits; nothing where none did."""
    waits = [sum(column) for column in zip(*(cell.waits for cell in cells), strict=True)]
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


def _total(name: str, cells: Sequence[Cell]) -> Total:
    def summed(field: str) -> int:
        return sum(getattr(cell, field) for cell in cells)

    sent, delivered, calls = summed("sent"), summed("delivered"), summed("calls")
    waits = [sum(column) for column in zip(*(cell.waits for cell in cells), strict=True)]
    return Total(
        name=name,
        sent=sent,
        delivered=delivered,
        failed=summed("failed"),
        unknown=summed("unknown"),
        calls=calls,
        bad_calls=summed("bad_calls"),
        delivery_rate=min(1.0, delivered / sent) if sent else None,
        call_seconds=summed("call_ms") / calls / 1000 if calls else None,
        p50=quantile(waits, 0.5),
        p95=quantile(waits, 0.95),
    )
