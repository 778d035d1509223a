"""What a caller may say of a text besides the text: whom it comes from, how dear it may be, how it is written."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from smsgw.core.sender import RULE, is_sender
from smsgw.core.text import Cost, cost
from smsgw.core.transliteration import smart

MAX_TEXT = 1000
"""Characters, before and after smart encoding."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The optional fields that the body of every way in may have."""

    sender: str | UnsetType = UNSET
    max_segments: int | UnsetType = UNSET
    smart_encoding: bool | UnsetType = UNSET


class TextRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says of texts."""

    max_segments: int = 0
    """A request may lower it, never raise it; 0: no limit."""
    smart_encoding: bool = False
    """Of a request that does not say."""


class Priced(msgspec.Struct, frozen=True):
    """A text as it will be sent, and what it takes."""

    text: str
    cost: Cost


def priced(text: str, wishes: Wishes, rules: TextRules) -> Priced | str:
    """Return the text as it will be sent, or why it is too dear."""
    is_smart = rules.smart_encoding if wishes.smart_encoding is UNSET else wishes.smart_encoding
    plain = smart(text) if is_smart else text
    if len(plain) > MAX_TEXT:
        plain = text
    taken = cost(plain)
    most = rules.max_segments
    if wishes.max_segments is not UNSET and (not most or 0 < wishes.max_segments < most):
        most = wishes.max_segments
    if 0 < most < taken.segments:
        return f"takes {taken.segments} segments; at most {most} {'is' if most == 1 else 'are'} allowed"
    return Priced(plain, taken)


def count_given(wishes: Wishes) -> int:
    """Return how many of them a body has."""
    return (wishes.sender is not UNSET) + (wishes.max_segments is not UNSET) + (wishes.smart_encoding is not UNSET)


def wrong_wishes(given: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what is wrong with each of them, by name; None also for what is not given."""
    return {
        "sender": wrong_sender(given.get("sender", UNSET)),
        "max_segments": wrong_max_segments(given.get("max_segments", UNSET)),
        "smart_encoding": _wrong_flag(given.get("smart_encoding", UNSET)),
    }


def wrong_sender(sender: Any) -> str | None:
    """Return what is wrong with the form of a sender, or None; who may use it, the client's list says."""
    if sender is UNSET:
        return None
    if not isinstance(sender, str):
        return "must be a string"
    return None if is_sender(sender) else RULE


def wrong_max_segments(most: Any) -> str | None:
    """Return what is wrong with a limit of segments, or None."""
    if most is UNSET:
        return None
    if not isinstance(most, int) or isinstance(most, bool):
        return "must be a whole number"
    return None if most >= 1 else "must be at least 1"


def _wrong_flag(flag: Any) -> str | None:
    return None if flag is UNSET or isinstance(flag, bool) else "must be true or false"
