"""Write the dashboards for Grafana 10 and later: `python deploy/grafana/generate.py`. A test holds them up to date.

What they show stands in panels.yml; here is how Grafana wants it written.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
OUT = HERE / "dashboards"
RUNBOOK = "${runbook}"
"""A variable of each dashboard: where you keep docs/runbook.md."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24
_COLOURS = ("yellow", "red")
_QUANTILES = (0.5, 0.9, 0.99)


class Panel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One picture."""

    title: str
    what: str
    unit: str
    kind: str = "timeseries"
    width: int = 8
    is_stacked: bool = False
    limits: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    queries: Mapping[str, str] = {}
    """Expressions by legend."""
    quantiles: str = ""
    """The buckets of a histogram, instead of queries."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Panels that belong together."""

    title: str
    height: int = 8
    panels: tuple[Panel, ...]


class Dashboard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One page. Variables are names with the query of their values."""

    uid: str
    title: str
    what: str
    variables: Mapping[str, str] = {}
    rows: tuple[Row, ...]


def pages() -> dict[str, str]:
    """Return every dashboard by its file's name."""
    boards = msgspec.yaml.decode((HERE / "panels.yml").read_bytes(), type=tuple[Dashboard, ...])
    return {f"{board.uid}.json": json.dumps(_dashboard(board), indent=2) + "\n" for board in boards}


def _dashboard(board: Dashboard) -> dict[str, Any]:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.what,
        "tags": ["smsgw"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _runbook(), *(_variable(*each) for each in board.variables.items())]},
        "links": [
            {"type": "dashboards", "tags": ["smsgw"], "title": "smsgw", "asDropdown": True, "keepTime": True},
        ],
        "annotations": {"list": [_alerts()]},
        "panels": _laid_out(board.rows),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _runbook() -> dict[str, Any]:
    value = "https://example.org/smsgw/runbook"
    option = {"text": value, "value": value, "selected": True}
    return {
        "name": "runbook",
        "label": "Runbook",
        "type": "textbox",
        "query": value,
        "current": option,
        "options": [option],
        "hide": 0,
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    everything = {"text": "All", "value": "$__all"}
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": everything,
    }


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Smsgw.*", alertstate="firing", severity="critical"}',
        "titleFormat": "{{alertname}}",
    }


def _laid_out(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the panels from left to right, row by row."""
    made: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        made.append(
            _place({"type": "row", "title": row.title, "collapsed": False, "panels": []}, made, (0, top, 24, 1))
        )
        left, top = 0, top + 1
        for panel in row.panels:
            if left + panel.width > _COLUMNS:
                left, top = 0, top + row.height
            made.append(_place(_panel(panel), made, (left, top, panel.width, row.height)))
            left += panel.width
        top += row.height
    return made


def _place(panel: dict[str, Any], before: Sequence[Any], where: tuple[int, int, int, int]) -> dict[str, Any]:
    return {"id": len(before) + 1, **panel, "gridPos": dict(zip("xywh", where, strict=True))}


def _panel(panel: Panel) -> dict[str, Any]:
    links = [
        {"title": f"What to do: {alert}", "url": f"{RUNBOOK}#{alert.lower()}", "targetBlank": True}
        for alert in panel.alerts
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": _SOURCE,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for index, (legend, expression) in enumerate(_queries(panel).items())
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
        "links": links,
    }


def _queries(panel: Panel) -> Mapping[str, str]:
    if not panel.quantiles:
        return panel.queries
    each = f"sum by (le) (rate({panel.quantiles}[$__rate_interval]))"
    return {f"p{q * 100:.0f}": f"histogram_quantile({q}, {each})" for q in _QUANTILES}


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    # A single limit is where it turns red; below two it turns yellow first.
    colours = _COLOURS[-len(panel.limits) :] if panel.limits else ()
    steps += [{"color": colour, "value": limit} for colour, limit in zip(colours, panel.limits, strict=True)]
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        style = "dashed" if panel.limits else "off"
        defaults["custom"] = {"fillOpacity": 10, "showPoints": "never", "thresholdsStyle": {"mode": style}}
        if panel.is_stacked:
            defaults["custom"]["stacking"] = {"mode": "normal", "group": "A"}
    if panel.words:
        mapped = {str(value): {"text": word, "index": value} for value, word in enumerate(panel.words)}
        defaults["mappings"] = [{"type": "value", "options": mapped}]
    return defaults


def _options(kind: str) -> dict[str, Any]:
    if kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if kind == "stat":
        return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
    return {"showValue": "auto", "mergeValues": True, "legend": {"showLegend": False}, "tooltip": {"mode": "single"}}


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for path in OUT.glob("*.json"):
        path.unlink()
    for name, text in pages().items():
        (OUT / name).write_text(text, "utf-8")
