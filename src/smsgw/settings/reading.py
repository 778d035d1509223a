"""Single settings: read by name, checked, and complained about in one line that holds no secret."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeVar
from urllib.parse import urlsplit

from smsgw.core.address import problem_of_address

T = TypeVar("T", int, float)
Word = TypeVar("Word", bound=StrEnum)
Network = IPv4Network | IPv6Network

MOST_SECONDS = 10 * 365 * 86_400
"""Ten years: no duration of ours is longer, and none added to today leaves the calendar."""
_MOST = 1_000_000_000
_SHOWN = 40
_LONGEST_LINE = 250
_LONGEST_ADDRESS = 1000
_FILE_SCHEMES = ("sqlite", "unix")


class SettingsError(Exception):
    """A setting is wrong; the message is one line that names the variable and the mistake, and holds no secret."""


class Reader:
    """Reads single settings; every method raises SettingsError. What is empty or only white space counts as unset."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        """Return any text."""
        return self._environ.get(name, "").strip() or default

    def raw(self, name: str) -> str:
        """Return the value exactly as it was given: fingerprints are made of it."""
        return self._environ.get(name, "")

    def names_like(self, pattern: re.Pattern[str]) -> list[str]:
        """Return the names of all variables of this form that are set."""
        return [name for name in self._environ if pattern.fullmatch(name) and self.text(name, "")]

    def word(self, name: str, default: str) -> str:
        """Return a name that is safe in keys, queue names and labels."""
        value = self.text(name, default)
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,100}", value):
            raise SettingsError(f"{name}: 1 to 100 of A-Z a-z 0-9 . _ : - expected")
        return value

    def number(self, name: str, default: float, *, low: float, high: float = _MOST) -> float:
        """Return a number within bounds."""
        return self._bounded(name, default, (low, high), float, "a number")

    def seconds(self, name: str, default: float, *, low: float) -> float:
        """Return a duration."""
        return self.number(name, default, low=low, high=MOST_SECONDS)

    def whole(self, name: str, default: int, *, low: int, high: int = _MOST) -> int:
        """Return a whole number within bounds."""
        return self._bounded(name, default, (low, high), int, "a whole number")

    def _bounded(self, name: str, default: T, bounds: tuple[T, T], convert: Callable[[str], T], what: str) -> T:
        raw = self.text(name, "")
        if not raw:
            return default
        low, high = bounds
        try:
            value = convert(raw)
        except ValueError:
            raise SettingsError(f"{name}: {what} expected, got {shown(raw)}") from None
        if value > high:
            raise SettingsError(f"{name}: must be at most {high}, got {shown(raw)}")
        if not value >= low:  # "not a number" is neither
            raise SettingsError(f"{name}: must be at least {low}, got {shown(raw)}")
        return value

    def switch(self, name: str, *, default: bool) -> bool:
        """Return true or false, in any of their usual spellings."""
        raw = self.text(name, str(default)).lower()
        if raw in ("true", "1", "yes", "on"):
            return True
        if raw in ("false", "0", "no", "off"):
            return False
        raise SettingsError(f"{name}: true or false expected, got {shown(raw)}")

    def choice(self, name: str, default: Word) -> Word:
        """Return one of the words of the default's kind."""
        words = {each.value: each for each in type(default)}
        return words[self.one_of(name, tuple(words), default.value)]

    def one_of(self, name: str, words: tuple[str, ...], default: str) -> str:
        """Return one of the words, in lower case."""
        raw = self.text(name, default).lower()
        if raw not in words:
            raise SettingsError(f"{name}: {shown(raw)} does not exist; one of {', '.join(words)}")
        return raw

    def fingerprint(self, name: str) -> str:
        """Return a SHA-256 in lower-case hex, or nothing."""
        raw = self.text(name, "").lower()
        if raw and not re.fullmatch(r"[0-9a-f]{64}", raw):
            raise SettingsError(f"{name}: 64 hex digits expected (see `smsgw config fingerprint`)")
        return raw

    def public_url(self, name: str) -> str:
        """Return an http(s) address to put paths behind, without a final slash; empty when it is not set."""
        value = self.text(name, "").rstrip("/")
        if not value:
            return ""
        if problem := problem_of_address(value):
            raise SettingsError(f"{name}: {problem}")
        if "?" in value:
            raise SettingsError(f"{name}: must not hold a query")
        if len(value) > _LONGEST_ADDRESS:
            raise SettingsError(f"{name}: must be at most {_LONGEST_ADDRESS} characters")
        return value

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return the networks of a list with commas; an address is a network of one."""
        entries = [each.strip() for each in self.text(name, "").split(",")]
        found: list[Network] = []
        for entry in filter(None, entries):
            try:
                found.append(ip_network(entry))
            except ValueError:
                raise SettingsError(f"{name}: {shown(entry)} is no address and no network, e.g. 10.0.0.0/8") from None
        return tuple(found)

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        """Return a URL of one of the schemes that says where to connect or which file to open."""
        value = self.text(name, default)
        expected = ", ".join(f"{each}://" for each in schemes)
        # Only what stands before `://` is a scheme; the rest, or a value without it, may be a password.
        scheme, found, _ = value.partition("://")
        if not found or scheme.lower() not in schemes:
            given = f"{shown(scheme)} " if found else ""
            raise SettingsError(f"{name}: unknown scheme {given}- one of {expected} expected")
        if problem := _incomplete(value, scheme.lower()):
            raise SettingsError(f"{name}: {problem}")
        return value


def shown(raw: str) -> str:
    """Return a wrong value for an error message: quoted, on one line, not at length."""
    return repr(raw if len(raw) <= _SHOWN else raw[:_SHOWN] + "...")


def one_line(error: Exception) -> str:
    """Return what an error says for people, although it may repeat what others wrote: printable and not at length."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(error)[:_LONGEST_LINE])


def _incomplete(value: str, scheme: str) -> str | None:
    """Say what is missing in a URL, without repeating any of it."""
    try:
        parsed = urlsplit(value)
        host, _ = parsed.hostname, parsed.port
    except ValueError:
        return "not a URL: its host or port cannot be read"
    if scheme == "sqlite" and (parsed.query or parsed.fragment or parsed.path.strip("/") == ":memory:"):
        return "a file expected, without ? or #, and one that outlives the process"
    if scheme in _FILE_SCHEMES:
        return None if parsed.path.strip("/") else f"a file expected, e.g. {scheme}:///smsgw.db"
    # libpq takes the host from elsewhere when there is none: a socket, a service file.
    return None if host or scheme.startswith("postgres") else "a host expected after ://"
