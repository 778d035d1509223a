"""Facts about the overlay: which changes of the console a process runs with."""

from smsgw.core.client_book import Ignored
from smsgw.core.fact import Fact


class OverlayApplied(Fact, frozen=True, kw_only=True):
    """A role runs with this version of the console's changes from now on; `ignored` no longer fit the configuration."""

    version: int
    changes: int
    ignored: tuple[Ignored, ...] = ()


class OverlayAway(Fact, frozen=True, kw_only=True):
    """The console's changes cannot be read; those that are known stay in force."""

    detail: str


class OverlayBack(Fact, frozen=True, kw_only=True):
    """They can be read again."""
