"""A send request of the second front door, `{"phone", "text"}`: read into what the first door's body is read into."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from smsgw.core.body import REPEATED, TOO_LARGE, Malformed, canonical, is_too_large, not_json, repeats_a_name
from smsgw.core.request import Invalid, Rules, SendRequest, explain, read_text, wrong_number, wrong_text
from smsgw.core.wishes import Priced, Wishes, count_given, wrong_max_segments, wrong_sender, wrong_wishes


class PhoneBody(Wishes, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of `POST /api/sms/`, as given."""

    phone: str
    text: str


_decode_body = msgspec.json.Decoder(PhoneBody).decode


def read_phone_request(body: bytes, rules: Rules) -> SendRequest | Invalid | Malformed:
    """Decode and validate one body of the second door; never raises for an input. smsgw chooses the provider."""
    if problem := not_json(body):
        return Malformed(problem)
    try:
        given = _decode_body(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _explain(body, rules)
    if is_too_large(given.max_segments):
        return Malformed(TOO_LARGE)
    to = rules.numbers.e164(given.phone)
    text = read_text(given.text, given, rules.texts)
    fields = {
        name: problem
        for name, problem in (
            ("phone", None if to else rules.numbers.mistake(given.phone)),
            ("text", None if isinstance(text, Priced) else text),
            ("sender", wrong_sender(given.sender)),
            ("max_segments", wrong_max_segments(given.max_segments)),
        )
        if problem
    }
    if fields or to is None or not isinstance(text, Priced):
        return Invalid(fields=fields, canonical=canonical(given))
    if repeats_a_name(body, members=2 + count_given(given), text=given.text):
        return Malformed(REPEATED)
    return SendRequest(
        to=to,
        text=text.text,
        cost=text.cost,
        providers=None,
        ttl_seconds=rules.ttl.default,
        canonical=canonical(given),
        sender=given.sender if given.sender is not UNSET else None,
    )


def _explain(body: bytes, rules: Rules) -> Invalid | Malformed:
    def problems(given: Mapping[str, Any]) -> dict[str, str | None]:
        return {
            "phone": wrong_number(given.get("phone", UNSET), rules.numbers),
            "text": wrong_text(given.get("text", UNSET)),
            **wrong_wishes(given),
        }

    return explain(body, problems, required=("phone", "text"))
