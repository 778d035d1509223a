"""The contract of the store: an operator's list of messages, newest first, page by page."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from smsgw.core.lifecycle import fail
from smsgw.core.message import Reason, Status
from smsgw.core.ports import RequestFilter, Store
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, accepted, parked, queued, started

ALL = RequestFilter()
PENDING = RequestFilter(statuses=frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN}))


async def test_the_newest_come_first_as_they_are_stored(store: Store) -> None:
    changes = [(await stores.take_in(store, each))[0] for each in (queued(), started(), parked())]

    page = await store.requests(ALL, before=None, limit=10)

    assert list(page.messages) == [each.message for each in changes[::-1]]
    assert page.next_before is None


async def test_an_empty_store_has_one_empty_page(store: Store) -> None:
    page = await store.requests(ALL, before=None, limit=10)

    assert (page.messages, page.next_before) == ((), None)


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
async def test_pages_hold_every_message_once(store: Store, limit: int) -> None:
    ids = [await _taken(store, queued()) for _ in range(6)]

    pages = await _pages(store, ALL, limit)

    assert [each for page in pages for each in page] == ids[::-1]
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len(pages) == -(-6 // limit)


async def test_pages_stay_as_they_are_while_new_messages_come(store: Store) -> None:
    ids = [await _taken(store, queued()) for _ in range(5)]
    first = await store.requests(ALL, before=None, limit=2)
    await _taken(store, queued())

    second = await store.requests(ALL, before=first.next_before, limit=2)
    again = await store.requests(ALL, before=first.next_before, limit=2)

    assert [each.tracking_id for each in second.messages] == ids[2:0:-1]
    assert again == second


FILTERS: list[tuple[RequestFilter, list[str]]] = [
    (ALL, ["late", "failed", "sent", "other", "queued"]),
    (PENDING, ["late", "other", "queued"]),
    (RequestFilter(statuses=frozenset({Status.SENT})), ["sent"]),
    (RequestFilter(statuses=frozenset({Status.FAILED, Status.QUEUED})), ["late", "failed", "other", "queued"]),
    (RequestFilter(statuses=frozenset({Status.UNKNOWN})), []),
    (RequestFilter(client_key="client-b"), ["other"]),
    (RequestFilter(client_key="nobody"), []),
    (RequestFilter(to="+4915100000000"), ["other"]),
    (RequestFilter(to="+49151\x00"), []),
    (RequestFilter(provider="Provider-A"), ["sent"]),
    (RequestFilter(provider="Local-SMS"), []),
    (RequestFilter(reason="rejected"), ["failed"]),
    (RequestFilter(since=NOW + SECOND), ["late"]),
    (RequestFilter(until=NOW + SECOND), ["failed", "sent", "other", "queued"]),
    (RequestFilter(since=NOW, until=NOW), []),
    (RequestFilter(statuses=PENDING.statuses, client_key=CLIENT, since=NOW, until=NOW + SECOND), ["queued"]),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS)
async def test_a_filter_shows_what_fits_it_all(store: Store, wanted: RequestFilter, expected: list[str]) -> None:
    names = await _one_of_each(store)

    found = await store.requests(wanted, before=None, limit=10)
    pages = await _pages(store, wanted, 1)

    assert [names[each.tracking_id] for each in found.messages] == expected
    assert found.next_before is None
    assert [names[each] for page in pages for each in page] == expected


@pytest.mark.parametrize("before", [-1, 0, 1])
async def test_before_the_first_message_there_is_nothing(store: Store, before: int) -> None:
    await store.requests(ALL, before=None, limit=10)

    page = await store.requests(ALL, before=before, limit=10)

    assert (page.messages, page.next_before) == ((), None)


@pytest.mark.parametrize("before", [2**63 - 1, 2**63, 2**200])
async def test_a_cursor_beyond_every_key_shows_the_newest(store: Store, before: int) -> None:
    newest = await _taken(store, queued())

    page = await store.requests(ALL, before=before, limit=10)

    assert [each.tracking_id for each in page.messages] == [newest]


async def test_a_story_of_any_client_is_told_to_who_names_none(store: Store) -> None:
    (change,) = await stores.take_in(store, started(client_key="client-b"))

    story = await store.story(change.message.tracking_id, None)

    assert story is not None
    assert story.message == change.message
    assert story.attempts == (change.started,)
    assert await store.story(UUID(int=0), None) is None


async def _one_of_each(store: Store) -> dict[UUID, str]:
    """Store one message of each kind; return what each is called, oldest first."""
    others = {"client_key": "client-b", "to": "+4915100000000", "created_at": NOW - SECOND}
    arrivals = {
        "queued": queued(),
        "other": queued(**others),
        "sent": started(),
        "failed": started(),
        "late": queued(created_at=NOW + SECOND),
    }
    changes = {name: (await stores.take_in(store, each))[0] for name, each in arrivals.items()}
    await store.apply(accepted(changes["sent"]))
    await store.apply(fail(changes["failed"].message, Reason.REJECTED, NOW, finished=_refused(changes["failed"])))
    return {change.message.tracking_id: name for name, change in changes.items()}


def _refused(change: Any) -> Any:
    return msgspec.structs.replace(change.started, detail="E1", finished_at=NOW)


async def _taken(store: Store, arrival: Any) -> UUID:
    (change,) = await stores.take_in(store, arrival)
    return change.message.tracking_id


async def _pages(store: Store, wanted: RequestFilter, limit: int) -> list[list[UUID]]:
    """Read page after page to the last one."""
    pages: list[list[UUID]] = []
    before: int | None = None
    while not pages or before is not None:
        page = await store.requests(wanted, before=before, limit=limit)
        pages.append([each.tracking_id for each in page.messages])
        before = page.next_before
    return pages
