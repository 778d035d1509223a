"""The lanes in which messages wait, as this worker knows them; who comes later may not take what they wait for."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from smsgw.core.lanes import read_lane
from smsgw.core.routing import Router


class WaitingLanes:
    """Filled by whoever parks a message, looked up in the store once a second, served by the LaneSweeper."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._is_full: dict[str, bool] = {}
        self._noted: set[str] = set()
        self._held: frozenset[str] = frozenset()
        self._held_by_country: dict[str, frozenset[str]] = {}
        self.woken = asyncio.Event()

    @property
    def names(self) -> tuple[str, ...]:
        """Every lane in which messages wait, the one that was served last at the end: of several that wait for the same
        tokens none is always the first to ask."""
        return tuple(self._is_full)

    def held_for(self, country: str) -> frozenset[str]:
        """Return the providers that messages to this country wait for: one that has just come may not overtake them."""
        if not self._held_by_country:
            return self._held
        return self._held | self._held_by_country.get(country, frozenset())

    def is_backlog(self, lane: str) -> bool:
        """Whether the last claim found at least as many messages as it could take."""
        return self._is_full.get(lane, False)

    def note(self, lane: str | None) -> None:
        """Note that a message was put into a lane."""
        if lane is None:
            return
        self._noted.add(lane)
        if lane not in self._is_full:
            self._is_full[lane] = False
            self._hold()
            self.woken.set()

    def see(self, lanes: Iterable[str]) -> None:
        """Take what the store says, and what was noted while it was being asked."""
        found = dict.fromkeys((*lanes, *self._noted))
        known = [lane for lane in self._is_full if lane in found]
        self._is_full = {lane: self.is_backlog(lane) for lane in dict.fromkeys((*known, *found))}
        self._noted.clear()
        self._hold()

    def refresh(self) -> None:
        """Read the lanes again with the providers that are configured now."""
        self._hold()

    def served(self, lane: str, *, found: int, wanted: int) -> None:
        """Note what a claim found; a lane that was empty is forgotten."""
        self._is_full.pop(lane, None)
        if found:
            self._is_full[lane] = found >= wanted
            return
        self._noted.discard(lane)
        self._hold()

    def _hold(self) -> None:
        held: defaultdict[str, set[str]] = defaultdict(set)
        for lane in map(read_lane, self._is_full):
            held[lane.country].update(self._router.usable_of(lane.providers))
        self._held = frozenset(held.pop("", ()))
        self._held_by_country = {country: frozenset(names) for country, names in held.items()}
