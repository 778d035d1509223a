"""`--config carriers.json`: provider name → settings, checked whole before anything starts."""

import json
import re
from typing import Any

import msgspec

from smsgw.simulator.settings import CarrierSettings

MAX_CARRIERS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TAKEN = frozenset(
    {"api", "control", "docs", "healthz", "ledger", "messages", "metrics", "openapi.json", "readyz", "schema"}
)
"""First parts of the addresses that the simulator has itself."""


class CarriersError(Exception):
    """Says in one line what is wrong with the document."""


def read_carriers(text: bytes, defaults: CarrierSettings) -> dict[str, CarrierSettings]:
    """Return the carriers of a document; what one leaves out is as in `defaults`. Raises CarriersError."""
    document = _parse(text)
    if not isinstance(document, dict) or not document:
        raise CarriersError('an object {"provider name": {settings}} expected')
    if len(document) > MAX_CARRIERS:
        raise CarriersError(f"{len(document)} providers; at most {MAX_CARRIERS}")
    usual = {name: getattr(defaults, name) for name in CarrierSettings.__struct_fields__}
    return {_name(name): _carrier(name, given, usual) for name, given in document.items()}


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise CarriersError(f"not JSON: {error}" if isinstance(error, ValueError) else "nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise CarriersError(f"{name[:64]!r} stands twice in one object")
    return dict(pairs)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CarriersError(f"{name[:64]!r}: a name of 1-64 letters, digits, _ . - expected")
    if name.lower() in _TAKEN:
        raise CarriersError(f"{name!r} is an address of the simulator's own; name the provider otherwise")
    return name


def _carrier(name: str, given: Any, usual: dict[str, Any]) -> CarrierSettings:
    if not isinstance(given, dict):
        raise CarriersError(f"{name}: an object of settings expected")
    try:
        told = msgspec.convert(given, CarrierSettings)
    except msgspec.ValidationError as error:
        raise CarriersError(f"{name}: {error}") from None
    fields = [field.name for field in msgspec.structs.fields(CarrierSettings) if field.encode_name in given]
    return CarrierSettings(**{**usual, **{field: getattr(told, field) for field in fields}})
