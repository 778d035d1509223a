"""What a handler of the console answers with."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.datastructures import Cookie


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A template, rendered with the context, the visit and what every page shows."""

    template: str
    context: Mapping[str, Any] = {}
    status: int = 200


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    """See another page (303); `notice` is a key of NOTICES, said on top of it."""

    to: str
    """An address within the console, beginning with a slash."""
    notice: str = ""
    cookies: tuple[Cookie, ...] = ()


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is made while it is sent: `parts` is an async iterator of bytes."""

    parts: Any
    filename: str
    content_type: str = "text/csv"
    """Of text, its charset is added: UTF-8."""


class NoSuchPageError(Exception):
    """There is nothing at this address, or not for this user: a 404."""


Answer = Page | Redirect | Download

NOTICES: dict[str, str] = {
    "provider-changed": "Changed. It is in force on all workers within 5 seconds.",
    "health-reset": "All workers have forgotten its failures; its circuits are closed.",
    "signed-out": "You are signed out.",
    "number-erased": "The number is erased from all messages.",
    "number-erased-partly": "The number is erased, but for what may still be sent. Look again when that is final.",
    "password-set": "Your password is set. Other sessions have ended.",
    "password-set-sign-in": "Your password is set. Sign in with it, and with a code of your authenticator app.",
    "sessions-ended": "Your other sessions have ended.",
    "second-factor-set": "Signing in now needs a code as well. Other sessions have ended.",
    "second-factor-removed": "Signing in needs no code any more. Other sessions have ended.",
    "client-changed": "The client is changed. It is in force everywhere within 5 seconds.",
    "client-restored": "The client is again as configured.",
    "key-revoked": "The key is revoked. Within 5 seconds it opens nothing any more.",
    "key-restored": "The key is again as configured.",
    "user-changed": "The user is changed, and signed out everywhere.",
    "message-cancelled": "The message is cancelled.",
    "message-resolved": "The outcome is noted.",
    "message-resent": "Sent again: this is the new message.",
}
"""What a page may say on top. Only these words: nobody can make the console say something else by a link."""
