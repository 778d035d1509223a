"""The watch over the console's changes: at start, every look, through an outage."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from smsgw.core.audit_log import AuditEntry
from smsgw.core.events import Crashed, OverlayAway, OverlayBack
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.transports.books.memory import MemoryBooks, MemoryOverlays
from smsgw.wiring.overlays import OverlayWatch

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ROW = OverlayRow(kind=Kind.PROVIDER, name="A", body={"weight": 2}, changed_at=NOW, changed_by="eva")
ENTRY = AuditEntry(at=NOW, who="eva", action="provider.change", subject="A")


class Watched:
    """A watch on memory books: what it handed on, what it stated; `bug` is raised by who uses it."""

    def __init__(self) -> None:
        self.books = MemoryBooks()
        self.used: list[Overlay] = []
        self.facts: list[Any] = []
        self.bug: Exception | None = None
        self.is_used = asyncio.Event()
        self.watch = OverlayWatch(self.books.overlays, use=self._use, observer=self.facts.append)

    async def change(self) -> None:
        assert await self.books.overlays.change([ROW], expected=await self.books.overlays.version(), entry=ENTRY)

    def _use(self, overlay: Overlay) -> None:
        if self.bug is not None:
            raise self.bug
        self.used.append(overlay)
        if overlay.version:
            self.is_used.set()


class Unreadable(MemoryOverlays):
    """An overlay that cannot be read while `error` is there."""

    def __init__(self) -> None:
        super().__init__(MemoryBooks())
        self.error: Exception | None = ValueError("of a newer release")

    async def overlay(self) -> Overlay:
        if self.error is not None:
            raise self.error
        return await super().overlay()


async def test_a_version_is_handed_on_once() -> None:
    watched = Watched()
    await watched.change()

    for _ in range(3):
        await watched.watch.run_once()

    assert [(1, (ROW,))] == [(each.version, each.rows) for each in watched.used]


async def test_through_an_outage_the_last_one_stays_and_it_is_stated_once() -> None:
    watched = Watched()
    await watched.change()
    await watched.watch.load()
    watched.books.fail = True
    for _ in range(3):
        await watched.watch.run_once()

    watched.books.fail = False
    await watched.change()
    await watched.watch.run_once()

    assert [OverlayAway(detail="told to fail"), OverlayBack()] == watched.facts
    assert [1, 2] == [each.version for each in watched.used]


async def test_a_start_without_the_database_goes_on_and_takes_it_later() -> None:
    watched = Watched()
    watched.books.fail = True
    await watched.watch.load()
    watched.books.fail = False
    await watched.change()

    await watched.watch.run_once()

    assert [1] == [each.version for each in watched.used]


async def test_who_may_not_begin_without_the_changes_waits_until_they_are_known() -> None:
    watched = Watched()
    watched.books.fail = True
    await watched.watch.load()
    waiting = asyncio.create_task(watched.watch.wait_until_known())
    await asyncio.sleep(0)
    before = (waiting.done(), watched.watch.problem())

    watched.books.fail = False
    await asyncio.wait_for(waiting, timeout=10)

    assert (False, "the console's changes have not been read yet") == before
    assert watched.watch.problem() is None
    assert [0] == [each.version for each in watched.used]


async def test_what_cannot_be_read_ends_nothing_and_is_stated_once() -> None:
    watched, unreadable = Watched(), Unreadable()
    watch = OverlayWatch(unreadable, use=watched.used.append, observer=watched.facts.append)
    for _ in range(3):
        await watch.run_once()

    unreadable.error = None
    await watch.run_once()

    assert [Crashed] == [type(fact) for fact in watched.facts]
    assert [0] == [each.version for each in watched.used]


async def test_a_bug_in_taking_it_ends_nothing() -> None:
    watched = Watched()
    watched.bug = ZeroDivisionError("here")
    await watched.watch.run_once()
    watched.bug = None
    await watched.change()

    await watched.watch.run_once()

    assert [Crashed] == [type(fact) for fact in watched.facts]
    assert [1] == [each.version for each in watched.used]


async def test_it_looks_until_it_is_stopped() -> None:
    watched, stop = Watched(), asyncio.Event()
    running = asyncio.create_task(watched.watch.run(stop, every_seconds=0.01))
    await watched.change()

    await asyncio.wait_for(watched.is_used.wait(), timeout=10)
    stop.set()
    await asyncio.wait_for(running, timeout=10)

    assert [1] == [each.version for each in watched.used if each.version]
