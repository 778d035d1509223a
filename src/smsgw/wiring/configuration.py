"""`smsgw config` and `smsgw providers`: the settings as a start would read them, without starting anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smsgw.providers.base import Adapter
from smsgw.providers.registry import find, kinds
from smsgw.settings import Document, SettingsError, load_gateway, load_worker, parse_clients, parse_providers
from smsgw.settings import documents as read_documents


def check_configuration(environ: Mapping[str, str], role: str) -> list[str]:
    """Return what a start of the role would run with, one line each; raises SettingsError as a start would."""
    lines: list[str] = []
    if role in ("gateway", "both"):
        gateway = load_gateway(environ)
        lines.append(f"gateway: fine ({len(gateway.clients)} clients, {len(gateway.providers)} providers)")
    if role in ("worker", "both"):
        worker = load_worker(environ)
        for name in worker.providers:
            kind = worker.providers.kind_of(name)
            if worker.providers[name].is_active and find(kind) is None:
                known = ", ".join(kinds())
                raise SettingsError(f"PROVIDERS_CONFIG: {name!r} needs the adapter {kind!r}, which is none of {known}")
        lines.append(f"worker: fine ({len(worker.providers)} providers, {len(worker.providers.usable())} usable)")
    return lines


def export_configuration(environ: Mapping[str, str], directory: Path) -> list[str]:
    """Write clients.json and providers.json (each with one final newline, which a fingerprint does not count)."""
    documents = _given(environ)
    directory.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for name, (file_name, document) in documents.items():
        path = directory / file_name
        path.touch(mode=0o600)
        path.write_text(document.raw + "\n", "utf-8")
        lines.append(f"{name}_FILE={path}  fingerprint {document.fingerprint}")
    return lines


def fingerprints(environ: Mapping[str, str]) -> list[str]:
    """Return the EXPECTED_* lines for a worker's environment."""
    words = {"CLIENT_CONFIG": "CLIENTS", "PROVIDERS_CONFIG": "PROVIDERS"}
    return [
        f"EXPECTED_{words[name]}_FINGERPRINT={document.fingerprint}" for name, (_, document) in _given(environ).items()
    ]


def adapters() -> list[tuple[str, str]]:
    """Return every installed adapter with what it can do."""
    rows = []
    for kind in kinds():
        adapter = find(kind)
        if adapter is not None:
            rows.append((kind, _abilities(adapter)))
    return rows


def configured_providers(environ: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return PROVIDERS_CONFIG as table rows: name, aliases, adapter, active, operational, priority, note."""
    _, document = read_documents(environ)
    if document is None:
        return []
    providers = parse_providers(document)
    rows: list[tuple[str, ...]] = []
    for name in providers:
        config = providers[name]
        kind = providers.kind_of(name)
        shown_kind = kind if find(kind) is not None else f"{kind} (not installed)"
        flags = ("yes" if config.is_active else "no", "yes" if config.is_operational else "no")
        priority = "" if config.priority is None else str(config.priority)
        rows.append((name, ", ".join(config.aliases), shown_kind, *flags, priority, config.note or ""))
    return rows


def _given(environ: Mapping[str, str]) -> dict[str, tuple[str, Document]]:
    clients, providers = read_documents(environ)
    given: dict[str, tuple[str, Document]] = {}
    if clients is not None:
        parse_clients(clients)
        given["CLIENT_CONFIG"] = ("clients.json", clients)
    if providers is not None:
        parse_providers(providers)
        given["PROVIDERS_CONFIG"] = ("providers.json", providers)
    if not given:
        raise SettingsError("CLIENT_CONFIG, PROVIDERS_CONFIG: neither is set, nor their _FILE; nothing to do")
    return given


def _abilities(adapter: type[Adapter[Any]]) -> str:
    """Return what an adapter can do beside sending: what of the optional methods it has written."""
    looks_up = adapter.build_look_up is not Adapter.build_look_up
    reports = adapter.read_report is not Adapter.read_report
    words = {"send": True, "look-up": looks_up, "delivery reports": reports}
    return ", ".join(word for word, is_able in words.items() if is_able)
