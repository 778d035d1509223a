"""What the queue's parts are called in Redis, and the bounds that hold there."""

from collections.abc import Sequence

from smsgw.settings import QueueSettings

GROUP = "workers"
"""One group per stream: its consumers share the entries."""
RETURNED = "returned"
"""The consumer that owns what was given back, and never reads: whoever looks for work takes it from there."""
BODY, REASON = "body", "reason"
DELIVERY_LIMIT = 10
HEARTBEATS_KEPT = 1000


def key(queue: str) -> str:
    """Return the key of a queue's stream; the prefix keeps it apart from the limits' keys in the same Redis."""
    return f"queue:{queue}"


def keys(settings: QueueSettings) -> tuple[str, str, str]:
    """Return the keys of all three queues."""
    return key(settings.outbound), key(settings.dead), key(settings.heartbeat)


def fields(flat: Sequence[bytes] | None) -> dict[str, bytes]:
    """Return the fields of one entry by their names; a stranger's entry may have any."""
    pairs = list(flat or ())
    return {name.decode("utf-8", "replace"): value for name, value in zip(pairs[::2], pairs[1::2], strict=False)}
