"""Where the next page begins, as an operator carries it from one answer to the next question: opaque, of one length."""

import base64
import re
import struct

_SHAPE = re.compile(r"[A-Za-z0-9_-]{12}")
_LAYOUT = struct.Struct(">BQ")
_VERSION = 1
_GREATEST = 2**63 - 1
PATTERN = "^[A-Za-z0-9_-]{12}$"


def encode(before: int) -> str:
    """Return the cursor of a page that begins before this key."""
    return base64.urlsafe_b64encode(_LAYOUT.pack(_VERSION, before)).decode()


def decode(cursor: str) -> int | None:
    """Return the key, or None for what `encode` never wrote."""
    if not _SHAPE.fullmatch(cursor):
        return None
    version, before = _LAYOUT.unpack(base64.urlsafe_b64decode(cursor))
    return before if version == _VERSION and 0 < before <= _GREATEST else None
