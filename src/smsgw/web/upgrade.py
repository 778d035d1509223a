"""Declining an Upgrade (RFC 9110, section 7.8): the request is served as if it had not asked.

The parser takes everything behind such a head for another protocol and drops the body; Java's HttpClient asks for h2c
on every plain-text request. So the head is written anew without the wish, and read by a parser that finds nothing
special in it.
"""

from collections.abc import Sequence

_KEPT = (b"close", b"keep-alive")


def declined(method: bytes, url: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the same head as bytes, without Upgrade and without what Connection says about it."""
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode("ascii"))]
    for name, value in headers:
        if name == b"connection":
            kept = [word.strip() for word in value.split(b",") if word.strip().lower() in _KEPT]
            lines.extend([b"connection: " + b", ".join(kept)] if kept else [])
        elif name != b"upgrade":
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
