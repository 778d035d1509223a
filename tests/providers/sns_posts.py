"""Posts as Amazon SNS makes and signs them, with a key and a certificate of the tests' own."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

REGION = "eu-central-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:sms-events"
CERTIFICATE = f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE = f"https://sns.{REGION}.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
ORDER = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
"""Of the names in the signed text; Subject belongs to notifications, SubscribeURL and Token to confirmations."""


class Key:
    """A key that signs, and a certificate of it."""

    def __init__(self, *, valid_from: datetime, valid: timedelta = timedelta(days=365)) -> None:
        self.key = generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        builder = builder.serial_number(1).not_valid_before(valid_from).not_valid_after(valid_from + valid)
        self.pem = builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def sign(self, post: dict[str, str]) -> dict[str, str]:
        """Return the post with its signature, of the version that it names."""
        return {**post, "Signature": signature(self.key, post)}


def signature(key: RSAPrivateKey, post: dict[str, str]) -> str:
    """Return what SNS puts into Signature."""
    hashed: HashAlgorithm = SHA256() if post["SignatureVersion"] == "2" else SHA1()
    text = "".join(f"{name}\n{post[name]}\n" for name in ORDER if name in post)
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), hashed)).decode()


def elliptic_certificate(valid_from: datetime) -> bytes:
    """Return a certificate whose key is none that SNS signs with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(valid_from).not_valid_after(valid_from + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def notification(message: Any, *, at: datetime, **changes: str) -> dict[str, str]:
    """Return an unsigned notification; a message that is no string becomes JSON."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else msgspec.json.encode(message).decode(),
        "Timestamp": stamp(at),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={TOPIC}:1",
        **changes,
    }


def confirmation(*, at: datetime, **changes: str) -> dict[str, str]:
    """Return an unsigned request to confirm a subscription."""
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.",
        "SubscribeURL": SUBSCRIBE,
        "Timestamp": stamp(at),
        "SignatureVersion": "1",
        "SigningCertURL": CERTIFICATE,
        **changes,
    }


def stamp(at: datetime) -> str:
    """Return a time as SNS writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
