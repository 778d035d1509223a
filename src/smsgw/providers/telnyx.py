"""Telnyx Messaging v2: https://developers.telnyx.com/api/messaging/send-message."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter
from smsgw.providers.callbacks import check_webhook_url, with_reference
from smsgw.providers.options import Options
from smsgw.providers.reading import (
    Answer,
    Secret,
    Sender,
    Visible,
    decode,
    segments,
)
from smsgw.providers.telnyx_events import REPORTS, codes, cost, decoded, forgery, read_event
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import WebhookUrl

# --- config -----------------------------------------------------------------------------------------------------------

ApiKey = Annotated[Secret, Meta(description="The account's API key, `KEY...`.")]
PublicKey = Annotated[
    str, Meta(max_length=64, description="The account's public key, in base64. Without it no report is believed.")
]
Profile = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9-]{1,64}\Z",
        description="The messaging profile: its numbers send where no sender is named; senders of letters need it.",
    ),
]
Encoding = Annotated[
    Literal["auto", "gsm7", "ucs2"], Meta(description="`gsm7` refuses what is not in it; default: as the profile says.")
]
BaseUrl = Annotated[str, Meta(description="Where the API is.")]


class Config(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    api_key: ApiKey
    public_key: PublicKey | None = None
    sender: Sender | None = None
    messaging_profile_id: Profile | None = None
    encoding: Encoding | None = None
    webhook_url: WebhookUrl | None = None
    base_url: BaseUrl = "https://api.telnyx.com"

    def __post_init__(self) -> None:
        checked_base_url(self.base_url)
        check_webhook_url(self.webhook_url)
        if self.public_key is not None and len(decoded(self.public_key)) != 32:
            raise ValueError("public_key must be 32 octets in base64, as the portal shows it")


# --- maps: https://developers.telnyx.com/docs/messaging/messages/error-codes ------------------------------------------

REFUSALS = {
    "10005": Outcome.REJECTED,  # no such resource
    "10009": Outcome.CREDENTIALS,  # authentication failed
    "10010": Outcome.CREDENTIALS,  # not authorized
    "10011": Outcome.THROTTLED,  # too many requests
    "20001": Outcome.CREDENTIALS,  # to 20008: the key is revoked, expired, or none
    "20002": Outcome.CREDENTIALS,
    "20003": Outcome.CREDENTIALS,
    "20004": Outcome.CREDENTIALS,
    "20005": Outcome.CREDENTIALS,
    "20006": Outcome.CREDENTIALS,
    "20007": Outcome.CREDENTIALS,
    "20008": Outcome.CREDENTIALS,
    "20012": Outcome.CREDENTIALS,  # account inactive
    "20013": Outcome.CREDENTIALS,  # account blocked
    "20014": Outcome.CREDENTIALS,  # to 20017: account not verified
    "20015": Outcome.CREDENTIALS,
    "20016": Outcome.CREDENTIALS,
    "20017": Outcome.CREDENTIALS,
    "20100": Outcome.CREDENTIALS,  # no funds
    "40001": Outcome.INVALID_NUMBER,  # a landline
    "40002": Outcome.THROTTLED,  # taken for spam for a while: slower
    "40003": Outcome.REJECTED,  # taken for spam: this sender, for good
    "40004": Outcome.REJECTED,  # by the destination
    "40006": Outcome.THROTTLED,  # the destination's server is away
    "40008": Outcome.REJECTED,  # undeliverable
    "40009": Outcome.REJECTED,  # invalid text
    "40010": Outcome.REJECTED,  # sender without 10DLC registration
    "40011": Outcome.THROTTLED,  # rate of the carrier
    "40012": Outcome.INVALID_NUMBER,
    "40013": Outcome.REJECTED,  # invalid sender
    "40015": Outcome.REJECTED,  # spam
    "40016": Outcome.THROTTLED,  # 10DLC: the sender's day is full
    "40017": Outcome.REJECTED,  # spam
    "40018": Outcome.THROTTLED,  # 10DLC: the sender's minute is full
    "40100": Outcome.REJECTED,  # the sender cannot send messages
    "40150": Outcome.REJECTED,
    "40151": Outcome.REJECTED,
    "40300": Outcome.OPTED_OUT,  # the recipient wrote STOP; HTTP 403 all the same
    "40301": Outcome.REJECTED,  # this type of message, to this number
    "40302": Outcome.REJECTED,  # the content's form or size
    "40304": Outcome.REJECTED,
    "40305": Outcome.REJECTED,  # a problem of the sender
    "40306": Outcome.REJECTED,
    "40308": Outcome.REJECTED,
    "40309": Outcome.REJECTED,  # region not enabled in the profile
    "40310": Outcome.INVALID_NUMBER,
    "40311": Outcome.CREDENTIALS,  # to 40314: profile or account disabled
    "40312": Outcome.CREDENTIALS,
    "40313": Outcome.CREDENTIALS,
    "40314": Outcome.CREDENTIALS,
    "40315": Outcome.REJECTED,  # a problem of the sender
    "40316": Outcome.REJECTED,  # the content's form or size
    "40317": Outcome.REJECTED,
    "40318": Outcome.THROTTLED,  # the sender's queue is full
    "40319": Outcome.REJECTED,  # this type of message, to this number
    "40320": Outcome.REJECTED,  # a problem of the sender
    "40321": Outcome.REJECTED,
    "40322": Outcome.REJECTED,  # content blocked
    "40328": Outcome.REJECTED,  # the content's form or size
    "40329": Outcome.REJECTED,  # a problem of the sender
}
"""`code` of a 4xx; for any other code the status decides."""
OF_A_MESSAGE = "40"
"""What codes begin with that are about a message, never about the key: also those that nobody has listed yet."""
STATUSES = {
    409: Outcome.UNKNOWN,  # our Idempotency-Key is in use: by a call of ours that may have been taken
}
"""What Telnyx means by a status, where HTTP means something else."""


class _Message(msgspec.Struct, frozen=True):
    id: Visible
    parts: Any = None
    cost: Any = None


class _Accepted(msgspec.Struct, frozen=True):
    data: _Message


class Telnyx(HttpAdapter[Config]):
    """JSON both ways; events signed with Ed25519."""

    config_type = Config
    about = About(
        title="Telnyx Messaging",
        documentation="https://developers.telnyx.com/api/messaging/send-message",
        set_up=(
            "Make an API key: Account settings > Keys & credentials. Copy the public key from there: `public_key`.",
            "Make a messaging profile with the countries that you send to: `messaging_profile_id`.",
            "Buy a number and assign it to the profile: `sender`, or the profile picks one of its numbers.",
            "Nothing has to be set for reports: their address goes with each message.",
        ),
        reports="Each message names its address (`webhook_url`, below PUBLIC_URL, with our reference as `ref`). Telnyx "
        "signs time and body with Ed25519 (`telnyx-signature-ed25519`, `telnyx-timestamp`); a call five minutes old is "
        "refused.",
        limits="HTTP 429 over the account's rate; what is over the sender's rate is queued. A US long code sends what "
        "its campaign allows, a toll-free number 20 a second.",
        features=frozenset({Feature.SENDER, Feature.REFERENCE, Feature.CALLBACK, Feature.SEGMENTS, Feature.PRICE}),
        maps={"`code` of a refusal": REFUSALS, "Status of a refusal": STATUSES, "`status` of a report": REPORTS},
        notes=(
            "Our reference is the `Idempotency-Key`, so that a message asked for twice should be sent once.",
            "Telnyx takes no validity period.",
            "`delivery_unconfirmed` counts as `sent`. A failure with the code 40005 or 40014 counts as `expired`.",
            "The price comes with the report of the end.",
        ),
        example={
            "public_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
            "sender": "+15005550001",
        },
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._messages = f"{checked_base_url(config.base_url)}/v2/messages"
        self._headers = {"authorization": f"Bearer {config.api_key}", "content-type": "application/json"}
        self._key = Ed25519PublicKey.from_public_bytes(decoded(config.public_key)) if config.public_key else None

    def secrets(self) -> tuple[str, ...]:
        """Return the key."""
        return (self.config.api_key,)

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST the message."""
        config = self.config
        url = with_reference(config.webhook_url, submit.reference)
        body = {
            "from": submit.sender or config.sender,
            "messaging_profile_id": config.messaging_profile_id,
            "to": submit.to,
            "text": submit.text,
            "type": "SMS",
            "encoding": config.encoding,
            "webhook_url": url,
            "use_profile_webhooks": False if url else None,
        }
        content = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
        headers = {**self._headers, "idempotency-key": str(submit.reference)}
        return httpx.Request("POST", self._messages, headers=headers, content=content)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with an id is accepted; a 4xx may say why in its first error that we know."""
        if answer.is_success:
            return _accepted(answer)
        told = codes(decode(answer.body, dict[str, Any])) if answer.is_refusal else []
        known = next((each for each in told if each in REFUSALS), None)
        outcome = REFUSALS[known] if known else STATUSES.get(answer.status)
        if answer.status == 403 and known is None and any(each.startswith(OF_A_MESSAGE) for each in told):
            outcome = Outcome.REJECTED
        detail = f"HTTP {answer.status} {known}" if known else f"HTTP {answer.status}"
        return SendResult(outcome=outcome, detail=detail) if outcome else None

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify the signature and its age, then read one event."""
        if why := forgery(request, self._key):
            return Forged(why)
        return read_event(request.body)


def _accepted(answer: Answer) -> SendResult | None:
    accepted = decode(answer.body, _Accepted)
    if accepted is None:
        return None
    price, unit = cost(accepted.data.cost)
    return SendResult(
        outcome=Outcome.ACCEPTED,
        provider_message_id=accepted.data.id,
        segments=segments(accepted.data.parts),
        price=price,
        currency=unit,
    )


PROVIDER = Telnyx
