"""Everything that has a say in which provider is asked, put together."""

import random
import time
from collections.abc import Callable

from smsgw.core.buckets import Rates
from smsgw.core.health import Rules
from smsgw.core.lifecycle import Timers
from smsgw.core.ports import Observer
from smsgw.core.providers import Providers
from smsgw.core.routing import Router, Strategy
from smsgw.core.traffic import Traffic
from smsgw.worker.health import HealthBoard
from smsgw.worker.pacing import Pacer
from smsgw.worker.planning import Planner
from smsgw.worker.turns import Turns
from smsgw.worker.waiting import WaitingLanes


class Choosing:
    """The parts, for the providers that are configured now."""

    def __init__(
        self,
        traffic: Traffic,
        providers: Providers,
        *,
        observer: Observer,
        capacity: int,
        timers: Timers,
        strategy: Strategy = Strategy.PRIORITY,
        default_priority: int = 100,
        rates: Rates | None = None,
        rules: Rules | None = None,
        dice: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.health = HealthBoard(traffic, rules=rules or Rules(), observer=observer)
        turns = Turns(traffic)
        self.router = Router(
            providers, strategy=strategy, default_priority=default_priority, allows=self.health.allows, turn=turns
        )
        self.pacer = Pacer(
            traffic,
            rates=rates or Rates(),
            capacity=capacity,
            observer=observer,
            # RETRY_MAX_SECONDS bounds what a provider may ask for, hostile or not.
            most_pause_seconds=timers.retry_max.total_seconds(),
            monotonic=monotonic,
        )
        self.lanes = WaitingLanes(self.router)
        self.planner = Planner(
            router=self.router,
            pacer=self.pacer,
            health=self.health,
            turns=turns,
            lanes=self.lanes,
            timers=timers,
            dice=dice,
        )
        self.use(providers)

    def use(self, providers: Providers) -> None:
        """Choose among these from now on."""
        self.health.use(providers)
        self.router.use(providers)
        self.pacer.use(providers)
        self.lanes.refresh()
