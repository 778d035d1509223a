"""Infobip SMS: https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages (v3, and v2 by option)."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.base import About, Feature, HttpAdapter, LooksUp
from smsgw.providers.infobip_codes import REPORT_GROUPS, REPORT_STATUSES, SEND_GROUPS, SEND_STATUSES, STATUSES
from smsgw.providers.reading import Answer, Secret, Sender, Visible, amount, code, currency, decode, moment, segments
from smsgw.providers.urls import checked_base_url, checked_url
from smsgw.providers.webhooks import Guard, distrust

MAX_VALIDITY_SECONDS = 48 * 3600
"""Infobip shortens what is longer by itself."""
MAX_RESULTS = 2000
"""Reports in one call: the largest `maxBucketSize` of a notification profile."""

# --- config -----------------------------------------------------------------------------------------------------------


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    base_url: Annotated[
        str, Meta(description="The account's own address, `https://xxxxx.api.infobip.com`, as the portal shows it.")
    ]
    api_key: Annotated[Secret, Meta(description="An API key with the scope `sms:manage`.")]
    api: Annotated[
        Literal["v3", "v2"], Meta(description="`v2` for `/sms/2/text/advanced`, where an account has no v3 yet.")
    ] = "v3"
    sender: Sender | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_base_url(self.base_url)
        if self.webhook_url is not None:
            checked_url(self.webhook_url, name="webhook_url")


# --- answers ----------------------------------------------------------------------------------------------------------


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    group_id: int | None = None
    id: int | None = None
    name: Any = None


class _Taken(msgspec.Struct, frozen=True, rename="camel"):
    """One message of an answer or of a log."""

    status: _Status
    message_id: Visible | None = None
    details: dict[str, Any] = {}
    sms_count: Any = None


class _Answered(msgspec.Struct, frozen=True):
    messages: Annotated[list[_Taken], Meta(min_length=1, max_length=1)]


class _Logged(msgspec.Struct, frozen=True):
    results: list[_Taken]


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    """One report."""

    message_id: Visible
    status: _Status
    error: _Status | None = None
    callback_data: Visible | None = None
    done_at: Annotated[str, Meta(max_length=64)] | None = None
    message_count: Any = None
    sms_count: Any = None
    price: dict[str, Any] = {}


class _Reported(msgspec.Struct, frozen=True):
    results: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_RESULTS)]


class Infobip(HttpAdapter[Config], LooksUp):
    """JSON both ways. Our reference is Infobip's message id: what is sent twice is taken once."""

    config_type = Config
    about = About(
        title="Infobip",
        documentation="https://www.infobip.com/docs/api/channels/sms",
        set_up=(
            "Copy the account's base URL from the portal's home page: `base_url`.",
            "Make an API key with the scope `sms:manage` (Developer tools, API keys): `api_key`.",
            "Make a secret for the webhook's address, `openssl rand -hex 24`: `webhook_token`.",
            "Nothing has to be set for reports: every send carries the webhook's address.",
        ),
        reports="JSON to the address that goes with each send. Infobip signs nothing: the token in the address proves "
        "a report, and `webhook_allow` may name Infobip's addresses.",
        limits="Limits are the account's own. At most 25 parts or 4000 bytes a text; a number gets 20 different or 6 "
        "equal texts an hour (the flooding filter, 20). A validity of more than 48 hours becomes 48 hours.",
        features=frozenset(Feature),
        maps={
            "Status of a refusal": STATUSES,
            "Status ids of an answer": SEND_STATUSES,
            "Status groups of an answer, for other ids": SEND_GROUPS,
            "Status ids of a report": REPORT_STATUSES,
            "Status groups of a report, for other ids": REPORT_GROUPS,
        },
        notes=(
            "HTTP 200 does not mean accepted: the status in the answer decides.",
            "The message id is our tracking id; where Infobip has it already (23), an earlier try was accepted.",
            "Look-ups read the logs, which go back 48 hours.",
            "`price` is `pricePerMessage` times the number of parts.",
        ),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        base = checked_base_url(config.base_url)
        is_v3 = config.api == "v3"
        self._body = _v3_body if is_v3 else _v2_body
        self._messages = httpx.URL(f"{base}/sms/3/messages" if is_v3 else f"{base}/sms/2/text/advanced")
        self._logs = httpx.URL(f"{base}/sms/3/logs" if is_v3 else f"{base}/sms/1/logs")
        self._authorization = {"authorization": f"App {config.api_key}", "accept": "application/json"}
        self._json = {**self._authorization, "content-type": "application/json"}

    def secrets(self) -> tuple[str, ...]:
        """Return the key and the webhook's token."""
        return tuple(filter(None, (self.config.api_key, self.config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {base_url}/sms/3/messages."""
        body = msgspec.json.encode(self._body(submit, self.config))
        return httpx.Request("POST", self._messages, headers=self._json, content=body)

    def build_look_up(self, reference: UUID) -> httpx.Request:
        """GET {base_url}/sms/3/logs?messageId=...; reports would be given out only once."""
        return httpx.Request("GET", self._logs, params={"messageId": str(reference)}, headers=self._authorization)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Read the status of the one message that was asked for; an error's status says what its codes say."""
        answered = decode(answer.body, _Answered) if answer.is_success else None
        if answered is None:
            outcome = STATUSES.get(answer.status)
            return SendResult(outcome=outcome, detail=f"HTTP {answer.status}") if outcome else None
        taken = answered.messages[0]
        outcome = SEND_STATUSES.get(_key(taken.status.id), SEND_GROUPS.get(_key(taken.status.group_id)))
        if outcome is None:
            return None
        detail = f"HTTP {answer.status} {code(taken.status.name) or taken.status.id}"
        if outcome is not Outcome.ACCEPTED:
            return SendResult(outcome=outcome, detail=detail)
        if taken.message_id is None:
            return None
        count = segments(taken.details.get("messageCount", taken.sms_count))
        return SendResult(outcome=outcome, provider_message_id=taken.message_id, detail=detail, segments=count)

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """A log with our id is found, whatever became of it (its report says that); an empty log is absent."""
        logged = decode(answer.body, _Logged) if answer.status == 200 else None
        if logged is None:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")
        for each in logged.results:
            if each.message_id is not None and each.message_id == str(answer.reference):
                detail = f"HTTP {answer.status} {code(each.status.name)}"
                return LookUpResult(answer=LookUp.FOUND, provider_message_id=each.message_id, detail=detail)
        found = LookUp.CANNOT_SAY if logged.results else LookUp.ABSENT
        return LookUpResult(answer=found, detail=f"HTTP {answer.status}, {len(logged.results)} other logs")

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Check the token and the address, then read the results that say something."""
        if why := distrust(self.config, request):
            return Forged(why)
        reported = decode(request.body, _Reported)
        if reported is None:
            return Unreadable("not a list of results")
        results = [decode(bytes(raw), _Result) for raw in reported.results]
        reports = [report for result in results if result and (report := _report(result))]
        return reports or Unreadable("no result with a message id and a known status")


def _v3_body(submit: Submit, config: Config) -> dict[str, Any]:
    reference = str(submit.reference)
    seconds = min(submit.validity_seconds, MAX_VALIDITY_SECONDS)
    webhooks: dict[str, Any] = {"callbackData": reference}
    if config.webhook_url:
        webhooks |= {"delivery": {"url": config.webhook_url, "notify": True}, "contentType": "application/json"}
    message = {
        "destinations": [{"to": submit.to.lstrip("+"), "messageId": reference}],
        "content": {"text": submit.text},
        "options": {"validityPeriod": {"amount": seconds, "timeUnit": "SECONDS"}},
        "webhooks": webhooks,
    }
    if sender := submit.sender or config.sender:
        message["sender"] = sender.lstrip("+")
    return {"messages": [message], "options": {"includeSmsCountInResponse": True}}


def _v2_body(submit: Submit, config: Config) -> dict[str, Any]:
    reference = str(submit.reference)
    # Whole minutes: rounded down, so that none is delivered too late, and at least one.
    minutes = max(min(submit.validity_seconds, MAX_VALIDITY_SECONDS) // 60, 1)
    message: dict[str, Any] = {
        "destinations": [{"to": submit.to.lstrip("+"), "messageId": reference}],
        "text": submit.text,
        "validityPeriod": minutes,
        "callbackData": reference,
    }
    if config.webhook_url:
        message |= {"notifyUrl": config.webhook_url, "notifyContentType": "application/json"}
    if sender := submit.sender or config.sender:
        message["from"] = sender.lstrip("+")
    return {"messages": [message], "includeSmsCountInResponse": True}


def _report(result: _Result) -> DeliveryReport | None:
    status = REPORT_STATUSES.get(_key(result.status.id), REPORT_GROUPS.get(_key(result.status.group_id)))
    if status is None:
        return None
    error = result.error if result.error and result.error.id else result.status
    is_good = status in (ReportStatus.QUEUED, ReportStatus.SENT, ReportStatus.DELIVERED)
    count = segments(result.message_count if result.message_count is not None else result.sms_count)
    cost = amount(result.price.get("pricePerMessage"), times=count or 1)
    identity = (result.message_id, result.status.group_id, result.status.id, result.done_at)
    return DeliveryReport(
        status=status,
        provider_message_id=result.message_id,
        reference=result.callback_data,
        reported_at=moment(result.done_at),
        error_code=None if is_good else code(error.name) or code(error.id),
        dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
        segments=count,
        price=cost,
        currency=currency(result.price.get("currency")) if cost else None,
    )


def _key(number: int | None) -> int:
    return -1 if number is None else number


PROVIDER = Infobip
