"""Vendors found by the names of their files."""

import importlib
import pkgutil
import re
from collections.abc import Mapping

import smsgw.simulator.vendors
from smsgw.simulator.vendors.base import Vendor, VendorError

_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


def vendors() -> dict[str, type[Vendor]]:
    """Return every vendor by its kind, sorted."""
    names = sorted(each.name for each in pkgutil.iter_modules(smsgw.simulator.vendors.__path__))
    found = {name: _vendor(name) for name in names}
    return {name: vendor for name, vendor in found.items() if vendor is not None}


def open_vendor(kind: str, credentials: Mapping[str, str]) -> Vendor:
    """Return the vendor that a carrier plays; raises VendorError for an unknown kind or credential."""
    # Not all of them are imported where one is wanted.
    vendor = _vendor(kind) if _KIND.fullmatch(kind) and _is_there(kind) else None
    if vendor is None:
        raise VendorError(f"nobody called {kind[:64]!r} can be played; one of {', '.join(vendors())}")
    try:
        return vendor(credentials)
    except VendorError as error:
        raise VendorError(f"{kind}: {error}") from None


def _is_there(kind: str) -> bool:
    return any(each.name == kind for each in pkgutil.iter_modules(smsgw.simulator.vendors.__path__))


def _vendor(kind: str) -> type[Vendor] | None:
    return getattr(importlib.import_module(f"{smsgw.simulator.vendors.__name__}.{kind}"), "VENDOR", None)
