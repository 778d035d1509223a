"""aws: every exception, reason and event of its documentation; posts of SNS signed by a key of the tests' own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW
from tests.providers.sns_posts import (
    CERTIFICATE,
    REGION,
    SUBSCRIBE,
    TOPIC,
    Key,
    confirmation,
    elliptic_certificate,
    notification,
    stamp,
)
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, Sent, Table

ACCESS_KEY = "AKIDEXAMPLE-very-secret"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION = "session-token-very-secret=="
OPTIONS: dict[str, Any] = {
    "region": REGION,
    "access_key_id": ACCESS_KEY,
    "secret_access_key": SECRET_KEY,
    "configuration_set": "smsgw",
    "topic_arns": [TOPIC],
}
HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "PinpointSMSVoiceV2.SendTextMessage",
    "x-amz-date": "20260301T120000Z",
    "host": f"sms-voice.{REGION}.amazonaws.com",
}
ID = "862a8790-60c0-4430-9b2b-658bd0000000"
WHEN = datetime(2023, 6, 17, 4, 11, 43, 470_000, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "eventType": "TEXT_DELIVERED",
    "eventVersion": "1.0",
    "eventTimestamp": 1686975103470,
    "isFinal": True,
    "originationPhoneNumber": "+15005550001",
    "destinationPhoneNumber": "+15005550006",
    "isoCountryCode": "US",
    "mcc": "310",
    "mnc": "800",
    "carrierName": "…",
    "messageId": ID,
    "messageRequestTimestamp": 1686975103170,
    "messageEncoding": "GSM",
    "messageType": "TRANSACTIONAL",
    "messageStatus": "DELIVERED",
    "messageStatusDescription": "Message has been accepted by phone",
    "context": {"reference": str(REFERENCE)},
    "totalMessageParts": 1,
    "totalMessagePrice": 0.00581,
    "totalCarrierFee": 0.003,
}
KEY = Key(valid_from=NOW - timedelta(days=30))
OTHER_KEY = Key(valid_from=NOW - timedelta(days=30))
EXPIRED = Key(valid_from=NOW - timedelta(days=30), valid=timedelta(days=29))
EXPIRED_AT = CERTIFICATE.replace("0123", "9999")
ELLIPTIC_AT = CERTIFICATE.replace("0123", "8888")
EMPTY_AT = CERTIFICATE.replace("0123", "7777")


def refused(word: str, outcome: Outcome, reason: str = "", *, status: int = 400, **fields: Any) -> AnswerCase:
    body = {"__type": f"com.amazonaws.smsvoice#{word}", "Message": f"{SUBMIT.to} no", **fields}
    if reason:
        body["Reason"] = reason
    detail = f"HTTP {status} {word} {reason}".strip()
    return AnswerCase(
        name=f"{status} {word} {reason} {fields or ''}",
        reply=Reply(status=status, body=body),
        outcome=outcome,
        detail=detail if outcome is not Outcome.UNKNOWN else None,
    )


def by_status(status: int, outcome: Outcome, body: Any = b"", **headers: str) -> AnswerCase:
    reply = Reply(status=status, body=body, headers=headers)
    return AnswerCase(name=f"{status} {body!r} {headers}"[:70], reply=reply, outcome=outcome)


def request(post: dict[str, str], **changes: Any) -> ReportRequest:
    return ReportRequest(
        received_at=NOW,
        headers=(("x-amz-sns-message-type", post["Type"]), ("content-type", "text/plain; charset=UTF-8")),
        body=msgspec.json.encode({**post, **changes}),
    )


def signed(body: bytes) -> ReportRequest:
    """Return a notification whose message is this body."""
    return request(KEY.sign(notification(body.decode("utf-8", "replace"), at=NOW)))


def reported(**changes: Any) -> DeliveryReport:
    fields = {
        "status": ReportStatus.DELIVERED,
        "provider_message_id": ID,
        "reference": str(REFERENCE),
        "reported_at": WHEN,
        "dedupe_key": "",
        "segments": 1,
        "price": "0.00881",
        "currency": "USD",
        **changes,
    }
    return DeliveryReport(**fields)


def event(name: str, changes: dict[str, Any], **expected: Any) -> ReportCase:
    post = KEY.sign(notification({**EVENT, **changes}, at=NOW))
    return ReportCase(name=name, request=request(post), reports=(reported(**expected),))


def typed(word: str, status: ReportStatus) -> ReportCase:
    is_good = status in (ReportStatus.QUEUED, ReportStatus.SENT, ReportStatus.DELIVERED)
    return event(word, {"eventType": word}, status=status, error_code=None if is_good else word)


def posted(name: str, post: dict[str, str], *, key: Key = KEY) -> ReportCase:
    """Return an authentic post that says one thing: EVENT."""
    return ReportCase(name=name, request=request(key.sign(post)), reports=(reported(),))


def unreadable(name: str, post: dict[str, str]) -> ReportCase:
    return ReportCase(name=name, request=request(KEY.sign(post)), refused="unreadable")


def forged(name: str, call: ReportRequest) -> ReportCase:
    return ReportCase(name=name, request=call, refused="forged")


def resigned(name: str, key: Key = KEY, *, at: datetime = NOW, **changes: str) -> ReportCase:
    """Return a post that was changed before it was signed."""
    return forged(name, request(key.sign(notification(EVENT, at=at, **changes))))


GENUINE = KEY.sign(notification(EVENT, at=NOW))

TABLE = Table(
    options=OPTIONS,
    secrets=(ACCESS_KEY, SECRET_KEY),
    bad_options=(
        {},
        {**OPTIONS, "region": "two words"},
        {**OPTIONS, "region": "eu-central-1.evil.example/"},
        {**OPTIONS, "access_key_id": ""},
        {**OPTIONS, "secret_access_key": "two words"},
        {**OPTIONS, "session_token": "hunter2\n"},
        {**OPTIONS, "base_url": "https://me:hunter2@aws.example"},
        {**OPTIONS, "base_url": "aws.example"},
        {**OPTIONS, "topic_arns": ["hunter2"]},
        {**OPTIONS, "topic_arns": [TOPIC, f"{TOPIC}:two words"]},
        {**OPTIONS, "topic_arns": TOPIC},
        {**OPTIONS, "max_price": "hunter2"},
        {**OPTIONS, "message_type": "hunter2"},
        {**OPTIONS, "configuration_set": "two words"},
        {**OPTIONS, "origination_identity": "two words"},
        {**OPTIONS, "final_successful": "hunter2"},
        {**OPTIONS, "topic_arn": TOPIC},
    ),
    send=Sent(
        method="POST",
        url=f"https://sms-voice.{REGION}.amazonaws.com/",
        headers=HEADERS,
        json={
            "DestinationPhoneNumber": SUBMIT.to,
            "OriginationIdentity": "ACME",
            "MessageBody": SUBMIT.text,
            "MessageType": "TRANSACTIONAL",
            "ConfigurationSetName": "smsgw",
            "TimeToLive": 540,
            "Context": {"reference": str(REFERENCE)},
        },
    ),
    accepted=Reply(status=200, body={"MessageId": ID}),
    answers=(
        AnswerCase(
            name="200", reply=Reply(status=200, body={"MessageId": ID}), outcome=Outcome.ACCEPTED, message_id=ID
        ),
        by_status(200, Outcome.UNKNOWN, {}),
        by_status(200, Outcome.UNKNOWN, {"MessageId": "a b"}),
        by_status(200, Outcome.UNKNOWN, {"MessageId": 7}),
        refused("ThrottlingException", Outcome.THROTTLED),
        refused("AccessDeniedException", Outcome.CREDENTIALS),
        refused("AccessDeniedException", Outcome.CREDENTIALS, "INSUFFICIENT_ACCOUNT_REPUTATION"),
        refused("AccessDeniedException", Outcome.CREDENTIALS, "ACCOUNT_DISABLED"),
        refused("UnrecognizedClientException", Outcome.CREDENTIALS),
        refused("InvalidSignatureException", Outcome.CREDENTIALS, status=403),
        refused("ExpiredTokenException", Outcome.CREDENTIALS),
        refused("IncompleteSignature", Outcome.CREDENTIALS),
        refused("IncompleteSignatureException", Outcome.CREDENTIALS),
        refused("MissingAuthenticationTokenException", Outcome.CREDENTIALS, status=403),
        refused("ResourceNotFoundException", Outcome.REJECTED, ResourceType="configuration-set"),
        refused("ServiceQuotaExceededException", Outcome.CREDENTIALS, "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
        refused("ServiceQuotaExceededException", Outcome.CREDENTIALS, "DAILY_DESTINATION_CALL_LIMIT"),
        refused("ConflictException", Outcome.OPTED_OUT, "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
        refused("ConflictException", Outcome.REJECTED, "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
        refused("ConflictException", Outcome.REJECTED, "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"),
        refused("ConflictException", Outcome.REJECTED, "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE"),
        refused("ConflictException", Outcome.REJECTED, "RESOURCE_NOT_ACTIVE"),
        refused("ConflictException", Outcome.REJECTED, "MESSAGE_TYPE_MISMATCH"),
        refused("ConflictException", Outcome.REJECTED, "NUMBER_CAPABILITIES_MISMATCH"),
        refused("ConflictException", Outcome.REJECTED, "NO_ORIGINATION_IDENTITIES_FOUND"),
        refused("ConflictException", Outcome.REJECTED, "SOMETHING_NEW"),
        refused(
            "ValidationException",
            Outcome.INVALID_NUMBER,
            "INVALID_PARAMETER",
            Fields=[{"Name": "DestinationPhoneNumber", "Message": "…"}],
        ),
        refused(
            "ValidationException",
            Outcome.REJECTED,
            "FIELD_VALIDATION_FAILED",
            Fields=[{"Name": "MessageBody", "Message": "…"}],
        ),
        # The number is a good one: we only may not send there, and another provider may.
        refused(
            "ValidationException",
            Outcome.REJECTED,
            "DESTINATION_COUNTRY_BLOCKED",
            Fields=[{"Name": "DestinationPhoneNumber", "Message": "…"}],
        ),
        refused("ValidationException", Outcome.REJECTED, "CANNOT_PARSE"),
        refused("ValidationException", Outcome.REJECTED, "MISSING_PARAMETER"),
        refused("ValidationException", Outcome.REJECTED, "MAXIMUM_SIZE_EXCEEDED"),
        refused("ValidationException", Outcome.REJECTED, "COUNTRY_NOT_ENABLED"),
        refused("ValidationException", Outcome.REJECTED, "SENDER_ID_NOT_REGISTERED"),
        refused("ValidationException", Outcome.REJECTED, "PRICE_OVER_THRESHOLD"),
        # What is no word of a vendor's is not shown.
        AnswerCase(
            name="a reason with an exception that is none",
            reply=Reply(status=400, body={"__type": 'no\n{"event": "fake"}', "Reason": "PRICE_OVER_THRESHOLD"}),
            outcome=Outcome.REJECTED,
            detail="HTTP 400 PRICE_OVER_THRESHOLD",
        ),
        # Nobody knows, whatever a 5xx says.
        refused("InternalServerException", Outcome.UNKNOWN, status=500),
        refused("ThrottlingException", Outcome.UNKNOWN, status=500),
        by_status(400, Outcome.REJECTED, {"__type": "New"}),
        by_status(
            400, Outcome.THROTTLED, {}, **{"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/"}
        ),
        by_status(400, Outcome.REJECTED, {"__type": 7, "Reason": ["x"]}),
        by_status(403, Outcome.CREDENTIALS, {"Message": "Missing Authentication Token"}),
        by_status(503, Outcome.UNKNOWN),
    ),
    reports=(
        typed("TEXT_QUEUED", ReportStatus.QUEUED),
        typed("TEXT_PENDING", ReportStatus.SENT),
        typed("TEXT_SENT", ReportStatus.SENT),
        typed("TEXT_SUCCESSFUL", ReportStatus.DELIVERED),
        typed("TEXT_DELIVERED", ReportStatus.DELIVERED),
        typed("TEXT_INVALID", ReportStatus.UNDELIVERED),
        typed("TEXT_INVALID_MESSAGE", ReportStatus.UNDELIVERED),
        typed("TEXT_UNREACHABLE", ReportStatus.UNDELIVERED),
        typed("TEXT_CARRIER_UNREACHABLE", ReportStatus.UNDELIVERED),
        typed("TEXT_BLOCKED", ReportStatus.REJECTED),
        typed("TEXT_CARRIER_BLOCKED", ReportStatus.REJECTED),
        typed("TEXT_SPAM", ReportStatus.REJECTED),
        typed("TEXT_PROTECT_BLOCKED", ReportStatus.REJECTED),
        typed("TEXT_TTL_EXPIRED", ReportStatus.EXPIRED),
        typed("TEXT_UNKNOWN", ReportStatus.SENT),
        event("not final", {"eventType": "TEXT_SUCCESSFUL", "isFinal": False}, status=ReportStatus.SENT),
        event("no price", {"totalMessagePrice": None}, price=None, currency=None),
        event("no fee", {"totalCarrierFee": None}, price="0.00581"),
        event(
            "nothing yet",
            {"eventType": "TEXT_QUEUED", "isFinal": False, "totalMessagePrice": 0, "totalCarrierFee": 0},
            status=ReportStatus.QUEUED,
            price=None,
            currency=None,
        ),
        event("free", {"totalMessagePrice": 0, "totalCarrierFee": 0}, price="0"),
        event("no context", {"context": {}}, reference=None),
        event("another context", {"context": {"reference": 7}}, reference=None),
        event("no time", {"eventTimestamp": None}, reported_at=None),
        event("the far future", {"eventTimestamp": 2**62}, reported_at=None),
        posted("signature version 1", notification(EVENT, at=NOW, SignatureVersion="1")),
        posted("with a subject", notification(EVENT, at=NOW, Subject="Delivery")),
        posted("through EventBridge", notification({"source": "aws.sms-voice", "detail": EVENT}, at=NOW)),
        posted("a retry of 59 minutes later", notification(EVENT, at=NOW - timedelta(minutes=59))),
        # A subscription is confirmed, and says nothing.
        ReportCase(name="subscription", request=request(KEY.sign(confirmation(at=NOW)))),
        ReportCase(
            name="subscription, version 2", request=request(KEY.sign(confirmation(at=NOW, SignatureVersion="2")))
        ),
        unreadable("an address that confirms nothing", confirmation(at=NOW, SubscribeURL="https://evil.example/?a=b")),
        unreadable("the end of a subscription", confirmation(at=NOW, Type="UnsubscribeConfirmation")),
        unreadable("an unknown event", notification({**EVENT, "eventType": "TEXT_EATEN"}, at=NOW)),
        unreadable("no message id", notification({**EVENT, "messageId": None}, at=NOW)),
        unreadable("an inbound text", notification({"originationNumber": "+1", "messageBody": "hi"}, at=NOW)),
        unreadable("not JSON", notification("hello", at=NOW)),
        unreadable("over-deep", notification("[" * 10_000, at=NOW)),
        forged(
            "raw delivery, which nobody signs",
            ReportRequest(received_at=NOW, headers=(), body=msgspec.json.encode(EVENT)),
        ),
        forged("signed by somebody else", request(OTHER_KEY.sign(notification(EVENT, at=NOW)))),
        forged("no signature", request({**GENUINE, "Signature": ""})),
        forged("not base64", request({**GENUINE, "Signature": "é"})),
        forged("another message", request(GENUINE, Message="{}")),
        forged("another message id", request(GENUINE, MessageId="m-1")),
        forged("another time", request(GENUINE, Timestamp=stamp(NOW - timedelta(seconds=1)))),
        forged("a subject that was not signed", request(GENUINE, Subject="Delivery")),
        forged("the other version", request(GENUINE, SignatureVersion="1")),
        forged("an unknown version", request(GENUINE, SignatureVersion="3")),
        forged("a subscription, changed", request(KEY.sign(confirmation(at=NOW)), Token="x")),
        forged("a subscription to elsewhere", request(KEY.sign(confirmation(at=NOW)), SubscribeURL=f"{SUBSCRIBE}x")),
        resigned("another topic", TopicArn=f"{TOPIC}2"),
        resigned("too old", at=NOW - timedelta(minutes=61)),
        resigned("too early", at=NOW + timedelta(minutes=6)),
        resigned("no time", Timestamp="today"),
        resigned("a certificate of elsewhere", SigningCertURL="https://evil.example/cert.pem"),
        resigned("of another region", SigningCertURL=CERTIFICATE.replace(REGION, "us-east-1")),
        resigned("in a path of elsewhere", SigningCertURL=CERTIFICATE.replace(".com/", ".com.evil.example/")),
        resigned("without TLS", SigningCertURL=CERTIFICATE.replace("https:", "http:")),
        resigned("with a user", SigningCertURL=CERTIFICATE.replace("https://", "https://a@")),
        resigned("with a port", SigningCertURL=CERTIFICATE.replace(".com/", ".com:8443/")),
        resigned("with a query", SigningCertURL=f"{CERTIFICATE}?a=.pem"),
        resigned("no certificate", SigningCertURL=CERTIFICATE.replace(".pem", ".txt")),
        resigned("an expired certificate", EXPIRED, SigningCertURL=EXPIRED_AT),
        resigned("a key that is not RSA", SigningCertURL=ELLIPTIC_AT),
        resigned("an empty certificate", SigningCertURL=EMPTY_AT),
    ),
    proof_headers=(),
    fetches={
        CERTIFICATE: KEY.pem,
        EXPIRED_AT: EXPIRED.pem,
        ELLIPTIC_AT: elliptic_certificate(NOW - timedelta(hours=1)),
        EMPTY_AT: b"",
        SUBSCRIBE: b"<ConfirmSubscriptionResponse/>",
    },
)

TEMPORARY = Table(
    options={
        **OPTIONS,
        "session_token": SESSION,
        "base_url": "https://vpce-1.sms-voice.eu-central-1.vpce.amazonaws.com/",
        "origination_identity": "pool-0123",
        "max_price": "0.05",
        "message_type": "PROMOTIONAL",
        "final_successful": "sent",
        "confirm_subscriptions": False,
    },
    secrets=(ACCESS_KEY, SECRET_KEY, SESSION),
    bad_options=(),
    send_without_sender=Sent(
        method="POST",
        url="https://vpce-1.sms-voice.eu-central-1.vpce.amazonaws.com/",
        headers={"x-amz-security-token": SESSION, "host": "vpce-1.sms-voice.eu-central-1.vpce.amazonaws.com"},
        json={
            "DestinationPhoneNumber": SUBMIT.to,
            "OriginationIdentity": "pool-0123",
            "MessageBody": SUBMIT.text,
            "MessageType": "PROMOTIONAL",
            "ConfigurationSetName": "smsgw",
            "MaxPrice": "0.05",
            "TimeToLive": 540,
            "Context": {"reference": str(REFERENCE)},
        },
    ),
    accepted=TABLE.accepted,
    reports=(
        typed("TEXT_SUCCESSFUL", ReportStatus.SENT),
        unreadable("a subscription that people confirm", confirmation(at=NOW)),
    ),
    proof_headers=(),
    # No SUBSCRIBE: it must not be asked for.
    fetches={CERTIFICATE: KEY.pem},
)
VARIANTS = {"temporary": TEMPORARY}
