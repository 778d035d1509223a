"""Where in an answer something stands, said in configuration: a path in JSON, or the text between two others. Every
look is linear in the answer; nothing here raises for what a vendor says."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from smsgw.providers.options import Options
from smsgw.providers.reading import decode

PATTERN = r"[A-Za-z0-9_@$-]{1,64}(\.[A-Za-z0-9_@$-]{1,64}){0,9}"
Path = Annotated[
    str,
    Meta(
        pattern=rf"^{PATTERN}\Z",
        description="Steps into a JSON document, by name or by number from 0: `messages.0.id`.",
    ),
]


class Between(Options, frozen=True, forbid_unknown_fields=True):
    """A piece of a text: from behind `after` to the next `until`, or to the end; blanks around it fall away."""

    after: Annotated[str, Meta(max_length=100, description="At the beginning of a line; empty: of the answer.")] = ""
    until: (
        Annotated[str, Meta(min_length=1, max_length=100, description="Where it ends; default: with the answer.")]
        | None
    ) = None
    # There, a vendor may also repeat the text of the message.
    anywhere: Annotated[bool, Meta(description="Whether `after` may stand in the middle of a line.")] = False


Place = Path | Between
MAX_WORD = 128
_PRINTABLE = re.compile(r"[!-~]{1,128}", re.ASCII)


class Document:
    """An answer, or a report: looked into as JSON and as text, each decoded once and only when somebody looks."""

    def __init__(self, body: bytes, *, fields: Any = msgspec.UNSET) -> None:
        """Take a body, or what is decoded already as `fields`."""
        self._body = body
        self._json = fields
        self._text: str | None = None

    def at(self, place: Place | None) -> Any:
        """Return what stands there; None for nothing."""
        if place is None:
            return None
        return _cut(self.text, place) if isinstance(place, Between) else inside(self.json, place)

    @property
    def json(self) -> Any:
        """The body as JSON; None for what is none."""
        if self._json is msgspec.UNSET:
            self._json = decode(self._body, object)
        return self._json

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none of it is replaced."""
        if self._text is None:
            self._text = self._body.decode("utf-8", "replace")
        return self._text


def inside(document: Any, path: str) -> Any:
    """Return what stands at a path of a decoded document; None for nothing."""
    found = document
    for step in path.split("."):
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isascii() and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def word(value: Any) -> str | None:
    """Return an id: a text of 1 to 128 visible ASCII characters, or a whole number above 0 as it was written."""
    if type(value) is int:
        value = str(value) if value > 0 else None
    return value if isinstance(value, str) and _PRINTABLE.fullmatch(value) else None


def code_word(value: Any) -> str | None:
    """Return a code or a status word: also 0, negative numbers, true and false, and words with blanks between them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        value = str(value)
    is_one = isinstance(value, str) and 0 < len(value) <= MAX_WORD and value.isprintable()
    return value if is_one else None


def _cut(text: str, place: Between) -> str | None:
    start = _begin(text, place)
    if start < 0:
        return None
    end = len(text) if place.until is None else text.find(place.until, start)
    return None if end < 0 else text[start:end].strip() or None


def _begin(text: str, place: Between) -> int:
    """Return where the piece begins; -1 for nowhere."""
    mark = place.after
    if text.startswith(mark):
        return len(mark)
    mark = mark if place.anywhere else f"\n{mark}"
    found = text.find(mark)
    return found if found < 0 else found + len(mark)
