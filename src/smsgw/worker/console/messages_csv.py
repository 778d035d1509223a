"""Messages as CSV: made while it is sent, a chunk of rows in memory at a time, and nothing in it that a spreadsheet
would take for a formula."""

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime

from smsgw.core.message import Message
from smsgw.core.phone import mask
from smsgw.core.ports import Store, StoreUnavailableError
from smsgw.core.records import RequestFilter, RequestPage

CHUNK = 500
MOST = 100_000
COLUMNS = ("tracking_id", "created_at", "updated_at", "client_key", "sender", "to", "status", "reason", "provider")
_MARK = "\ufeff"
"""By it Excel knows UTF-8."""
_FORMULA = re.compile(r"(^|[,;|\t\r\n])(?=[ \u00a0\"]*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r])")
"""Where a cell begins, also for who cuts it at another separator than the comma: what looks like a quote within a cell
may then open and close one."""


async def export(
    store: Store, wanted: RequestFilter, page: RequestPage, *, is_masked: bool, has_texts: bool
) -> AsyncIterator[bytes]:
    """Yield the file, newest first, from the first page on. It ends with a line of its own where it is not whole: at
    MOST rows, or where the database went away."""
    yield (_MARK + _lines([[*COLUMNS, *(["text"] if has_texts else [])]])).encode()
    count = 0
    while True:
        rows = page.messages[: MOST - count]
        count += len(rows)
        yield _lines(_row(each, is_masked=is_masked, has_texts=has_texts) for each in rows).encode()
        if page.next_before is None and len(rows) == len(page.messages):
            return
        if count == MOST:
            yield _note(f"Not whole: only the newest {MOST} messages are here. Search for a shorter time.")
            return
        try:
            page = await store.requests(wanted, before=page.next_before, limit=CHUNK)
        except StoreUnavailableError:
            yield _note(f"Not whole: the database went away after {count} messages. Export again.")
            return


def cell(text: str) -> str:
    """Return a cell as it is safe in a spreadsheet: an apostrophe before whatever could begin a formula. A number
    begins with + and gets one too: so it stays text, with its plus and all its digits."""
    return _FORMULA.sub(r"\1'", text)


def _row(message: Message, *, is_masked: bool, has_texts: bool) -> list[str]:
    cells = [
        str(message.tracking_id),
        _time(message.created_at),
        _time(message.updated_at),
        message.client_key,
        _sender(message.sender or "", is_masked=is_masked),
        mask(message.to) if is_masked else message.to,
        message.status.value,
        message.reason or "",
        message.provider_final or "",
    ]
    return [*cells, message.text] if has_texts else cells


def _sender(sender: str, *, is_masked: bool) -> str:
    return mask(sender) if is_masked and sender.startswith("+") else sender


def _note(words: str) -> bytes:
    return _lines([[f"# {words}"]]).encode()


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    # Every cell in quotes: a line of a text stays in its cell.
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(
        [cell(each) for each in row] for row in rows
    )
    return text.getvalue()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
