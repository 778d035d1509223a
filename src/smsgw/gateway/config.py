"""The gateway's configuration while it runs: read again on SIGHUP, replaced as a whole, never half. Where it may read
the console's changes, they lie over it."""

import msgspec

from smsgw.core.envelope import ConfigFingerprint
from smsgw.core.events import ConfigLoaded
from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.keys import Clients
from smsgw.core.merging import merged_clients, merged_providers
from smsgw.core.overlay import Overlay
from smsgw.core.overlay_events import OverlayApplied
from smsgw.core.ports import Observer
from smsgw.core.providers import Providers
from smsgw.settings import GatewaySettings, parse_clients, parse_providers, reread


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who may send, through whom, and the fingerprint of both: what one request sees from first to last."""

    clients: Clients
    providers: Providers
    fingerprint: ConfigFingerprint


class ConfigHolder:
    """Holds `current`. A request reads it once; a reload puts another object in its place."""

    def __init__(self, settings: GatewaySettings, *, observer: Observer) -> None:
        self._observer = observer
        self._clients = settings.clients_document
        self._providers = settings.providers_document
        self._overlay = Overlay()
        self.current = GatewayConfig(
            clients=settings.clients,
            providers=settings.providers,
            fingerprint=ConfigFingerprint(self._clients.fingerprint, self._providers.fingerprint),
        )

    def announce(self) -> None:
        """State what the gateway runs with."""
        self._observer(ConfigLoaded(providers=self.current.providers))

    def reload(self) -> None:
        """Read the files again. A bad one is stated as ReloadFailed and what it held before stays; the other one, if
        good, is taken: a key that was revoked must not live on because of a mistake in a provider."""
        clients = reread("CLIENT_CONFIG", self._clients.path, parse_clients, observer=self._observer)
        providers = reread("PROVIDERS_CONFIG", self._providers.path, parse_providers, observer=self._observer)
        if clients:
            self._clients = clients[1]
        if providers:
            self._providers = providers[1]
        if clients or providers:
            self._merge()
            self.announce()

    def use_overlay(self, overlay: Overlay) -> None:
        """Lay these changes of the console over the configuration from now on."""
        if overlay == self._overlay:
            return
        self._overlay, before = overlay, self.current.fingerprint
        self._merge()
        if self.current.fingerprint != before:
            self.announce()

    def _merge(self) -> None:
        clients, of_clients = merged_clients(self._clients.raw, self._overlay)
        providers, of_providers = merged_providers(self._providers.raw, self._overlay)
        self.current = GatewayConfig(
            clients=clients,
            providers=providers,
            fingerprint=ConfigFingerprint(config_fingerprint(of_clients.raw), config_fingerprint(of_providers.raw)),
        )
        if self._overlay.version:
            ignored = (*of_clients.ignored, *of_providers.ignored)
            version, changes = self._overlay.version, len(self._overlay.rows)
            self._observer(OverlayApplied(version=version, changes=changes, ignored=ignored))
