"""A provider's other side, by its model: how long it takes, what it answers, and whether it took the message."""

from collections import deque
from datetime import timedelta
from math import exp, log
from random import Random
from statistics import NormalDist
from typing import NamedTuple

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.providers import RateUnit
from smsgw.strategies.profile import FailureKind, Model, Outage

_P99 = NormalDist().inv_cdf(0.99)
ACCEPTED = SendResult(outcome=Outcome.ACCEPTED)
UNKNOWN = SendResult(outcome=Outcome.UNKNOWN)


class Answer(NamedTuple):
    """What a call comes to, and after how long."""

    result: SendResult
    seconds: float
    is_taken: bool


class Carrier:
    """One provider. Its dice are its own, so that what others are asked does not change what it answers."""

    def __init__(self, name: str, model: Model, *, timeout_seconds: float, seed: int) -> None:
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._dice = Random(f"{seed}:{name}")  # noqa: S311  (no secret: the same seed shall give the same answers)
        self._log_median = log(model.latency.median_seconds)
        self._spread = log(model.latency.p99_seconds / model.latency.median_seconds) / _P99
        # Below one call a second the window is longer, or nothing would ever be taken.
        self._window_seconds = max(1.0, 1 / model.capacity) if model.capacity else 1.0
        self._most = max(1, int(model.capacity)) if model.capacity else 0
        self._taken_at: deque[float] = deque()
        after = model.retry_after_seconds
        wait = timedelta(seconds=after) if after is not None else None
        self._throttled = SendResult(outcome=Outcome.THROTTLED, retry_after=wait)

    def answer(self, seconds: float, country: str) -> Answer:
        """Return what becomes of a call that arrives now."""
        took = exp(self._dice.gauss(self._log_median, self._spread))
        for outage in self._model.outages:
            if not self._is_hit(outage, seconds, country):
                continue
            if outage.kind != "slow":
                return self._failed(outage.kind, took)
            took *= outage.factor
        if self._is_too_much(seconds):
            return Answer(self._throttled, took, False)
        if self._model.failures and (kind := self._failure()):
            return self._failed(kind, took)
        if took >= self._timeout_seconds:
            return Answer(UNKNOWN, self._timeout_seconds, True)
        return Answer(ACCEPTED, took, True)

    def price(self, segments: int) -> float:
        """Return what it asks for a message that it took."""
        model = self._model
        return model.price * (segments if model.price_unit is RateUnit.SEGMENT else 1)

    def _is_hit(self, outage: Outage, seconds: float, country: str) -> bool:
        is_on = outage.from_seconds <= seconds < outage.to_seconds
        concerns = not outage.countries or country in outage.countries
        return is_on and concerns and (outage.share >= 1 or self._dice.random() < outage.share)

    def _is_too_much(self, seconds: float) -> bool:
        if not self._most:
            return False
        while self._taken_at and self._taken_at[0] <= seconds - self._window_seconds:
            self._taken_at.popleft()
        if len(self._taken_at) >= self._most:
            return True
        self._taken_at.append(seconds)
        return False

    def _failure(self) -> FailureKind | None:
        throw = self._dice.random()
        for kind, share in self._model.failures.items():
            if throw < share:
                return kind
            throw -= share
        return None

    def _failed(self, kind: FailureKind, took: float) -> Answer:
        if kind in ("unknown", "silent"):
            is_taken = self._dice.random() < self._model.unknown_taken
            return Answer(UNKNOWN, self._timeout_seconds if kind == "silent" else took, is_taken)
        if kind == "throttled":
            return Answer(self._throttled, took, False)
        return Answer(SendResult(outcome=Outcome(kind)), min(took, self._timeout_seconds), False)
