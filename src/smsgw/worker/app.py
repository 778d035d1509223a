"""The worker's loops, started in order and stopped so that nothing in flight is lost."""

import asyncio
from collections.abc import Awaitable, Callable

from smsgw.core.ports import Consumer
from smsgw.worker.console.sweeping import SignInSweeper
from smsgw.worker.dispatch import Dispatcher
from smsgw.worker.heartbeat import HeartbeatConsumer
from smsgw.worker.intake import Intake
from smsgw.worker.lanes import LaneSweeper
from smsgw.worker.outage import StoreGate
from smsgw.worker.planning import Planner
from smsgw.worker.reports import ReportApplier
from smsgw.worker.retention import RetentionChore
from smsgw.worker.runs import Runs
from smsgw.worker.shares import ShareBook
from smsgw.worker.supervise import Supervisor
from smsgw.worker.sweep import RoundSweeper, TimerSweeper
from smsgw.worker.traffic_book import TrafficBook
from smsgw.worker.watch import Watch

DRAIN_SECONDS = 17.0
STARTERS_SECONDS = 3.0


class Worker:
    """Everything that runs between the broker and the providers; HTTP is beside it."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        gate: StoreGate,
        intake: Intake,
        consumer: Consumer,
        dispatcher: Dispatcher,
        rounds: RoundSweeper,
        lanes: LaneSweeper,
        planner: Planner,
        timers: TimerSweeper,
        reports: ReportApplier,
        heartbeats: HeartbeatConsumer,
        watch: Watch,
        retention: RetentionChore,
        shares: ShareBook,
        traffic_book: TrafficBook,
        sign_ins: SignInSweeper,
        runs: Runs,
        config_known: Callable[[], Awaitable[None]],
    ) -> None:
        """`config_known` returns once the console's changes have been read: before that nothing is consumed."""
        self._supervisor = supervisor
        self._gate = gate
        self._intake = intake
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._rounds, self._lanes = rounds, lanes
        self._planner = planner
        self._timers = timers
        self._shares, self._traffic_book = shares, traffic_book
        self._runs = runs
        self._config_known = config_known
        self._background: dict[str, Callable[[], Awaitable[float]]] = {
            "health": planner.health.run_once,
            "timers": timers.run_once,
            "reports": reports.run_once,
            "heartbeats": heartbeats.run_once,
            "watch": watch.run_once,
            "retention": retention.run_once,
            "shares": shares.run_once,
            "traffic": traffic_book.run_once,
            "sign-ins": sign_ins.run_once,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then start nothing new, give back what is not committed, and let calls in flight end."""
        try:
            if not await self._may_begin(stop):
                return
            await self._work(stop)
        finally:
            await self._timers.close()
            await self._planner.pacer.close()
            await self._shares.run_once()
            await self._traffic_book.close()
            await self._gate.close()

    async def _work(self, stop: asyncio.Event) -> None:
        stopping = self._supervisor.stopping
        starters = {
            asyncio.create_task(self._intake.run_until(stopping), name="intake"),
            asyncio.create_task(self._supervisor.repeat(self._rounds.run_once, where="rounds"), name="rounds"),
            asyncio.create_task(self._supervisor.repeat(self._lanes.run_once, where="lanes"), name="lanes"),
        }
        background = {
            asyncio.create_task(self._supervisor.repeat(run, where=name), name=name)
            for name, run in self._background.items()
        }
        self._runs.start()
        try:
            await self._until_told(stop, {*starters, *background})
            stopping.set()
            await asyncio.wait(starters, timeout=STARTERS_SECONDS)
            await self._consumer.pause()
            await self._dispatcher.drain(DRAIN_SECONDS)
        finally:
            await self._runs.close()
            for task in (*starters, *background):
                task.cancel()
            await asyncio.gather(*starters, *background, return_exceptions=True)

    async def _until_told(self, stop: asyncio.Event, loops: set[asyncio.Task[None]]) -> None:
        """Return when told to stop; a loop that ends before is a bug that must not go unnoticed."""
        told = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({told, *loops}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        for task in done - {told}:
            raise RuntimeError(f"the loop {task.get_name()!r} ended") from task.exception()

    async def _may_begin(self, stop: asyncio.Event) -> bool:
        """Wait for the store, this release's schema and the console's changes: before that nothing is consumed, and
        nobody asked who is switched off. False when stopped first."""
        usable = asyncio.create_task(self._wait_for_store())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({usable, stopped}, return_when=asyncio.FIRST_COMPLETED)
        is_usable = usable.done() and usable.exception() is None
        for task in (usable, stopped):
            task.cancel()
        await asyncio.gather(usable, stopped, return_exceptions=True)
        return is_usable

    async def _wait_for_store(self) -> None:
        await self._gate.wait_until_usable()
        await self._config_known()
