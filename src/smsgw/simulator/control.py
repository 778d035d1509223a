"""What `POST /control/{provider}` may order: another conduct, and an outage from now on. Pure."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from smsgw.simulator.outages import Kind, Outage, SlowSeconds
from smsgw.simulator.settings import Conduct


class OutageNow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An outage that begins at once."""

    kind: Kind
    seconds: Annotated[float, Meta(gt=0, le=86_400)]
    slow_seconds: SlowSeconds = 5.0


class Order(msgspec.Struct, frozen=True):
    """What is to be from now on. An outage that is not mentioned stays as it is."""

    conduct: Conduct
    outage: Outage | msgspec.UnsetType | None = msgspec.UNSET


class BadOrderError(Exception):
    """Says in one line what is wrong with an order."""


def read_order(body: bytes, current: Conduct, *, seconds: float) -> Order:
    """Return what an order changes; `seconds` is now, after the carrier's start. Raises BadOrderError."""
    try:
        asked = msgspec.json.decode(body or b"{}", type=dict[str, Any])
        outage = _outage(asked.pop("outage"), seconds) if "outage" in asked else msgspec.UNSET
        conduct = msgspec.convert({**msgspec.to_builtins(current), **asked}, Conduct)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadOrderError(str(error)[:200]) from None
    return Order(conduct=conduct, outage=outage)


def _outage(asked: Any, seconds: float) -> Outage | None:
    now = msgspec.convert(asked, OutageNow | None)
    if now is None:
        return None
    return Outage(kind=now.kind, from_seconds=seconds, to_seconds=seconds + now.seconds, slow_seconds=now.slow_seconds)
