"""The gateway's configuration while it runs: read again on SIGHUP, replaced as a whole, never half."""

import msgspec

from smsgw.core.envelope import ConfigFingerprint
from smsgw.core.events import ConfigLoaded
from smsgw.core.keys import Clients
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
        self._client_path = settings.clients_document.path
        self._provider_path = settings.providers_document.path
        self.current = GatewayConfig(
            clients=settings.clients,
            providers=settings.providers,
            fingerprint=ConfigFingerprint(
                settings.clients_document.fingerprint, settings.providers_document.fingerprint
            ),
        )

    def announce(self) -> None:
        """State what the gateway runs with."""
        self._observer(ConfigLoaded(providers=self.current.providers))

    def reload(self) -> None:
        """Read the files again. A bad one is stated as ReloadFailed and what it held before stays; the other one, if
        good, is taken: a key that was revoked must not live on because of a mistake in a provider."""
        old = self.current
        clients = reread("CLIENT_CONFIG", self._client_path, parse_clients, observer=self._observer)
        providers = reread("PROVIDERS_CONFIG", self._provider_path, parse_providers, observer=self._observer)
        self.current = GatewayConfig(
            clients=clients[0] if clients else old.clients,
            providers=providers[0] if providers else old.providers,
            fingerprint=ConfigFingerprint(
                clients[1].fingerprint if clients else old.fingerprint.clients,
                providers[1].fingerprint if providers else old.fingerprint.providers,
            ),
        )
        if clients or providers:
            self.announce()
