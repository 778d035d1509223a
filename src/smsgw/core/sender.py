"""Senders: whom a text says that it comes from, and who may say what."""

import re
from collections.abc import Iterable

from smsgw.core.phone import is_e164

ANY = "*"
"""In a client's list: every sender."""
PATTERN = r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9 ]{0,9}[A-Za-z0-9])?)$"
"""For descriptions; `is_sender` decides."""
RULE = "must be E.164, a short code of 3 to 8 digits, or 1 to 11 letters, digits and spaces with a letter"
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
# What every carrier shows as it was sent (GSM's letters and ASCII's are the same here); a space at an end is a slip.
_ALPHANUMERIC = re.compile(r"(?=[0-9 ]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 ]{0,9}[A-Za-z0-9])?")


def is_sender(sender: str) -> bool:
    """Whether a text may come from this: a number, a short code or a name."""
    return bool(_ALPHANUMERIC.fullmatch(sender) or _SHORT_CODE.fullmatch(sender)) or is_e164(sender)


def problem_of_senders(senders: Iterable[str]) -> str | None:
    """Return what is wrong with a list of senders as a configuration holds it, or None."""
    wrong = next((each for each in senders if each != ANY and not is_sender(each)), None)
    return None if wrong is None else f"the sender {wrong[:32]!r} {RULE}"


def refusal(sender: str, allowed: frozenset[str] | None) -> str | None:
    """Return why a client may not send as this, or None; `allowed` None: it may choose no sender at all."""
    if allowed is None:
        return "this client may not choose a sender: it has no `senders` in CLIENT_CONFIG"
    return None if ANY in allowed or sender in allowed else "is not among the senders that this client may use"
