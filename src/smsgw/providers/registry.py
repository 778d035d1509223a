"""From PROVIDERS_CONFIG to providers: adapters found by kind, options checked, everything wrong said in one line."""

import importlib
import importlib.metadata
import inspect
import pkgutil
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import msgspec

import smsgw.providers
from smsgw.core.ports import Clock, Provider
from smsgw.core.providers import Providers
from smsgw.providers.base import Adapter, utc_now
from smsgw.settings import one_line

ENTRY_POINTS = "smsgw.providers"
_NO_SUCH_WORD = re.compile(r"\AInvalid enum value .*?( - at `[^`]*`)?\Z", re.DOTALL)
_SHORTEST_SECRET = 4
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


class ProviderSetupError(Exception):
    """A configured provider cannot be built; one line that names it and the mistake, and holds no option's value."""


def kinds() -> list[str]:
    """Return the kinds of all adapters, our own and those of other installed packages, sorted."""
    return sorted({*own_kinds(), *_entry_points()})


def own_kinds() -> list[str]:
    """Return the kinds of the adapters that come with smsgw, sorted."""
    return sorted(name for name in _files() if _own(name) is not None)


def find(kind: str) -> type[Adapter[Any]] | None:
    """Return the adapter of a kind, or None. Our own file wins over another package's entry point.

    Raises ProviderSetupError when another package's adapter cannot be loaded.
    """
    if not _KIND.fullmatch(kind):
        return None
    return _own(kind) or _foreign(kind)


def open_providers(
    providers: Providers,
    *,
    timeout: timedelta,
    transport: httpx.AsyncBaseTransport,
    environ: Mapping[str, str],
    clock: Clock = utc_now,
    public_url: str = "",
) -> dict[str, Provider]:
    """Return every active provider by its canonical name, and the inactive ones that can be built. `public_url` is
    where the outside world reaches the worker: providers tell their vendors a webhook below it.

    Raises ProviderSetupError for an active one that cannot.
    """
    opened: dict[str, Provider] = {}
    for name in providers:
        try:
            adapter = open_adapter(name, providers, environ=environ, public_url=public_url)
        except ProviderSetupError:
            if providers[name].is_active:
                raise
            # Reports for what it sent before it was switched off cannot be read then; nothing else is lost.
            continue
        opened[name] = adapter.provider(name, transport=transport, timeout=timeout, clock=clock)
    return opened


def open_adapter(name: str, providers: Providers, *, environ: Mapping[str, str], public_url: str = "") -> Adapter[Any]:
    """Return the adapter of the provider of this canonical name, with its options; raises ProviderSetupError."""
    kind = providers.kind_of(name)
    found = find(kind)
    if found is None:
        raise ProviderSetupError(
            f"PROVIDERS_CONFIG: {name!r} needs the adapter {kind!r}, which does not exist; one of {', '.join(kinds())}"
        )
    options = {option: _value(name, option, raw, environ) for option, raw in providers[name].options.items()}
    _tell_webhook(options, found, name, public_url)
    try:
        return found(msgspec.convert(options, type=found.config_type))
    except msgspec.ValidationError as error:
        raise ProviderSetupError(f"PROVIDERS_CONFIG: {name!r}: options: {one_line(_without_value(error))}") from None


def values_of_environment(options: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Return what options read from the environment, also inside objects: best taken for credentials. What is shorter
    than a credential can be is left out."""
    found: list[str] = []
    for raw in options.values():
        if isinstance(raw, dict):
            found += values_of_environment(raw, environ)
        elif isinstance(raw, str) and raw.startswith("env:"):
            found.append(environ.get(raw.removeprefix("env:"), ""))
    return [value for value in found if len(value) >= _SHORTEST_SECRET]


def _without_value(error: msgspec.ValidationError) -> ValueError:
    """Return the error without the word that is none of those allowed: it may be a secret in the wrong place."""
    return ValueError(_NO_SUCH_WORD.sub(r"Not one of the words allowed\1", str(error)))


def _tell_webhook(options: dict[str, Any], found: type[Adapter[Any]], name: str, public_url: str) -> None:
    """Fill in the address for reports, for an adapter that wants to know it."""
    if not public_url or "webhook_url" in options or "webhook_url" not in found.config_type.__struct_fields__:
        return
    token = options.get("webhook_token")
    tail = f"/{token}" if isinstance(token, str) else ""
    options["webhook_url"] = f"{public_url.rstrip('/')}/webhooks/delivery-report/{name}{tail}"


def _value(name: str, option: str, raw: Any, environ: Mapping[str, str]) -> Any:
    """Return an option's value; `env:NAME` stands for the value of an environment variable, also inside an object."""
    if isinstance(raw, dict):
        return {key: _value(name, f"{option}.{key}", value, environ) for key, value in raw.items()}
    if not isinstance(raw, str) or not raw.startswith("env:"):
        return raw
    variable = raw.removeprefix("env:")
    value = environ.get(variable, "")
    if not value:
        raise ProviderSetupError(
            f"PROVIDERS_CONFIG: {name!r}: option {option!r} is read from {variable or 'a variable without a name'}, "
            "which is not set"
        )
    return value


def _files() -> set[str]:
    return {each.name for each in pkgutil.iter_modules(smsgw.providers.__path__)}


def _own(kind: str) -> type[Adapter[Any]] | None:
    if kind not in _files():
        return None
    return getattr(importlib.import_module(f"{smsgw.providers.__name__}.{kind}"), "PROVIDER", None)


def _foreign(kind: str) -> type[Adapter[Any]] | None:
    point = _entry_points().get(kind)
    if point is None:
        return None
    try:
        found = point.load()
    except Exception as error:  # noqa: BLE001  (another package's code: whatever it raises, the start has to say which)
        raise ProviderSetupError(
            f"the adapter {kind!r} ({point.value}) fails to load: {type(error).__name__}"
        ) from None
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise ProviderSetupError(f"the adapter {kind!r} ({point.value}) is no smsgw.providers.base.Adapter")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise ProviderSetupError(f"the adapter {kind!r} ({point.value}) lacks {missing}")
    return found


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
