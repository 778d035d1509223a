"""JSON bodies: what the decoder would not say of them, or not survive, and their canonical form."""

import json
from typing import Any

import msgspec

MAX_DEPTH = 64
MAX_INTEGER = 2**63 - 1
_BOM = b"\xef\xbb\xbf"
TOO_LARGE = "the body has a number beyond 64 bits"
REPEATED = "a name stands twice in the JSON object"


class Malformed(msgspec.Struct, frozen=True):
    """The body is not JSON of the right shape at all (400); it has no fingerprint."""

    why: str


_decode_any = msgspec.json.Decoder().decode
canonical = msgspec.json.Encoder(order="sorted").encode
"""Encodes a decoded body so that the same JSON written differently gives the same bytes."""


def not_json(body: bytes) -> str | None:
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


def read_object(body: bytes) -> dict[str, Any] | Malformed:
    """Return a body that `not_json` had nothing to say of as the object that it is, or why it is none."""
    try:
        given = _decode_any(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(f"the body is not JSON: {_brief(error)}")
    if not isinstance(given, dict):
        return Malformed("the body is not a JSON object")
    if is_too_large(given):
        return Malformed(TOO_LARGE)
    return Malformed(REPEATED) if _repeats_a_name(body) else given


def is_too_large(value: Any) -> bool:
    """Whether an integer beyond 64 bits is anywhere in a value, which nests at most MAX_DEPTH deep."""
    if isinstance(value, dict):
        return any(map(is_too_large, value.values()))
    if isinstance(value, list):
        return any(map(is_too_large, value))
    return isinstance(value, int) and not -MAX_INTEGER - 1 <= value <= MAX_INTEGER


def repeats_a_name(body: bytes, *, members: int, text: str) -> bool:
    """Whether two members of a valid request's body have one name. The decoder takes the last of them, somebody in
    front of us perhaps the first. `members` is how many were decoded, `text` the value that may hold colons."""
    # Counting is a fraction of the cost of parsing again. A colon may be escaped, too: then it proves nothing.
    is_suspect = body.count(b":") != members + text.count(":") or b"\\u003" in body
    return is_suspect and _repeats_a_name(body)


def _repeats_a_name(body: bytes) -> bool:
    members = json.loads(body.decode(), object_pairs_hook=list)
    return len({name for name, _ in members}) < len(members)


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


def _brief(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]
