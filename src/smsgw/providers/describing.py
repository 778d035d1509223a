"""What an adapter takes and means, read from its code: for `smsgw providers show` and for docs/providers."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from smsgw.providers.about import About

_WORDS: dict[type[Any], str] = {
    inspect.StrType: "text",
    inspect.BoolType: "true or false",
    inspect.DictType: "object",
    inspect.StructType: "object",
    inspect.ListType: "list",
    inspect.VarTupleType: "list",
    inspect.TupleType: "list",
    inspect.AnyType: "anything",
}


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a provider; one inside of another has both names, with a dot."""

    name: str
    type: str
    is_required: bool
    default: str
    """As one would write it; empty when there is none."""
    description: str


def options_of(config_type: type[msgspec.Struct]) -> list[Option]:
    """Return the options of a Config: the required ones first, those of the webhook last."""
    options = list(_options(config_type))
    return sorted(options, key=lambda option: (not option.is_required, option.name.startswith("webhook_")))


def meanings(about: About) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the vendor's maps: under each headline its codes or words, and what each means here."""
    return [
        (headline, [(str(code), _meaning(meant)) for code, meant in table.items()])
        for headline, table in about.maps.items()
    ]


def _meaning(meant: Any) -> str:
    if isinstance(meant, ReportStatus):
        return meant.word
    return meant.value if isinstance(meant, Outcome) else str(meant)


def _options(config_type: type[msgspec.Struct], prefix: str = "", *, is_needed: bool = True) -> Iterator[Option]:
    described = inspect.type_info(config_type)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        name, inner = f"{prefix}{field.encode_name}", _bare(field.type)
        yield Option(
            name=name,
            type=" or ".join(dict.fromkeys(map(_word, inner))),
            is_required=field.required and is_needed,
            default=_default(field),
            description=_description(field.type),
        )
        for each in inner:
            if isinstance(each, inspect.StructType):
                yield from _options(each.cls, f"{name}.", is_needed=field.required and is_needed)


def _bare(kind: inspect.Type) -> list[inspect.Type]:
    """Return what may stand there, without descriptions, and without the null of an option that is not set."""
    if isinstance(kind, inspect.Metadata):
        return _bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [inner for each in kind.types for inner in _bare(each)]
    return [] if isinstance(kind, inspect.NoneType) else [kind]


def _description(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", "")) or _description(kind.type)
    if isinstance(kind, inspect.UnionType):
        return next(filter(None, map(_description, kind.types)), "")
    return ""


def _word(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, inspect.EnumType):
        return " or ".join(f"`{each.value}`" for each in kind.cls)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        word = "whole number" if isinstance(kind, inspect.IntType) else "number"
        has_bounds = kind.ge is not None and kind.le is not None
        return f"{word}, {kind.ge} to {kind.le}" if has_bounds else word
    return _WORDS.get(type(kind), "text")


def _default(field: inspect.Field) -> str:
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT or value is None or isinstance(value, msgspec.Struct):
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
