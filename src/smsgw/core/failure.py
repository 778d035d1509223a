"""What a provider's answer means and what may be done about it: the whole failure policy in one table."""

from datetime import timedelta
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How one provider call ended; the value is what the status API, the metrics and the tables show."""

    ACCEPTED = "accepted"
    INVALID_NUMBER = "invalid_number"
    OPTED_OUT = "opted_out"
    REJECTED = "rejected"
    CREDENTIALS = "credentials"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    """An UNKNOWN call of which the provider, asked twice, knew nothing."""


class Health(StrEnum):
    """What an outcome says about the provider (not about the message)."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"
    OPENS_CIRCUIT = "opens_circuit"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done after an outcome: ask the same provider later, ask another one now."""

    same_later: bool
    another_now: bool
    health: Health


POLICIES: dict[Outcome, Policy] = {
    Outcome.ACCEPTED: Policy(same_later=False, another_now=False, health=Health.SUCCESS),
    Outcome.INVALID_NUMBER: Policy(same_later=False, another_now=False, health=Health.NEUTRAL),
    Outcome.OPTED_OUT: Policy(same_later=False, another_now=False, health=Health.NEUTRAL),
    # This provider will not take the message; another one may.
    Outcome.REJECTED: Policy(same_later=False, another_now=True, health=Health.NEUTRAL),
    # 401, 402, 403: our account, not the message.
    Outcome.CREDENTIALS: Policy(same_later=True, another_now=True, health=Health.OPENS_CIRCUIT),
    Outcome.THROTTLED: Policy(same_later=True, another_now=True, health=Health.NEUTRAL),
    # No byte of the request left: refused, DNS, TLS, connect timeout, no free connection.
    Outcome.UNREACHABLE: Policy(same_later=True, another_now=True, health=Health.FAILURE),
    # Nobody can know: only ON_UNKNOWN may send this message again.
    Outcome.UNKNOWN: Policy(same_later=False, another_now=False, health=Health.FAILURE),
    Outcome.ABSENT: Policy(same_later=True, another_now=False, health=Health.NEUTRAL),
}


class SendResult(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's answer to one submit, already classified; expected outcomes are values, never exceptions."""

    outcome: Outcome
    provider_message_id: str | None = None
    detail: str | None = None
    """For people: the provider's code or the transport's complaint; never a credential, a text or a full number."""
    retry_after: timedelta | None = None
    part_ids: tuple[str, ...] = ()
    """The ids of all parts of a long message, in order, where the vendor reports each part by an id of its own; the
    first is `provider_message_id`."""
    segments: int | None = None
    """As the vendor counts them."""
    price: str | None = None
    """What it costs, a decimal number; `currency` is its ISO 4217 code."""
    currency: str | None = None


class LookUp(StrEnum):
    """What a provider says when it is asked about our reference."""

    FOUND = "found"
    ABSENT = "absent"
    CANNOT_SAY = "cannot_say"


class LookUpResult(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's answer about an outcome that nobody knew."""

    answer: LookUp
    provider_message_id: str | None = None
    detail: str | None = None
