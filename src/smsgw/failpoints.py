"""The named places where a test makes this process die, fail or freeze, to show that nothing is lost there.

They are armed by SMSGW_FAILPOINT in the environment of one process, read once at its start, never from a file:

    SMSGW_FAILPOINT='W5=kill'  'G3=raise:OSError,once'  'W4=sleep:15,skip:20'  'D1=kill;D3=sleep:2'

Not armed, a point costs one call that does nothing (`bench/failpoints.py` measures it).
"""

import asyncio
import builtins
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

VARIABLE = "SMSGW_FAILPOINT"
POINTS = {
    "G1": "gateway: a valid request, nothing claimed yet",
    "G2": "gateway: the idempotency key is claimed",
    "G3": "gateway: a unit of a finite quota is taken, nothing published",
    "G4": "gateway: the publish is written, its confirm not seen",
    "G5": "gateway: the confirm is here, the answer not stored",
    "G6": "gateway: the answer is stored, not sent",
    "G7": "gateway: the head of the answer is sent, its body not",
    "W1": "worker: messages are delivered, not inserted",
    "W2": "worker: messages are committed, not acknowledged and not started",
    "W3": "worker: messages are acknowledged, their first calls just begin",
    "W4": "worker: the intent is committed, the provider not called",
    "W5": "worker: the request is written, no answer read",
    "W6": "worker: the answer is read, its outcome not committed",
    "W7": "worker: the COMMIT of an outcome is under way",
    "W8": "worker: the outcome is committed, nothing done after it",
    "D1": "delivery report: verified and read, not stored",
    "D2": "delivery report: stored, not answered",
    "D3": "delivery report: answered, about to be applied",
    "D4": "delivery report: applied, not committed",
    "S1": "sweep: due messages are picked, nothing written",
    "S2": "sweep: what becomes of them is written, not committed",
}
TURNS = 12
"""How often the loop turns after an operation began: enough to write it, too few to hear of its result."""


class Failpoint(msgspec.Struct):
    """What happens at one point: after `skip` passages, each time or `once`."""

    action: Callable[[], None]
    skip: int = 0
    is_once: bool = False

    def pass_through(self) -> None:
        """Count a passage, and act when its turn has come."""
        self.skip -= 1
        if self.skip >= 0:
            return
        if self.is_once:
            self.skip = 2**62
        self.action()


_armed: dict[str, Failpoint] = {}


def reach(point: str) -> None:
    """Do what this point is armed with: kill, raise, or block the whole process for a while. Usually nothing."""
    if _armed and (failpoint := _armed.get(point)):
        failpoint.pass_through()


def under_way(point: str, operation: Awaitable[T]) -> Awaitable[T]:
    """Return the operation as it is; where the point is armed, one that reaches it when the operation has begun and
    nobody has seen its result."""
    return _interrupted(point, operation) if point in _armed else operation


def arm(text: str, *, tell: Callable[[str], None] = lambda _point: None) -> tuple[str, ...]:
    """Arm what SMSGW_FAILPOINT says, instead of all before, and return the names; `tell` hears of each point just
    before it acts. Raises ValueError for a mistake."""
    failpoints = dict(_failpoint(part.strip(), tell) for part in text.split(";") if part.strip())
    _armed.clear()
    _armed.update(failpoints)
    return tuple(failpoints)


async def _interrupted(point: str, operation: Awaitable[T]) -> T:
    task = asyncio.ensure_future(operation)
    try:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        reach(point)
    except BaseException:
        # Its end is waited for: a connection in the middle of a command is nobody else's to use.
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    return await task


def _failpoint(text: str, tell: Callable[[str], None]) -> tuple[str, Failpoint]:
    name, _, rest = text.partition("=")
    if name not in POINTS:
        raise ValueError(f"there is no point {name!r}; there are {', '.join(POINTS)}")
    word, *modifiers = rest.split(",")
    act = _action(word)

    def action() -> None:
        tell(name)
        act()

    failpoint = Failpoint(action)
    for modifier in modifiers:
        kind, _, value = modifier.partition(":")
        if modifier == "once":
            failpoint.is_once = True
        elif kind == "skip" and value.isdecimal():
            failpoint.skip = int(value)
        else:
            raise ValueError(f"{modifier!r} is neither once nor skip:N")
    return name, failpoint


def _action(word: str) -> Callable[[], None]:
    kind, _, value = word.partition(":")
    if word == "kill":
        return _kill
    if kind == "sleep" and value.replace(".", "", 1).isdecimal():
        return lambda: time.sleep(float(value))
    error = getattr(builtins, value, None)
    if kind == "raise" and isinstance(error, type) and issubclass(error, Exception):
        return lambda: _throw(error)
    raise ValueError(f"{word!r} is none of kill, sleep:SECONDS, raise:EXCEPTION")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _throw(error: type[Exception]) -> None:
    raise error("a failpoint")
