"""The comparison as a picture: accepted over time, time to accepted, cost. The one place that knows matplotlib."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from smsgw.strategies.tally import Summary

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a", "#000000")
"""Of Okabe and Ito: told apart by everybody."""
STYLES = ("-", "--", "-.", ":")
LEAST_SECONDS = 0.01


class NoChartsError(Exception):
    """matplotlib is not installed."""


def need_matplotlib() -> None:
    """Raise NoChartsError where nothing can be drawn."""
    if find_spec("matplotlib") is None:
        raise NoChartsError("charts need matplotlib: pip install 'smsgw[charts]'")


def draw(summaries: Sequence[Summary], charts: Mapping[str, Path]) -> None:
    """Write the picture as each kind (svg, png). The same numbers give the same file. Raises OSError."""
    # Loaded here: nobody who only wants the table needs it, or waits for it.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    fixed = {"svg.fonttype": "none", "svg.hashsalt": "smsgw", "font.size": 9, "axes.spines.top": False}
    with rc_context({**fixed, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 10), layout="constrained")
        over_time, waiting, cost = figure.subplots(3, 1, height_ratios=(3, 3, 1 + 0.3 * len(summaries)))
        _over_time(over_time, summaries)
        _waiting(waiting, summaries)
        _cost(cost, summaries)
        for kind, path in charts.items():
            figure.savefig(path, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else {})


def _over_time(axes: Any, summaries: Sequence[Summary]) -> None:
    for summary, style in zip(summaries, _styles(summaries), strict=True):
        seconds, rates = zip(*summary.accepted_per_second, strict=True)
        axes.step(seconds, rates, where="post", label=summary.name, gid=f"accepted {summary.name}", **style)
    axes.set(title="Accepted by a provider", xlabel="seconds since the start", ylabel="messages per second")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _waiting(axes: Any, summaries: Sequence[Summary]) -> None:
    for summary, style in zip(summaries, _styles(summaries), strict=True):
        if summary.percentiles:
            parts, seconds = zip(*summary.percentiles, strict=True)
            shown = [max(LEAST_SECONDS, each) for each in seconds]
            axes.plot(parts, shown, label=summary.name, gid=f"seconds {summary.name}", **style)
    axes.set(title="Time until accepted", xlabel="% of the accepted messages took at most", ylabel="seconds")
    axes.set_yscale("log")
    axes.set_xlim(0, 100)
    axes.grid(visible=True, axis="y", alpha=0.3)


def _cost(axes: Any, summaries: Sequence[Summary]) -> None:
    names = [summary.name for summary in summaries]
    colours = [style["color"] for style in _styles(summaries)]
    bars = axes.barh(names, [summary.cost for summary in summaries], color=colours, gid="cost")
    axes.bar_label(bars, [f" {summary.cost:,.2f}" for summary in summaries])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(title="Cost")


def _styles(summaries: Sequence[Summary]) -> list[dict[str, str]]:
    return [
        {"color": COLOURS[number % len(COLOURS)], "linestyle": STYLES[number % len(STYLES)]}
        for number in range(len(summaries))
    ]
