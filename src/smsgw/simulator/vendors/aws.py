"""AWS End User Messaging SMS as its client knows it, and SNS as its subscribers do.

https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Meta

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor

TARGET = "PinpointSMSVoiceV2.SendTextMessage"
MAX_SKEW = timedelta(minutes=5)
CERTIFICATE_PATH = "/SimpleNotificationService-00000000000000000000000000000000.pem"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/\s]{1,128})/([0-9]{8})/([a-z0-9-]{1,32})/sms-voice/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]{1,512}), ?Signature=([0-9a-f]{64})",
    re.ASCII,
)
_MUST_BE_SIGNED = {"host", "x-amz-date", "x-amz-target"}
_JSON = ((b"content-type", b"application/x-amz-json-1.0"),)
_PEM = ((b"content-type", b"application/x-x509-ca-cert"),)
_XML = ((b"content-type", b"text/xml"),)
_REFUSALS = {
    Refusal.UNAUTHORIZED: (403, "InvalidSignatureException", ""),
    Refusal.MALFORMED: (400, "ValidationException", "CANNOT_PARSE"),
    Refusal.INVALID_NUMBER: (400, "ValidationException", "INVALID_PARAMETER"),
    Refusal.OPTED_OUT: (400, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
    Refusal.REJECTED: (400, "ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND"),
    Refusal.THROTTLED: (400, "ThrottlingException", ""),
    Refusal.NOT_FOUND: (400, "ResourceNotFoundException", ""),
    Refusal.INTERNAL: (500, "InternalServerException", ""),
    Refusal.UNAVAILABLE: (503, "ServiceUnavailable", ""),
}
_EVENTS = {
    "sent": ("TEXT_SENT", "SENT", "Message has been sent"),
    "delivered": ("TEXT_DELIVERED", "DELIVERED", "Message has been accepted by phone"),
    "undelivered": ("TEXT_UNREACHABLE", "UNREACHABLE", "Destination phone number cannot be reached"),
}
_Context = dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=800)]]
_CONFIRMED = b"<ConfirmSubscriptionResponse/>"


class Aws(Vendor):
    """Requests signed with SigV4; events posted as SNS does, signed by a key of its own.

    The certificate is named at SNS's own address, as SNS does, and served here: a subscriber who shall believe the
    events has to be led from there to here.
    """

    documentation = "https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html"
    routes: ClassVar = {"send": "POST /", "certificate": f"GET {CERTIFICATE_PATH}", "confirm": "GET /"}
    credential_defaults: ClassVar = {
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "demo-key",
        "region": "us-east-1",
        "topic_arn": "arn:aws:sns:us-east-1:123456789012:sms-events",
        # 1 is SHA-1, 2 is SHA-256.
        "signature_version": "2",
    }

    def __init__(self, credentials: Mapping[str, str]) -> None:
        super().__init__(credentials)
        self._key = generate_private_key(65537, 2048)
        self._pem = b""

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take a signed SendTextMessage; give the certificate and a confirmation to anybody."""
        if call.route == "certificate":
            return Reply(200, self._certificate(call.now), _PEM)
        if call.route == "confirm":
            is_order = call.parameters.get("Action") == "ConfirmSubscription"
            return Reply(200, _CONFIRMED, _XML) if is_order else Refusal.NOT_FOUND
        if call.headers.get("x-amz-target") != TARGET or not self._is_signed(call):
            return Refusal.UNAUTHORIZED
        fields = call.object
        try:
            context = msgspec.convert(fields.get("Context", {}), _Context)
        except msgspec.ValidationError:
            return Refusal.MALFORMED
        return Asked(
            to=_string(fields.get("DestinationPhoneNumber")),
            text=_string(fields.get("MessageBody")),
            sender=_string(fields.get("OriginationIdentity")),
            reference=next(iter(context.values()), ""),
            extra={"context": msgspec.json.encode(context).decode()},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:  # noqa: ARG002  (all of it is in the entry)
        """Answer 200 with the id alone."""
        return Reply(200, msgspec.json.encode({"MessageId": entry.message_id}), _JSON)

    def refused(self, refusal: Refusal) -> Reply:
        """Answer an exception."""
        status, exception, reason = _REFUSALS[refusal]
        body: dict[str, Any] = {"__type": f"com.amazonaws.pinpointsmsvoicev2#{exception}", "Message": "No."}
        if reason:
            body["Reason"] = reason
        if refusal is Refusal.INVALID_NUMBER:
            body["Fields"] = [{"Name": "DestinationPhoneNumber", "Message": "Invalid phone number."}]
        return Reply(status, msgspec.json.encode(body), (*_JSON, (b"x-amzn-errortype", exception.encode())))

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post a notification of SNS with the event in it."""
        self._certificate(news.at)
        post = {
            "Type": "Notification",
            "MessageId": f"{news.entry.message_id}-{news.status}",
            "TopicArn": self.credentials["topic_arn"],
            "Message": msgspec.json.encode(_event(news)).decode(),
            "Timestamp": news.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "SignatureVersion": self.credentials["signature_version"],
            "SigningCertURL": f"https://sns.{self.credentials['region']}.amazonaws.com{CERTIFICATE_PATH}",
        }
        headers = {
            "content-type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": post["Type"],
            "x-amz-sns-message-id": post["MessageId"],
            "x-amz-sns-topic-arn": post["TopicArn"],
        }
        body = msgspec.json.encode({**post, "Signature": self._signature(post)})
        return (Outgoing(url=news.url, body=body, headers=headers),)

    def _is_signed(self, call: Call) -> bool:
        """Whether SigV4's signature fits: our own key, our region, of now, over what has to be signed."""
        found = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
        if found is None or not self.has("access_key_id", found[1]) or not self.has("region", found[3]):
            return False
        names, moment = found[4].split(";"), call.headers.get("x-amz-date", "")
        if not _MUST_BE_SIGNED.issubset(names) or moment[:8] != found[2] or not _is_recent(moment, call.now):
            return False
        lines = "".join(f"{name}:{' '.join(call.headers.get(name, '').split())}\n" for name in names)
        hashed = hashlib.sha256(call.body).hexdigest()
        canonical = f"{call.method}\n{call.whole_path}\n{call.query}\n{lines}\n{found[4]}\n{hashed}"
        scope = f"{found[2]}/{found[3]}/sms-voice/aws4_request"
        signed = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.credentials['secret_access_key']}".encode()
        for part in (*scope.split("/"), signed):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(key.hex(), found[5])

    def _signature(self, post: Mapping[str, str]) -> str:
        names = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
        text = "".join(f"{name}\n{post[name]}\n" for name in names).encode()
        # SHA-1 is what version 1 of SNS's signatures is made with.
        hashed = SHA256() if post["SignatureVersion"] == "2" else SHA1()  # noqa: S303
        return base64.b64encode(self._key.sign(text, PKCS1v15(), hashed)).decode()

    def _certificate(self, now: datetime) -> bytes:
        """Return the certificate of the key, made when it is first needed."""
        if not self._pem:
            name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
            made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
            made = made.serial_number(x509.random_serial_number())
            made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365))
            self._pem = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
        return self._pem


def _event(news: News) -> dict[str, Any]:
    event_type, status, description = _EVENTS[news.status]
    entry = news.entry
    return {
        "eventType": event_type,
        "eventVersion": "1.0",
        "eventTimestamp": int(news.at.timestamp() * 1000),
        "isFinal": news.status != "sent",
        "originationPhoneNumber": entry.known.sender,
        "destinationPhoneNumber": entry.to,
        "isoCountryCode": "US",
        "messageId": entry.message_id,
        "messageRequestTimestamp": int(entry.accepted_at.timestamp() * 1000),
        "messageEncoding": "GSM",
        "messageType": "TRANSACTIONAL",
        "messageStatus": status,
        "messageStatusDescription": description,
        "context": msgspec.json.decode(entry.known.extra.get("context") or "{}"),
        "totalMessageParts": entry.known.segments,
        "totalMessagePrice": 0.00581 * entry.known.segments,
        "totalCarrierFee": 0.003,
    }


def _is_recent(moment: str, now: datetime) -> bool:
    try:
        signed_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - signed_at) <= MAX_SKEW


def _string(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 2000 else ""


VENDOR = Aws
