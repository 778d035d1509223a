"""Write the reference pages that are made from the code: `make docs`. A test holds that they are up to date."""

# ruff: noqa: E501  (lines of prose)

import ast
import inspect
import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any

from smsgw.core import events
from smsgw.core.failure import POLICIES, Outcome
from smsgw.core.lifecycle import TRANSITIONS
from smsgw.core.message import EventType, Reason, ReportStatus, Status
from smsgw.settings.catalogue import SETTINGS
from smsgw.telemetry import lines
from smsgw.telemetry.metrics import Metrics

sys.path.insert(0, str(Path(__file__).parent))
import vendors
from vendors import table as _table

import faults

DOCS = Path(__file__).parent
_MADE = "<!-- made by docs/generate.py (make docs): edit the code, not this page -->"

STATUSES = {
    Status.QUEUED: "stored; waits for its first round, for the next one (`retry_scheduled`), or for a provider with room",
    Status.PROCESSING: "a worker holds it under a lease and is asking a provider",
    Status.UNKNOWN: "a provider was asked and nobody can know whether it took the message; no other one is asked meanwhile",
    Status.SENT: "a provider has taken it; waits for its delivery report, final when the report deadline passes (`no_report`)",
    Status.FAILED: "final: not sent, or reported as not delivered. Only a positive report still corrects it",
    Status.DELIVERED: "final: the provider reported it delivered; never taken back",
}
REASONS = {
    Reason.EXPIRED: "its time to live ended, or the next attempt would have come after it",
    Reason.MAX_ATTEMPTS: "MAX_SEND_ATTEMPTS provider calls were made",
    Reason.PROVIDER_DISABLED: "the one provider asked for is disabled at the worker",
    Reason.ALL_PROVIDERS_DISABLED: "all providers asked for are disabled at the worker",
    Reason.NO_PROVIDER_AVAILABLE: "smart selection found no usable provider until the message expired",
    Reason.INVALID_NUMBER: "a provider says that the number does not exist",
    Reason.OPTED_OUT: "the recipient does not want messages",
    Reason.REJECTED: "every provider of the round refused this message",
    Reason.DUPLICATE_OF: "another message of the client's same Idempotency-Key was there first",
    Reason.OUTCOME_UNKNOWN: "UNKNOWN: nobody knows (yet); FAILED: nobody found out in time",
    Reason.NO_REPORT: "SENT, and no final report within REPORT_DEADLINE_SECONDS",
    Reason.RETRY_SCHEDULED: "QUEUED again; the next round has its time",
    Reason.PROVIDER_AT_LIMIT: "QUEUED: every provider that may take it is at its rate limit; sent as soon as one is not",
    Reason.CIRCUIT_OPEN: "QUEUED: every provider that may take it fails too often just now; sent when one works again",
    Reason.UNDELIVERED: "reported: not delivered",
    Reason.REPORTED_FAILED: "reported: failed at the provider",
    Reason.REPORTED_REJECTED: "reported: refused after it was taken",
    Reason.REPORTED_EXPIRED: "reported: expired at the provider",
    Reason.CANCELLED: "an operator cancelled it before a provider was asked, or between two rounds",
}
OUTCOMES = {
    Outcome.ACCEPTED: "taken by the provider",
    Outcome.INVALID_NUMBER: "no provider would take this number",
    Outcome.OPTED_OUT: "no provider may send to this number",
    Outcome.REJECTED: "this provider will not take this message; another one may",
    Outcome.CREDENTIALS: "401, 402, 403: our account at the provider",
    Outcome.THROTTLED: "429, or 503 with Retry-After",
    Outcome.UNREACHABLE: "no byte of the request left: refused, DNS, TLS, connect timeout",
    Outcome.UNKNOWN: "timeout or reset after writing, 5xx, garbage: nobody can know",
    Outcome.ABSENT: "was unknown; the provider, asked twice, knows nothing of it",
}
EVENT_TYPES = {
    EventType.QUEUED: "stored",
    EventType.PROCESSING: "a provider is about to be asked (`attempt`; `duplicate_risk` where it may be the second SMS; `choice`: by what rule it was chosen, `over`: who was passed over and why)",
    EventType.SENT: "a provider took it",
    EventType.FAILED: "ended, with its `reason`",
    EventType.DELIVERED: "reported as delivered (`corrected` when it had been FAILED)",
    EventType.PROVIDER_SWITCHED: "one provider did not take it, the next one is asked (`from`, `to`, `outcome`)",
    EventType.RETRY_SCHEDULED: "another round at `next_attempt_at`",
    EventType.UNKNOWN: "an attempt ended without anybody knowing how",
    EventType.LOOKED_UP: "the provider was asked about it; `answer`",
    EventType.REPORT: "a delivery report came; `status`",
    EventType.REPORT_DEADLINE: "no final report came in time",
    EventType.RESENT: "an operator sent it again as another message (`resent_as`), whose own story begins with `resend_of`",
}


def pages() -> dict[str, str]:
    """Return every generated page by its path below docs."""
    made = {
        "settings.md": _settings(),
        "metrics.md": _metrics(),
        "events.md": _events(),
        "states.md": _states(),
        "faults.md": faults.page(),
    }
    texts = {f"reference/{name}": text for name, text in made.items()}
    texts |= {f"providers/{name}": text for name, text in vendors.pages().items()}
    return {path: f"{_MADE}\n\n{text.rstrip()}\n" for path, text in texts.items()}


def _settings() -> str:
    text = (
        "# Settings\n\nEnvironment variables, also read from `.env` in the current directory; the process environment wins. "
        "What is wrong stops the\nstart with one line. `smsgw config check` says whether a start would work. "
        "`.env.example` has them all to copy.\n"
    )
    for chapter, settings in SETTINGS.items():
        rows = [(f"`{s.name}`", f"`{s.default}`" if s.default else "", s.role.value, s.meaning) for s in settings]
        text += f"\n## {chapter}\n\n{_table(('name', 'default', 'read by', 'meaning'), rows)}"
    return text


def _metrics() -> str:
    rows = []
    for metric in Metrics().registry._collector_to_names:
        name = getattr(metric, "_name", None)
        if name is None:
            continue
        kind: str = metric._type  # type: ignore[attr-defined]
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # type: ignore[attr-defined]
        rows.append((f"`{name}{'_total' if kind == 'counter' else ''}`", kind, labels, metric._documentation))  # type: ignore[attr-defined]
    return (
        "# Metrics\n\n`GET /metrics` on gateway and worker, in Prometheus' text format. `client` is the public id; every label comes "
        "from a closed\nset. Beside these, `process_*` tells memory, CPU and file descriptors (Linux).\n\n"
        + _table(("name", "type", "labels", "what it tells"), sorted(rows))
    )


def _events() -> str:
    rows = [(", ".join(f"`{name}`" for name in names), doc) for names, doc in sorted(_log_lines())]
    return (
        "# Log lines\n\nOne JSON object per line (people's form on a terminal): `service`, `level`, `timestamp`, `message`, and where known "
        "`tracking_id`,\n`client_key`, `provider`. Numbers are masked, texts never written. `message` is one of:\n\n"
        + _table(("message", "when"), rows)
        + "\n`message.*` is one of: "
        + ", ".join(f"`message.{each.value.lower()}`" for each in EventType)
        + ".\nThe story of one message, at the status endpoint, is told in the [event types](states.md#event-types).\n"
    )


def _log_lines() -> list[tuple[list[str], str]]:
    """Return the names under which each fact is logged, read from the source of telemetry/lines.py."""
    tree = ast.parse(inspect.getsource(lines))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = []
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_line"):
            continue
        fact, _, make = call.args
        assert isinstance(fact, ast.Attribute)
        body: ast.AST = functions[make.id] if isinstance(make, ast.Name) else make
        found.append((_names_in(body), _first_line(getattr(events, fact.attr))))
    return found


def _names_in(body: ast.AST) -> list[str]:
    if any(isinstance(node, ast.JoinedStr) for node in ast.walk(body)):
        return ["message.*"]
    words = [node.value for node in ast.walk(body) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    dotted = [word for word in words if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", word)]
    return sorted(set(dotted)) or ["crashed"]


def _first_line(kind: type[Any]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def _states() -> str:
    policies = [
        (
            f"`{each.value}`",
            meaning,
            "yes" if POLICIES[each].same_later else "no",
            "yes" if POLICIES[each].another_now else "no",
            POLICIES[each].health.value.replace("_", " "),
        )
        for each, meaning in OUTCOMES.items()
    ]
    head = ("outcome", "meaning", "same provider later", "another one now", "health")
    return (
        "# States\n\n```mermaid\nstateDiagram-v2\n"
        + "".join(f"    {edge}\n" for edge in _edges())
        + "```\n\nEvery other step is refused by the code. A repeated state (a retry of QUEUED, a look-up of UNKNOWN) is left out of the picture.\n"
        + f"\n## Statuses\n\n{_meanings('status', STATUSES)}"
        + f"\n## Reasons\n\n{_meanings('reason', REASONS)}"
        + f"\n## Outcomes of an attempt\n\nThe whole failure policy. Nobody but ON_UNKNOWN sends after `unknown`.\n\n{_table(head, policies)}"
        + f"\n## Event types\n\n{_meanings('event_type', EVENT_TYPES)}"
        + "\n## Delivery reports\n\nThe set of reports decides, not their order ([why](../decisions/0006-reports-count-as-a-set.md)). Of several about one attempt the highest rank counts: "
        + " < ".join(f"`{each.word}`" for each in ReportStatus)
        + ".\n"
    )


def _edges() -> list[str]:
    edges = []
    for before, afters in TRANSITIONS.items():
        edges += [f"{before or '[*]'} --> {after}" for after in Status if after in afters and after is not before]
    return [*edges, "SENT --> [*]: no report in time", "FAILED --> [*]", "DELIVERED --> [*]"]


def _meanings(head: str, meanings: dict[Any, str]) -> str:
    words = [(each.value if isinstance(each, Enum) else each, meaning) for each, meaning in meanings.items()]
    return _table((head, "meaning"), [(f"`{word}`", meaning) for word, meaning in words])


if __name__ == "__main__":
    made = pages()
    (DOCS / "providers").mkdir(exist_ok=True)
    for path in (DOCS / "providers").glob("*.md"):
        if f"providers/{path.name}" not in made:
            path.unlink()
    for name, text in made.items():
        (DOCS / name).write_text(text, "utf-8")
