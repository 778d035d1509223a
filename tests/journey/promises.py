"""After a disturbance: wait until the product is quiet, then ask the checker of the invariants."""

from collections.abc import Sequence

from tests.invariants import Call, Violation, check, read_books
from tests.journey.process import until
from tests.journey.product import Product


def kept(product: Product, calls: Sequence[Call], *, seconds: float = 40, **known: object) -> bool:
    """Whether no promise to these calls is broken, once all has come to its end; fails with what is.

    Others may have used the product, too: what was not asked for in these calls is not judged.
    """
    broken: list[Violation] = []

    def is_kept() -> bool:
        broken[:] = violations(product, calls, **known)
        return not broken

    return until(is_kept, seconds=seconds, what=lambda: "promises kept:\n" + "\n".join(map(str, broken)))


def violations(product: Product, calls: Sequence[Call], **known: object) -> list[Violation]:
    """Return what is broken at this moment."""
    return check(read_books(product, calls, **{"are_calls_complete": False, **known}))
