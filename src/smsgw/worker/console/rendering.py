"""Templates in, pages out: Jinja with everything escaped, and the few filters that the pages share."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from smsgw import __version__
from smsgw.core.phone import mask
from smsgw.worker.console.answers import NOTICES
from smsgw.worker.console.visit import Visit

NAVIGATION = (
    ("/console", "Dashboard", "viewer"),
    ("/console/messages", "Messages", "viewer"),
    ("/console/providers", "Providers", "viewer"),
    ("/console/clients", "Clients", "viewer"),
    ("/console/users", "Users", "admin"),
    ("/console/audit-log", "Audit log", "operator"),
    ("/console/erasure", "Erasure", "admin"),
)
"""Address, title, and the role that sees it."""
ASSETS = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


def render(template: str, context: Mapping[str, Any], visit: Visit) -> str:
    """Return a page. Templates find `visit`, the navigation, and the context; a name that nobody gave is a bug."""
    path = visit.address.partition("?")[0]
    here = max((each[0] for each in NAVIGATION if path == each[0] or path.startswith(f"{each[0]}/")), default="")
    shared = {
        "visit": visit,
        "navigation": NAVIGATION,
        "here": here,
        "notice": NOTICES.get(visit.query.text("notice"), ""),
        "release": __version__,
        "csrf": lambda: csrf_field(visit),
    }
    return _environment().get_template(template).render({**shared, **context})


@lru_cache(maxsize=8)
def asset(name: str) -> bytes:
    """Return an asset's content; `name` is one of ASSETS."""
    return files("smsgw.worker.console").joinpath("assets", name).read_bytes()


@lru_cache(maxsize=8)
def asset_address(name: str) -> str:
    """Return where an asset is; another content has another address, so browsers may keep it for ever."""
    return f"/console/assets/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("smsgw.worker.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": moment, "count": count, "number": masked_number, "sender": masked_sender}
    environment.globals["asset"] = asset_address
    return environment


def moment(at: datetime | None) -> Markup:
    """Return a time as an element: UTC in the page, in the viewer's zone as soon as the script has run."""
    if at is None:
        return Markup("–")
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.isoformat(timespec="milliseconds"), utc.strftime("%Y-%m-%d %H:%M:%S")
    )


def count(number: int) -> str:
    """Return a number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u2009")


def masked_number(to: str, visit: Visit) -> str:
    """Return a telephone number as this user may see it."""
    return mask(to) if visit.is_masked else to


def masked_sender(sender: str, visit: Visit) -> str:
    """Return a sender as this user may see it: a telephone number may be somebody's own."""
    return masked_number(sender, visit) if sender.startswith("+") else sender


def csrf_field(visit: Visit) -> Markup:
    """Return the hidden field that every form needs."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(escape(visit.csrf))
