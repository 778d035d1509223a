"""Circuits on simulated time: what the workers know of their providers, exchanged a few times a second."""

from collections import Counter
from collections.abc import Callable, Iterable

from smsgw.core.failure import POLICIES, Health, Outcome
from smsgw.core.health import Cell, Observed, ProviderHealth, Rules, State, update
from smsgw.core.pace_rules import HURRY_SECONDS, PULSE_SECONDS
from smsgw.strategies.timeline import Timeline


class Circuits:
    """Who may be asked. All workers know the same, so one probe at a time is under way, not one per worker."""

    def __init__(self, providers: Iterable[str], rules: Rules, *, time: Timeline, changed: Callable[[], None]) -> None:
        """`changed` is called when a circuit has moved, or a probe has ended."""
        self._rules = rules
        self._time = time
        self._changed = changed
        self._known = {name: ProviderHealth() for name in providers}
        self._seen: dict[str, Counter[tuple[str, Outcome, bool]]] = {name: Counter() for name in providers}
        self._probing: set[tuple[str, str]] = set()
        self._is_everybody_well = True
        self._next_pulse = float("inf")

    def allows(self, provider: str, country: str) -> bool:
        """Whether a message may leave: the circuit is closed, or half open and nobody is probing it."""
        if self._is_everybody_well:
            return True
        state = self._known[provider].allows(country)
        if state is State.CLOSED:
            return True
        return state is State.HALF_OPEN and (provider, self._cell(provider, country)) not in self._probing

    def begin(self, provider: str, country: str) -> tuple[str, str] | None:
        """Note that a message leaves; return the probe that it is, for `note`."""
        if self._is_everybody_well or self._known[provider].allows(country) is not State.HALF_OPEN:
            return None
        probe = (provider, self._cell(provider, country))
        self._probing.add(probe)
        return probe

    def note(self, provider: str, country: str, outcome: Outcome, probe: tuple[str, str] | None) -> None:
        """Note how a call ended."""
        if probe:
            self._probing.discard(probe)
        self._seen[provider][country, outcome, probe is not None] += 1
        is_urgent = probe is not None or POLICIES[outcome].health in (Health.FAILURE, Health.OPENS_CIRCUIT)
        self._pulse_at(self._time.seconds + (HURRY_SECONDS if is_urgent else PULSE_SECONDS))

    def _pulse_at(self, seconds: float) -> None:
        if seconds < self._next_pulse:
            self._next_pulse = seconds
            self._time.at(seconds, self._pulse)

    def _pulse(self) -> None:
        """Tell the core what was seen. A pulse that an earlier one has made needless finds nothing."""
        if self._time.seconds < self._next_pulse:
            return
        self._next_pulse = float("inf")
        were_well = self._is_everybody_well
        now = self._time.now.timestamp()
        for name, seen in self._seen.items():
            if seen or not were_well:
                told = [Observed(country, outcome, count, probe) for (country, outcome, probe), count in seen.items()]
                self._known[name] = update(self._known[name], told, now, self._rules)
                seen.clear()
        ill = [cell for health in self._known.values() for cell in _cells(health) if cell.state is not State.CLOSED]
        self._is_everybody_well = not ill
        for cell in ill:
            if cell.state is State.OPEN:
                self._pulse_at(self._time.seconds + max(HURRY_SECONDS, cell.until - now))
        if ill or not were_well:
            self._changed()

    def _cell(self, provider: str, country: str) -> str:
        return country if self._known[provider].whole.state is State.CLOSED else ""


def _cells(health: ProviderHealth) -> Iterable[Cell]:
    return (health.whole, *health.countries.values())
