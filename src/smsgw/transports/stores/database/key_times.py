"""Finds the keys of a time. Messages get their keys as they are taken in, nearly in the order in which they were made:
so a search needs no index of times, which every message would pay for."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.transports.stores.database.schema import Identity, messages

PROBES = 64
"""The keys that are looked at in one question."""
NEAR = 1_000
"""Keys this close together need no closer look."""
OUT_OF_TURN = timedelta(minutes=1)
"""How much later than its neighbours a message may be taken in and still be found: gateways' clocks differ, batches
overtake one another. One that waited longer while others passed it (given back from the dead letters) may be missed."""
_known = messages.c


async def keys_between(connection: AsyncConnection, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return two keys: what was made in this time lies between them, neither included, among what was made about it."""
    newest = (await connection.execute(sa.select(sa.func.max(_known.id)))).scalar() or 0
    above, below = 0, newest + 1
    if since is not None:
        above, _ = await _narrow(connection, since - OUT_OF_TURN, above, below, is_first=True)
    if until is not None:
        _, below = await _narrow(connection, until + OUT_OF_TURN, above, below, is_first=False)
    return above, below


async def _narrow(connection: AsyncConnection, at: datetime, low: int, high: int, *, is_first: bool) -> tuple[int, int]:
    """Return the ends of where times go past `at`: for the first time, or the last, should some be out of turn."""
    while high - low > NEAR:
        step = -(-(high - low) // PROBES)
        seen = [(int(key), made) for key, made in await connection.execute(_probes(low, high, step))]
        early = [made is None or made < at for _, made in seen]
        passed = early.index(False) if is_first and False in early else len(early)
        if not is_first:
            passed = len(early) - early[::-1].index(True) if True in early else 0
        keys = [low, *(key for key, _ in seen), high]
        low, high = keys[passed], keys[passed + 1]
    return low, high


def _probes(low: int, high: int, step: int) -> sa.Select[Any]:
    """Return keys, evenly spread between two, with the time of the message there or just below."""
    first = sa.select(sa.cast(sa.literal(low + step, Identity), Identity).label("key"))
    probe = first.cte("probe", recursive=True)
    probe = probe.union_all(sa.select(probe.c.key + step).where(probe.c.key + step < high))
    made = sa.select(_known.created_at).where(_known.id <= probe.c.key).order_by(_known.id.desc()).limit(1)
    return sa.select(probe.c.key, made.scalar_subquery()).where(probe.c.key < high).order_by(probe.c.key)
