"""What the pages of the clients show: who may send, with which keys, and which configuration the gateways run with."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from smsgw.core.client_book import ClientBook, ClientRow, KeyRow, client_book
from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.merging import CLIENT_KINDS, PROVIDER_KINDS, Merge, merged_clients, merged_providers
from smsgw.core.overlay import Kind, Overlay
from smsgw.core.ports import GatewayBeat, LimitsUnavailableError
from smsgw.worker.console.answers import NoSuchPageError
from smsgw.worker.console.console import Console


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The clients at one moment, with the overlay that a change of them is based on."""

    overlay: Overlay
    book: ClientBook

    def client(self, name: str) -> ClientRow:
        """Return a client; raises NoSuchPageError."""
        if name not in self.book.clients:
            raise NoSuchPageError
        return self.book.clients[name]

    def key(self, client: str, digest: str) -> KeyRow:
        """Return a client's key; raises NoSuchPageError."""
        found = [key for key in self.client(client).keys if key.digest == digest]
        if not found:
            raise NoSuchPageError
        return found[0]


async def seen(console: Console) -> Seen:
    """Return the clients as they are now: the database is asked, not what this worker took from it a moment ago."""
    overlay = await console.books.overlays.overlay()
    return Seen(overlay=overlay, book=client_book(console.config.clients_baseline.raw, overlay))


async def used_today(console: Console, clients: Sequence[ClientRow]) -> dict[str, int | None]:
    """Return what each has used of its quota today; None where nothing is counted or the limits store is away."""
    names = [client.id for client in clients if client.fields["daily_quota"] is not None]
    try:
        used = await console.limits.used(names)
    except LimitsUnavailableError:
        used = {}
    return {client.id: used.get(client.id) for client in clients}


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two fingerprints: of what counts, of what stands in the files, of what was set to be expected."""

    kind: str
    setting: str
    merge: str
    baseline: str
    expected: str
    is_known: bool
    """False: this worker was not given the document, and cannot say what a gateway's should be."""
    changed_at: datetime | None
    """When the console changed it last; None: it never did."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway, and how it stands to each of the two: `same`, `behind` (not all changes of the console are in it),
    `other`; where this worker cannot say, `expected` or `unknown`."""

    beat: GatewayBeat
    states: Mapping[str, str]


async def fingerprints(console: Console, overlay: Overlay) -> tuple[list[Running], list[Instance]]:
    """Return both fingerprints, and every gateway that ever sent a heartbeat."""
    clients, providers = console.config.clients_baseline, console.config.providers_baseline
    of_clients, of_providers = merged_clients(clients.raw, overlay)[1], merged_providers(providers.raw, overlay)[1]
    running = [
        Running(
            kind="clients",
            setting="CLIENT_CONFIG",
            merge=config_fingerprint(of_clients.raw),
            baseline=clients.fingerprint,
            expected=console.rules.expected_clients,
            is_known=clients.raw != "{}",
            changed_at=_changed_at(of_clients, overlay, CLIENT_KINDS),
        ),
        Running(
            kind="providers",
            setting="PROVIDERS_CONFIG",
            merge=config_fingerprint(of_providers.raw),
            baseline=providers.fingerprint,
            expected=console.rules.expected_providers,
            is_known=True,
            changed_at=_changed_at(of_providers, overlay, PROVIDER_KINDS),
        ),
    ]
    beats = sorted(await console.store.beats(), key=lambda beat: (beat.service, beat.instance))
    return running, [Instance(beat=beat, states=_states(beat, running)) for beat in beats]


def _changed_at(merge: Merge, overlay: Overlay, kinds: frozenset[Kind]) -> datetime | None:
    """Return when somebody changed something last; rows that were taken away leave no time behind."""
    return max((row.changed_at for row in overlay.rows if row.kind in kinds and row in merge.rows), default=None)


def _states(beat: GatewayBeat, running: Sequence[Running]) -> dict[str, str]:
    told = {"clients": beat.clients_fingerprint, "providers": beat.providers_fingerprint}
    return {each.kind: _state(told[each.kind], each) for each in running}


def _state(told: str, running: Running) -> str:
    if not running.is_known:
        return "expected" if told == running.expected else "unknown"
    if told == running.merge:
        return "same"
    return "behind" if running.changed_at is not None else "other"
