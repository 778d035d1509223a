"""BulkSMS: https://www.bulksms.com/developer/json/v1/."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter, LooksUp
from smsgw.providers.reading import Answer, Secret, Visible, code, decode, segments
from smsgw.providers.references import long_of
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard, distrust


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    token_id: Annotated[Visible, Meta(description="Of an API token.")]
    token_secret: Annotated[Secret, Meta(description="Of the same token.")]
    sender: Annotated[Visible, Meta(description="Of messages that name none; default: the account's.")] | None = None
    max_parts: Annotated[int, Meta(ge=1, le=99, description="Parts of a long text; the vendor's own is 3.")] = 15
    base_url: Annotated[str, Meta(description="With the version.")] = "https://api.bulksms.com/v1"

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_base_url(self.base_url)


REPORTS = {
    "ACCEPTED.null": ReportStatus.QUEUED,
    "SCHEDULED.null": ReportStatus.QUEUED,
    "SENT.null": ReportStatus.SENT,
    "DELIVERED.null": ReportStatus.DELIVERED,
    "FAILED.null": ReportStatus.FAILED,
    "FAILED.EXPIRED": ReportStatus.EXPIRED,
    "FAILED.HANDSET_ERROR": ReportStatus.UNDELIVERED,
    "FAILED.BLOCKED": ReportStatus.REJECTED,  # e.g. the recipient answered STOP
    "FAILED.NOT_SENT": ReportStatus.REJECTED,  # e.g. no route
}
"""`status.id` of a report: type and subtype. UNKNOWN.null tells nothing."""
OUTCOMES = {
    "ACCEPTED.null": Outcome.ACCEPTED,
    "SCHEDULED.null": Outcome.ACCEPTED,
    "SENT.null": Outcome.ACCEPTED,
    "FAILED.BLOCKED": Outcome.OPTED_OUT,
    "FAILED.NOT_SENT": Outcome.REJECTED,
}
"""`status.id` of a message that was just made. Other refusals are a 4xx, which means what it says."""


class _Status(msgspec.Struct, frozen=True):
    id: str
    subtype: Any = None


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    id: Visible
    status: _Status
    user_supplied_id: str | None = None
    number_of_parts: Any = None


class BulkSms(HttpAdapter[Config], LooksUp):
    """JSON both ways; a number made of our reference finds a message again, and protects from a second one."""

    config_type = Config
    about = About(
        title="BulkSMS",
        documentation="https://www.bulksms.com/developer/json/v1/",
        set_up=(
            "Settings > Developer Settings > API Tokens: `token_id` and `token_secret`.",
            "Settings > Advanced > Webhooks: the webhook's address, trigger SENT, MANY messages to a call.",
        ),
        reports="`POST`, a JSON array; nothing signs it. The secret token in the address tells it from a forged one.",
        limits="No rate is documented.",
        features=frozenset({Feature.SENDER, Feature.REFERENCE, Feature.SEGMENTS}),
        maps={"Status of a new message": OUTCOMES, "Status of a report": REPORTS},
        notes=(
            "`deduplication-id` is made of the tracking id: repeated within 12 hours, nothing is sent again.",
            "The vendor fills `{fn}`, `{F0}` and the like in texts from its phonebook: braces do not arrive as such.",
        ),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        credentials = base64.b64encode(f"{config.token_id}:{config.token_secret}".encode()).decode()
        self._headers = {"authorization": f"Basic {credentials}", "content-type": "application/json"}
        self._url = f"{checked_base_url(config.base_url)}/messages"

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {base_url}/messages, a list of one."""
        number = str(long_of(submit.reference))
        sender = {"from": name} if (name := submit.sender or self.config.sender) else {}
        told = {"to": submit.to, "body": submit.text, "userSuppliedId": number, **sender}
        body = msgspec.json.encode([{**told, "longMessageMaxParts": self.config.max_parts}])
        url = f"{self._url}?deduplication-id={number}&auto-unicode=true"
        return httpx.Request("POST", url, headers=self._headers, content=body)

    def build_look_up(self, reference: UUID) -> httpx.Request:
        """GET {base_url}/messages?filter=userSuppliedId=..."""
        query = {"filter": f"userSuppliedId={long_of(reference)}"}
        return httpx.Request("GET", self._url, params=query, headers=self._headers)

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Read the one message that was made; any other answer means what its status says."""
        made = decode(answer.body, list[_Message]) if answer.is_success else None
        if not made or len(made) > 1 or made[0].status.id not in OUTCOMES:
            return None
        message, detail = made[0], f"HTTP {answer.status} {made[0].status.id}"
        return SendResult(outcome=OUTCOMES[message.status.id], provider_message_id=message.id, detail=detail)

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """Take the newest message of a list for found if it is ours, an empty list for absent."""
        found, ours = decode(answer.body, list[_Message]) if answer.status == 200 else None, answer.reference
        if found and ours and found[0].user_supplied_id == str(long_of(ours)):
            return LookUpResult(answer=LookUp.FOUND, provider_message_id=found[0].id)
        return LookUpResult(answer=LookUp.ABSENT if found == [] else LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Hold the token and the address against the options, then read up to ten reports, or none: a test call."""
        if why := distrust(self.config, request):
            return Forged(why)
        messages = decode(request.body, list[_Message])
        if messages is None:
            return Unreadable("not a list of messages")
        return [_report(each, REPORTS[each.status.id]) for each in messages if each.status.id in REPORTS]


def _report(message: _Message, status: ReportStatus) -> DeliveryReport:
    return DeliveryReport(
        status=status,
        provider_message_id=message.id,
        error_code=code(message.status.subtype),
        dedupe_key=hashlib.sha256(f"{message.id} {message.status.id}".encode()).hexdigest(),
        segments=segments(message.number_of_parts),
    )


PROVIDER = BulkSms
