"""Which providers a message may be sent through, in which order."""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from smsgw.core.choice import Choice, ChosenBy, PassedOver
from smsgw.core.message import Message, Reason
from smsgw.core.providers import Providers
from smsgw.core.turns import order_at, sequence_name

Shares = tuple[tuple[str, int], ...]
_RANKED = frozenset({ChosenBy.ORDER, ChosenBy.PRIORITY})


class Strategy(StrEnum):
    """SMART_SELECTION_STRATEGY."""

    PRIORITY = "priority"
    ROUND_ROBIN = "round_robin"
    WEIGHTED = "weighted"


def weight_problem(providers: Providers, strategy: Strategy) -> str | None:
    """Return what is wrong with the weights, or None: with 0 everywhere nobody would ever be chosen."""
    active = [name for name in providers if providers[name].is_active]
    if strategy is not Strategy.WEIGHTED or not active or any(providers[name].weight for name in active):
        return None
    return "SMART_SELECTION_STRATEGY is weighted, and the weight of every active provider is 0"


class NoCandidate(msgspec.Struct, frozen=True):
    """Nobody may be asked. `is_final` means that waiting cannot help: the caller chose the providers himself."""

    reason: Reason
    is_final: bool


class Candidates(tuple[str, ...]):
    """Whom to ask, first first. `is_open`: behind a circuit that is open, all of them; the message waits for one."""

    __slots__ = ()
    is_open = False


class OpenCandidates(Candidates):
    """Candidates that nobody may be asked now."""

    __slots__ = ()
    is_open = True


class LocalTurns:
    """Positions that nobody shares: each sequence begins with 0 in this process."""

    def __init__(self) -> None:
        self._positions: Counter[str] = Counter()

    def __call__(self, sequence: str) -> int:
        """Take the next position."""
        self._positions[sequence] += 1
        return self._positions[sequence] - 1


def everybody_is_well(_provider: str, _country: str) -> bool:
    """Allow every call: where no health is kept."""
    return True


class Router:
    """Chooses candidates. It needs no clock and no dice: whose turn it is and who is well, it is told."""

    def __init__(
        self,
        providers: Providers,
        *,
        strategy: Strategy,
        default_priority: int,
        allows: Callable[[str, str], bool] = everybody_is_well,
        turn: Callable[[str], int] | None = None,
    ) -> None:
        """`allows(provider, country)`: whether its circuit lets a message through. `turn(sequence)`: a position."""
        self._strategy = strategy
        self._default_priority = default_priority
        self._allows = allows
        self._turn = turn or LocalTurns()
        self._by = ChosenBy(strategy.value)
        self._plain = {by: Choice(by) for by in ChosenBy}
        self.use(providers)

    def use(self, providers: Providers) -> None:
        """Choose among these from now on; whose turn it is stays."""
        self._providers = providers
        by_priority = tuple(sorted(providers.usable(), key=self._priority))
        self._usable = by_priority if self._strategy is Strategy.PRIORITY else providers.usable()
        active = tuple(name for name in providers if providers[name].is_active)
        is_ranked = self._strategy is Strategy.PRIORITY
        self._active = tuple(sorted(active, key=self._priority)) if is_ranked else active

    def candidates(
        self, wanted: Sequence[str], *, prefer: str | None, refused: Sequence[str] = (), country: str = ""
    ) -> Candidates | NoCandidate:
        """Return whom to ask: exclusive, prioritised or smart (spec section 4). Who has `refused` the message before is
        not asked again; when nobody else is left, waiting cannot help. Who drains is asked only for what can go through
        nobody else. Who is behind an open circuit is left out while another one is not."""
        usable = self.usable_of(wanted)
        if not usable:
            return _nobody(wanted)
        if refused:
            usable = self._askable(tuple(name for name in wanted or usable if name not in refused))
            if not usable:
                return NoCandidate(Reason.REJECTED, is_final=True)
        well = tuple(name for name in usable if self._allows(name, country))
        if not well:
            return OpenCandidates(usable)
        if not wanted and self._strategy is not Strategy.PRIORITY and len(well) > 1:
            well = self._in_turn(well)
        if prefer in well:
            return Candidates((prefer, *(name for name in well if name != prefer)))
        return Candidates(well)

    def why(self, chosen: str, names: Sequence[str], *, message: Message, country: str) -> Choice:
        """Return why `chosen` is asked, of the candidates `names` for this message: for its story."""
        wanted = message.providers
        if len(wanted) == 1:
            return Choice(ChosenBy.EXCLUSIVE)
        by = ChosenBy.ORDER if wanted else self._by
        if chosen == message.prefer:
            return Choice(ChosenBy.PREFER, {}, by)
        if chosen == names[0] and len(names) == len(wanted or self._active):
            return self._plain[by]
        return Choice(by, self._passed_over(chosen, names, by, message=message, country=country))

    def _passed_over(
        self, chosen: str, names: Sequence[str], by: ChosenBy, *, message: Message, country: str
    ) -> dict[str, PassedOver]:
        well = PassedOver.AT_LIMIT, PassedOver.CIRCUIT_OPEN
        over = {name: well[not self._allows(name, country)] for name in names[: names.index(chosen)]}
        others = message.providers or self._active
        if by in _RANKED and chosen in others:
            others = others[: others.index(chosen)]
        for name in others:
            if name not in names:
                over[name] = self._left_out(name, message)
        return over

    def _left_out(self, name: str, message: Message) -> PassedOver:
        if not self._providers.can_send(name):
            return PassedOver.DISABLED
        if not self._providers.is_usable(name):
            return PassedOver.DRAINING
        return PassedOver.REFUSED_BEFORE if name in message.refused else PassedOver.CIRCUIT_OPEN

    def usable_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of the names that may be asked; without names all usable ones, in the order of the strategy."""
        return self._askable(names) if names else self._usable

    @property
    def sequence(self) -> str | None:
        """The sequence whose turns decide while everybody is well; None where turns do not count."""
        if self._strategy is Strategy.PRIORITY or len(self._usable) < 2:
            return None
        return sequence_name(self._shares(self._usable))

    def _askable(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the usable ones; where there are none, those that drain: what is stored goes through nobody else."""
        able = tuple(name for name in names if self._providers.can_send(name))
        return tuple(name for name in able if self._providers.is_usable(name)) or able

    def _in_turn(self, well: tuple[str, ...]) -> tuple[str, ...]:
        shares = self._shares(well)
        return order_at(shares, self._turn(sequence_name(shares)))

    def _shares(self, names: tuple[str, ...]) -> Shares:
        if self._strategy is Strategy.ROUND_ROBIN:
            return tuple((name, 1) for name in names)
        return tuple((name, self._providers[name].weight) for name in names)

    def _priority(self, name: str) -> int:
        priority = self._providers[name].priority
        return self._default_priority if priority is None else priority


def _nobody(wanted: Sequence[str]) -> NoCandidate:
    if not wanted:
        return NoCandidate(Reason.NO_PROVIDER_AVAILABLE, is_final=False)
    is_exclusive = len(wanted) == 1
    return NoCandidate(Reason.PROVIDER_DISABLED if is_exclusive else Reason.ALL_PROVIDERS_DISABLED, is_final=True)
