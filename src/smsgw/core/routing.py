"""Which providers a message may be sent through, in which order."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from smsgw.core.message import Reason
from smsgw.core.providers import Providers


class Strategy(StrEnum):
    """SMART_SELECTION_STRATEGY."""

    PRIORITY = "priority"
    ROUND_ROBIN = "round_robin"
    WEIGHTED = "weighted"


class NoCandidate(msgspec.Struct, frozen=True):
    """Nobody may be asked. `is_final` means that waiting cannot help: the caller chose the providers himself."""

    reason: Reason
    is_final: bool


class Router:
    """Chooses candidates. Its only state is whose turn it is among equals, so it needs no clock and no dice."""

    def __init__(self, providers: Providers, *, strategy: Strategy, default_priority: int) -> None:
        self._providers = providers
        self._strategy = strategy
        self._default_priority = default_priority
        self._turn = 0
        self._credit: dict[str, int] = {}

    def use(self, providers: Providers) -> None:
        """Choose among these from now on; whose turn it is stays."""
        self._providers = providers

    def candidates(
        self, wanted: Sequence[str], *, prefer: str | None, refused: Sequence[str] = ()
    ) -> tuple[str, ...] | NoCandidate:
        """Return whom to ask, first first: exclusive, prioritised or smart (spec section 4). Who has `refused` the
        message before is not asked again; when nobody else is left, waiting cannot help."""
        usable = tuple(name for name in wanted if self._providers.is_usable(name))
        if wanted and not usable:
            is_exclusive = len(wanted) == 1
            reason = Reason.PROVIDER_DISABLED if is_exclusive else Reason.ALL_PROVIDERS_DISABLED
            return NoCandidate(reason, is_final=True)
        if not wanted:
            usable = self._smart()
            if not usable:
                return NoCandidate(Reason.NO_PROVIDER_AVAILABLE, is_final=False)
        if refused:
            usable = tuple(name for name in usable if name not in refused)
            if not usable:
                return NoCandidate(Reason.REJECTED, is_final=True)
        if prefer in usable:
            return (prefer, *(name for name in usable if name != prefer))
        return usable

    def _smart(self) -> tuple[str, ...]:
        usable = self._providers.usable()
        if self._strategy is Strategy.PRIORITY or len(usable) < 2:
            return tuple(sorted(usable, key=self._priority))
        first = self._next_in_turn(usable) if self._strategy is Strategy.ROUND_ROBIN else self._next_by_weight(usable)
        start = usable.index(first)
        return usable[start:] + usable[:start]

    def _priority(self, name: str) -> int:
        priority = self._providers[name].priority
        return self._default_priority if priority is None else priority

    def _next_in_turn(self, usable: tuple[str, ...]) -> str:
        self._turn += 1
        return usable[(self._turn - 1) % len(usable)]

    def _next_by_weight(self, usable: tuple[str, ...]) -> str:
        """Smooth weighted round-robin: everyone earns his weight, the richest serves and pays the whole round."""
        weights = {name: self._providers[name].weight for name in usable}
        total = sum(weights.values())
        if total == 0:
            return self._next_in_turn(usable)
        self._credit = {name: self._credit.get(name, 0) + weight for name, weight in weights.items()}
        chosen = max(usable, key=self._credit.__getitem__)
        self._credit[chosen] -= total
        return chosen
