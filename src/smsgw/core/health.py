"""A provider's health, pure: a sliding window of outcomes, and the circuit that opens when too many of them fail.

Kept for the provider as a whole and for each country that it sends to. `now` is a Unix time of the store's clock.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from smsgw.core.failure import POLICIES, Health, Outcome

SLOTS = 12
"""Into how many parts the window is cut; the oldest falls out of it whole."""
CLOSE_AFTER = 3
"""Probes in a row that must succeed: one lucky answer does not bring all the traffic back."""
MOST_COUNTRIES = 64
"""With outcomes in the window; of more, the least busy count for the whole only."""
MOST_SKEW_SECONDS = 2.0
"""So much two stores' clocks may differ, one of which took over from the other."""
LONGEST_OPEN = 8
"""Each failed probe doubles the time until the next, up to so many times HEALTH_OPEN_SECONDS."""


class State(StrEnum):
    """Of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """HEALTH_WINDOW_SECONDS, HEALTH_MIN_SAMPLE, HEALTH_FAILURE_RATIO, HEALTH_OPEN_SECONDS."""

    window_seconds: float = 60.0
    min_sample: int = 10
    failure_ratio: float = 0.5
    open_seconds: float = 30.0


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """Outcomes of one part of the window."""

    number: int
    good: int = 0
    bad: int = 0


class Cell(msgspec.Struct, frozen=True):
    """The window and the circuit of a provider, or of one country at it."""

    slots: tuple[Slot, ...] = ()
    state: State = State.CLOSED
    since: float = 0.0
    """When it came into this state."""
    until: float = 0.0
    """When an open circuit lets a probe through."""
    reason: str = ""
    """Why it opened last; empty for one that never did."""
    probes: int = 0
    """That succeeded in a row."""
    openings: int = 0
    """In a row, without having been closed in between."""

    @property
    def good(self) -> int:
        """Successes in the window."""
        return sum(slot.good for slot in self.slots)

    @property
    def bad(self) -> int:
        """Failures in the window."""
        return sum(slot.bad for slot in self.slots)

    @property
    def sample(self) -> int:
        """Outcomes in the window that say something about the provider."""
        return self.good + self.bad


class ProviderHealth(msgspec.Struct, frozen=True):
    """One provider's document, shared by all workers."""

    whole: Cell = Cell()
    countries: dict[str, Cell] = {}

    def allows(self, country: str) -> State:
        """Return the state that counts for a message to this country: the provider's, unless it is closed. While the
        provider is probed, a country whose own circuit is open is left out of it."""
        cell = self.countries.get(country)
        own = cell.state if cell else State.CLOSED
        if self.whole.state is State.CLOSED or (self.whole.state is State.HALF_OPEN and own is State.OPEN):
            return own
        return self.whole.state


class Observed(msgspec.Struct, frozen=True):
    """How often one outcome happened at a provider, for one country."""

    country: str
    outcome: Outcome
    count: int = 1
    is_probe: bool = False
    """Whether the circuit was half open when the message left."""


def update(health: ProviderHealth, seen: Iterable[Observed], now: float, rules: Rules) -> ProviderHealth:
    """Return the health after some outcomes, at this time; without outcomes only time passes."""
    number = int(now // (rules.window_seconds / SLOTS))
    whole = _ripened(_fresh(health.whole, number), now)
    countries = {country: _ripened(_fresh(cell, number), now) for country, cell in health.countries.items()}
    for each in seen:
        policy = POLICIES[each.outcome].health
        # Who is not reached at all is not reached for any country.
        tells_of_country = each.outcome is not Outcome.UNREACHABLE and policy is not Health.OPENS_CIRCUIT
        cell = countries.get(each.country, Cell(since=now))
        if tells_of_country and _is_alone(cell, each, whole):
            countries[each.country] = _opened(
                cell, f"a probe failed, those to others did not: {each.outcome}", now, rules
            )
            continue
        whole = _counted(whole, each, number, now, rules)
        if tells_of_country:
            countries[each.country] = _counted(cell, each, number, now, rules)
    whole, countries = _judged(whole, countries, now, rules)
    return ProviderHealth(whole, _busiest(countries))


def _counted(cell: Cell, seen: Observed, number: int, now: float, rules: Rules) -> Cell:
    """Count one outcome into a cell, or let it close or open a circuit that is not closed."""
    policy = POLICIES[seen.outcome].health
    if policy is Health.OPENS_CIRCUIT:
        return _opened(cell, f"{seen.outcome}: the provider refuses our account", now, rules)
    if cell.state is State.OPEN:
        return cell  # the answers of calls that were under way say what is known already
    if cell.state is State.HALF_OPEN:
        return _probed(cell, seen, now, rules) if seen.is_probe else cell
    if policy is Health.NEUTRAL:
        return cell
    good, bad = (seen.count, 0) if policy is Health.SUCCESS else (0, seen.count)
    return msgspec.structs.replace(cell, slots=_added(cell.slots, number, good, bad))


def _is_alone(cell: Cell, seen: Observed, whole: Cell) -> bool:
    """Whether a probe of the provider failed for a country for which nothing works, while it works for others: the
    provider shall not stay closed to all of them because of one."""
    is_failed_probe = seen.is_probe and POLICIES[seen.outcome].health is Health.FAILURE
    return is_failed_probe and whole.state is State.HALF_OPEN and whole.probes > 0 and cell.good == 0


def _probed(cell: Cell, seen: Observed, now: float, rules: Rules) -> Cell:
    if POLICIES[seen.outcome].health is Health.FAILURE:
        return _opened(cell, f"a probe failed: {seen.outcome}", now, rules)
    if seen.outcome is Outcome.THROTTLED:
        return cell  # it answers, and does not work: the next probe tells more
    probes = cell.probes + seen.count
    if probes < CLOSE_AFTER:
        return msgspec.structs.replace(cell, probes=probes)
    return Cell(since=now, reason=cell.reason)


def _judged(whole: Cell, countries: dict[str, Cell], now: float, rules: Rules) -> tuple[Cell, dict[str, Cell]]:
    """Open what fails too often: the countries alone where the provider works for the others."""
    if whole.state is not State.CLOSED:
        return whole, countries
    bad = {country: cell for country, cell in countries.items() if _is_failing(cell.good, cell.bad, rules)}
    rest_good = whole.good - sum(cell.good for cell in bad.values())
    rest_bad = whole.bad - sum(cell.bad for cell in bad.values())
    is_local = bool(bad) and rest_good + rest_bad >= rules.min_sample and not _is_failing(rest_good, rest_bad, rules)
    if is_local:
        opened = {country: _opened(cell, _share(cell, rules), now, rules) for country, cell in bad.items()}
        # What they failed is theirs alone from now on.
        return _less(whole, bad.values()), {**countries, **opened}
    if _is_failing(whole.good, whole.bad, rules):
        forgotten = {country: msgspec.structs.replace(cell, slots=()) for country, cell in countries.items()}
        return _opened(whole, _share(whole, rules), now, rules), forgotten
    return whole, countries


def _is_failing(good: int, bad: int, rules: Rules) -> bool:
    sample = good + bad
    return sample >= rules.min_sample and bad >= rules.failure_ratio * sample


def _share(cell: Cell, rules: Rules) -> str:
    return f"{cell.bad} of {cell.sample} calls failed within {rules.window_seconds:g} s"


def _opened(cell: Cell, reason: str, now: float, rules: Rules) -> Cell:
    if cell.state is State.OPEN:
        return cell
    wait = rules.open_seconds * min(LONGEST_OPEN, 2**cell.openings)
    return Cell(state=State.OPEN, since=now, until=now + wait, reason=reason, openings=min(cell.openings + 1, 16))


def _ripened(cell: Cell, now: float) -> Cell:
    """Let an open circuit become half open when its time has come."""
    # On a clock that was set back it would stay open for as long as that, too: the store's clock opened it.
    is_set_back = cell.since - now > MOST_SKEW_SECONDS
    if cell.state is not State.OPEN or (now < cell.until and not is_set_back):
        return cell
    return msgspec.structs.replace(cell, state=State.HALF_OPEN, since=now, probes=0)


def _fresh(cell: Cell, number: int) -> Cell:
    """Drop what has fallen out of the window (and what a clock that was set back left in the future)."""
    kept = tuple(slot for slot in cell.slots if number - SLOTS < slot.number <= number)
    return cell if len(kept) == len(cell.slots) else msgspec.structs.replace(cell, slots=kept)


def _added(slots: tuple[Slot, ...], number: int, good: int, bad: int) -> tuple[Slot, ...]:
    if slots and slots[-1].number == number:
        last = slots[-1]
        return (*slots[:-1], Slot(number, last.good + good, last.bad + bad))
    return (*slots, Slot(number, good, bad))


def _less(whole: Cell, cells: Iterable[Cell]) -> Cell:
    gone: dict[int, tuple[int, int]] = {}
    for slot in (slot for cell in cells for slot in cell.slots):
        good, bad = gone.get(slot.number, (0, 0))
        gone[slot.number] = (good + slot.good, bad + slot.bad)
    left = (_minus(slot, *gone.get(slot.number, (0, 0))) for slot in whole.slots)
    return msgspec.structs.replace(whole, slots=tuple(slot for slot in left if slot.good or slot.bad))


def _minus(slot: Slot, good: int, bad: int) -> Slot:
    return Slot(slot.number, max(0, slot.good - good), max(0, slot.bad - bad))


def _busiest(countries: Mapping[str, Cell]) -> dict[str, Cell]:
    """Keep the countries that have something to say, and of too many the busiest."""
    told = {country: cell for country, cell in countries.items() if cell.slots or cell.state is not State.CLOSED}
    if len(told) <= MOST_COUNTRIES:
        return told
    ranked = sorted(told, key=lambda country: (told[country].state is State.CLOSED, -told[country].sample))
    return {country: told[country] for country in ranked[:MOST_COUNTRIES]}
