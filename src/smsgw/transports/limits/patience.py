"""How long callers of an embedded store wait for what shares a transaction with others."""

import asyncio
import time
from typing import TypeVar

from smsgw.core.ports import LimitsUnavailableError
from smsgw.transports.sql import Database

CALL_SECONDS = 0.28
SLOW_SECONDS = 2.0
"""How long a caller waits for this process's own commits: a slow disk is slow, not away."""
LOOK_SECONDS = 0.05
LATE = "sqlite: no answer in time"

Result = TypeVar("Result")


async def wait_for(answer: asyncio.Future[Result], database: Database) -> Result:
    """Return the answer; raises LimitsUnavailableError when it does not come in time. The batch goes on without its
    caller: a transaction that is cut short leaves its connection in doubt."""
    until = time.monotonic() + SLOW_SECONDS
    try:
        await asyncio.wait({answer}, timeout=CALL_SECONDS)
        while not (answer.done() or database.is_locked_by_others or time.monotonic() > until):
            await asyncio.wait({answer}, timeout=LOOK_SECONDS)
        if answer.done():
            return answer.result()
    finally:
        answer.cancel()
    raise LimitsUnavailableError(LATE)
