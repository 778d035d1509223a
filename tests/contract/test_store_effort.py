"""What the store asks of a database with many rows: the backlog of a lane, and a list of messages, are never read
whole."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from smsgw.core.message import Message, Status
from smsgw.core.ports import RequestFilter
from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.requests import LED, WALKED
from smsgw.transports.stores.database.schema import messages
from tests.contract import stores
from tests.contract.effort import effort, fill
from tests.contract.stores import NOW, SECOND

WAITING = 20_000
FEW = 5_000
"""Less than one row of four, or one of eighty on SQLite, where a row costs some twenty steps."""
LANES = ("*", "Crowded", "Z-Provider")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stores.place_url(request.param, request, tmp_path_factory.mktemp("effort")) as found:
        assert found is not None
        yield found


@pytest.fixture
async def crowded(url: str) -> str:
    """A database in which many wait in one lane, and one each in two others."""
    if await _count(url) < WAITING:
        await stores.empty(url)
        await fill(url, [_in_lane(LANES[0]), *(_in_lane(LANES[1]) for _ in range(WAITING)), _in_lane(LANES[2])])
    return url


@pytest.fixture
async def store(url: str) -> AsyncIterator[DatabaseStore]:
    store = DatabaseStore(open_database(url), observer=lambda _fact: None)
    yield store
    await store.close()


async def test_naming_the_lanes_does_not_read_who_waits_in_them(crowded: str) -> None:
    seen: list[str] = []

    async def call(store: DatabaseStore) -> None:
        seen.extend(await store.lanes())

    made = await effort(crowded, call)

    assert sorted(seen) == sorted(LANES)
    assert made.looked_at < FEW
    assert not made.sorted_rows


async def test_taking_out_of_a_lane_reads_what_it_takes(crowded: str) -> None:
    made = await effort(crowded, lambda store: store.claim_lane(LANES[1], limit=10, plan=lambda *_: None))

    assert made.looked_at < FEW
    assert not made.sorted_rows


async def test_what_waits_in_lanes_does_not_stand_in_the_way_of_what_is_due(crowded: str) -> None:
    queued = frozenset({Status.QUEUED})

    made = await effort(crowded, lambda store: store.claim(queued, now=NOW, limit=10, plan=lambda *_: None))

    assert made.looked_at < FEW


@pytest.mark.parametrize(
    "wanted",
    [RequestFilter(), RequestFilter(client_key=stores.CLIENT), RequestFilter(to=stores.message().to)],
    ids=["all", "client", "number"],
)
async def test_a_page_of_what_there_is_much_of_reads_little(crowded: str, wanted: RequestFilter) -> None:
    made = await effort(crowded, lambda store: store.requests(wanted, before=None, limit=10))

    assert made.looked_at < FEW
    assert not made.sorted_rows


@pytest.mark.parametrize("wanted", [RequestFilter(client_key="nobody"), RequestFilter(to="+49")], ids=["client", "to"])
async def test_a_page_of_what_there_is_nothing_of_sorts_nothing(crowded: str, wanted: RequestFilter) -> None:
    made = await effort(crowded, lambda store: store.requests(wanted, before=None, limit=10))

    assert not made.sorted_rows


async def test_a_page_of_what_is_pending_reads_no_more_than_that(crowded: str) -> None:
    wanted = RequestFilter(statuses=frozenset({Status.PROCESSING, Status.UNKNOWN}))

    made = await effort(crowded, lambda store: store.requests(wanted, before=None, limit=10))

    assert made.looked_at < FEW


# --- the bound of one page --------------------------------------------------------------------------------------------


async def test_a_search_that_no_index_helps_looks_at_so_many_messages_and_goes_on(crowded: str) -> None:
    store = DatabaseStore(open_database(crowded), observer=lambda _fact: None)
    wanted = RequestFilter(provider="Provider-A")

    pages = [await store.requests(wanted, before=None, limit=10)]
    while (before := pages[-1].next_before) is not None:
        pages.append(await store.requests(wanted, before=before, limit=10))
    await store.close()

    assert [each.messages for each in pages] == [()] * 3
    assert [each.looked_at for each in pages] == [WALKED, WALKED, None]


async def test_along_another_index_it_looks_at_fewer(crowded: str) -> None:
    store = DatabaseStore(open_database(crowded), observer=lambda _fact: None)
    wanted = RequestFilter(client_key=stores.CLIENT, provider="Provider-A")

    page = await store.requests(wanted, before=None, limit=10)
    await store.close()

    assert (page.messages, page.looked_at) == ((), LED)
    assert page.next_before is not None


@pytest.mark.parametrize(
    "wanted",
    [RequestFilter(to="+49151"), RequestFilter(client_key="old"), RequestFilter(statuses=frozenset({Status.FAILED}))],
    ids=["number", "client", "failed"],
)
async def test_what_an_index_knows_is_found_at_once_however_old(
    url: str, store: DatabaseStore, wanted: RequestFilter
) -> None:
    await stores.empty(url)
    old = stores.message(to="+49151", client_key="old", status=Status.FAILED, due_at=None)
    await fill(url, [old, *(stores.message(due_at=None, status=Status.SENT) for _ in range(FEW))])

    made = await effort(url, lambda store: store.requests(wanted, before=None, limit=10))
    page = await store.requests(wanted, before=None, limit=10)

    assert [each.tracking_id for each in page.messages] == [old.tracking_id]
    assert page.next_before is None
    assert made.looked_at < FEW / 10
    assert not made.sorted_rows


async def test_a_time_long_ago_is_found_without_reading_what_came_since(url: str, store: DatabaseStore) -> None:
    await stores.empty(url)
    past = [stores.message(due_at=None, status=Status.SENT, created_at=NOW - number * SECOND) for number in range(FEW)]
    await fill(url, past[::-1])
    wanted = RequestFilter(since=NOW - 4_000 * SECOND, until=NOW - 3_990 * SECOND)

    made = await effort(url, lambda store: store.requests(wanted, before=None, limit=10))
    page = await store.requests(wanted, before=None, limit=10)

    assert [each.created_at for each in page.messages] == [NOW - number * SECOND for number in range(3_991, 4_001)]
    assert page.next_before is None
    # Rows on PostgreSQL; all of them would be twenty times as many steps on SQLite.
    assert made.looked_at < (FEW * 10 if url.startswith("sqlite") else FEW / 2)


async def test_what_is_pending_is_found_at_once_however_old(url: str, store: DatabaseStore) -> None:
    await stores.empty(url)
    old, done = [(await stores.take_in(store, each))[0] for each in (stores.queued(), stores.started())]
    await store.apply(stores.accepted(done))
    await _move_on(url, done.message.tracking_id, WALKED * 3)

    page = await store.requests(RequestFilter(statuses=frozenset({Status.QUEUED})), before=None, limit=10)

    assert (page.messages, page.next_before) == ((old.message,), None)


def _in_lane(lane: str) -> Message:
    return stores.message(lane=lane, due_at=NOW + timedelta(seconds=600), created_at=NOW - SECOND)


async def _count(url: str) -> int:
    database = open_database(url)
    async with database.read() as connection:
        found = (await connection.execute(sa.select(sa.func.count()).select_from(messages))).scalar_one()
    await database.close()
    return int(found)


async def _move_on(url: str, tracking_id: UUID, keys: int) -> None:
    """Give a message a later key, as if many had come before it."""
    database = open_database(url)
    later = sa.update(messages).where(messages.c.tracking_id == tracking_id).values(id=messages.c.id + keys)
    async with database.write() as connection:
        await connection.execute(later)
    await database.close()
