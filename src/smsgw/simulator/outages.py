"""When a carrier is down by schedule, and how it shows. Pure: the time is an argument, in seconds since the start."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from smsgw.simulator.distributions import LONGEST_SECONDS

Kind = Literal["http_500", "http_401", "throttle", "silence", "hang", "garbage", "slow"]
"""`silence` takes nothing and never answers; `hang` takes the message and never answers; `garbage` takes it and answers
what is no JSON; `slow` only adds `slow_seconds`; the others refuse everything."""
Moment = Annotated[float, Meta(ge=0, le=86_400 * 365)]
SlowSeconds = Annotated[float, Meta(ge=0, le=LONGEST_SECONDS)]


class Outage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From one second to another after the start, again every `repeat_seconds` where that is given."""

    kind: Kind
    from_seconds: Moment
    to_seconds: Moment
    repeat_seconds: Moment | None = None
    slow_seconds: SlowSeconds = 5.0

    def __post_init__(self) -> None:
        """Refuse an outage that never is, or that begins anew before it has ended."""
        if self.from_seconds >= self.to_seconds:
            raise ValueError("from_seconds is not before to_seconds")
        if self.repeat_seconds is not None and self.repeat_seconds < self.to_seconds - self.from_seconds:
            raise ValueError("repeat_seconds is shorter than the outage")

    def is_on(self, seconds: float) -> bool:
        """Whether the carrier is down at this second; the last one is not part of it."""
        if seconds < self.from_seconds:
            return False
        since = seconds - self.from_seconds
        if self.repeat_seconds is not None:
            since %= self.repeat_seconds
        return since < self.to_seconds - self.from_seconds


def outage_at(outages: Iterable[Outage], seconds: float) -> Outage | None:
    """Return the first outage of the schedule that is on."""
    return next((outage for outage in outages if outage.is_on(seconds)), None)
