"""How a carrier treats one message: by the ending of its number, else by the dice. Pure."""

from collections.abc import Callable
from math import ceil
from typing import TypeVar

import msgspec

from smsgw.simulator.distributions import draw
from smsgw.simulator.outages import Outage
from smsgw.simulator.settings import Conduct

T = TypeVar("T")
Dice = Callable[[], float]
"""Returns a number from 0 up to, not including, 1."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a message. With a `status` of 2xx it is accepted, else it is not sent."""

    status: int = 202
    error_code: str | None = None
    retry_after: str | None = None
    is_hanging: bool = False
    """The answer never comes."""
    is_lost: bool = False
    """Not taken, and the answer never comes."""
    is_garbled: bool = False
    """Accepted, but the answer is not JSON."""
    is_nameless: bool = False
    """Accepted, but the answer holds no message id."""
    slow_seconds: float = 0
    """So much later than usual."""
    reports: tuple[str, ...] = ("delivered",)
    """The statuses that are reported, in this order."""
    is_reported_first: bool = False
    """The report is on its way before the answer is."""
    is_reported_late: bool = False
    meaning: str = ""
    """What docs/reference/simulator.md says of a magic number."""


class Fate(msgspec.Struct, frozen=True):
    """What happens to a message, and when."""

    behaviour: Behaviour
    latency: float
    report_delay: float


MAGIC: dict[str, Behaviour] = {
    "0001": Behaviour(status=400, error_code="INVALID_NUMBER", meaning="400 `INVALID_NUMBER`"),
    "0002": Behaviour(status=400, error_code="OPTED_OUT", meaning="400 `OPTED_OUT`"),
    "0003": Behaviour(status=429, error_code="THROTTLED", retry_after="2", meaning="429 `THROTTLED`, `Retry-After: 2`"),
    "0004": Behaviour(status=500, error_code="INTERNAL", meaning="500 `INTERNAL`, not sent"),
    "0005": Behaviour(is_hanging=True, meaning="accepted and reported, but the answer never comes"),
    "0006": Behaviour(reports=("undelivered",), meaning="accepted, reported `undelivered`"),
    "0007": Behaviour(reports=(), meaning="accepted, never reported"),
    "0008": Behaviour(is_reported_first=True, meaning="accepted, reported before the answer"),
    "0009": Behaviour(status=200, is_garbled=True, meaning="accepted and reported, but the answer is 200 with garbage"),
    "0010": Behaviour(reports=("delivered", "delivered"), meaning="accepted, reported twice"),
    "0011": Behaviour(status=400, error_code="REJECTED", meaning="400 `REJECTED`"),
    "0012": Behaviour(status=503, error_code="THROTTLED", retry_after="1", meaning="503, `Retry-After: 1`"),
    "0013": Behaviour(reports=("delivered", "sent"), meaning="accepted, reported `delivered` and then `sent`"),
    "0014": Behaviour(is_reported_late=True, meaning="accepted, reported after `late_report_delay` (30 s)"),
    "0015": Behaviour(slow_seconds=3, meaning="accepted and answered, 3 s later than usual"),
    "0016": Behaviour(is_lost=True, meaning="not accepted, and the answer never comes"),
    "0017": Behaviour(
        status=200, is_nameless=True, meaning="accepted and reported, but the answer is 200 without a `message_id`"
    ),
}
"""By the last four digits of the number; a test holds docs/reference/simulator.md to it."""

PLAIN = Behaviour()
_OF_OUTAGES: dict[str, Behaviour] = {
    "http_500": MAGIC["0004"],
    "http_401": Behaviour(status=401, error_code="UNAUTHORIZED"),
    "throttle": Behaviour(status=429, error_code="THROTTLED", retry_after="1"),
    "silence": MAGIC["0016"],
    "hang": MAGIC["0005"],
    "garbage": MAGIC["0009"],
}
_LATE = Behaviour(is_reported_late=True)
_EARLY = Behaviour(is_reported_first=True)


def fate_of(to: str, conduct: Conduct, dice: Dice) -> Fate:
    """Return what will happen to a message to this number. It throws as often whatever the hour and the load are, so
    that the same requests in the same order meet the same fates."""
    behaviour = behaviour_for(to, conduct, dice)
    latency = 0.0 if conduct.latency == 0 else draw(conduct.latency, dice(), jitter=conduct.jitter)
    delay = conduct.late_report_delay if behaviour.is_reported_late else conduct.report_delay
    return Fate(behaviour, latency + behaviour.slow_seconds, draw(delay, dice()))


def behaviour_for(to: str, conduct: Conduct, dice: Dice) -> Behaviour:
    """Return how a message to this number is treated."""
    if conduct.magic and (magic := MAGIC.get(to[-4:])):
        return magic
    refused = _share(
        dice(),
        (conduct.error_rate, MAGIC["0004"]),
        (conduct.throttle_rate, MAGIC["0003"]),
        (conduct.reject_rate, MAGIC["0011"]),
    )
    reported = _reported(conduct, dice())
    answered = _share(dice(), (conduct.hang_rate, MAGIC["0005"]), (conduct.garbage_rate, MAGIC["0009"]))
    if refused or not answered:
        return refused or reported
    return msgspec.structs.replace(
        reported, status=answered.status, is_hanging=answered.is_hanging, is_garbled=answered.is_garbled
    )


def in_outage(fate: Fate, outage: Outage) -> Fate:
    """Return what happens to the message instead while the carrier is down."""
    if outage.kind == "slow":
        return msgspec.structs.replace(fate, latency=fate.latency + outage.slow_seconds)
    return msgspec.structs.replace(fate, behaviour=_OF_OUTAGES[outage.kind])


def over_limit(fate: Fate, seconds: float) -> Fate:
    """Return what happens to a message that is over the rate limit for so many seconds more."""
    throttled = Behaviour(status=429, error_code="THROTTLED", retry_after=str(max(1, ceil(seconds))))
    return msgspec.structs.replace(fate, behaviour=throttled)


def _reported(conduct: Conduct, throw: float) -> Behaviour:
    found = _share(
        throw,
        (conduct.no_report_rate, MAGIC["0007"]),
        (conduct.duplicate_report_rate, MAGIC["0010"]),
        (conduct.reordered_report_rate, MAGIC["0013"]),
        (conduct.early_report_rate, _EARLY),
        (conduct.late_report_rate, _LATE),
        (conduct.undelivered_rate, MAGIC["0006"]),
    )
    return found or PLAIN


def _share(throw: float, *shares: tuple[float, T]) -> T | None:
    """Return what a throw hits when each thing has its share of all throws."""
    for rate, thing in shares:
        if throw < rate:
            return thing
        throw -= rate
    return None
