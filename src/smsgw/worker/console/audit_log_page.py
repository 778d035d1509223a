"""The page of the audit log: who changed what, when, from where, with what was before and what came after."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from smsgw.core.audit_log import AuditEntry, AuditFilter
from smsgw.core.people import Role
from smsgw.worker.console.answers import Answer, Page
from smsgw.worker.console.console import Console
from smsgw.worker.console.forms import Form
from smsgw.worker.console.routes import Route, page
from smsgw.worker.console.visit import Visit

PAGE = 50
_ADDRESS = "/console/audit-log"
_WORDS = ("who", "action", "subject")
_TIMES = ("since", "until")
_LATEST = 2**62


class Difference(NamedTuple):
    """One field of a change, in words; None is "not there"."""

    field: str
    before: str | None
    after: str | None


def routes(console: Console) -> Sequence[Route]:
    """Return the route of the audit log."""

    async def show(visit: Visit) -> Answer:
        query = visit.query
        wanted = _wanted(query)
        before = query.whole("before", least=1, most=_LATEST) if query.text("before") else None
        if query.problems:
            return _page(query, [], older="", status=422)
        found = await console.books.audit_log.entries(wanted, before=before, limit=PAGE + 1)
        shown = found[:PAGE]
        older = _address(query, before=shown[-1].id) if len(found) > PAGE else ""
        return _page(query, shown, older=older)

    return [page(_ADDRESS, Role.OPERATOR, show)]


def differences(entry: AuditEntry) -> list[Difference]:
    """Return what an entry tells field by field."""
    names = [*entry.before, *(name for name in entry.after if name not in entry.before)]
    return [Difference(name, _words(entry.before, name), _words(entry.after, name)) for name in names]


def _wanted(query: Form) -> AuditFilter:
    words = {name: query.text(name) or None for name in _WORDS}
    return AuditFilter(**words, since=query.moment("since"), until=query.moment("until"))


def _page(query: Form, entries: Sequence[AuditEntry], *, older: str, status: int = 200) -> Page:
    context = {
        "form": query,
        "entries": [(each, differences(each)) for each in entries],
        "older": older,
        "newest": _address(query) if query.text("before") else "",
        "is_filtered": any(query.text(name) for name in (*_WORDS, *_TIMES)),
    }
    return Page(template="audit_log.html", context=context, status=status)


def _address(query: Form, **more: int) -> str:
    told: dict[str, Any] = {name: query.text(name) for name in (*_WORDS, *_TIMES, "zone") if query.text(name)}
    return f"{_ADDRESS}?{urlencode({**told, **more})}" if told or more else _ADDRESS


def _words(fields: dict[str, Any], name: str) -> str | None:
    if name not in fields:
        return None
    value = fields[name]
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
