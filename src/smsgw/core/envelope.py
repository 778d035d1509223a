"""The wire contract between gateway and worker: one broker message carries one envelope or an array of them."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from smsgw.core.phone import is_e164

VERSION = 1
MAX_BATCH = 100
MAX_BATCH_BYTES = 128 * 1024
MAX_ENVELOPE_BYTES = 32 * 1024
_LONGEST_REASON = 200


class ConfigFingerprint(msgspec.Struct, frozen=True):
    """SHA-256 hex of the raw CLIENT_CONFIG and PROVIDERS_CONFIG that the gateway runs with."""

    clients: str = ""
    providers: str = ""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted request on its way to the worker. Unknown fields are ignored, so that gateways may be newer."""

    version: int
    tracking_id: UUID
    client_key: Annotated[str, Meta(min_length=1, max_length=128)]
    to: str
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    ttl_seconds: Annotated[int, Meta(ge=1, le=30 * 86400)]
    created_at: Annotated[datetime, Meta(tz=True)]
    providers_effective: Annotated[tuple[str, ...], Meta(max_length=16)]
    providers_original: Annotated[tuple[str, ...], Meta(max_length=16)] | UnsetType = UNSET
    config_fingerprint: ConfigFingerprint = ConfigFingerprint()
    idempotency_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)] | UnsetType = UNSET
    sender: Annotated[str, Meta(min_length=1, max_length=16)] | None = None


class Poison(msgspec.Struct, frozen=True):
    """A member that no worker of this version can use; it goes to the dead-letter queue with its reason."""

    body: bytes
    reason: str


class _Version(msgspec.Struct):
    version: int = VERSION


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Envelope).decode
_decode_version = msgspec.json.Decoder(_Version).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


def encode(envelope: Envelope) -> bytes:
    """Return the envelope as one JSON object."""
    return _encode(envelope)


def join(envelopes: list[bytes]) -> bytes:
    """Return one broker message for one or several encoded envelopes (at most MAX_BATCH and MAX_BATCH_BYTES)."""
    return envelopes[0] if len(envelopes) == 1 else b"[" + b",".join(envelopes) + b"]"


def decode(body: bytes) -> list[Envelope | Poison]:
    """Return every member of a broker message; what cannot be used comes back as Poison, never as an exception."""
    if body.lstrip()[:1] != b"[":
        return [_decode_one(body)]
    try:
        members = _split(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return [Poison(body, f"undecodable array: {_brief(error)}")]
    if not members:
        return [Poison(body, "undecodable: an empty array")]
    return [_decode_one(bytes(member)) for member in members]


def _decode_one(body: bytes) -> Envelope | Poison:
    if len(body) > MAX_ENVELOPE_BYTES:
        return Poison(body, f"undecodable: larger than {MAX_ENVELOPE_BYTES} bytes")
    try:
        version = _decode_version(body).version
        if version != VERSION:
            return Poison(body, f"unknown version {version}"[:_LONGEST_REASON])
        envelope = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Poison(body, f"undecodable: {_brief(error)}")
    if not is_e164(envelope.to):
        return Poison(body, "undecodable: `to` is not E.164")
    if field := _field_with_nul(envelope):
        return Poison(body, f"undecodable: `{field}` contains NUL")
    try:
        return msgspec.structs.replace(envelope, created_at=envelope.created_at.astimezone(UTC))
    except OverflowError:
        return Poison(body, "undecodable: `created_at` is out of range")


def _field_with_nul(envelope: Envelope) -> str | None:
    """Name the field that PostgreSQL would refuse, and with it every neighbour of its batch."""
    strings = {
        "text": envelope.text,
        "client_key": envelope.client_key,
        "providers_effective": "".join(envelope.providers_effective),
        "providers_original": "".join(envelope.providers_original or ()),
        "sender": envelope.sender or "",
        "config_fingerprint": envelope.config_fingerprint.clients + envelope.config_fingerprint.providers,
    }
    return next((name for name, value in strings.items() if "\x00" in value), None)


def _brief(error: Exception) -> str:
    return "invalid UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:_LONGEST_REASON]
