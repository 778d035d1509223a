"""What an operator changes of a provider: read from a form, checked against all the others, written with who did it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from smsgw.core.merging import after
from smsgw.core.overlay import Kind, OverlayRow
from smsgw.core.providers import ProviderConfig
from smsgw.worker.console.console import Console
from smsgw.worker.console.forms import Form
from smsgw.worker.console.providers_view import Providing, providing
from smsgw.worker.console.visit import Visit

SWITCHES: dict[str, dict[str, Any]] = {
    "enable": {"is_active": True},
    "disable": {"is_active": False},
    "operational": {"is_operational": True},
    "not-operational": {"is_operational": False},
    "drain": {"is_draining": True},
    "stop-draining": {"is_draining": False},
}
"""The buttons of a provider, and what each of them sets."""
MEANWHILE = (
    "Somebody else has changed the configuration since you opened this page. Nothing was changed. Look, and try again."
)
_MOST = 1_000_000


def numbers_of(form: Form) -> dict[str, Any] | None:
    """Return the numbers that were typed; None, with complaints, when one of them is none. Empty is the default."""
    fields: dict[str, Any] = {"priority": None, "rate_limit": None}
    if form.text("priority"):
        fields["priority"] = form.whole("priority", least=0, most=_MOST)
    fields["weight"] = form.whole("weight", least=0, most=_MOST)
    if form.text("rate_limit"):
        fields["rate_limit"] = _rate(form)
    return None if form.problems else fields


async def change(console: Console, visit: Visit, name: str, fields: Mapping[str, Any]) -> bool:
    """Set these fields of a provider; False, with a complaint in the form, when it must not be. A field that is set to
    what the configuration says is changed no longer."""
    known = await providing(console)
    baseline, row = known.baseline[name], known.row_of(name)
    body = {**(row.body if row else {}), **fields}
    body = {field: value for field, value in body.items() if value != getattr(baseline, field)}
    return await _write(console, visit, known, name, body)


async def reset(console: Console, visit: Visit, name: str) -> bool:
    """Let a provider be as it is configured; False, with a complaint in the form, when it must not be."""
    return await _write(console, visit, await providing(console), name, {})


async def _write(console: Console, visit: Visit, known: Providing, name: str, body: dict[str, Any]) -> bool:
    overlay, row = known.overlay, known.row_of(name)
    if visit.form.text("version") != str(overlay.version):
        visit.form.refuse("", MEANWHILE)
        return False
    if body == (row.body if row else {}):
        return True
    put = [_row(visit, name, body)] if body else []
    remove = [] if body else [(Kind.PROVIDER, name)]
    if problem := console.config.problem_of(after(overlay, put, remove), put):
        visit.form.refuse("", f"Nothing was changed: {problem}.")
        return False
    entry = visit.entry("provider.change", name, **_difference(known.merged[name], known.baseline[name], body))
    if not await console.books.overlays.change(put, remove=remove, expected=overlay.version, entry=entry):
        visit.form.refuse("", MEANWHILE)
        return False
    # At this worker now, at all others within seconds.
    console.config.use_overlay(await console.books.overlays.overlay())
    return True


def _row(visit: Visit, name: str, body: dict[str, Any]) -> OverlayRow:
    return OverlayRow(kind=Kind.PROVIDER, name=name, body=body, changed_at=visit.now, changed_by=visit.somebody.name)


def _difference(before: ProviderConfig, baseline: ProviderConfig, body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the audit log tells: the fields that are not as they were."""
    later = msgspec.structs.replace(baseline, **body)
    fields = ("is_active", "is_operational", "is_draining", "priority", "weight", "rate_limit")
    changed = [field for field in fields if getattr(before, field) != getattr(later, field)]
    return {
        "before": {field: getattr(before, field) for field in changed},
        "after": {field: getattr(later, field) for field in changed},
    }


def _rate(form: Form) -> float | None:
    text = form.text("rate_limit")
    try:
        rate = float(text) if len(text) <= 18 and text.isascii() else -1.0
    except ValueError:
        rate = -1.0
    if 0 <= rate <= _MOST:
        return rate
    form.refuse("rate_limit", f"must be a number of messages per second, 0 (no limit) to {_MOST}")
    return None
