"""What Amazon SNS posts to an HTTPS endpoint, and whether it is SNS that did.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import httpx
import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate
from msgspec import Meta

from smsgw.providers.reading import decode, moment

MAX_AGE = timedelta(hours=1)
"""SNS gives up on an HTTPS endpoint within an hour."""
MAX_AHEAD = timedelta(minutes=5)
"""Clocks differ."""
HASHES = {"1": SHA1, "2": SHA256}
"""By SignatureVersion; 1 is what a topic signs with until it is told otherwise."""
TOPIC = re.compile(r"arn:aws[a-z-]{0,16}:sns:([a-z0-9-]{1,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}", re.ASCII)
_CERTIFICATE = re.compile(r"https://sns\.([a-z0-9-]{1,32})\.amazonaws\.com/[A-Za-z0-9_.-]{1,128}\.pem", re.ASCII)
_CONFIRMATION = re.compile(r"https://sns\.([a-z0-9-]{1,32})\.amazonaws\.com/\?[A-Za-z0-9_.:%&=+-]{1,1024}", re.ASCII)
_Short = Annotated[str, Meta(max_length=1024)]


class Type(StrEnum):
    """What a post is about."""

    NOTIFICATION = "Notification"
    SUBSCRIPTION = "SubscriptionConfirmation"
    UNSUBSCRIPTION = "UnsubscribeConfirmation"


class Post(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One post, unverified."""

    type: Type
    message_id: _Short
    topic_arn: _Short
    message: str
    timestamp: _Short
    signature_version: _Short
    signature: Annotated[str, Meta(max_length=4096)]
    signing_cert_url: _Short = msgspec.field(name="SigningCertURL")
    subject: _Short | None = None
    token: _Short | None = None
    subscribe_url: Annotated[str, Meta(max_length=2048)] | None = msgspec.field(name="SubscribeURL", default=None)

    @property
    def certificate(self) -> httpx.URL | None:
        """The address of the certificate, if it is one of SNS in the topic's own region, and nobody else's."""
        return self._address(_CERTIFICATE, self.signing_cert_url)

    @property
    def confirmation(self) -> httpx.URL | None:
        """The address that confirms the subscription, if it is one of SNS in the topic's own region."""
        return self._address(_CONFIRMATION, self.subscribe_url or "")

    def _address(self, allowed: re.Pattern[str], given: str) -> httpx.URL | None:
        topic, address = TOPIC.fullmatch(self.topic_arn), allowed.fullmatch(given)
        return httpx.URL(given) if topic and address and topic[1] == address[1] else None

    @property
    def signed_text(self) -> bytes:
        """What the signature is made of: names and values in the order that SNS wants, each on a line."""
        if self.type is Type.NOTIFICATION:
            subject = [] if self.subject is None else [("Subject", self.subject)]
            about = [("Message", self.message), ("MessageId", self.message_id), *subject]
            ends = [("Timestamp", self.timestamp)]
        else:
            about = [("Message", self.message), ("MessageId", self.message_id)]
            about.append(("SubscribeURL", self.subscribe_url or ""))
            ends = [("Timestamp", self.timestamp), ("Token", self.token or "")]
        ends += [("TopicArn", self.topic_arn), ("Type", self.type.value)]
        return "".join(f"{name}\n{value}\n" for name, value in (*about, *ends)).encode("utf-8", "surrogatepass")


def read_post(body: bytes) -> Post | None:
    """Return a post, unverified, or None for anything else."""
    return decode(body, Post)


def staleness(post: Post, now: datetime) -> str | None:
    """Return why a post is not of now, or None."""
    sent = moment(post.timestamp)
    if sent is None or sent > now + MAX_AHEAD:
        return "its Timestamp is no time, or not yet"
    return f"its Timestamp is older than {MAX_AGE}" if now - sent > MAX_AGE else None


def forgery(post: Post, pem: bytes, now: datetime) -> str | None:
    """Return why a post is not signed with the key of this certificate, or None."""
    kind = HASHES.get(post.signature_version)
    if kind is None:
        return "an unknown SignatureVersion"
    try:
        certificate = load_pem_x509_certificate(pem)
        key = certificate.public_key()
        signature = base64.b64decode(post.signature, validate=True)
        if not isinstance(key, RSAPublicKey):
            return "the certificate's key is not RSA"
        key.verify(signature, post.signed_text, PKCS1v15(), kind())
    except InvalidSignature:
        return "the Signature does not fit"
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return "no certificate, or no signature"
    is_valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    return None if is_valid else "the certificate is not valid now"
