"""What breaks, when, for how long: a pure function of the seed."""

import random
from collections.abc import Mapping, Sequence

import msgspec

FIRST = 1.0
PAUSE = 3.0
"""Mean seconds from the beginning of one fault to the next one's; they overlap."""
REST = 5.0
"""What is broken rests so long before it is broken again: a process needs time to come back."""
LEAST = 0.3


class Fault(msgspec.Struct, frozen=True):
    """One disturbance of one component; `at` counts from the beginning of the load."""

    at: float
    seconds: float
    component: str
    kind: str


Lengths = tuple[float, float]

_ROLE: dict[str, Lengths] = {"kill": (0.5, 3), "freeze": (1, 4), "stop": (0.5, 2)}
_PROVIDER: dict[str, Lengths] = {"kill": (0.5, 4), "freeze": (1, 5)}
_LINK: dict[str, Lengths] = {
    "partition": (1, 5),
    "cut": (LEAST, LEAST),
    "half open": (LEAST, LEAST),
    "delay": (1, 5),
}

MENU: Mapping[str, Mapping[str, Lengths]] = {
    "gateway 1": _ROLE,
    "gateway 2": _ROLE,
    # Longer than the lease (11 s): the worker wakes up to work that another one has taken over.
    "worker 1": {**_ROLE, "freeze": (1, 14)},
    "worker 2": {**_ROLE, "freeze": (1, 14)},
    "Provider-A": _PROVIDER,
    "Provider-B": _PROVIDER,
    "redis": {"freeze": (0.5, 4), "restart": (0.5, 2), "kill": (0.5, 2)},
    "rabbitmq": {"freeze": (1, 6), "kill": (0.5, 1), "alarm": (2, 6)},
    "postgres": {"immediate stop": (0.5, 4), "freeze": (1, 5)},
    "gateways - redis": _LINK,
    "gateways - rabbitmq": _LINK,
    "workers - rabbitmq": _LINK,
    "workers - postgres": _LINK,
    "workers - Provider-A": _LINK,
    "workers - Provider-B": _LINK,
}
"""What can be done to whom, and for how many seconds at least and at most."""
Card = tuple[str, str]
FOREMOST: tuple[Card, ...] = (
    ("gateway 1", "kill"),
    ("worker 1", "kill"),
    ("worker 2", "freeze"),
    ("Provider-A", "kill"),
    ("redis", "freeze"),
    ("rabbitmq", "kill"),
    ("rabbitmq", "alarm"),
    ("postgres", "immediate stop"),
    ("gateways - rabbitmq", "partition"),
    ("workers - postgres", "partition"),
)
"""A minute has all of these, and as many others as it has room for."""
OTHERS = 6


def schedule(seed: int, seconds: float) -> tuple[Fault, ...]:
    """Return the faults of a run in order of time. The foremost cards come first, among some others; then every card of
    the menu once before any comes again. A component has one fault at a time, and all are over when the load ends."""
    dice = random.Random(f"chaos {seed}")
    cards = [(component, kind) for component, kinds in MENU.items() for kind in kinds]
    others = [card for card in cards if card not in FOREMOST]
    deck = _shuffled([*FOREMOST, *dice.sample(others, OTHERS)], dice)
    free_at = dict.fromkeys(MENU, 0.0)
    faults: list[Fault] = []
    at = FIRST
    while at < seconds - LEAST:
        deck = deck or _shuffled(cards, dice)
        card = next((each for each in deck if free_at[each[0]] <= at), None)
        if card is not None:
            deck.remove(card)
            fault = _fault(card, at, seconds, dice)
            free_at[fault.component] = at + fault.seconds + REST
            faults.append(fault)
        at += dice.uniform(0.3, 2 * PAUSE - 0.3)
    return tuple(faults)


def _fault(card: Card, at: float, end: float, dice: random.Random) -> Fault:
    component, kind = card
    length = min(dice.uniform(*MENU[component][kind]), end - at)
    return Fault(round(at, 3), round(length, 3), component, kind)


def _shuffled(cards: Sequence[Card], dice: random.Random) -> list[Card]:
    return dice.sample(cards, len(cards))
