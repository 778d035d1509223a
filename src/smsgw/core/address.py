"""HTTP addresses as people write them into settings: what may stand there, said without repeating any of it."""

from urllib.parse import urlsplit


def problem_of_address(value: str) -> str | None:
    """Return what is wrong with an address to post to, or None; the words never hold a part of it."""
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and (parts.port is None or 0 < parts.port < 65536)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in ("http", "https") or not all("!" <= char <= "~" for char in value):
        return "must be http://host... or https://host..."
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    return "must not hold a fragment" if "#" in value else None
