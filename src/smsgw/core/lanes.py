"""Lanes: where messages wait whose providers are all at their limit, or behind an open circuit.

They wait in the database, not in a worker's slots, so no provider's backlog holds up another provider's messages. A
lane is named after the providers that its messages may go through; a worker takes out of it what it has tokens for.
"""

from collections.abc import Sequence

import msgspec

ANY = "*"
"""Smart selection: every usable provider will do."""
MOST_CHARACTERS = 1100
"""Sixteen names of 64 characters, which is the most that a caller may ask for, fit; an index has to hold it."""
_JOINT = ","
_COUNTRY = "@"
"""Neither stands in a provider's name."""


class Lane(msgspec.Struct, frozen=True):
    """A lane's name, read. No providers: any of them."""

    providers: tuple[str, ...]
    country: str = ""
    """The one country of its messages, where they wait for a circuit that may be this country's alone."""


def lane_of(wanted: Sequence[str], refused: Sequence[str], candidates: Sequence[str], *, country: str = "") -> str:
    """Return the lane of a message: `wanted` as its caller chose (empty: smart selection), `candidates` who is left.
    Who waits for a circuit says its country, or it would hold up the messages to other countries."""
    names = ANY if not wanted and not refused else _JOINT.join(sorted(candidates))
    if len(names) > MOST_CHARACTERS:
        # So many can only be those of smart selection that have not refused; each message still knows its own.
        names = ANY
    return f"{names}{_COUNTRY}{country}" if country else names


def read_lane(name: str) -> Lane:
    """Return what a lane's name says."""
    names, _, country = name.partition(_COUNTRY)
    return Lane(() if names == ANY else tuple(names.split(_JOINT)), country)
