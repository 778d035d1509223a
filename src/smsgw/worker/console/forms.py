"""Forms and queries: read with bounds, told back with what was typed and what is wrong with it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

MAX_FIELDS = 100
MAX_FIELD = 4000


class Form(Mapping[str, str]):
    """What was typed, by field, and the `problems` found so far. A field that is sent several times is in `every`; as a
    single one its first value counts. Surrounding space is cut off, except of fields named in `exact`."""

    exact = frozenset({"password", "password_again", "old_password", "text"})

    def __init__(self, pairs: list[tuple[str, str]] | None = None) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs or ():
            self._values.setdefault(name, []).append(value if name in self.exact else value.strip())
        self.problems: dict[str, str] = {}

    def refuse(self, field: str, why: str) -> None:
        """Note what is wrong with a field; the first complaint about it stays. `""` is the form as a whole."""
        self.problems.setdefault(field, why)

    def text(self, field: str, default: str = "") -> str:
        """Return a field, or the default where it is absent or empty."""
        return self.get(field) or default

    def every(self, field: str) -> list[str]:
        """Return all values of a field, such as ticked boxes."""
        return list(self._values.get(field, ()))

    def whole(self, field: str, *, least: int, most: int) -> int | None:
        """Return a whole number; None, with a complaint, when it is none or out of bounds."""
        text = self.text(field)
        if text.isascii() and text.isdigit() and len(text) <= 18 and least <= int(text) <= most:
            return int(text)
        self.refuse(field, f"must be a whole number, {least} to {most}")
        return None

    def one_of(self, field: str, words: frozenset[str]) -> str | None:
        """Return a field that is one of these words; None, with a complaint, when it is none of them."""
        text = self.text(field)
        if text in words:
            return text
        self.refuse(field, f"must be one of {', '.join(sorted(words))}")
        return None

    def moment(self, field: str) -> datetime | None:
        """Return a time in UTC, typed in the zone that the page's script has told in `zone`, else in UTC; None, with a
        complaint, when it is none."""
        text = self.text(field)
        if not text:
            return None
        try:
            typed = datetime.fromisoformat(text)
            told = typed if typed.tzinfo else typed.replace(tzinfo=ZoneInfo(self.text("zone", "UTC")))
            return told.astimezone(UTC)
        except (ValueError, OverflowError, OSError, KeyError):
            self.refuse(field, "must be a time such as 2026-05-06T07:08")
            return None

    def __getitem__(self, field: str) -> str:
        return self._values[field][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def read_form(raw: bytes) -> Form | None:
    """Return what `application/x-www-form-urlencoded` says; None when it breaks a bound or is not UTF-8."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
            strict_parsing=False,
        )
    except ValueError:
        return None
    if any(len(value) > MAX_FIELD or len(name) > 64 or "\0" in name + value for name, value in pairs):
        return None
    return Form(pairs)
