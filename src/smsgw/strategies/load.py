"""The messages of a profile, in the order in which they come. A seed makes the same ones for every strategy."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from random import Random
from typing import Generic, NamedTuple, TypeVar

from smsgw.core.text import segments
from smsgw.strategies.profile import Phase, Profile, Text

T = TypeVar("T")


class Coming(NamedTuple):
    """A message that is about to come."""

    seconds: float
    providers: tuple[str, ...]
    ttl_seconds: int | None
    country: str
    segments: int


class Parts(Generic[T]):
    """Things by the parts of a whole that they make up."""

    def __init__(self, parts: Iterable[tuple[T, float]]) -> None:
        things, sizes = zip(*parts, strict=True)
        self._things: tuple[T, ...] = things
        self._ends = list(accumulate(sizes))

    def at(self, throw: float) -> T:
        """Return the thing at this place of the whole, from 0 up to 1."""
        place = bisect_right(self._ends, throw * self._ends[-1])
        return self._things[min(place, len(self._things) - 1)]


def coming(profile: Profile, seed: int) -> Iterator[Coming]:
    """Yield every message of the profile."""
    dice = Random(f"{seed}:load")  # noqa: S311  (no secret: the same seed shall give the same messages)
    streams = Parts((each, each.share) for each in profile.traffic)
    countries = Parts(profile.countries.items())
    sizes = Parts((_segments(each), each.share) for each in profile.texts)
    began = 0.0
    for phase in profile.phases:
        moments = _moments(phase, dice if profile.arrivals == "random" else None)
        for seconds in moments:
            stream = streams.at(dice.random())
            country, size = countries.at(dice.random()), sizes.at(dice.random())
            yield Coming(began + seconds, stream.providers, stream.ttl_seconds, country, size)
        began += phase.seconds


def _moments(phase: Phase, dice: Random | None) -> Iterator[float]:
    """Yield the moments of a phase's messages in order: evenly, or as if each were drawn anywhere in it, without
    drawing all of them first."""
    left, seconds = phase.count, 0.0
    while left:
        if dice is None:
            yield (phase.count - left) * phase.seconds / phase.count
        else:
            # The least of `left` draws out of what is left of the phase.
            seconds += (phase.seconds - seconds) * (1 - (1 - dice.random()) ** (1 / left))
            yield seconds
        left -= 1


def _segments(text: Text) -> int:
    return segments(("ж" if text.is_unicode else "x") * text.characters)
