"""A send request: from bytes to a value that keeps every rule, or to a refusal that names what is wrong."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from smsgw.core.phone import is_e164

MAX_DEPTH = 64
MAX_PROVIDERS = 16
MAX_TEXT = 1000
MAX_NAME = 255
"""Of a provider's requested name; whether there is one of that name, the gate says."""
MAX_INTEGER = 2**63 - 1
_BOM = b"\xef\xbb\xbf"
_TOO_LARGE = "the body has a number beyond 64 bits"
_REPEATED = "a name stands twice in the JSON object"


class SendBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of `POST /api/v1/sms/send`, as given: nothing filled in."""

    to: str
    text: str
    providers: list[str] | UnsetType = UNSET
    ttl_seconds: int | UnsetType = UNSET


class TtlBounds(msgspec.Struct, frozen=True):
    """MIN_TTL_SECONDS, DEFAULT_TTL_SECONDS, MAX_TTL_SECONDS."""

    low: int
    default: int
    high: int


class SendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that keeps every rule, defaults filled in. `canonical` is what its fingerprint is made of."""

    to: str
    text: str
    providers: tuple[str, ...] | None
    ttl_seconds: int
    canonical: bytes


class Malformed(msgspec.Struct, frozen=True):
    """The body is not JSON of the right shape at all (400); it has no fingerprint."""

    why: str


class Invalid(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed object that breaks rules (422): every field with what is wrong with it."""

    fields: dict[str, str]
    canonical: bytes


_decode_body = msgspec.json.Decoder(SendBody).decode
_decode_any = msgspec.json.Decoder().decode
_canonical = msgspec.json.Encoder(order="sorted").encode


def read_send_request(body: bytes, bounds: TtlBounds) -> SendRequest | Invalid | Malformed:
    """Decode and validate one body; never raises for an input."""
    if problem := _not_json(body):
        return Malformed(problem)
    try:
        given = _decode_body(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _explain(body, bounds)
    if _is_too_large(given.ttl_seconds):
        return Malformed(_TOO_LARGE)
    fields = _broken_rules(given.to, given.text, given.providers, given.ttl_seconds, bounds)
    if fields:
        return Invalid(fields=fields, canonical=_canonical(given))
    if _may_repeat_a_name(body, given) and _repeats_a_name(body):
        return Malformed(_REPEATED)
    return SendRequest(
        to=given.to,
        text=given.text,
        providers=tuple(given.providers) if given.providers is not UNSET else None,
        ttl_seconds=given.ttl_seconds if given.ttl_seconds is not UNSET else bounds.default,
        canonical=_canonical(given),
    )


def _not_json(body: bytes) -> str | None:
    """Find what the decoder would not say, or not survive: a byte order mark, bad UTF-8, a tower of brackets."""
    if not body:
        return "the body is empty"
    if body.startswith(_BOM):
        return "the body begins with a byte order mark"
    try:
        body.decode()
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        return f"the JSON is nested deeper than {MAX_DEPTH}"
    return None


def _depth(body: bytes) -> int:
    """Return how deep brackets nest outside of strings."""
    depth = deepest = 0
    in_string = is_escaped = False
    for byte in body:
        if in_string:
            if is_escaped:
                is_escaped = False
            elif byte == 0x5C:
                is_escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _is_too_large(value: Any) -> bool:
    """Whether an integer beyond 64 bits is anywhere in a value, which nests at most MAX_DEPTH deep."""
    if isinstance(value, dict):
        return any(map(_is_too_large, value.values()))
    if isinstance(value, list):
        return any(map(_is_too_large, value))
    return isinstance(value, int) and not -MAX_INTEGER - 1 <= value <= MAX_INTEGER


def _may_repeat_a_name(body: bytes, given: SendBody) -> bool:
    """Whether the body of a valid request has more colons than its members and its text account for. The decoder takes
    the last of two members with one name, somebody in front of us perhaps the first. Counting is a fraction of the cost
    of parsing again."""
    members = 2 + (given.providers is not UNSET) + (given.ttl_seconds is not UNSET)
    # A colon may be escaped, too: then the count proves nothing.
    return body.count(b":") != members + given.text.count(":") or b"\\u003" in body


def _repeats_a_name(body: bytes) -> bool:
    """Whether the outermost object, which is known to be one, has two members with one name."""
    members = json.loads(body.decode(), object_pairs_hook=list)
    return len({name for name, _ in members}) < len(members)


def _explain(body: bytes, bounds: TtlBounds) -> Invalid | Malformed:
    """Say why a body did not fit, field by field where it is at least an object."""
    try:
        given = _decode_any(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(f"the body is not JSON: {_brief(error)}")
    if not isinstance(given, dict):
        return Malformed("the body is not a JSON object")
    if _is_too_large(given):
        return Malformed(_TOO_LARGE)
    if _repeats_a_name(body):
        return Malformed(_REPEATED)
    known = SendBody.__struct_fields__
    fields = {str(name)[:64]: "unknown field" for name in given if name not in known}
    fields |= {name: "required" for name in ("to", "text") if name not in given}
    fields |= _broken_rules(
        given.get("to", UNSET),
        given.get("text", UNSET),
        given.get("providers", UNSET),
        given.get("ttl_seconds", UNSET),
        bounds,
    )
    return Invalid(fields=dict(list(fields.items())[:20]), canonical=_canonical(given))


def _broken_rules(to: Any, text: Any, providers: Any, ttl_seconds: Any, bounds: TtlBounds) -> dict[str, str]:
    checks = {
        "to": _wrong_to(to),
        "text": _wrong_text(text),
        "providers": _wrong_providers(providers),
        "ttl_seconds": _wrong_ttl(ttl_seconds, bounds),
    }
    return {name: problem for name, problem in checks.items() if problem}


def _wrong_to(to: Any) -> str | None:
    if to is UNSET:
        return None
    if not isinstance(to, str):
        return "must be a string"
    return None if is_e164(to) else "must be E.164: + and 7 to 15 digits, e.g. +989121234567"


def _wrong_text(text: Any) -> str | None:
    if text is UNSET:
        return None
    if not isinstance(text, str):
        return "must be a string"
    if not 1 <= len(text) <= MAX_TEXT:
        return f"must have 1 to {MAX_TEXT} characters"
    if "\x00" in text:
        return "must not contain NUL"
    return "must not be only white space" if text.isspace() else None


def _wrong_providers(providers: Any) -> str | None:
    if providers is UNSET:
        return None
    if not isinstance(providers, Sequence) or isinstance(providers, str):
        return "must be a list of names"
    if not 1 <= len(providers) <= MAX_PROVIDERS:
        return f"must have 1 to {MAX_PROVIDERS} names; leave it out to let smsgw choose"
    is_list_of_names = all(isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in providers)
    return None if is_list_of_names else f"must be a list of names of 1 to {MAX_NAME} characters"


def _wrong_ttl(ttl_seconds: Any, bounds: TtlBounds) -> str | None:
    if ttl_seconds is UNSET:
        return None
    if not isinstance(ttl_seconds, int) or isinstance(ttl_seconds, bool):
        return "must be a whole number"
    return None if bounds.low <= ttl_seconds <= bounds.high else f"must be {bounds.low} to {bounds.high}"


def _brief(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]
