"""A send request: from bytes to a value that keeps every rule, or to a refusal that names what is wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from smsgw.core.body import (
    REPEATED,
    TOO_LARGE,
    Malformed,
    canonical,
    is_too_large,
    not_json,
    read_object,
    repeats_a_name,
)
from smsgw.core.phone import Numbers
from smsgw.core.text import Cost
from smsgw.core.wishes import (
    MAX_TEXT,
    Priced,
    TextRules,
    Wishes,
    count_given,
    priced,
    wrong_max_segments,
    wrong_sender,
    wrong_wishes,
)

MAX_PROVIDERS = 16
MAX_NAME = 255
"""Of a provider's requested name; whether there is one of that name, the gate says."""
MAX_REPORTED = 20
"""Fields that a refusal names."""


class SendBody(Wishes, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
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


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says of requests."""

    ttl: TtlBounds
    numbers: Numbers = Numbers()
    texts: TextRules = TextRules()


class SendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that keeps every rule, defaults filled in. `canonical` is what its fingerprint is made of."""

    to: str
    """In E.164, however it was written."""
    text: str
    """As it will be sent, smart encoding done."""
    cost: Cost
    """Of that text."""
    providers: tuple[str, ...] | None
    ttl_seconds: int
    canonical: bytes
    sender: str | None = None
    """Of the right form; whether this client may use it, is not said yet."""


class Invalid(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed object that breaks rules (422): every field with what is wrong with it."""

    fields: dict[str, str]
    canonical: bytes


_decode_body = msgspec.json.Decoder(SendBody).decode


def read_send_request(body: bytes, rules: Rules) -> SendRequest | Invalid | Malformed:
    """Decode and validate one body of the first door; never raises for an input."""
    if problem := not_json(body):
        return Malformed(problem)
    try:
        given = _decode_body(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _explain(body, rules)
    if is_too_large(given.ttl_seconds) or is_too_large(given.max_segments):
        return Malformed(TOO_LARGE)
    to = rules.numbers.e164(given.to)
    text = read_text(given.text, given, rules.texts)
    fields = {
        name: problem
        for name, problem in (
            ("to", None if to else rules.numbers.mistake(given.to)),
            ("text", None if isinstance(text, Priced) else text),
            ("providers", _wrong_providers(given.providers)),
            ("ttl_seconds", _wrong_ttl(given.ttl_seconds, rules.ttl)),
            ("sender", wrong_sender(given.sender)),
            ("max_segments", wrong_max_segments(given.max_segments)),
        )
        if problem
    }
    if fields or to is None or not isinstance(text, Priced):
        return Invalid(fields=fields, canonical=canonical(given))
    members = 2 + (given.providers is not UNSET) + (given.ttl_seconds is not UNSET) + count_given(given)
    if repeats_a_name(body, members=members, text=given.text):
        return Malformed(REPEATED)
    return SendRequest(
        to=to,
        text=text.text,
        cost=text.cost,
        providers=tuple(given.providers) if given.providers is not UNSET else None,
        ttl_seconds=given.ttl_seconds if given.ttl_seconds is not UNSET else rules.ttl.default,
        canonical=canonical(given),
        sender=given.sender if given.sender is not UNSET else None,
    )


def _explain(body: bytes, rules: Rules) -> Invalid | Malformed:
    def problems(given: Mapping[str, Any]) -> dict[str, str | None]:
        return {
            "to": wrong_number(given.get("to", UNSET), rules.numbers),
            "text": wrong_text(given.get("text", UNSET)),
            "providers": _wrong_providers(given.get("providers", UNSET)),
            "ttl_seconds": _wrong_ttl(given.get("ttl_seconds", UNSET), rules.ttl),
            **wrong_wishes(given),
        }

    return explain(body, problems, required=("to", "text"))


def explain(
    body: bytes, problems: Callable[[Mapping[str, Any]], Mapping[str, str | None]], *, required: Sequence[str]
) -> Invalid | Malformed:
    """Say why a body did not fit, field by field where it is at least an object. `problems` names every field that
    there is, with what is wrong with it."""
    given = read_object(body)
    if isinstance(given, Malformed):
        return given
    found = problems(given)
    fields = {name[:64]: "unknown field" for name in given if name not in found}
    fields |= {name: "required" for name in required if name not in given}
    fields |= {name: problem for name, problem in found.items() if problem}
    return Invalid(fields=dict(list(fields.items())[:MAX_REPORTED]), canonical=canonical(given))


def wrong_number(number: Any, numbers: Numbers) -> str | None:
    """Return what is wrong with a number, or None, also where there is none."""
    if number is UNSET:
        return None
    if not isinstance(number, str):
        return "must be a string"
    return numbers.mistake(number)


def read_text(text: str, wishes: Wishes, rules: TextRules) -> Priced | str:
    """Return a text as it will be sent, or what is wrong with it."""
    return wrong_text(text) or priced(text, wishes, rules)


def wrong_text(text: Any) -> str | None:
    """Return what is wrong with a text, or None, also where there is none."""
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
