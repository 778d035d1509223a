"""What an operator asks from the command line: the books, and the dead-letter queue."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from smsgw.core.phone import mask
from smsgw.core.ports import DeadLetter, QueueUnavailableError
from smsgw.settings import SettingsError, load_operator
from smsgw.wiring.process import utc_now
from smsgw.wiring.transports import Transports
from smsgw.worker.audit import Audit, Balance

T = TypeVar("T")


def run_audit(environ: Mapping[str, str], *, hours: float, stuck: int) -> Balance:
    """Balance the books once."""
    settings = load_operator(environ)

    async def audit(transports: Transports) -> Balance:
        limits = await transports.limits(
            settings.limits_url, rules=settings.claim_rules, quota_prefix=settings.quota_prefix
        )
        queue = await transports.queue_admin(settings.queue)
        store = transports.store(settings.database_url)
        return await Audit(store=store, limits=limits, queue=queue, clock=utc_now).run(
            back=timedelta(hours=hours), stuck=stuck
        )

    return _run(audit)


def dead_letters(environ: Mapping[str, str], *, limit: int) -> Sequence[DeadLetter]:
    """Return the oldest dead letters."""
    settings = load_operator(environ).queue

    async def read(transports: Transports) -> Sequence[DeadLetter]:
        return await (await transports.queue_admin(settings)).dead_letters(limit)

    return _run(read)


def replay_dead_letter(environ: Mapping[str, str], letter_id: str) -> bool:
    """Put one dead letter back; False when it is gone or was not confirmed."""
    settings = load_operator(environ).queue

    async def replay(transports: Transports) -> bool:
        return await (await transports.queue_admin(settings)).replay(letter_id)

    return _run(replay)


def masked_body(body: bytes) -> str:
    """Return a dead letter's body as an operator may see it: numbers masked, texts by their length only."""
    try:
        return msgspec.json.encode(_masked(msgspec.json.decode(body))).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"{len(body)} bytes that are not JSON"


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _masked_field(name, each) for name, each in value.items()}


def _masked_field(name: str, value: Any) -> Any:
    if name == "to" and isinstance(value, str):
        return mask(value)
    if name == "text":
        return f"({len(value)} characters)" if isinstance(value, str) else "(not a text)"
    return _masked(value)


def _run(work: Callable[[Transports], Awaitable[T]]) -> T:
    async def main() -> T:
        async with AsyncExitStack() as stack:
            return await work(Transports(stack, observer=_nobody, clock=utc_now))

    try:
        return asyncio.run(main())
    except QueueUnavailableError as error:
        raise SettingsError(f"QUEUE_URL: {error}") from None


def _nobody(_fact: Any) -> None:
    """Listen to nothing: a command answers for itself."""
