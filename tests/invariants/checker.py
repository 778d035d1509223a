"""Evaluates the invariants. Pure: the same books give the same violations."""

from collections.abc import Callable, Iterator

from tests.invariants.callers import bounded_quota, honest_errors, no_secrets, one_body_per_key, one_id_per_key
from tests.invariants.ledgers import Books, Violation
from tests.invariants.messages import bounded_duplicates, liveness, no_loss, no_phantom, within_ttl
from tests.invariants.stories import confluence, legal_transitions

Invariant = Callable[[Books], Iterator[tuple[str | None, str]]]

INVARIANTS: dict[str, Invariant] = {
    "I1": no_loss,
    "I2": no_phantom,
    "I3": bounded_duplicates,
    "I4": one_id_per_key,
    "I5": one_body_per_key,
    "I6": bounded_quota,
    "I7": legal_transitions,
    "I8": confluence,
    "I10": within_ttl,
    "I11": liveness,
    "I12": honest_errors,
    "I13": no_secrets,
}
"""By the number of docs/reliability.md; each yields (tracking_id, what was seen)."""


def check(books: Books) -> list[Violation]:
    """Return every violation that the ledgers given can prove; empty when they prove none."""
    return [Violation(name, *found) for name, invariant in INVARIANTS.items() for found in invariant(books)]
