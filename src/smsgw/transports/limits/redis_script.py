"""One way to run a script in Redis: by its digest, and with its text where the server does not know it (any more)."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any

from smsgw.transports.limits.redis_link import ScriptMissingError


class RedisScript:
    """A script and its digest."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()

    async def run(self, call: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Run it through `call`; it gets its arguments as ARGV."""
        try:
            return await call("EVALSHA", self._digest, 0, *arguments)
        except ScriptMissingError:
            return await call("EVAL", self._text, 0, *arguments)


def joined(parts: Sequence[str]) -> bytes:
    """Return the text of a script that is in parts in this folder."""
    here = files(__package__)
    return b"\n".join((here / f"{part}.lua").read_bytes() for part in parts)
