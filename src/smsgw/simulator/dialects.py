"""The two ways of asking a simulated carrier: what the body says, whether the caller may, what it is answered. Pure."""

import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from smsgw.simulator.ledger import Entry
from smsgw.simulator.replies import Reply, refusal
from smsgw.simulator.settings import CarrierSettings

Text = Annotated[str, Meta(min_length=1, max_length=1000)]


class ProviderAMessage(msgspec.Struct, frozen=True, gc=False):
    """What the `provider_a` adapter posts."""

    to: Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}\Z")]
    text: Text
    reference: Annotated[str, Meta(min_length=1, max_length=128)]
    validity_seconds: Annotated[int, Meta(ge=1)] = 86_400


class PhoneTextMessage(msgspec.Struct, frozen=True, gc=False):
    """What the `phone_text` adapter posts; national numbers, too."""

    to: Annotated[str, Meta(pattern=r"^\+?[0-9]{3,15}\Z")] = msgspec.field(name="phone")
    text: Text
    reference: str = ""
    """It has none; a further field of this name is kept, so that tests may tell messages apart."""


class Dialect:
    """Reads the requests of one kind of caller."""

    def __init__(self, message: type[ProviderAMessage] | type[PhoneTextMessage], key: str) -> None:
        self._decode = msgspec.json.Decoder(message).decode
        self._authorization = f"Bearer {key}".encode() if key else None

    def knows(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the caller has the key, where one is needed."""
        if self._authorization is None:
            return True
        given = [value for name, value in headers if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._authorization)

    def read(self, body: bytes) -> ProviderAMessage | PhoneTextMessage | None:
        """Return the message of a body, or None when it is none."""
        try:
            return self._decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def note(self, message: "ProviderAMessage | PhoneTextMessage", *, token: str, at: datetime, provider: str) -> Entry:
        """Return the acceptance of a message."""
        return Entry(
            reference=message.reference, message_id=f"m-{token}", accepted_at=at, provider=provider, to=message.to
        )

    def accepted(self, entry: Entry, message: "ProviderAMessage | PhoneTextMessage", status: int) -> Reply:  # noqa: ARG002
        """Return the answer of an acceptance."""
        return Reply(status, b'{"message_id":"%s"}' % entry.message_id.encode())

    def refused(self, status: int, error_code: str, message: str, *, retry_after: str | None = None) -> Reply:
        """Return a refusal."""
        return refusal(status, error_code, message, retry_after=retry_after)


def provider_a(settings: CarrierSettings) -> Dialect:
    """Return the dialect of `POST /{provider}/messages`."""
    return Dialect(ProviderAMessage, settings.api_key)


def phone_text(settings: CarrierSettings) -> Dialect:
    """Return the dialect of `POST /api/sms/{provider}`."""
    return Dialect(PhoneTextMessage, settings.phone_text_key)
