"""A direct send's body, `{"phone" or "to", "text"}`: read by the rules of the front doors."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from smsgw.core.body import Malformed, not_json, read_object
from smsgw.core.phone import Numbers
from smsgw.core.request import Invalid, explain, read_text, wrong_number, wrong_text
from smsgw.core.wishes import Priced, TextRules, Wishes, wrong_wishes


class DirectRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A direct send that keeps every rule; `to` is in E.164."""

    to: str
    text: str
    """As it will be sent, smart encoding done."""
    sender: str | None = None


def read_direct_request(body: bytes, numbers: Numbers, texts: TextRules) -> DirectRequest | Invalid | Malformed:
    """Decode and validate one body; never raises for an input."""
    if problem := not_json(body):
        return Malformed(problem)
    given = read_object(body)
    if isinstance(given, Malformed):
        return given
    # Whoever gives both names has one too many: the other one is then unknown.
    name = "to" if "to" in given and "phone" not in given else "phone"

    def problems(given: Mapping[str, Any]) -> dict[str, str | None]:
        return {
            name: wrong_number(given.get(name, UNSET), numbers),
            "text": wrong_text(given.get("text", UNSET)),
            **wrong_wishes(given),
        }

    explained = explain(body, problems, required=(name, "text"))
    if isinstance(explained, Malformed) or explained.fields:
        return explained
    wishes = msgspec.convert({name: given[name] for name in Wishes.__struct_fields__ if name in given}, Wishes)
    text = read_text(given["text"], wishes, texts)
    if not isinstance(text, Priced):
        return Invalid(fields={"text": text}, canonical=explained.canonical)
    sender = wishes.sender if wishes.sender is not UNSET else None
    return DirectRequest(to=numbers.e164(given[name]) or "", text=text.text, sender=sender)
