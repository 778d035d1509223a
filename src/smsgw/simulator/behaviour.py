"""How the simulated provider treats one message: by the ending of its number, else by the dice. Pure."""

from collections.abc import Callable

import msgspec

from smsgw.simulator.settings import SimulatorSettings

Dice = Callable[[], float]
"""Returns a number from 0 up to, not including, 1."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a message. With a `status` of 2xx it is accepted, else it is not sent."""

    status: int = 202
    error_code: str | None = None
    retry_after: str | None = None
    is_hanging: bool = False
    """Accepted, but the answer never comes."""
    is_garbled: bool = False
    """Accepted, but the answer is not JSON."""
    reports: int = 1
    report_status: str = "delivered"
    is_reported_first: bool = False
    """The report is on its way before the answer is."""


MAGIC: dict[str, Behaviour] = {
    "0001": Behaviour(status=400, error_code="INVALID_NUMBER"),
    "0002": Behaviour(status=400, error_code="OPTED_OUT"),
    "0003": Behaviour(status=429, error_code="THROTTLED", retry_after="2"),
    "0004": Behaviour(status=500, error_code="INTERNAL"),
    "0005": Behaviour(is_hanging=True),
    "0006": Behaviour(report_status="undelivered"),
    "0007": Behaviour(reports=0),
    "0008": Behaviour(is_reported_first=True),
    "0009": Behaviour(status=200, is_garbled=True),
    "0010": Behaviour(reports=2),
    "0011": Behaviour(status=400, error_code="REJECTED"),
    "0012": Behaviour(status=503, error_code="THROTTLED", retry_after="1"),
}
"""By the last four digits of the number; documented in docs/reference/providers.md."""


def behaviour_for(to: str, settings: SimulatorSettings, dice: Dice) -> Behaviour:
    """Return what happens to a message to this number."""
    if settings.magic and (magic := MAGIC.get(to[-4:])):
        return magic
    refused = _refusal(settings, dice())
    if refused is not None:
        return refused
    reports = 0 if _hits(settings.no_report_rate, dice) else 1
    if reports and _hits(settings.duplicate_report_rate, dice):
        reports = 2
    return Behaviour(is_hanging=_hits(settings.hang_rate, dice), reports=reports)


def latency(settings: SimulatorSettings, dice: Dice) -> float:
    """Return the seconds before an answer."""
    if settings.latency <= 0:
        return 0
    return max(0.0, settings.latency * (1 + settings.jitter * (2 * dice() - 1)))


def _refusal(settings: SimulatorSettings, throw: float) -> Behaviour | None:
    refusals = (
        (settings.error_rate, MAGIC["0004"]),
        (settings.throttle_rate, MAGIC["0003"]),
        (settings.reject_rate, MAGIC["0011"]),
    )
    for rate, behaviour in refusals:
        if throw < rate:
            return behaviour
        throw -= rate
    return None


def _hits(rate: float, dice: Dice) -> bool:
    return rate > 0 and dice() < rate
