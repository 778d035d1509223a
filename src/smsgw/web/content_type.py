"""Whether a body is said to be JSON."""

from collections.abc import Iterable

_UTF_8 = (b"utf-8", b"utf8", b"us-ascii")


def is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether there is exactly one Content-Type, and it is JSON."""
    content_types = [value for name, value in headers if name == b"content-type"]
    return len(content_types) == 1 and says_json(content_types[0])


def says_json(content_type: bytes) -> bool:
    """Whether a Content-Type is JSON's."""
    if content_type == b"application/json":
        return True
    kind, *parameters = (part.strip().lower() for part in content_type.split(b";"))
    # JSON is UTF-8 (RFC 8259, section 8.1); a charset that says otherwise contradicts the body.
    other = [each for each in parameters if each.startswith(b"charset=") and each[8:].strip(b'"') not in _UTF_8]
    return kind == b"application/json" and not other
