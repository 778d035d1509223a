"""The worker's configuration while it runs: the files, read again on SIGHUP, and the console's changes over them. Each
is replaced as a whole or not at all."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from smsgw.core.client_book import Ignored
from smsgw.core.events import ConfigLoaded, ReloadFailed
from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.keys import Clients
from smsgw.core.merging import Merge, merged_clients, merged_providers, problem_of_change
from smsgw.core.overlay import Overlay, OverlayRow
from smsgw.core.overlay_events import OverlayApplied
from smsgw.core.ports import Observer, Provider
from smsgw.core.providers import Providers
from smsgw.core.routing import weight_problem
from smsgw.settings import Document, SettingsError, WorkerSettings, parse_clients, parse_providers, reread


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """Providers that could be opened, and the text that they come from."""

    configured: Providers
    merge: Merge
    opened: Mapping[str, Provider]


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
        self.strategy = settings.strategy
        self._listeners: list[Callable[[Providers], None]] = []
        self._observer = observer
        self._open_providers = open_providers
        self.overlay = Overlay()
        """The console's changes that are in force."""
        self.clients_baseline: Document = settings.clients_document
        self.providers_baseline: Document = settings.providers_document
        self.clients: Clients = settings.clients
        self.configured: Providers = settings.providers
        self.merged_clients = Merge(raw=settings.clients_document.raw)
        self.merged_providers = Merge(raw=settings.providers_document.raw)
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
        clients = reread("CLIENT_CONFIG", self.clients_baseline.path, parse_clients, observer=self._observer)
        path = self.providers_baseline.path
        providers = reread(
            "PROVIDERS_CONFIG", path, lambda read: self._laid_over(read, self.overlay), observer=self._observer
        )
        if clients:
            self.clients_baseline = clients[1]
            self._take_clients(self.overlay)
        if providers:
            opened, self.providers_baseline = providers
            self._take_providers(opened)
        if clients or providers:
            self.announce()

    def use_overlay(self, overlay: Overlay) -> None:
        """Lay these changes of the console over the files from now on. Listeners are told what is new for them."""
        if overlay == self.overlay:
            return
        self.overlay = overlay
        self._take_clients(overlay)
        before = self.merged_providers.raw
        try:
            opened = self._laid_over(self.providers_baseline, overlay)
        except SettingsError as error:
            self._state(error)
        else:
            self.merged_providers = opened.merge
            if opened.merge.raw != before:
                self._take_providers(opened)
        ignored = (*self.merged_clients.ignored, *self.merged_providers.ignored)
        self._observer(OverlayApplied(version=overlay.version, changes=len(overlay.rows), ignored=ignored))
        if self.merged_providers.raw != before:
            self.announce()

    def problem_of(self, overlay: Overlay, rows: Sequence[OverlayRow]) -> str | None:
        """Return why these rows must not be written, or None. `overlay` is as it would be with them."""
        problem = problem_of_change(
            clients=self.clients_baseline.raw,
            providers=self.providers_baseline.raw,
            overlay=overlay,
            rows=rows,
            strategy=self.strategy,
        )
        if problem is not None:
            return problem
        try:
            self._open(self.providers_baseline, overlay)
        except SettingsError as error:
            return str(error)
        return None

    def running(self) -> dict[str, str]:
        """Return the fingerprints of what is in force: what a gateway reports that has the same baseline and reads the
        same changes."""
        return {
            "clients": config_fingerprint(self.merged_clients.raw),
            "providers": config_fingerprint(self.merged_providers.raw),
        }

    def baseline(self) -> dict[str, str]:
        """Return the fingerprints of the files, or variables, without the console's changes."""
        return {"clients": self.clients_baseline.fingerprint, "providers": self.providers_baseline.fingerprint}

    def as_changed(self, expected: Mapping[str, str]) -> dict[str, str]:
        """Return what else a gateway may report: the expected baseline, if it is ours, with the console's changes."""
        baseline, running = self.baseline(), self.running()
        return {kind: running[kind] for kind in expected if baseline[kind] == expected[kind]}

    def _take_clients(self, overlay: Overlay) -> None:
        self.clients, self.merged_clients = merged_clients(self.clients_baseline.raw, overlay)

    def _take_providers(self, opened: Opened) -> None:
        self.configured, self.merged_providers = opened.configured, opened.merge
        self.opened.use(opened.opened)
        for listener in self._listeners:
            listener(self.configured)

    def _laid_over(self, document: Document, overlay: Overlay) -> Opened:
        """Return the document with the overlay over it. A mistake of the document raises SettingsError; one of the
        overlay costs only the row that makes it: whom somebody has switched off stays off, whatever else is wrong."""
        if problem := weight_problem(parse_providers(document), self.strategy):
            raise SettingsError(f"PROVIDERS_CONFIG: {problem}")
        try:
            opened = self._open(document, overlay)
        except SettingsError as error:
            opened = self._open_fitting(document, overlay)
            self._state(error)
        if problem := weight_problem(opened.configured, self.strategy):
            # They take turns then, which is better than asking somebody who is switched off.
            self._state(problem)
        return opened

    def _open_fitting(self, document: Document, overlay: Overlay) -> Opened:
        kept, unfit = Overlay(version=overlay.version), list[Ignored]()
        opened = self._open(document, kept)
        for row in overlay.rows:
            tried = msgspec.structs.replace(kept, rows=(*kept.rows, row))
            try:
                opened = self._open(document, tried)
            except SettingsError as error:
                unfit.append(Ignored(kind=row.kind, name=row.name, why=str(error)))
            else:
                kept = tried
        merge = msgspec.structs.replace(opened.merge, ignored=(*opened.merge.ignored, *unfit))
        return msgspec.structs.replace(opened, merge=merge)

    def _state(self, problem: object) -> None:
        self._observer(ReloadFailed(why=f"changes of the console: {problem}"))

    def _open(self, document: Document, overlay: Overlay) -> Opened:
        providers, merge = merged_providers(document.raw, overlay)
        opened = self._open_providers(providers)
        same = {name for name in set(opened) & set(self.opened) if _asks_alike(self.configured, providers, name)}
        # One whose options are as before stays: what it holds open need not be opened again.
        kept = {name: self.opened[name] if name in same else opened[name] for name in opened}
        return Opened(configured=providers, merge=merge, opened=kept)


def _asks_alike(before: Providers, after: Providers, name: str) -> bool:
    return before.kind_of(name) == after.kind_of(name) and before[name].options == after[name].options
