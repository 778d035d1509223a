"""Vonage's Messages API, which `vonage` speaks unless told otherwise: https://developer.vonage.com/en/api/messages.

JSON in and out; price and segments come with the status webhook, which a token signs.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.reading import Answer, Visible, amount, code, currency, decode, moment, segments
from smsgw.providers.signatures import claims, is_recent, is_same, only

TTL_SECONDS = (20, 604_800)

# --- maps -------------------------------------------------------------------------------------------------------------

ERRORS = {
    "1000": Outcome.THROTTLED,
    "1010": Outcome.REJECTED,  # a parameter is missing
    "1020": Outcome.REJECTED,  # a parameter is invalid
    "1040": Outcome.REJECTED,  # invalid message
    "1050": Outcome.REJECTED,  # this vendor bars the number; another one may not
    "1060": Outcome.CREDENTIALS,  # the account is barred
    "1070": Outcome.CREDENTIALS,  # quota, credit
    "1080": Outcome.CREDENTIALS,  # the account may not use this API
    "1090": Outcome.REJECTED,  # too long
    "1120": Outcome.REJECTED,  # the sender: of this message, not of the account
    "1130": Outcome.REJECTED,  # ttl
    "1140": Outcome.REJECTED,  # a facility that the account does not have
    "1150": Outcome.REJECTED,  # message class
    "1160": Outcome.REJECTED,  # a demo account sends only to its own list of numbers
    "1170": Outcome.INVALID_NUMBER,
    "1190": Outcome.REJECTED,  # absent for good
    "1200": Outcome.REJECTED,  # ported
    "1210": Outcome.REJECTED,  # spam
    "1240": Outcome.OPTED_OUT,
    "1241": Outcome.THROTTLED,  # too many sends to this number
    "1242": Outcome.REJECTED,  # a parameter of the destination's rules
    "1250": Outcome.REJECTED,  # unroutable
    "1251": Outcome.REJECTED,  # unroutable
    "1260": Outcome.REJECTED,  # unreachable
    "1270": Outcome.REJECTED,  # the recipient's age
    "1280": Outcome.REJECTED,  # blocked by the carrier
    "1282": Outcome.REJECTED,  # the provider's policy
    "1300": Outcome.REJECTED,  # this and the following: rules of the provider behind, for this recipient
    "1310": Outcome.REJECTED,
    "1330": Outcome.REJECTED,
    "1340": Outcome.REJECTED,
    "1400": Outcome.REJECTED,  # the channel is not set up
    "1410": Outcome.REJECTED,
    "1420": Outcome.REJECTED,  # the sender
    "1430": Outcome.INVALID_NUMBER,  # the recipient
    "1440": Outcome.REJECTED,
    "1450": Outcome.REJECTED,
    "1460": Outcome.THROTTLED,  # daily limit
    "1461": Outcome.THROTTLED,
    "1470": Outcome.REJECTED,  # this and the following: rules against fraud
    "1472": Outcome.THROTTLED,  # burst limit
    "1473": Outcome.REJECTED,
    "1474": Outcome.REJECTED,
    "1475": Outcome.REJECTED,
    "1476": Outcome.REJECTED,
    "1480": Outcome.REJECTED,  # this and the following: India's DLT
    "1481": Outcome.REJECTED,
    "1482": Outcome.REJECTED,
    "1483": Outcome.REJECTED,
    "1484": Outcome.REJECTED,
    "2001": Outcome.REJECTED,
}
"""The code of a 4xx; for any other one the status decides."""
REPORTS = {
    "submitted": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "read": ReportStatus.DELIVERED,
    "rejected": ReportStatus.REJECTED,
    "undeliverable": ReportStatus.FAILED,  # the vendor could not hand it on
}
"""`status` of a status webhook, lower-cased."""
REJECTIONS = {
    "1180": ReportStatus.UNDELIVERED,  # temporarily unavailable
    "1190": ReportStatus.UNDELIVERED,  # absent for good
    "1200": ReportStatus.UNDELIVERED,  # ported
    "1220": ReportStatus.UNDELIVERED,  # handset busy
    "1230": ReportStatus.UNDELIVERED,  # network
    "1260": ReportStatus.UNDELIVERED,  # unreachable
    "1280": ReportStatus.UNDELIVERED,  # blocked by the carrier
    "1290": ReportStatus.UNDELIVERED,  # prepaid, empty
    "1320": ReportStatus.SENT,  # it was sent before
    "1331": ReportStatus.UNDELIVERED,  # the provider behind
    "1360": ReportStatus.EXPIRED,
    "1490": ReportStatus.SENT,  # not all segments were reported: nobody knows
}
"""What the code of the error makes of `rejected`."""


class _Accepted(msgspec.Struct, frozen=True):
    message_uuid: Visible


class _Problem(msgspec.Struct, frozen=True):
    type: Any = None
    title: Any = None

    @property
    def code(self) -> str | None:
        """The number behind the # of `type`, or `title` where that is a number."""
        fragment = self.type.partition("#")[2] if isinstance(self.type, str) else None
        return next((each for each in map(code, (fragment, self.title)) if each and each.isdecimal()), None)


class _Usage(msgspec.Struct, frozen=True):
    price: Any = None
    currency: Any = None


class _Sms(msgspec.Struct, frozen=True):
    count_total: Any = None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    message_uuid: Visible
    status: str
    client_ref: Visible | None = None
    timestamp: str | None = None
    error: _Problem = _Problem()
    usage: _Usage = _Usage()
    sms: _Sms = _Sms()


class _Claims(msgspec.Struct, frozen=True):
    payload_hash: str
    iat: float
    exp: float | None = None


# --- build ------------------------------------------------------------------------------------------------------------


def body_of(submit: Submit, sender: str | None, webhook_url: str | None) -> bytes:
    """Return the body of a message."""
    low, high = TTL_SECONDS
    body = {
        "channel": "sms",
        "message_type": "text",
        "to": submit.to.removeprefix("+"),
        "from": sender,
        "text": submit.text,
        "ttl": min(max(submit.validity_seconds, low), high),
        "client_ref": str(submit.reference),
        "webhook_url": webhook_url,
        "webhook_version": "v1" if webhook_url else None,
    }
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


# --- parse ------------------------------------------------------------------------------------------------------------


def parse(answer: Answer) -> SendResult | None:
    """Return what an answer means: 2xx with a message_uuid is accepted, a 4xx says why in its type."""
    if answer.is_success:
        accepted = decode(answer.body, _Accepted)
        if accepted is None:
            return None
        return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=accepted.message_uuid)
    problem = decode(answer.body, _Problem) if answer.is_refusal else None
    number = problem.code if problem else None
    outcome = ERRORS.get(number) if number else None
    return SendResult(outcome=outcome, detail=f"HTTP {answer.status} {number}") if outcome else None


# --- report -----------------------------------------------------------------------------------------------------------


def read(request: ReportRequest, secret: str | None) -> Sequence[DeliveryReport] | Forged | Unreadable:
    """Verify the token of a status webhook where there is a secret, then read it
    (https://developer.vonage.com/en/getting-started/concepts/webhooks)."""
    if secret is not None and (why := forgery(request, secret)):
        return Forged(why)
    report = decode(request.body, _Report)
    status = REPORTS.get(report.status.lower()) if report else None
    if report is None or status is None:
        return Unreadable("not a status webhook with a known status")
    return (_delivery(report, status),)


def forgery(request: ReportRequest, secret: str) -> str | None:
    """Return what is wrong with the token of a status webhook, or None."""
    scheme, _, token = (only(request, "authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        return "not one Authorization with a token"
    said = claims(token, secret, _Claims)
    if said is None:
        return "the token does not fit"
    if not is_same(hashlib.sha256(request.body).hexdigest(), said.payload_hash.lower()):
        return "the token is of another body"
    if not is_recent(said.iat, request.received_at) or request.received_at.timestamp() > (said.exp or float("inf")):
        return "the token is too old"
    return None


def _delivery(report: _Report, status: ReportStatus) -> DeliveryReport:
    error = report.error.code
    if status is ReportStatus.REJECTED and error:
        status = REJECTIONS.get(error, status)
    price, coin = amount(report.usage.price), currency(report.usage.currency)
    identity = (report.message_uuid, report.client_ref, status.word, report.timestamp)
    return DeliveryReport(
        status=status,
        provider_message_id=report.message_uuid,
        reference=report.client_ref,
        reported_at=moment(report.timestamp),
        error_code=error,
        segments=segments(report.sms.count_total),
        price=price if coin else None,
        currency=coin if price else None,
        dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
    )
