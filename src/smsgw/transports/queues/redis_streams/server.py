"""What a Redis must be to carry the queue, and the streams that it must have."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from smsgw.settings import QueueSettings
from smsgw.transports.limits.redis_link import CLUSTER_REFUSED
from smsgw.transports.queues.redis_streams.names import GROUP, key
from smsgw.transports.queues.redis_streams.wire import RefusedError

OLDEST = (6, 2)
FULL = "OOM"

Call = Callable[..., Awaitable[Any]]


class WrongRedisError(Exception):
    """This server, or a key in it, cannot be the queue. Nothing but an operator can mend that, so the role must
    stop."""


async def server_info(call: Call) -> dict[str, str]:
    """Return what INFO says; empty when this user may not ask."""
    try:
        reply = await call("INFO")
    except RefusedError as error:
        if error.code == "NOPERM":
            return {}
        raise
    lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, found, value in lines if found}


def refuse(info: dict[str, str]) -> None:
    """Raise WrongRedisError for a server that cannot carry the queue."""
    if info.get("cluster_enabled") == "1":
        raise WrongRedisError(f"QUEUE_URL: {CLUSTER_REFUSED}")
    version = info.get("redis_version", "")
    numbers = tuple(int(each) for each in re.findall(r"\d+", version)[:2])
    if numbers and numbers < OLDEST:
        raise WrongRedisError(f"QUEUE_URL: Redis {version} is too old to carry the queue; 6.2 or newer is needed")


def warning(info: dict[str, str]) -> str | None:
    """Return what this server is set to that would lose messages, or None."""
    if not info:
        return "cannot tell whether Redis keeps the queue (NOPERM for INFO); appendonly yes and noeviction are needed"
    problems = []
    if info.get("aof_enabled") != "1":
        problems.append("appendonly is no, so that a restart of Redis loses accepted messages")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy} and may evict the queue, noeviction is needed")
    return "; ".join(problems) or None


async def declare(call: Call, settings: QueueSettings, *, needs_memory: bool) -> None:
    """Make every stream with its group, or see that they are there.

    Raises WrongRedisError when a key is something else. RefusedError tells of a server that would not take a publish,
    either; who only consumes does not mind one without memory.
    """
    for queue in (settings.dead, settings.outbound, settings.heartbeat):
        await declare_one(call, queue, needs_memory=needs_memory)


async def declare_one(call: Call, queue: str, *, needs_memory: bool) -> None:
    """Make one stream with its group, from its beginning: what was published before the group was made counts."""
    try:
        await call("XGROUP", "CREATE", key(queue), GROUP, "0", "MKSTREAM")
    except RefusedError as error:
        if error.code == "WRONGTYPE":
            line = f"Redis key '{key(queue)}' is not a stream; delete it or use another queue name"
            raise WrongRedisError(line) from None
        # There already; or made by somebody else for a user that may not.
        is_fine = error.code in ("BUSYGROUP", "NOPERM") or (error.code == FULL and not needs_memory)
        if not is_fine:
            raise
