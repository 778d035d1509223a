"""Every limits store and every store in turn, for the suites of those ports."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from smsgw.core.books import Books
from smsgw.core.ports import Store
from tests.contract import stores
from tests.contract.books import BooksPlace
from tests.contract.limits_harness import (
    World,
    open_memory,
    open_redis,
    open_sqlite,
)
from tests.contract.stores import Place


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    redis = (
        (request.getfixturevalue("redis_url"), request.getfixturevalue("run_id")) if request.param == "redis" else None
    )
    async with AsyncExitStack() as stack:
        if redis:
            yield await stack.enter_async_context(open_redis(*redis))
        elif request.param == "sqlite":
            yield await stack.enter_async_context(open_sqlite(tmp_path / "limits.db"))
        else:
            yield await stack.enter_async_context(open_memory())


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres"])
def url(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    with stores.place_url(request.param, request, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
async def place(url: str | None) -> AsyncIterator[Place]:
    await stores.empty(url)
    place = Place(url, [])
    yield place
    await place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


@pytest.fixture
async def books_place(url: str | None) -> AsyncIterator[BooksPlace]:
    await stores.empty(url)
    place = BooksPlace(url)
    yield place
    await place.close()


@pytest.fixture
def books(books_place: BooksPlace) -> Books:
    return books_place.open()


@pytest.fixture
def other_books(books_place: BooksPlace) -> Books:
    """The books of another process, on the same data."""
    return books_place.open()
