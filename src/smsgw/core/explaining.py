"""Why this provider was asked and the others were not, in sentences: from the story, and from the configuration of now
where the story is silent. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from smsgw.core.choice import ChosenBy
from smsgw.core.message import Attempt, Event, EventType
from smsgw.core.providers import Providers
from smsgw.core.records import Story
from smsgw.core.wording import outcome_words, over_words

_SMART = frozenset({ChosenBy.PRIORITY, ChosenBy.ROUND_ROBIN, ChosenBy.WEIGHTED})
_NOW = "as configured now"


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """About one attempt."""

    attempt: int
    provider: str
    chosen: str
    """Why this one."""
    others: tuple[str, ...] = ()
    """Why not the others; one sentence for each or for several."""


def explain(story: Story, providers: Providers, *, default_priority: int) -> tuple[Explanation, ...]:
    """Return an explanation of each attempt that the story tells of, oldest first."""
    begun = [event for event in story.events if event.event_type is EventType.PROCESSING and event.provider]
    return tuple(_Case(story, providers, default_priority, event).explanation() for event in begun)


class _Case:
    """One attempt, and all that is known about the others then."""

    def __init__(self, story: Story, providers: Providers, default_priority: int, event: Event) -> None:
        self.provider = event.provider or ""
        self.details = event.details
        self.number = int(event.details.get("attempt", 0))
        self.wanted = story.message.providers
        self._providers = providers
        self._default_priority = default_priority
        self.before = _newest([each for each in story.attempts if each.number < self.number])
        over = event.details.get("over")
        self.over: dict[str, Any] = over if isinstance(over, dict) else {}

    def explanation(self) -> Explanation:
        by = self.details.get("choice")
        others = [*self._asked_before(), *self._passed_over(), *self._behind(by)]
        return Explanation(attempt=self.number, provider=self.provider, chosen=self._chosen(by), others=tuple(others))

    def _chosen(self, by: str | None) -> str:
        name = self.provider
        match by:
            case ChosenBy.EXCLUSIVE:
                return f"The client asked for {name} and nobody else."
            case ChosenBy.ORDER:
                wanted = _listed(self.wanted or (name,))
                return f"The client asked for {wanted}, in this order; {name} was the first who could be asked."
            case ChosenBy.PRIORITY:
                return f"{name} was the first by priority who could be asked{self._rank(name)}."
            case ChosenBy.ROUND_ROBIN:
                return f"It was the turn of {name}: providers are asked one after the other."
            case ChosenBy.WEIGHTED:
                return f"It was the turn of {name}{self._weight(name)}."
            case ChosenBy.PREFER:
                return self._preferred()
            case ChosenBy.DIRECT:
                return f"An operator tested {name}: nobody else was to be asked."
        return "The story does not say why: an older release wrote it."

    def _preferred(self) -> str:
        if self.details.get("duplicate_risk"):
            return (
                f"{self.provider} was asked before and may have it: it may know our reference, and another one would "
                "surely send it a second time."
            )
        return f"{self.provider} was the one to wait for or to ask again: it comes before all others."

    def _asked_before(self) -> list[str]:
        return [
            f"{each.provider} was asked before, in attempt {each.number}, and {outcome_words(each.outcome)}."
            for each in self.before
            if each.provider != self.provider
        ]

    def _passed_over(self) -> list[str]:
        told = [f"{name} was not asked: {over_words(str(why))}." for name, why in self.over.items()]
        more = self.details.get("more")
        return [*told, f"{more} more were passed over."] if more else told

    def _behind(self, by: str | None) -> list[str]:
        """Those of whom the story says nothing, because nothing was wrong with them."""
        named = {self.provider, *self.over, *(each.provider for each in self.before)}
        if by == ChosenBy.ORDER:
            later = [name for name in self.wanted if name not in named]
            return [f"{_listed(later)} {_come(later)} later in the client's order."] if later else []
        if by not in _SMART or self.details.get("more"):
            return []
        rest = [name for name in self._providers if name not in named]
        waiting = [name for name in rest if self._providers[name].is_usable]
        idle = [name for name in rest if not self._providers[name].is_usable]
        return [*self._later(by, waiting), *([f"Not in use, {_NOW}: {_listed(idle)}."] if idle else [])]

    def _later(self, by: str | None, names: Sequence[str]) -> list[str]:
        if not names:
            return []
        if by != ChosenBy.PRIORITY:
            return [f"It was not the turn of {_listed(names)}."]
        ranked = sorted(names, key=self._priority)
        told = [f"{name} ({self._priority(name)})" for name in ranked]
        return [f"{_listed(told)} {_come(told)} later by priority, {_NOW}."]

    def _priority(self, name: str) -> int:
        priority = self._providers[name].priority
        return self._default_priority if priority is None else priority

    def _rank(self, name: str) -> str:
        return f" ({self._priority(name)}, {_NOW})" if name in set(self._providers) else ""

    def _weight(self, name: str) -> str:
        usable = self._providers.usable()
        total = sum(self._providers[each].weight for each in usable)
        if name not in usable or not total:
            return " by weight"
        return f", which gets {self._providers[name].weight} of {total} messages by weight, {_NOW}"


def _newest(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return each provider's newest attempt, in the order of the attempts."""
    newest = {each.provider: each for each in sorted(attempts, key=lambda each: each.number)}
    return sorted(newest.values(), key=lambda each: each.number)


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _come(names: Sequence[str]) -> str:
    return "come" if len(names) > 1 else "comes"
