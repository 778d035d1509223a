"""Texts with `{placeholders}` out of a fixed set of names, for the kind `template`. Nothing is evaluated: a text is cut
into literals and names at start; later, values are put between the literals, each escaped for its place."""

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

Values = Mapping[str, str]
"""What stands for each name now; a name may be missing."""
Fill = Callable[[Values], str | None]
"""Makes the text; None when a value that it needs is missing."""
Build = Callable[[Values], Any]
"""Makes a part of a JSON body; `LEFT_OUT` when a value that it needs is missing."""
LEFT_OUT: Final = object()

MAX_PLACEHOLDERS = 20
"""In one text."""
MAX_DEPTH = 10
MAX_LEAVES = 200
NUMERIC = frozenset({"reference_number", "to_digits", "validity_seconds"})
"""What may be a number in JSON: `{validity_seconds:int}`."""
_NOTHING: Values = MappingProxyType({})
_PIECE = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]{0,31})\}|[{}]")
_INT = re.compile(r"\{([a-z][a-z0-9_]{0,31}):int\}")
_HEADER_SAFE = "!#$&*+-./:=?@_~"
"""What of a message may stand in a header as it is, besides letters and digits: nothing that ends a value, a quotation
or a parameter."""


def as_it_is(value: str) -> str:
    """Escape nothing: where an encoder sees the whole text later."""
    return value


def in_path(value: str) -> str:
    """Escape for one segment of a path."""
    return quote(value, safe="")


def in_header(value: str) -> str:
    """Escape for a header's value: what is not visible ASCII, and quotation marks, commas and semicolons, as %XX."""
    return quote(value, safe=_HEADER_SAFE)


def compiled(
    text: str,
    names: Collection[str],
    *,
    place: str,
    constants: Values = _NOTHING,
    escape: Callable[[str], str] = as_it_is,
) -> Fill:
    """Return what fills the text's placeholders, of which only `names` and `constants` are known; constants go in now
    and are not escaped. `{{` and `}}` are braces.

    Raises ValueError with the place and the known names, never with the text: secrets may stand in it.
    """
    pieces = _pieces(text, names, place, constants)
    if sum(is_name for _, is_name in pieces) > MAX_PLACEHOLDERS:
        raise ValueError(f"{place}: more than {MAX_PLACEHOLDERS} placeholders")
    if not any(is_name for _, is_name in pieces):
        whole = "".join(piece for piece, _ in pieces)
        return lambda _values: whole

    def fill(values: Values) -> str | None:
        made: list[str] = []
        for piece, is_name in pieces:
            value = values.get(piece) if is_name else piece
            if value is None:
                return None
            made.append(escape(value) if is_name else value)
        return "".join(made)

    return fill


def compiled_json(body: Any, names: Collection[str], *, place: str, constants: Values = _NOTHING) -> Build:
    """Return what builds a JSON body out of a model of it: every text may have placeholders, the names of fields none.
    A field or an entry whose value is missing is left out. Raises ValueError as `compiled`."""
    return _Compiler(names, constants).build(body, place, 0)


class _Compiler:
    def __init__(self, names: Collection[str], constants: Values) -> None:
        self._names, self._constants = names, constants
        self._leaves = 0

    def build(self, model: Any, place: str, depth: int) -> Build:
        if depth > MAX_DEPTH:
            raise ValueError(f"{place}: nested too deeply")
        if isinstance(model, dict):
            return self._object(model, place, depth)
        if isinstance(model, list):
            return self._list(model, place, depth)
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            raise ValueError(f"{place}: more than {MAX_LEAVES} values")
        return self._text(model, place) if isinstance(model, str) else lambda _values: model

    def _object(self, model: dict[str, Any], place: str, depth: int) -> Build:
        fields = {name: self.build(each, f"{place}.{name[:32]}", depth + 1) for name, each in model.items()}

        def build(values: Values) -> Any:
            made = {name: field(values) for name, field in fields.items()}
            return {name: value for name, value in made.items() if value is not LEFT_OUT}

        return build

    def _list(self, model: list[Any], place: str, depth: int) -> Build:
        entries = [self.build(each, f"{place}.{number}", depth + 1) for number, each in enumerate(model)]
        return lambda values: [made for entry in entries if (made := entry(values)) is not LEFT_OUT]

    def _text(self, model: str, place: str) -> Build:
        if number := _INT.fullmatch(model):
            name = number[1]
            if name not in NUMERIC:
                raise ValueError(f"{place}: only {_listed(NUMERIC)} can be numbers")
            return lambda values: int(values[name])
        fill = compiled(model, self._names, place=place, constants=self._constants)

        def build(values: Values) -> Any:
            made = fill(values)
            return LEFT_OUT if made is None else made

        return build


def _pieces(text: str, names: Collection[str], place: str, constants: Values) -> list[tuple[str, bool]]:
    """Return literals and names, in order."""
    pieces: list[tuple[str, bool]] = []
    end = 0
    for found in _PIECE.finditer(text):
        pieces.append((text[end : found.start()], False))
        end = found.end()
        pieces.append(_piece(found, names, place, constants))
    return [*pieces, (text[end:], False)]


def _piece(found: re.Match[str], names: Collection[str], place: str, constants: Values) -> tuple[str, bool]:
    name = found[1]
    if name is None:
        if len(found[0]) == 1:
            raise ValueError(f"{place}: a brace that belongs to no placeholder is written twice")
        return found[0][0], False
    if name in constants:
        return constants[name], False
    if name not in names:
        raise ValueError(f"{place}: an unknown placeholder; known are {_listed({*names, *constants})}")
    return name, True


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
