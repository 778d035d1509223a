"""What share of the calls each provider gets: counted here, added up with the other workers' about once a second."""

from collections.abc import Iterable
from typing import Any

import msgspec

from smsgw.core.events import AttemptFinished
from smsgw.core.failure import Outcome
from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.shares import Shares, Tally, added
from smsgw.core.traffic import Document, Traffic

FLUSH_SECONDS = 1.0
TRIES = 5
_NAME = "shares"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Shares).decode


class ShareBook:
    """Counts provider calls. What could not be written is kept and added the next time; where the store died in the
    middle of a write, that second may be counted twice."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._names: frozenset[str] = frozenset()
        self._seen: dict[str, Tally] = {}

    def use(self, providers: Iterable[str]) -> None:
        """Count the calls of these from now on."""
        self._names = frozenset(providers)

    def observe(self, fact: Any, /) -> None:
        """Listen to facts, as an Observer does."""
        if isinstance(fact, AttemptFinished) and fact.provider in self._names:
            seen = self._seen.get(fact.provider, Tally())
            is_accepted = fact.outcome is Outcome.ACCEPTED
            self._seen[fact.provider] = Tally(seen.calls + 1, seen.accepted + is_accepted)

    async def run_once(self) -> float:
        """Tell the others what was counted here; return the seconds to rest."""
        try:
            await self._flush()
        except LimitsUnavailableError:
            return FLUSH_SECONDS  # told with the next one
        return FLUSH_SECONDS

    async def read(self) -> Shares:
        """Return what all workers have counted. Raises LimitsUnavailableError."""
        return await self._flush() or _read((await self._traffic.read([_NAME]))[1][0])

    async def reset(self) -> Shares:
        """Begin to count anew, at all workers. Raises LimitsUnavailableError."""
        for _ in range(TRIES):
            now, (document,) = await self._traffic.read([_NAME])
            fresh = Shares(since=now.timestamp())
            if await self._traffic.write(_NAME, _encode(fresh), version=document.version):
                self._seen = {}
                return fresh
        raise LimitsUnavailableError("the counts change too fast; try again")

    async def _flush(self) -> Shares | None:
        """Add what was counted here to what all have counted, and return that; None when there was nothing to add."""
        news, self._seen = self._seen, {}
        if not news:
            return None
        written = None
        try:
            written = await self._write(news)
        finally:
            if written is None:
                self._seen = added(Shares(tallies=news), self._seen, 0.0).tallies
        return written

    async def _write(self, news: dict[str, Tally]) -> Shares:
        for _ in range(TRIES):
            now, (document,) = await self._traffic.read([_NAME])
            shares = added(_read(document), news, now.timestamp())
            if await self._traffic.write(_NAME, _encode(shares), version=document.version):
                return shares
        raise LimitsUnavailableError("the counts change too fast")


def _read(document: Document) -> Shares:
    """Return a document; one that this release cannot read is as good as none."""
    if not document.body:
        return Shares()
    try:
        return _decode(document.body)
    except msgspec.MsgspecError:
        return Shares()
