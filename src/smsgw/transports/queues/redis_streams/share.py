"""One consumer's share of a stream: what it reads, keeps by renewing, takes over from the dead, and gives back."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from smsgw.transports.queues.redis_streams.link import Link
from smsgw.transports.queues.redis_streams.names import GROUP, RETURNED
from smsgw.transports.queues.redis_streams.scripts import GIVE_BACK, ROUND

ROUND_SECONDS = 0.25
ABANDONED_SECONDS = 15.0
"""An entry that nobody has renewed for so long is anybody's. Longer than a worker stands still and lives."""
RENEWALS = 4
"""How often an entry is renewed in that time."""
GONE_SECONDS = 300.0
CALL_SECONDS = 5.0
MOST_AT_ONCE = 256
RETURNED_IDLE_SECONDS = 7 * 86_400
MOST_OF_MINE = 100_000

Entry = tuple[bytes, Sequence[bytes]]


class Found(NamedTuple):
    """What one look round has found."""

    taken: Sequence[Entry]
    mine: Sequence[bytes] | None
    """The ids that are ours at Redis; None when it was not asked."""
    is_whole: bool


class Share:
    """What one consumer, by its name, asks of a stream. Every method raises QueueUnavailableError."""

    def __init__(
        self, link: Link, keys: tuple[str, str], *, me: str, abandoned_seconds: float, delivery_limit: int
    ) -> None:
        self._link = link
        self._keys = keys
        self._me = me
        self._abandoned_seconds = abandoned_seconds
        self._delivery_limit = delivery_limit
        self._looked_at = self._renewed_at = float("-inf")

    def renew_now(self) -> None:
        """Let the next look round renew and compare, whenever the last one was."""
        self._looked_at = self._renewed_at = float("-inf")

    async def read(self, room: int, *, wait_seconds: float) -> Sequence[Entry]:
        """Return new entries, at most `room`; none when there are none for so long."""
        wait = ("BLOCK", int(wait_seconds * 1000))
        reply = await self._link.call(
            *("XREADGROUP", "GROUP", GROUP, self._me, "COUNT", min(room, MOST_AT_ONCE), *wait),
            *("STREAMS", self._keys[0], ">"),
            deadline=self._deadline() + wait_seconds,
        )
        return [(entry_id, flat) for _, entries in reply or () for entry_id, flat in entries]

    async def look_round(self, room: int) -> Found | None:
        """Renew what is due and take over at most `room` abandoned or returned entries; None when it is too early."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < ROUND_SECONDS:
            return None
        is_renewing = now - self._renewed_at >= self._abandoned_seconds / RENEWALS
        most = MOST_OF_MINE
        mine, taken = await self._link.run(
            ROUND,
            self._keys,
            *(GROUP, self._me, RETURNED, int(is_renewing), most, int(self._abandoned_seconds * 1000)),
            *(max(0, min(room, MOST_AT_ONCE)), self._delivery_limit, int(GONE_SECONDS * 1000)),
            deadline=self._deadline(),
        )
        self._looked_at = now
        if is_renewing:
            self._renewed_at = now
        return Found([(each[0], each[1]) for each in taken], mine if is_renewing else None, len(mine) < most)

    async def give_back(self, ids: Sequence[bytes]) -> None:
        """Make these of our entries anybody's at once."""
        for start in range(0, len(ids), MOST_AT_ONCE):
            await self._give_back("stay", *ids[start : start + MOST_AT_ONCE])

    async def give_back_all(self, *, is_leaving: bool) -> None:
        """Make all of our entries anybody's at once; who leaves is no consumer of the group any more."""
        await self._give_back("leave" if is_leaving else "stay")

    async def _give_back(self, *arguments: str | bytes) -> None:
        idle = RETURNED_IDLE_SECONDS * 1000
        await self._link.run(
            GIVE_BACK, self._keys[:1], GROUP, self._me, RETURNED, idle, *arguments, deadline=self._deadline()
        )

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + CALL_SECONDS
