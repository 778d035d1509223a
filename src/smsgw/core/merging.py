"""The configuration with the console's changes in it: the same text, and so the same fingerprint, in every process."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from smsgw.core.client_book import Ignored, client_book, read_changes, written_entries
from smsgw.core.keys import ClientConfigError, Clients
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.core.overlay_changes import ProviderChange
from smsgw.core.providers import ProviderConfigError, Providers
from smsgw.core.routing import Strategy, weight_problem

Parsed = TypeVar("Parsed")
CLIENT_KINDS = frozenset({Kind.CLIENT, Kind.KEY})
PROVIDER_KINDS = frozenset({Kind.PROVIDER})


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """A document with the overlay in it."""

    raw: str
    """The baseline's very text where nothing is changed."""
    rows: tuple[OverlayRow, ...] = ()
    """The changes that are in it."""
    ignored: tuple[Ignored, ...] = ()

    def __repr__(self) -> str:
        # It may hold API keys and providers' credentials.
        return f"Merge(rows={len(self.rows)}, ignored={self.ignored!r})"


def merged_clients(raw: str, overlay: Overlay) -> tuple[Clients, Merge]:
    """Return the clients of a raw CLIENT_CONFIG with the overlay over them, and the text that parses to just them.

    `raw` parses; entries of the overlay that do not fit it are left out and named, never an error.
    """
    return _merged(raw, _of(overlay, CLIENT_KINDS), _write_clients, Clients.parse)


def merged_providers(raw: str, overlay: Overlay) -> tuple[Providers, Merge]:
    """Return the same for PROVIDERS_CONFIG."""
    return _merged(raw, _of(overlay, PROVIDER_KINDS), _write_providers, Providers.parse)


def after(overlay: Overlay, rows: Sequence[OverlayRow], remove: Sequence[tuple[Kind, str]] = ()) -> Overlay:
    """Return the overlay as a change would leave it."""
    gone = {*remove, *((row.kind, row.name) for row in rows)}
    kept = [row for row in overlay.rows if (row.kind, row.name) not in gone]
    return Overlay(version=overlay.version + 1, rows=(*kept, *rows))


def problem_of_change(
    *, clients: str, providers: str, overlay: Overlay, rows: Sequence[OverlayRow], strategy: Strategy
) -> str | None:
    """Return why these rows must not be written, or None: one of them would have no effect, or nobody would ever be
    chosen. `overlay` is as it would be with them; the documents are the baseline's."""
    mine = {(row.kind, row.name) for row in rows}
    found, merge = merged_providers(providers, overlay)
    for each in (*merged_clients(clients, overlay)[1].ignored, *merge.ignored):
        if (each.kind, each.name) in mine:
            return each.why
    return weight_problem(found, strategy)


def _of(overlay: Overlay, kinds: frozenset[Kind]) -> Overlay:
    rows = sorted((row for row in overlay.rows if row.kind in kinds), key=lambda row: (row.kind, row.name))
    return Overlay(version=overlay.version, rows=tuple(rows))


def _merged(
    raw: str, overlay: Overlay, write: Callable[[str, Overlay], Merge], parse: Callable[[str], Parsed]
) -> tuple[Parsed, Merge]:
    merge = write(raw, overlay)
    try:
        return parse(merge.raw), merge
    except (ClientConfigError, ProviderConfigError):
        kept, unfit = _fitting(raw, overlay, write, parse)
    merge = write(raw, kept)
    return parse(merge.raw), msgspec.structs.replace(merge, ignored=(*merge.ignored, *unfit))


def _fitting(
    raw: str, overlay: Overlay, write: Callable[[str, Overlay], Merge], parse: Callable[[str], Any]
) -> tuple[Overlay, list[Ignored]]:
    """Return the rows without those that the configuration refuses: one that is wrong costs none of the others."""
    kept, unfit = Overlay(version=overlay.version), list[Ignored]()
    for row in overlay.rows:
        tried = msgspec.structs.replace(kept, rows=(*kept.rows, row))
        try:
            parse(write(raw, tried).raw)
        except (ClientConfigError, ProviderConfigError) as error:
            unfit.append(Ignored(kind=row.kind, name=row.name, why=str(error)))
        else:
            kept = tried
    return kept, unfit


def _write_clients(raw: str, overlay: Overlay) -> Merge:
    book = client_book(raw, overlay)
    return _merge(raw, written_entries(book), overlay, book.ignored)


def _write_providers(raw: str, overlay: Overlay) -> Merge:
    ignored: list[Ignored] = []
    changes = read_changes(overlay, Kind.PROVIDER, ProviderChange, ignored)
    entries: dict[str, Any] = json.loads(raw)
    for name, (change, _) in changes.items():
        if name in entries:
            entries[name] = {**entries[name], **msgspec.to_builtins(change)}
        else:
            why = "the configuration has no such provider any more"
            ignored.append(Ignored(kind=Kind.PROVIDER, name=name, why=why))
    return _merge(raw, entries, overlay, tuple(ignored))


def _merge(raw: str, entries: dict[str, Any], overlay: Overlay, ignored: tuple[Ignored, ...]) -> Merge:
    left_out = {(each.kind, each.name) for each in ignored}
    rows = tuple(row for row in overlay.rows if (row.kind, row.name) not in left_out)
    is_same = entries == json.loads(raw)
    # Escaped and without spaces: the same bytes whatever release wrote it, and wherever it is pasted.
    text = raw if is_same else json.dumps(entries, separators=(",", ":"))
    return Merge(raw=text, rows=rows, ignored=ignored)
