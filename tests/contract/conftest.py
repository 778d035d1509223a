"""Every limits store in turn, for the suites of that port."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.contract.limits_harness import (
    World,
    open_memory,
    open_redis,
    open_sqlite,
)


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
