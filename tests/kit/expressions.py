"""What a PromQL expression asks for, and what the product shows: enough of both to find a name that nobody exports."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from smsgw.core.failure import Outcome
from smsgw.core.message import Status
from smsgw.telemetry.metrics import Metrics
from tests.rules.sources import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
_SCRAPED = frozenset({"job", "instance", "role", "le"})
"""Labels that Prometheus or a histogram adds."""
_PROCESS = ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds")
"""What the client library shows on Linux."""
_VALUES = {
    "status": {each.value for each in Status},
    "outcome": {each.value for each in Outcome},
    "result": {"new", "known", "forged", "unreadable", "unmatched", "given_up"},
    "dependency": {"broker", "database", "limits"},
    "kind": {"clients", "providers"},
    "role": {"gateway", "worker"},
}
_SELECTOR = re.compile(r"([a-zA-Z_][a-zA-Z0-9_:]*)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_NAME = re.compile(r"(?:(?:sms|smsgw|db|server_a|process)_\w+|smsgw:[\w:]+|up)")


class Asked(NamedTuple):
    """One selector of an expression."""

    name: str
    matchers: tuple[tuple[str, str], ...]


def asked(expression: str) -> Iterator[Asked]:
    """Yield what an expression selects."""
    for name, matchers in _SELECTOR.findall(expression):
        if _NAME.fullmatch(name):
            yield Asked(name, tuple(_MATCHER.findall(matchers)))


def shown() -> dict[str, frozenset[str]]:
    """Return every series that the product or Prometheus shows, with its labels."""
    found: dict[str, frozenset[str]] = dict.fromkeys(("up", *_PROCESS), frozenset())
    for metric, names in Metrics().registry._collector_to_names.items():
        labels = frozenset(getattr(metric, "_labelnames", ()))
        found |= dict.fromkeys(names, labels)
    for record, expression in recorded().items():
        by = re.match(r"(?:sum|max|min|count) by \(([^)]*)\)", expression)
        found[record] = frozenset(by[1].replace(" ", "").split(",") if by else ())
    return found


def rules() -> Iterator[dict[str, Any]]:
    """Yield every rule of the kit."""
    for file in ("recording.yml", "alerts.yml"):
        for group in yaml.safe_load((PROMETHEUS / file).read_text("utf-8"))["groups"]:
            yield from group["rules"]


def recorded() -> dict[str, str]:
    """Return the expressions of the recorded series by name."""
    return {rule["record"]: rule["expr"].strip() for rule in rules() if "record" in rule}


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def problems(expression: str, known: dict[str, frozenset[str]]) -> Iterator[str]:
    """Yield what an expression asks for and nobody shows: a series, a label, a value of a closed set."""
    for name, matchers in asked(expression):
        if name not in known:
            yield f"no series {name}"
            continue
        for label, value in matchers:
            if label not in known[name] | _SCRAPED:
                yield f"{name} has no label {label}"
            # "$" begins a variable of Grafana; ".*" is any.
            elif "$" not in value and (strange := set(value.split("|")) - _VALUES.get(label, set(value.split("|")))):
                yield f"{name}: {label} is never {', '.join(sorted(strange))}"
