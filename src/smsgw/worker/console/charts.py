"""Charts drawn by the server: SVG with a title, words for who cannot see it, axes, and the numbers as a table. Pure.

Colours come from console.css by class (s1 to s6); no attribute `style`, which the console's policy forbids.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from markupsafe import Markup

WIDTH, HEIGHT = 480, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 10, 24
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 4")
"""So that lines are told apart without their colours, too."""
_MOST_SERIES = len(_DASHES)
_MARKS = 6
"""Times written below the axis, at most."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line: as many values as the chart has times."""

    name: str
    values: Sequence[float]


class Bar(msgspec.Struct, frozen=True):
    """One bar, from 0."""

    name: str
    value: float


def line_chart(*, ident: str, title: str, unit: str, times: Sequence[datetime], series: Sequence[Series]) -> Markup:
    """Return a figure with one line per series. `ident` is unlike that of any other chart of the page, `unit` is said
    after numbers. Without times there is nothing to draw, and that is said."""
    if not times or not series:
        return _nothing(title)
    shown = series[:_MOST_SERIES]
    ticks = ticks_up_to(max((value for each in shown for value in each.values), default=0.0))
    drawn = [
        *(_tick(value, ticks[-1]) for value in ticks),
        *_time_marks(times),
        *(_line(each, index, ticks[-1]) for index, each in enumerate(shown)),
    ]
    words = "; ".join(
        f"{each.name}: at most {plain(max(each.values))}, last {plain(each.values[-1])}" for each in shown
    )
    return _figure(
        ident=ident,
        title=title,
        words=f"In {unit}, from {_utc(times[0])} to {_utc(times[-1])} UTC. {words}.",
        drawn=drawn,
        legend=_legend([each.name for each in shown]),
        table=_times_table(title, times, shown),
    )


def bar_chart(*, ident: str, title: str, unit: str, bars: Sequence[Bar]) -> Markup:
    """Return a figure with one bar for each, in the order given; the same rules as for lines."""
    if not bars:
        return _nothing(title)
    ticks = ticks_up_to(max(each.value for each in bars))
    width = (WIDTH - _LEFT - _RIGHT) / len(bars)
    drawn = [_tick(value, ticks[-1]) for value in ticks]
    for index, each in enumerate(bars):
        drawn.append(_bar(each, _LEFT + index * width, width, ticks[-1]))
    words = "; ".join(f"{each.name}: {plain(each.value)}" for each in bars)
    return _figure(
        ident=ident,
        title=title,
        words=f"In {unit}. {words}.",
        drawn=drawn,
        legend=Markup(),
        table=_bars_table(title, unit, bars),
    )


def ticks_up_to(most: float) -> list[float]:
    """Return 3 to 6 round numbers from 0, the last one not below `most` and never 0."""
    if most < 0.01:
        return [0.0, 1.0]
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [step * index for index in range(math.ceil(most / step - 1e-9) + 1)]


def plain(value: float) -> str:
    """Return a number for people: three digits that count, nothing after the point where there is nothing."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", "\u2009")
    return f"{value:.3g}"


def _figure(*, ident: str, title: str, words: str, drawn: Sequence[Markup], legend: Markup, table: Markup) -> Markup:
    return Markup(
        '<figure class="figure-chart"><svg class="chart" viewBox="0 0 {width} {height}" role="img"'
        ' aria-labelledby="{ident}-title {ident}-words"><title id="{ident}-title">{title}</title>'
        '<desc id="{ident}-words">{words}</desc>{drawn}</svg>{legend}'
        "<details><summary>The numbers of “{title}”</summary>{table}</details></figure>"
    ).format(
        width=WIDTH,
        height=HEIGHT,
        ident=ident,
        title=title,
        words=words,
        drawn=Markup().join(drawn),
        legend=legend,
        table=table,
    )


def _nothing(title: str) -> Markup:
    return Markup('<p class="quiet">{}: nothing to draw yet.</p>').format(title)


def _x(index: int, count: int) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * (index / (count - 1) if count > 1 else 0.5)


def _y(value: float, top: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def _tick(value: float, top: float) -> Markup:
    height = f"{_y(value, top):.1f}"
    return Markup(
        '<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
        '<text x="{label}" y="{y}" text-anchor="end" dominant-baseline="middle">{value}</text>'
    ).format(left=_LEFT, right=WIDTH - _RIGHT, label=_LEFT - 5, y=height, value=plain(value))


def _time_marks(times: Sequence[datetime]) -> list[Markup]:
    every = math.ceil(len(times) / _MARKS)
    return [
        # The page's script writes the viewer's time over it.
        Markup('<text x="{x}" y="{y}" text-anchor="middle" data-time="{iso}">{at}</text>').format(
            x=f"{_x(index, len(times)):.1f}", y=HEIGHT - 7, iso=at.astimezone(UTC).isoformat(), at=_utc(at)
        )
        for index, at in enumerate(times)
        if index % every == 0
    ]


def _line(series: Series, index: int, top: float) -> Markup:
    count = len(series.values)
    points = [f"{_x(at, count):.1f} {_y(value, top):.1f}" for at, value in enumerate(series.values)]
    dash = Markup(' stroke-dasharray="{}"').format(_DASHES[index]) if _DASHES[index] else ""
    # A single value is a stroke of no length: its round end is the dot.
    return Markup('<g class="s{number}"><path class="line" stroke-linecap="round"{dash} d="M{path}"/></g>').format(
        number=index + 1, dash=dash, path=" L".join(points if count > 1 else points * 2)
    )


def _bar(bar: Bar, left: float, width: float, top: float) -> Markup:
    height = _y(0, top) - _y(bar.value, top)
    return Markup(
        '<g class="s1"><rect class="bar" x="{x}" y="{y}" width="{width}" height="{height}"/></g>'
        '<text x="{middle}" y="{below}" text-anchor="middle">{name}</text>'
    ).format(
        x=f"{left + width * 0.15:.1f}",
        y=f"{_y(bar.value, top):.1f}",
        width=f"{width * 0.7:.1f}",
        height=f"{height:.1f}",
        middle=f"{left + width / 2:.1f}",
        below=HEIGHT - 7,
        name=bar.name,
    )


def _legend(names: Sequence[str]) -> Markup:
    items = Markup().join(Markup('<li class="s{}">{}</li>').format(index + 1, name) for index, name in enumerate(names))
    return Markup('<ul class="legend" aria-hidden="true">{}</ul>').format(items)


def _times_table(title: str, times: Sequence[datetime], series: Sequence[Series]) -> Markup:
    heads = Markup().join(Markup('<th scope="col" class="n">{}</th>').format(each.name) for each in series)
    columns = [[plain(value) for value in each.values] for each in series]
    rows = [_times_row(at.astimezone(UTC), values) for at, *values in zip(times, *columns, strict=True)]
    return _table(title, Markup('<th scope="col">Time</th>{}').format(heads), Markup("".join(rows)))  # noqa: S704  (see below)


def _times_row(at: datetime, values: Sequence[str]) -> str:
    # Times and numbers have nothing to escape, and a table of them has hundreds.
    cells = "".join([f'<td class="n">{value}</td>' for value in values])
    return f'<tr><th scope="row"><time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M} UTC</time></th>{cells}</tr>'


def _bars_table(title: str, unit: str, bars: Sequence[Bar]) -> Markup:
    rows = Markup().join(
        Markup('<tr><th scope="row">{}</th><td class="n">{}</td></tr>').format(each.name, plain(each.value))
        for each in bars
    )
    head = Markup('<th scope="col">What</th><th scope="col" class="n">{}</th>').format(unit)
    return _table(title, head, rows)


def _table(title: str, head: Markup, rows: Markup) -> Markup:
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Numbers: {title}"><table><caption>{title}</caption>'
        "<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    ).format(title=title, head=head, rows=rows)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M")
