"""`smsgw config`: the settings as a start would read them, without starting anything."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx

from smsgw.core.books import Books
from smsgw.core.merging import merged_clients, merged_providers
from smsgw.core.overlay import Overlay, OverlayRow
from smsgw.providers.registry import ProviderSetupError, open_providers
from smsgw.settings import (
    Document,
    SettingsError,
    WorkerSettings,
    load_gateway,
    load_worker,
    parse_clients,
    parse_providers,
)
from smsgw.settings import documents as read_documents
from smsgw.wiring.books import ask_books


def check_configuration(environ: Mapping[str, str], role: str) -> list[str]:
    """Return what a start of the role would run with, one line each; raises SettingsError as a start would."""
    lines: list[str] = []
    if role in ("gateway", "both"):
        gateway = load_gateway(environ)
        lines.append(f"gateway: fine ({len(gateway.clients)} clients, {len(gateway.providers)} providers)")
    if role in ("worker", "both"):
        worker = load_worker(environ)
        _check_providers(worker, environ)
        lines.append(f"worker: fine ({len(worker.providers)} providers, {len(worker.providers.usable())} usable)")
    return lines


def _check_providers(worker: WorkerSettings, environ: Mapping[str, str]) -> None:
    """Build every provider as a start would, on a transport that sends nothing."""
    try:
        open_providers(
            worker.providers,
            timeout=worker.provider_timeout,
            transport=httpx.AsyncBaseTransport(),
            environ=environ,
            public_url=worker.public_url,
        )
    except ProviderSetupError as error:
        raise SettingsError(str(error)) from None


def export_configuration(environ: Mapping[str, str], directory: Path) -> list[str]:
    """Write clients.json and providers.json (each with one final newline, which a fingerprint does not count)."""
    documents, changes = _merged(environ)
    directory.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for name, (file_name, document) in documents.items():
        path = directory / file_name
        path.touch(mode=0o600)
        path.write_text(document.raw + "\n", "utf-8")
        lines.append(f"{name}_FILE={path}  fingerprint {document.fingerprint}")
    return [*lines, *changes]


def fingerprints(environ: Mapping[str, str]) -> list[str]:
    """Return the EXPECTED_* lines for a worker's environment."""
    words = {"CLIENT_CONFIG": "CLIENTS", "PROVIDERS_CONFIG": "PROVIDERS"}
    documents, changes = _merged(environ)
    lines = [f"EXPECTED_{words[name]}_FINGERPRINT={document.fingerprint}" for name, (_, document) in documents.items()]
    return [*lines, *changes]


def _merged(environ: Mapping[str, str]) -> tuple[dict[str, tuple[str, Document]], list[str]]:
    """Return the documents, with the console's changes in them where DATABASE_URL says where those are; and a comment
    per change."""
    given = _given(environ)
    if not environ.get("DATABASE_URL", "").strip():
        return given, []
    overlay = ask_books(environ, _overlay)
    lines: list[str] = []
    for name, (file_name, document) in given.items():
        merge = (merged_clients if name == "CLIENT_CONFIG" else merged_providers)(document.raw, overlay)[1]
        given[name] = (file_name, Document(raw=merge.raw))
        lines += [f"# {name}: {_said(row)}" for row in merge.rows]
        lines += [f"# {name}: without effect: {each.kind.value} {each.name}: {each.why}" for each in merge.ignored]
    return given, lines


async def _overlay(books: Books) -> Overlay:
    return await books.overlays.overlay()


def _said(row: OverlayRow) -> str:
    """Return one change in words; of a key its digest, which opens nothing."""
    fields = ", ".join(f"{name}={json.dumps(value)}" for name, value in row.body.items())
    when = row.changed_at.isoformat(timespec="seconds")
    return f"{row.kind.value} {row.name}: {fields} ({row.changed_by}, {when})"


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
