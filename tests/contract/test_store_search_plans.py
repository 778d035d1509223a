"""How PostgreSQL finds what operators search for: each search by its index, nothing read whole, nothing sorted."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from smsgw.core.message import Message, Status
from smsgw.core.ports import RequestFilter
from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore
from tests.contract import stores
from tests.contract.effort import fill
from tests.contract.stores import NOW, SECOND

ROWS = 6_000
FAILED = frozenset({Status.FAILED})
PENDING = frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN})
SPAN: dict[str, Any] = {"since": NOW + 600 * SECOND, "until": NOW + 900 * SECOND}

CASES: dict[str, tuple[RequestFilter, set[str]]] = {
    "everything": (RequestFilter(), {"messages_pkey"}),
    "number": (RequestFilter(to="+4915100000007"), {"messages_to"}),
    "number and time": (RequestFilter(to="+4915100000007", **SPAN), {"messages_to"}),
    "number and status": (RequestFilter(to="+4915100000007", statuses=PENDING), {"messages_to"}),
    "client": (RequestFilter(client_key="shop"), {"messages_client"}),
    "client that is rare": (RequestFilter(client_key="quiet"), {"messages_client"}),
    "client that nobody knows": (RequestFilter(client_key="nobody"), {"messages_client"}),
    "client and provider": (RequestFilter(client_key="shop", provider="Provider-B"), {"messages_client"}),
    "client and time": (RequestFilter(client_key="shop", **SPAN), {"messages_client", "messages_pkey"}),
    "failed": (RequestFilter(statuses=FAILED), {"messages_failed"}),
    "failed and reason": (RequestFilter(statuses=FAILED, reason="rejected"), {"messages_failed"}),
    "failed and client": (RequestFilter(statuses=FAILED, client_key="quiet"), {"messages_failed"}),
    "delivered": (RequestFilter(statuses=frozenset({Status.DELIVERED})), {"messages_pkey"}),
    "pending": (RequestFilter(statuses=PENDING), {"messages_due"}),
    "unknown and client": (RequestFilter(statuses=frozenset({Status.UNKNOWN}), client_key="shop"), {"messages_due"}),
    "provider": (RequestFilter(provider="Provider-B"), {"messages_pkey"}),
    "reason": (RequestFilter(reason="rejected"), {"messages_pkey"}),
    "time": (RequestFilter(**SPAN), {"messages_pkey"}),
}


@pytest.fixture(scope="module")
def url(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stores.place_url("postgres", request, tmp_path_factory.mktemp("plans")) as found:
        assert found is not None
        yield found


@pytest.fixture
async def filled(url: str) -> str:
    database = open_database(url)
    async with database.read() as connection:
        (count,) = (await connection.exec_driver_sql("SELECT count(*) FROM messages")).one()
    await database.close()
    if count == 0:
        await fill(url, [_message(number) for number in range(ROWS)])
    return url


@pytest.mark.parametrize("before", [None, ROWS // 2], ids=["first page", "a later page"])
@pytest.mark.parametrize(("wanted", "indexes"), CASES.values(), ids=CASES)
async def test_a_search_opens_its_index_and_sorts_nothing(
    filled: str, wanted: RequestFilter, indexes: set[str], before: int | None
) -> None:
    plans = await _plans(filled, wanted, before)

    nodes = [node for plan in plans for node in _nodes(plan)]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == indexes
    assert [node["Node Type"] for node in nodes if node["Node Type"] == "Seq Scan"] == []
    assert [node["Sort Key"] for node in nodes if node["Node Type"] == "Sort" and not _is_small(node)] == []


async def test_many_that_are_pending_are_walked_to_and_not_sorted(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smsgw.transports.stores.database.requests.MOST_PENDING", 10)

    plans = await _plans(filled, RequestFilter(statuses=PENDING), None)

    nodes = [node for plan in plans for node in _nodes(plan)]
    assert {"messages_pkey", "messages_due"} == {node["Index Name"] for node in nodes if "Index Name" in node}
    assert "Sort" not in {node["Node Type"] for node in nodes}


async def test_one_story_is_read_by_the_id_of_its_message(filled: str) -> None:
    plans = await _plans_of(filled, lambda store: store.story(_message(5).tracking_id, None))

    scans = {node.get("Index Name") for plan in plans for node in _nodes(plan) if "Relation Name" in node}
    assert scans <= {"messages_tracking_id", "attempts_pkey", "message_events_tracking_id", None}
    assert "Seq Scan" not in {node["Node Type"] for plan in plans for node in _nodes(plan)}


def _message(number: int) -> Message:
    """Return the message of this number: one in 25 failed, the newest are pending, one client was there only once."""
    status = Status.FAILED if number % 25 == 3 else Status.DELIVERED
    is_new = number >= ROWS - 30
    return stores.message(
        client_key="quiet" if number < 5 else ("shop", "bank", "shop")[number % 3],
        to=f"+49151{number % 1_000:08}",
        status=Status.UNKNOWN if is_new else status,
        reason="rejected" if status is Status.FAILED and not is_new else None,
        provider_final=f"Provider-{'AB'[number % 2]}",
        due_at=NOW if is_new else None,
        created_at=NOW + number * SECOND / 2,
        expires_at=NOW + timedelta(days=1),
    )


async def _plans(url: str, wanted: RequestFilter, before: int | None) -> list[dict[str, Any]]:
    return await _plans_of(url, lambda store: store.requests(wanted, before=before, limit=20))


async def _plans_of(url: str, call: Any) -> list[dict[str, Any]]:
    """Make a call of the store and return the plan of each of its queries, as its own transaction would plan it."""
    database = open_database(url)
    queries: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        queries.append((statement, parameters))

    sa.event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    store = DatabaseStore(database, observer=lambda _fact: None)
    await call(store)
    sa.event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    async with database.read() as connection:
        plans = [await _plan(connection, *query) for query in queries]
        await connection.rollback()
    await store.close()
    return [plan for plan in plans if plan is not None]


async def _plan(connection: Any, statement: str, parameters: Any) -> dict[str, Any] | None:
    if "set_config" in statement:
        # What the search tells the planner holds for the queries after it.
        await connection.exec_driver_sql(statement, parameters)
        return None
    told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)).scalar_one()
    (plan,) = json.loads(told) if isinstance(told, str) else told
    found: dict[str, Any] = plan["Plan"]
    return found


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)


def _is_small(sort: dict[str, Any]) -> bool:
    """Whether only what is pending is sorted, which is bounded, or the keys of a walk through time, which are made."""
    below = list(_nodes(sort))
    names = {node.get("Index Name") for node in below if "Relation Name" in node}
    return names == {"messages_due"} or any(node["Node Type"] == "Recursive Union" for node in below)
