"""Facts about providers: their calls, what these cost, how they do. Listeners find them in core/events.py."""

from uuid import UUID

from smsgw.core.fact import Fact
from smsgw.core.failure import Outcome
from smsgw.core.health import State


class AttemptFinished(Fact, frozen=True, kw_only=True):
    """A provider answered, or did not."""

    tracking_id: UUID
    client_key: str
    provider: str
    number: int
    outcome: Outcome
    seconds: float
    country: str = ""
    """ISO 3166, of the number."""
    detail: str | None = None


class CostTold(Fact, frozen=True, kw_only=True):
    """A provider took a message, or was the first to tell the price of one that it took before (`segments` 0)."""

    provider: str
    segments: int
    """As the provider counts them, or else as we do."""
    price: str | None = None
    """A decimal number, of all segments."""
    currency: str | None = None


class ProviderThrottled(Fact, frozen=True, kw_only=True):
    """A provider said that it gets too much; nothing is sent to it for so long, and less afterwards."""

    provider: str
    wait_seconds: float


class HealthSeen(Fact, frozen=True, kw_only=True):
    """How a provider does, as all workers see it; stated when it has changed."""

    provider: str
    state: State
    countries_open: int
    """Countries whose own circuit is not closed."""


class CircuitMoved(Fact, frozen=True, kw_only=True):
    """A circuit opened, or was closed; stated by the worker whose outcomes did it. `country` is empty for the provider
    as a whole."""

    provider: str
    country: str
    state: State
    reason: str


class LanesSeen(Fact, frozen=True, kw_only=True):
    """In how many lanes messages wait for a provider with room."""

    count: int


class BindMoved(Fact, frozen=True, kw_only=True):
    """A provider's bind came to be, was lost, or failed in a new way (then with `why`); now it has so many."""

    provider: str
    binds: int
    why: str | None = None


class InboundDropped(Fact, frozen=True, kw_only=True):
    """A person's message came over a bind: it was answered, and is nobody's."""

    provider: str
