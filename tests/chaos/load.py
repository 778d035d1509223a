"""The callers: careful ones with a key, careless ones without, one with a quota, some that repeat themselves."""

import random
import threading
from collections.abc import Sequence
from itertools import count

import msgspec

from tests.invariants import Call, Caller
from tests.journey.product import KEY, MAGIC, OTHER_KEY

THREADS = 16
TIMEOUT_SECONDS = 10.0
TTL_SECONDS = 120
WAY = (None, None, None, ("Provider-B",), ("Provider-B", "Provider-A"))
"""Smart selection prefers Provider-A; the others ask for the one that cannot be looked up."""
_AGAIN = (None, 408, 409, 503)
"""408: the gateway stood still before it had the request."""


class Intention(msgspec.Struct, frozen=True, kw_only=True):
    """One message that somebody wants to be sent, however often he has to ask."""

    key: str
    idempotency_key: str | None
    to: str
    text: str
    providers: Sequence[str] | None


def intention(seed: int, number: int) -> Intention:
    """Return what the caller with this number wants; pure, so that two callers can want the same."""
    dice = random.Random(f"load {seed} {number}")
    who = dice.random()
    return Intention(
        key=OTHER_KEY if who > 0.85 else KEY,
        idempotency_key=None if who < 0.15 else f"chaos-{seed}-{number}",
        to=f"{MAGIC}{dice.randrange(10_000):04}",
        text=f"Parcel {number} waits",
        providers=dice.choice(WAY),
    )


class Load:
    """Calls from the constructor on until `end`; then the careful ones go on until they have their answer."""

    def __init__(self, caller: Caller, *, seed: int, rate: float) -> None:
        self._caller = caller
        self._seed = seed
        self._pause = THREADS / rate
        self._numbers = count()
        self._ending = threading.Event()
        self._giving_up = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(each,), daemon=True) for each in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def end(self, seconds: float) -> None:
        """Begin nothing new, and wait at most so long for the answers of the careful."""
        self._ending.set()
        timer = threading.Timer(seconds, self._giving_up.set)
        timer.start()
        for thread in self._threads:
            thread.join()
        timer.cancel()

    def _run(self, number_of_thread: int) -> None:
        dice = random.Random(f"thread {self._seed} {number_of_thread}")
        number = 0
        while not self._ending.wait(dice.expovariate(1 / self._pause)):
            # One in twenty wants what another caller is asking for at this moment, or has just got.
            number = max(0, number - 1) if dice.random() < 0.05 else next(self._numbers)
            wanted = intention(self._seed, number)
            if wanted.idempotency_key is None:
                self._send(wanted)
                continue
            self._insist(wanted)
            if dice.random() < 0.03:
                self._send(msgspec.structs.replace(wanted, text="Parcel stolen"))

    def _insist(self, wanted: Intention) -> None:
        """Ask with the same key until there is an answer, as fast as the gateway wants it."""
        while not self._giving_up.is_set():
            call = self._send(wanted)
            if call.status not in _AGAIN:
                return
            self._giving_up.wait(min(1.0, float(call.retry_after or 0.3)))

    def _send(self, wanted: Intention) -> Call:
        body = {"to": wanted.to, "text": wanted.text, "ttl_seconds": TTL_SECONDS}
        return self._caller.send(
            key=wanted.key,
            idempotency_key=wanted.idempotency_key,
            timeout=TIMEOUT_SECONDS,
            **body,
            **({"providers": list(wanted.providers)} if wanted.providers else {}),
        )
