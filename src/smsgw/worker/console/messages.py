"""The list of messages: searched by number, id, client, provider, status, reason and time, page by page, newest first;
and the same as CSV."""

from collections.abc import Sequence
from typing import Any

from smsgw.core.message import Reason, Status
from smsgw.core.people import Role
from smsgw.core.records import RequestPage
from smsgw.worker.console.answers import Answer, Download, Page, Redirect
from smsgw.worker.console.console import Console
from smsgw.worker.console.forms import Form
from smsgw.worker.console.messages_csv import CHUNK, MOST, export
from smsgw.worker.console.routes import Route, page
from smsgw.worker.console.search import FIELDS, PENDING, Search, address, in_words, read_search
from smsgw.worker.console.visit import Visit
from smsgw.worker.http import cursor

PAGE = 50
LIST, CSV = "/console/messages", "/console/messages.csv"
_LONGEST_TRAIL = 20
"""The pages that "Newer" leads back over; further back there is only "Newest"."""
_STATUSES = [
    ("", "any"),
    (PENDING, "pending: queued, processing, unknown"),
    *((each.value, each.value) for each in Status),
]
_REASONS = [("", "any"), *((each.value, each.value) for each in sorted(Reason))]


def routes(console: Console) -> Sequence[Route]:
    """Return the routes of the list and its export."""

    async def show(visit: Visit) -> Answer:
        search = await _read(console, visit)
        if visit.query.problems:
            return _page(visit.query, None, status=422)
        if search.tracking_id is not None:
            return Redirect(to=f"{LIST}/{search.tracking_id}")
        return _page(visit.query, await console.store.requests(search.wanted, before=search.before, limit=PAGE))

    async def download(visit: Visit) -> Answer:
        return await _download(console, visit)

    return [page(LIST, Role.VIEWER, show), page(CSV, Role.VIEWER, download)]


async def _read(console: Console, visit: Visit) -> Search:
    """Return what is searched for; an id that no message has is wrong too."""
    query = visit.query
    search = read_search(
        query,
        providers=console.configured(),
        numbers=console.operations.rule.numbers,
        is_masked=visit.is_masked,
    )
    if search.tracking_id is not None and await console.store.missing([search.tracking_id]):
        query.refuse("find", "no message has this id")
    return search


async def _download(console: Console, visit: Visit) -> Answer:
    """Return the export: noted in the audit log before its first row leaves."""
    query = visit.query
    search = await _read(console, visit)
    has_texts = query.text("texts") == "1"
    if has_texts and visit.is_masked:
        query.refuse("texts", "texts need the role operator")
    if search.tracking_id is not None:
        query.refuse("find", "one message is not exported: open its page")
    if query.problems:
        return _page(query, None, status=422)
    first = await console.store.requests(search.wanted, before=None, limit=CHUNK)
    told = {**in_words(search.wanted), "texts": has_texts, "is_masked": visit.is_masked}
    await console.books.audit_log.note(visit.entry("messages.export", "", after=told))
    rows = export(console.store, search.wanted, first, is_masked=visit.is_masked, has_texts=has_texts)
    return Download(parts=rows, filename=f"messages-{visit.now:%Y%m%dT%H%M%SZ}.csv")


def _page(query: Form, found: RequestPage | None, *, status: int = 200) -> Page:
    is_cut = found is not None and found.next_before is not None
    context: dict[str, Any] = {
        "form": query,
        "found": found,
        "statuses": _STATUSES,
        "reasons": _REASONS,
        "most": MOST,
        "is_filtered": any(query.text(name) for name in FIELDS if name != "zone"),
        "newest": address(LIST, query) if query.text("cursor") else "",
        "newer": _newer(query),
        "older": _older(query, found.next_before) if found is not None and found.next_before is not None else "",
        "is_short": is_cut and found is not None and found.looked_at is not None,
        "csv": address(CSV, query),
        "csv_with_texts": address(CSV, query, texts="1"),
    }
    return Page(template="messages.html", context=context, status=status)


def _trail(query: Form) -> list[str]:
    """Return the cursors of the pages before this one, as far back as they are known."""
    return [each for each in query.text("trail").split(".") if cursor.decode(each) is not None][-_LONGEST_TRAIL:]


def _older(query: Form, before: int) -> str:
    trail = [*_trail(query), query.text("cursor")] if query.text("cursor") else []
    return address(LIST, query, cursor=cursor.encode(before), trail=".".join(trail[-_LONGEST_TRAIL:]))


def _newer(query: Form) -> str:
    trail = _trail(query)
    return address(LIST, query, cursor=trail[-1], trail=".".join(trail[:-1])) if trail and query.text("cursor") else ""
