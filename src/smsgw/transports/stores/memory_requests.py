"""Lists the messages of the store in dictionaries for an operator; their keys count from 1, as a database's do."""

from collections.abc import Sequence

from smsgw.core.message import Message
from smsgw.core.records import RequestFilter, RequestPage


def page(messages: Sequence[Message], wanted: RequestFilter, *, before: int | None, limit: int) -> RequestPage:
    """Return a page of messages that are given oldest first."""
    newest_first = reversed(list(enumerate(messages, start=1)))
    older = [(key, each) for key, each in newest_first if (before is None or key < before) and _fits(each, wanted)]
    next_before = older[limit - 1][0] if len(older) > limit else None
    return RequestPage(messages=tuple(each for _, each in older[:limit]), next_before=next_before)


def _fits(message: Message, wanted: RequestFilter) -> bool:
    same = (
        (message.client_key, wanted.client_key),
        (message.provider_final, wanted.provider),
        (message.reason, wanted.reason),
        (message.to, wanted.to),
    )
    return (
        (wanted.statuses is None or message.status in wanted.statuses)
        and all(asked in (None, value) for value, asked in same)
        and (wanted.since is None or message.created_at >= wanted.since)
        and (wanted.until is None or message.created_at < wanted.until)
    )
