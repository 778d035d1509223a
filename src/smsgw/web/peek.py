"""Taking what is already there without a timer: the first step of a coroutine decides whether waiting is needed."""

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """A coroutine that stopped at its first wait; awaiting this carries it on."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001  (a cancellation belongs to the inner coroutine)
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(sent)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


def peek(coroutine: Coroutine[Any, Any, T]) -> tuple[T | None, Waiting[T] | None]:
    """Run a coroutine to its first wait: (result, None) if it never waits, else (None, what to await)."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as done:
        return done.value, None
    return None, Waiting(coroutine, waits_for)
