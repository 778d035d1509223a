"""The faults of the fault model, and which tests show them: read from the `fault` marks in the source of the tests."""

# ruff: noqa: E501  (lines of prose)

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from smsgw.failpoints import POINTS

TESTS = Path(__file__).parent.parent / "tests"

FAULTS = {
    "F01": ("client leaves right after its request", "the request runs to its end; a retry gets the stored answer"),
    "F02": ("50 identical requests with one key at two gateways", "one 202, the others 409 or the same 202; one id"),
    "F03": ("one key, two bodies, the same instant", "one body wins, the other gets 422, also while the first runs"),
    "F04": ("two clients with keys made to collide", "independent of each other"),
    "F05": ("Redis away", "503 STORE_UNAVAILABLE within 300 ms; nothing is published"),
    "F06": ("Redis frozen", "the same, bounded by its deadline"),
    "F07": ("Redis loses its data between a request and its retry", "a second id, FAILED `duplicate_of`; one SMS"),
    "F08": (
        "Redis out of memory, or a read-only replica",
        "writes fail as if it were away; stored answers are still replayed",
    ),
    "F09": ("Redis does the work and its answer is lost", "the retry finds its own reservation; counted once"),
    "F10": ("gateway killed with the claim made", "409 until the lease ends, then taken over with the same id"),
    "F11": ("gateway killed with the quota taken", "a retry counts once; without a key the unit stays used"),
    "F12": (
        "gateway killed with the publish written or confirmed",
        "the retry publishes the same id; the worker drops the copy",
    ),
    "F13": ("gateway killed with the answer stored, or half sent", "the retry gets the stored bytes"),
    "F14": ("2,000 clients that send a byte now and then", "408 and closed within seconds; others keep their latency"),
    "F15": ("SIGTERM under load", "unready first, work in flight ends, exit 0 within 25 s"),
    "F16": (
        "a gateway's clock is 10 minutes off; midnight under load",
        "the day is Redis's, the time to live is clamped; no second quota",
    ),
    "F17": ("event loop stalled for 10 s", "no 202 without a confirm; the connection lives on or comes back"),
    "F18": ("broker killed under load", "unconfirmed is 503 with its id; retries converge"),
    "F19": ("broker frozen", "503 at the deadline; what was written is one message after the thaw"),
    "F20": ("memory or disk alarm at the broker", "503 and unready; consumers go on; recovers by itself"),
    "F21": ("queue at its maximum length", "503, quota and key given back; nothing confirmed disappears"),
    "F22": ("queue deleted", "503, never 202; declared again"),
    "F23": ("queue exists with other arguments", "the start stops with one line naming it"),
    "F24": (
        "broker restarts, or is away for a while, with messages waiting",
        "all survive and flow again within 15 s",
    ),
    "F25": (
        "broker connection reset while a provider is called",
        "the call goes on, its outcome is committed, the copy is dropped",
    ),
    "F26": ("an envelope that cannot be decoded", "to the dead letters once, with its reason; neighbours are fine"),
    "F27": (
        "an envelope that kills the process",
        "to the dead letters at the delivery limit; what died with it is replayed",
    ),
    "F28": ("an envelope of another version", "unknown fields ignored; an unknown major version to the dead letters"),
    "F29": ("worker killed before or after the insert", "delivered again; one row"),
    "F30": ("worker killed before the call", "UNKNOWN at the end of the lease, settled, sent once"),
    "F31": ("worker killed after the provider accepted", "UNKNOWN; settled by report, look-up or ON_UNKNOWN"),
    "F32": ("worker frozen past its lease", "its outcome changes nothing; it stays as evidence on the attempt"),
    "F33": ("provider accepts and never answers", "UNKNOWN; no other provider before it is settled"),
    "F34": ("connection refused, DNS, TLS, connect timeout", "not sent: the next provider at once"),
    "F35": ("200 with garbage, HTML, nothing, no id", "UNKNOWN: no success, no blind retry"),
    "F36": ("500, 502, 504", "UNKNOWN"),
    "F37": ("429 or 503 with a hostile Retry-After", "not sent; the wait is clamped"),
    "F38": (
        "an answer that drips, never ends, is compressed or has 10,000 headers",
        "a deadline, at most 256 KiB; UNKNOWN",
    ),
    "F39": ("a kept connection is reset when it is used again", "not retried by the client; UNKNOWN"),
    "F40": ("all providers away longer than the message lives", "FAILED `expired`; nothing is sent after it"),
    "F41": ("401, 402, 403: our account", "the next provider; the message does not fail"),
    "F42": ("SIGTERM to a worker under load", "calls end, the rest is left to its lease; nothing lost"),
    "F43": ("PostgreSQL dies at a COMMIT", "read again by id and fence, never assumed"),
    "F44": (
        "PostgreSQL behind half-open sockets",
        "bounded calls, a new pool; nothing acknowledged that is not committed",
    ),
    "F45": (
        "locks, deadlocks, serialization failures, an exhausted pool",
        "bounded waits, the whole transaction again",
    ),
    "F46": (
        "database disk full or read-only",
        "/readyz says so, nothing is acknowledged or lost; the gateway goes on accepting",
    ),
    "F47": ("SQLite: process killed in a transaction, file locked, disk full", "nothing committed is lost"),
    "F48": ("a report before SENT is committed", "stored, applied afterwards"),
    "F49": ("reports twice, reordered, contradictory", "the same final state for every order"),
    "F50": (
        "reports forged, replayed, for unknown ids, in a flood",
        "unsigned 401 before parsing; signed 200 and parked",
    ),
    "F51": ("2 of 3 parts of a long message delivered", "delivered only when all are"),
}
"""Number: (what happens, what smsgw does)."""
_PAGE = """# Faults and the tests that show them

Every test breaks the real thing: a process, a server, a connection, a clock. What cannot be shown on one machine is in
[Reliability](../reliability.md#not-shown-here), with the reason. The invariants are explained [there](../reliability.md#what-is-checked) too.

| | fault | what smsgw does | shown by | checks |
| --- | --- | --- | --- | --- |
{faults}

## Failpoints

At each of them `tests/failpoints/` kills, fails and freezes a process ([how](../reliability.md#failpoints)).

| point | where |
| --- | --- |
{points}"""


class Shown(NamedTuple):
    """One test that shows a fault."""

    fault: str
    path: str
    test: str
    checks: tuple[str, ...]


def shown() -> list[Shown]:
    """Return every mark `fault(number, checks)` in the tests, in the order of faults and files."""
    found = [each for path in sorted(TESTS.rglob("*.py")) for each in _marks(path)]
    return sorted(found, key=lambda each: each.fault)


def page() -> str:
    """Return the page that lists faults, what smsgw does, the tests and the invariants they check."""
    rows, found = [], shown()
    for number, (what, does) in FAULTS.items():
        tests = [each for each in found if each.fault == number]
        links = [f"[{each.test}](../../tests/{each.path})" for each in tests]
        checks = sorted({check for each in tests for check in each.checks}, key=lambda name: int(name[1:]))
        rows.append(f"| {number} | {what} | {does} | {'<br>'.join(dict.fromkeys(links))} | {' '.join(checks)} |")
    points = "".join(f"| `{name}` | {where} |\n" for name, where in POINTS.items())
    return _PAGE.format(faults="\n".join(rows), points=points)


def _marks(path: Path) -> Iterator[Shown]:
    tree = ast.parse(path.read_text("utf-8"))
    relative = str(path.relative_to(TESTS))
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [call for decorator in node.decorator_list for call in _fault_calls(decorator)]
            inside.update(calls)
            yield from (_shown(call, relative, node.name) for call in calls)
    # A mark beside a parameter or on a whole module.
    yield from (_shown(call, relative, path.stem) for call in _fault_calls(tree) if call not in inside)


def _fault_calls(node: ast.AST) -> list[ast.Call]:
    return [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "fault"
    ]


def _shown(call: ast.Call, path: str, test: str) -> Shown:
    number, checks = (ast.literal_eval(argument) for argument in call.args)
    return Shown(number, path, test, tuple(checks.split()))
