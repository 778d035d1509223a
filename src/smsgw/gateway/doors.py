"""The gateway's front doors: what differs between them. Everything behind a door is the same pipeline."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from smsgw.core.admission import Rate
from smsgw.core.body import Malformed
from smsgw.core.phone import Numbers
from smsgw.core.phone_request import read_phone_request
from smsgw.core.request import Invalid, Rules, SendRequest, TtlBounds, read_send_request
from smsgw.core.text import Encoding, forced_by
from smsgw.core.wishes import TextRules
from smsgw.settings import GatewaySettings

METHOD = "POST"
SEND_PATH = "/api/v1/sms/send"
PHONE_PATH = "/api/sms"
ACCEPTED_MESSAGE = "Request accepted for processing."
QUEUED_MESSAGE = "SMS queued for sending"

_encode = msgspec.json.Encoder().encode

Read = Callable[[bytes, Rules], SendRequest | Invalid | Malformed]


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """One way in. `path` is part of its requests' fingerprint: a key used at two doors is used for two requests."""

    path: str
    paths: tuple[str, ...]
    """Every address that leads to it."""
    rules: Rules
    read: Read
    success_status: int
    success_body: Callable[[UUID, SendRequest], bytes]
    """A pure function of the tracking_id and the request, so that a takeover says the same bytes."""
    rates: tuple[Rate, ...]


def send_door(settings: GatewaySettings) -> Door:
    """Return the first door, `POST /api/v1/sms/send`."""
    return Door(
        path=SEND_PATH,
        paths=(SEND_PATH,),
        rules=_rules(settings),
        read=read_send_request,
        success_status=202,
        success_body=_accepted,
        rates=_rates(ingress=settings.ingress_rate_limit),
    )


def phone_door(settings: GatewaySettings) -> Door:
    """Return the second door, `POST /api/sms/` and `POST /api/sms/send`."""
    return Door(
        path=PHONE_PATH,
        paths=(PHONE_PATH, f"{PHONE_PATH}/send"),
        rules=_rules(settings),
        read=read_phone_request,
        success_status=200,
        success_body=_queued,
        rates=_rates(ingress=settings.ingress_rate_limit, second_door=settings.total_rate_limit),
    )


def _rules(settings: GatewaySettings) -> Rules:
    ttl = TtlBounds(settings.min_ttl_seconds, settings.default_ttl_seconds, settings.max_ttl_seconds)
    texts = TextRules(max_segments=settings.max_segments, smart_encoding=settings.smart_encoding)
    return Rules(ttl, Numbers(settings.default_region, check=settings.number_check), texts)


def _rates(**per_second: float) -> tuple[Rate, ...]:
    return tuple(Rate(name, limit) for name, limit in per_second.items() if limit > 0)


def _accepted(tracking_id: UUID, request: SendRequest) -> bytes:
    cost = request.cost
    taken = f'"segments":{cost.segments},"encoding":"{cost.encoding.value}"'
    said = f'"success":true,"message":"{ACCEPTED_MESSAGE}","tracking_id":"{tracking_id}",{taken}'.encode()
    if cost.encoding is Encoding.GSM7:
        return b"{%b}" % said
    return b'{%b,"forced_by":%b}' % (said, _encode(forced_by(request.text)))


def _queued(tracking_id: UUID, _request: SendRequest) -> bytes:
    said = f'"success":true,"message_id":"{tracking_id}","message":"{QUEUED_MESSAGE}","provider":null,"queued":true'
    return f"{{{said}}}".encode()
