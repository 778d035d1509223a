"""The pages under docs/providers, one per adapter, made from what each says of itself: see docs/generate.py."""

# ruff: noqa: E501  (lines of prose)

import json
from collections.abc import Sequence
from typing import Any

from smsgw.providers.about import About, Feature
from smsgw.providers.base import Adapter, LooksUp
from smsgw.providers.describing import meanings, options_of
from smsgw.providers.registry import find, own_kinds

FEATURES = {
    Feature.SENDER: ("sender", "takes the message's `sender`"),
    Feature.VALIDITY: ("validity", "is told how long the message is worth delivering"),
    Feature.REFERENCE: ("reference", "gets our tracking id"),
    Feature.CALLBACK: ("callback", "is told the webhook's address with each message"),
    Feature.SEGMENTS: ("segments", "tells how many segments it counted"),
    Feature.PRICE: ("price", "tells what a message costs"),
}
PUBLIC_URL = "https://sms.example.org"


def pages() -> dict[str, str]:
    """Return the page of every adapter of ours and their index, by file name."""
    found = {kind: adapter for kind in own_kinds() if (adapter := find(kind)) is not None}
    made = {f"{kind}.md": _page(kind, adapter, adapter.about) for kind, adapter in found.items() if adapter.about}
    return {"index.md": _index(found), **made}


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table; a bar in a cell is no border."""
    shown = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in shown) + "\n"


def _index(found: dict[str, type[Adapter[Any]]]) -> str:
    head = ("provider", "kind", *(word for word, _ in FEATURES.values()), "reports", "look-up")
    rows = []
    for kind, adapter in sorted(found.items(), key=lambda each: _title(each[1]).casefold()):
        abilities = set(adapter.abilities())
        has = [each in abilities for each in (*FEATURES, "reports", "look-up")]
        rows.append((f"[{_title(adapter)}]({kind}.md)", f"`{kind}`", *("yes" if each else "" for each in has)))
    return (
        "# Providers\n\nThe kinds of providers that come with smsgw. Each page tells how to set one up, its options, its limits, and what its "
        "codes mean here.\n\n"
        + table(head, rows)
        + "\n"
        + "".join(f"- **{word}**: it {meaning}.\n" for word, meaning in FEATURES.values())
        + "- **reports**: it tells whether a message arrived.\n"
        "- **look-up**: it can be asked about our reference, which settles an UNKNOWN without a second SMS.\n\n"
        "`smsgw providers` lists the installed adapters, `smsgw providers show KIND` prints what stands here, and\n"
        "`smsgw providers try NAME --to NUMBER` shows the request that a message would become, without sending it.\n\n"
        "What every answer means: [Providers](../reference/providers.md). Another vendor: [template](template.md) needs no code, "
        "[Add a provider](../how-to/add-a-provider.md) a file.\n"
    )


def _title(adapter: type[Adapter[Any]]) -> str:
    return adapter.about.title if adapter.about else adapter.__name__


def _page(kind: str, adapter: type[Adapter[Any]], about: About) -> str:
    chapters = [
        f"# {about.title}",
        f"Kind `{kind}`." + (f" The vendor's documentation: <{about.documentation}>." if about.documentation else ""),
        "## Set up",
        "".join(f"{number}. {step}\n" for number, step in enumerate(about.set_up, 1)),
        _example(kind, adapter, about),
        f"Then look at a request without sending it:\n\n```sh\nsmsgw providers try {_name(about)} --to +4915112345678\n```",
        "## Options",
        _options(adapter),
        "## Delivery reports",
        about.reports,
        _webhook(adapter, about),
        "## Limits",
        about.limits,
        "## Abilities",
        _abilities(adapter, about),
        *_maps(about),
        *(("## Good to know", "".join(f"- {note}\n" for note in about.notes)) if about.notes else ()),
    ]
    return "\n\n".join(chapter.rstrip() for chapter in chapters if chapter) + "\n"


def _name(about: About) -> str:
    """Return a provider's name as somebody would choose it."""
    return "".join(char if char.isalnum() else "-" for char in about.title.replace("'", "")).strip("-")


def _example(kind: str, adapter: type[Adapter[Any]], about: About) -> str:
    options: dict[str, Any] = {}
    for option in options_of(adapter.config_type):
        wanted = option.is_required and "." not in option.name
        if wanted or option.name == "webhook_token":
            options[option.name] = f"env:{kind.upper()}_{option.name.upper()}"
    options.update(about.example)
    entry = {"kind": kind, "is_active": True, "is_operational": True, "options": options}
    shown = json.dumps({_name(about): entry}, indent=2, ensure_ascii=False)
    words = "`env:NAME` is read from the worker's environment." if any(map(_is_read, options.values())) else ""
    return f"In [PROVIDERS_CONFIG](../reference/settings.md#clients-and-providers):\n\n```json\n{shown}\n```\n\n{words}"


def _is_read(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("env:")


def _options(adapter: type[Adapter[Any]]) -> str:
    rows = [
        (
            f"`{each.name}`",
            each.type,
            "required" if each.is_required else f"`{each.default}`" if each.default else "",
            each.description,
        )
        for each in options_of(adapter.config_type)
    ]
    return table(("option", "type", "default", "meaning"), rows) if rows else "It has none."


def _webhook(adapter: type[Adapter[Any]], about: About) -> str:
    if adapter.read_report is Adapter.read_report:
        return ""
    fields = adapter.config_type.__struct_fields__
    token = "/TOKEN" if "webhook_token" in fields else ""
    text = f"The webhook's address, with PUBLIC_URL `{PUBLIC_URL}`: `{PUBLIC_URL}/webhooks/delivery-report/{_name(about)}{token}`."
    if token:
        text += " `TOKEN` is `webhook_token`; without that option the address ends before it."
    if Feature.CALLBACK in about.features:
        text += " It goes along with each message, so nothing has to be entered in the portal for it."
    if "webhook_allow" in fields:
        text += (
            " Behind a reverse proxy, `webhook_allow` needs [TRUSTED_PROXIES](../reference/settings.md#http-and-logs)."
        )
    return text


def _abilities(adapter: type[Adapter[Any]], about: About) -> str:
    rows = [
        (word, "yes" if feature in about.features else "no", meaning) for feature, (word, meaning) in FEATURES.items()
    ]
    rows.append(("reports", "yes" if "reports" in adapter.abilities() else "no", "tells whether a message arrived"))
    rows.append(("look-up", "yes" if issubclass(adapter, LooksUp) else "no", "can be asked about our reference"))
    return table(("ability", "", "the vendor"), rows)


def _maps(about: About) -> list[str]:
    if not about.maps:
        return []
    found = [
        "## What maps to what",
        "Right: [outcomes of an attempt](../reference/states.md#outcomes-of-an-attempt) and [statuses of a report](../reference/states.md#delivery-reports).",
    ]
    for headline, rows in meanings(about):
        found += [f"### {headline}", table(("theirs", "ours"), [(f"`{code}`", f"`{meant}`") for code, meant in rows])]
    return found
