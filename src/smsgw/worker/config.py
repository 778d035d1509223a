"""The worker's configuration while it runs: read again on SIGHUP, each file replaced as a whole or not at all."""

from collections.abc import Callable, Iterator, Mapping

from smsgw.core.events import ConfigLoaded
from smsgw.core.keys import Clients
from smsgw.core.ports import Observer, Provider
from smsgw.core.providers import Providers
from smsgw.core.routing import weight_problem
from smsgw.settings import Document, SettingsError, WorkerSettings, parse_clients, parse_providers, reread

Opened = tuple[Providers, Mapping[str, Provider]]


class LiveProviders(Mapping[str, Provider]):
    """The open providers by canonical name, as they are configured now; a call in flight keeps the one it has."""

    def __init__(self, opened: Mapping[str, Provider]) -> None:
        self._opened = opened

    def use(self, opened: Mapping[str, Provider]) -> None:
        """Take these from now on."""
        self._opened = opened

    def __getitem__(self, name: str) -> Provider:
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened)

    def __len__(self) -> int:
        return len(self._opened)


class WorkerConfig:
    """Who may ask and through whom is sent. `open_providers` builds adapters and raises SettingsError for a mistake."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        open_providers: Callable[[Providers], Mapping[str, Provider]],
        observer: Observer,
    ) -> None:
        self._strategy = settings.strategy
        self._listeners: list[Callable[[Providers], None]] = []
        self._observer = observer
        self._open_providers = open_providers
        self._client_path = settings.clients_document.path
        self._provider_path = settings.providers_document.path
        self.clients: Clients = settings.clients
        self.configured: Providers = settings.providers
        self.opened = LiveProviders(open_providers(settings.providers))

    def listen(self, listener: Callable[[Providers], None]) -> None:
        """Tell `listener` the providers, now and after every reload."""
        self._listeners.append(listener)
        listener(self.configured)

    def announce(self) -> None:
        """State what the worker runs with."""
        self._observer(ConfigLoaded(providers=self.configured))

    def reload(self) -> None:
        """Read the files again. A bad one is stated and what it held before stays; the other one, if good, is taken."""
        clients = reread("CLIENT_CONFIG", self._client_path, parse_clients, observer=self._observer)
        providers = reread("PROVIDERS_CONFIG", self._provider_path, self._open, observer=self._observer)
        if clients:
            self.clients = clients[0]
        if providers:
            self.configured, opened = providers[0]
            self.opened.use(opened)
            for listener in self._listeners:
                listener(self.configured)
        if clients or providers:
            self.announce()

    def _open(self, document: Document) -> Opened:
        providers = parse_providers(document)
        if problem := weight_problem(providers, self._strategy):
            raise SettingsError(f"PROVIDERS_CONFIG: {problem}")
        opened = self._open_providers(providers)
        same = {name for name in set(opened) & set(self.opened) if _asks_alike(self.configured, providers, name)}
        # One whose options are as before stays: what it holds open need not be opened again.
        return providers, {name: self.opened[name] if name in same else opened[name] for name in opened}


def _asks_alike(before: Providers, after: Providers, name: str) -> bool:
    return before.kind_of(name) == after.kind_of(name) and before[name].options == after[name].options
