"""What providers hold open: as long as they are configured and active, one by one, restarted when it breaks."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from smsgw.core.events import Crashed, ReportReceived
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Keep, Observer, Provider
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.config import LiveProviders
from smsgw.worker.keeping import ReportKeeper
from smsgw.worker.runs import Runs
from tests.unit.worker.rig import START, ScriptedProvider

REPORT = DeliveryReport(status=ReportStatus.DELIVERED, provider_message_id="m-1", dedupe_key="k")


class Held(ScriptedProvider):
    """Holds something open, and notes its beginning and its end in the order of all."""

    def __init__(self, name: str, story: list[str], *, title: str = "", breaks: int = 0) -> None:
        super().__init__(name)
        self.title = title or name
        self._story = story
        self._breaks = breaks
        self.keep: Keep | None = None

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Run until cancelled."""
        if self._breaks:
            self._breaks -= 1
            raise RuntimeError("broken")
        self.keep = keep
        self._story.append(f"{self.title} begins")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self._story.append(f"{self.title} ends")


class Stage:
    """Runs over providers that a reload may replace."""

    def __init__(self, *providers: Provider) -> None:
        self.facts: list[Any] = []
        self.woken = 0
        self.store = MemoryStore()
        self.live = LiveProviders(_named(providers))
        keeper = ReportKeeper(store=self.store, observer=self.facts.append, clock=lambda: START, wake=self._wake)
        self.runs = Runs(self.live, keeper=keeper, observer=self.facts.append)
        self.runs.use(_configured(self.live))

    def reload(self, *providers: Provider, inactive: Sequence[str] = ()) -> None:
        """Take these from now on."""
        self.live.use(_named(providers))
        self.runs.use(_configured(self.live, inactive))

    def _wake(self) -> None:
        self.woken += 1


def _named(providers: Sequence[Provider]) -> Mapping[str, Provider]:
    return {provider.name: provider for provider in providers}


def _configured(names: Mapping[str, Provider], inactive: Sequence[str] = ()) -> Providers:
    return Providers({name: ProviderConfig(is_active=name not in inactive, is_operational=True) for name in names})


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_nothing_begins_before_the_worker_does_and_all_ends_with_it() -> None:
    story: list[str] = []
    stage = Stage(Held("A", story), ScriptedProvider("B"))
    await settled()
    assert [] == story

    stage.runs.start()
    await settled()
    await stage.runs.close()

    assert ["A begins", "A ends"] == story
    assert [] == stage.facts


async def test_a_reload_leaves_alone_what_is_as_it_was() -> None:
    story: list[str] = []
    stays, other = Held("A", story), Held("B", story)
    stage = Stage(stays)
    stage.runs.start()
    await settled()

    stage.reload(stays, other)
    await settled()

    assert ["A begins", "B begins"] == story
    await stage.runs.close()


async def test_a_successor_begins_when_its_predecessor_has_ended() -> None:
    story: list[str] = []
    stage = Stage(Held("A", story, title="old"))
    stage.runs.start()
    await settled()

    stage.reload(Held("A", story, title="never"))
    stage.reload(Held("A", story, title="new"))
    await settled()

    assert ["old begins", "old ends", "new begins"] == story
    await stage.runs.close()


async def test_what_is_switched_off_or_gone_ends_and_may_come_back() -> None:
    story: list[str] = []
    one, other = Held("A", story), Held("B", story)
    stage = Stage(one, other)
    stage.runs.start()
    await settled()

    stage.reload(one, inactive=["A"])
    await settled()
    stage.reload(one)
    await settled()

    assert {"A begins", "B begins"} == set(story[:2])
    assert {"A ends", "B ends"} == set(story[2:4])
    assert ["A begins"] == story[4:]
    await stage.runs.close()


async def test_a_bug_is_told_and_the_provider_runs_again() -> None:
    story: list[str] = []
    stage = Stage(Held("A", story, breaks=1))
    stage.runs.start()
    async with asyncio.timeout(10):
        while not story:
            await asyncio.sleep(0.01)

    assert ["provider A"] == [fact.where for fact in stage.facts if isinstance(fact, Crashed)]
    await stage.runs.close()


async def test_what_is_kept_is_in_the_inbox_before_it_is_said_to_be() -> None:
    held = Held("A", [])
    stage = Stage(held)
    stage.runs.start()
    await settled()
    assert held.keep

    assert await held.keep([REPORT])
    assert await held.keep([REPORT])

    told = [(fact.provider, fact.new) for fact in stage.facts if isinstance(fact, ReportReceived)]
    assert [("A", 1), ("A", 0)] == told
    assert 2 == stage.woken
    await stage.runs.close()


async def test_what_the_store_does_not_take_is_not_kept() -> None:
    held = Held("A", [])
    stage = Stage(held)
    stage.runs.start()
    await settled()
    assert held.keep
    stage.store.fail = True

    assert not await held.keep([REPORT])
    assert 0 == stage.woken
    await stage.runs.close()
