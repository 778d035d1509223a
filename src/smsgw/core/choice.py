"""Why a provider is asked: written into the story of a message when a round begins, in a few bytes."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import islice
from typing import Any

import msgspec

MOST_TOLD = 8
"""Of many who were passed over the first ones are named and the others counted: a story has to stay small."""


class ChosenBy(StrEnum):
    """By what rule a provider was chosen (`choice` in the story)."""

    EXCLUSIVE = "exclusive"
    """The caller named this one only."""
    ORDER = "order"
    """The caller named several: the first of them that could be asked."""
    PRIORITY = "priority"
    ROUND_ROBIN = "round_robin"
    WEIGHTED = "weighted"
    PREFER = "prefer"
    """It was asked before, and may know the message."""
    DIRECT = "direct"
    """An operator tests it."""


class PassedOver(StrEnum):
    """Why another one was not asked (`over` in the story)."""

    DISABLED = "disabled"
    DRAINING = "draining"
    CIRCUIT_OPEN = "circuit_open"
    AT_LIMIT = "at_limit"
    REFUSED_BEFORE = "refused_before"


class Choice(msgspec.Struct, frozen=True):
    """How a provider was chosen. `over`: those who came before it, or were left out, and why."""

    by: ChosenBy
    over: Mapping[str, PassedOver] = {}
    then: ChosenBy | None = None
    """By what the next one of the same round is chosen, where that is another rule."""

    def details(self) -> dict[str, Any]:
        """Return what the story says of it."""
        if not self.over:
            return {"choice": self.by}
        said = {"choice": self.by, "over": dict(islice(self.over.items(), MOST_TOLD))}
        return said if len(self.over) <= MOST_TOLD else {**said, "more": len(self.over) - MOST_TOLD}
