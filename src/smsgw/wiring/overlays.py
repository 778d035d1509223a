"""The console's changes, brought to a role while it runs: read at start, then looked for every other second."""

import asyncio
from collections.abc import Callable

from smsgw.core.events import Crashed
from smsgw.core.overlay import Overlay, Overlays
from smsgw.core.overlay_events import OverlayAway, OverlayBack
from smsgw.core.ports import Observer, StoreUnavailableError
from smsgw.wiring.transports import Transports

EVERY_SECONDS = 2.0
"""A change is in force within 5 s everywhere: this, a look, and the time that a merge takes."""
START_SECONDS = 3.0
"""How long a start waits for a database that does not answer; the role goes on without the changes then."""
UNKNOWN_SECONDS = 0.5
"""How often one who may not begin without the changes looks for them."""


def watched(transports: Transports, url: str, *, use: Callable[[Overlay], None], observer: Observer) -> "OverlayWatch":
    """Return the watch over the changes in the database of this URL. Its calls are counted and logged nowhere: it tells
    itself, once, when they fail."""
    books = transports.books(url, observer=lambda _fact: None)
    return OverlayWatch(books.overlays, use=use, observer=observer)


class OverlayWatch:
    """Hands every version of the overlay to `use`. Through an outage the last one that is known stays in force."""

    def __init__(self, overlays: Overlays, *, use: Callable[[Overlay], None], observer: Observer) -> None:
        self._overlays = overlays
        self._use = use
        self._observer = observer
        self._version: int | None = None
        self._is_away = False
        self._is_broken = False

    async def wait_until_known(self) -> None:
        """Return once the changes have been read: who sends before asks a provider that somebody has switched off."""
        while self._version is None:
            await self.run_once()
            if self._version is None:
                await asyncio.sleep(UNKNOWN_SECONDS)

    def problem(self) -> str | None:
        """Return why nobody may begin, or None."""
        return "the console's changes have not been read yet" if self._version is None else None

    async def load(self) -> None:
        """Take what is there now, before the role does anything, if the database answers in time."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self.run_once()
        except TimeoutError:
            self._lost("no answer in time")

    async def run_once(self) -> None:
        """Look whether there is another version, and take it; an outage is stated once."""
        try:
            overlay = await self._newer()
        except StoreUnavailableError as error:
            self._lost(str(error))
            return
        except Exception as error:  # noqa: BLE001  (what cannot be read must not end the role: the last version holds)
            self._broken(error)
            return
        self._is_broken = False
        if self._is_away:
            self._is_away = False
            self._observer(OverlayBack())
        if overlay is not None:
            self._version = overlay.version
            self._take(overlay)

    async def run(self, stop: asyncio.Event, *, every_seconds: float = EVERY_SECONDS) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(every_seconds):
                    await stop.wait()
            except TimeoutError:
                await self.run_once()

    async def _newer(self) -> Overlay | None:
        if await self._overlays.version() == self._version:
            return None
        return await self._overlays.overlay()

    def _take(self, overlay: Overlay) -> None:
        try:
            self._use(overlay)
        except Exception as error:  # noqa: BLE001  (a bug here must not end the role; the next version is another try)
            self._observer(Crashed(where="overlay", error=error))

    def _broken(self, error: Exception) -> None:
        if not self._is_broken:
            self._is_broken = True
            self._observer(Crashed(where="overlay", error=error))

    def _lost(self, detail: str) -> None:
        if not self._is_away:
            self._is_away = True
            self._observer(OverlayAway(detail=detail))
