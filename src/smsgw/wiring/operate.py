"""What an operator asks from the command line: the books, and the dead-letter queue."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from smsgw.core.backlog import DeadLetter
from smsgw.core.envelope import ConfigFingerprint
from smsgw.core.phone import mask
from smsgw.core.ports import QueueUnavailableError
from smsgw.settings import SettingsError, load_operator
from smsgw.wiring.process import utc_now
from smsgw.wiring.transports import Transports
from smsgw.worker.audit import Audit, Balance

T = TypeVar("T")

_HARMLESS: Mapping[str, type] = {
    "version": int,
    "tracking_id": str,
    "client_key": str,
    "created_at": str,
    "ttl_seconds": int,
    "config_fingerprint": dict,
    "idempotency_hash": str,
    "providers_original": list,
    "providers_effective": list,
}
_LONGEST = 128
_MOST = 30 * 86_400
_FIELDS = frozenset(_HARMLESS) | {"to", "text"}
_OUTLINES = ((str, "text", "characters"), (list, "list", "entries"), (dict, "object", "fields"))


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
    """Return a dead letter's body as an operator may see it: what an envelope carries beside number and text.

    A body that nobody could read may be anything: whatever is not known to be harmless is shown by type and length.
    """
    try:
        return msgspec.json.encode(_masked(msgspec.json.decode(body))).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"{len(body)} bytes that are not JSON"


def _masked(value: Any) -> Any:
    members = value if isinstance(value, list) else [value]
    masked = [_masked_member(member) if isinstance(member, dict) else _outline(member) for member in members]
    return masked if isinstance(value, list) else masked[0]


def _masked_member(member: dict[str, Any]) -> dict[str, Any]:
    """Show one envelope; names of fields that no envelope has are input too, and only counted."""
    shown = {name: _masked_field(name, each) for name, each in member.items() if name in _FIELDS}
    others = len(member) - len(shown)
    return {**shown, "(other fields)": others} if others else shown


def _masked_field(name: str, value: Any) -> Any:
    if name == "to" and isinstance(value, str):
        return mask(value)
    return value if type(value) is _HARMLESS.get(name) and all(map(_is_short, _leaves(value))) else _outline(value)


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values() if set(value) <= set(ConfigFingerprint.__struct_fields__) else (None,)
    return value if isinstance(value, list) else (value,)


def _is_short(leaf: Any) -> bool:
    """Whether a value fits a name, a hash, a time or seconds: no text hides in it, nor a number's digits in an int."""
    return len(leaf) <= _LONGEST if isinstance(leaf, str) else type(leaf) is int and 0 <= leaf <= _MOST


def _outline(value: Any) -> str:
    """Say of what type and how long a value is: a number's digits may be a phone's."""
    for kind, name, unit in _OUTLINES:
        if isinstance(value, kind):
            return f"({name} of {len(value)} {unit})"
    return "(null)" if value is None else "(true or false)" if isinstance(value, bool) else "(number)"


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
