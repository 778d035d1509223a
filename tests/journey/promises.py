"""After a disturbance: wait until the product is quiet, then ask the checker of the invariants."""

from itertools import chain

from tests.invariants import Call, Caller, Violation, check, read_books
from tests.journey.process import until
from tests.journey.product import Product


def kept(product: Product, *callers: Caller, seconds: float = 40, **known: object) -> bool:
    """Whether no promise to these callers is broken, once all has come to its end; fails with what is.

    Others may have used the product, too: what these callers did not ask for is not judged.
    """
    calls = list(chain.from_iterable(caller.calls for caller in callers))
    broken: list[Violation] = []

    def is_kept() -> bool:
        broken[:] = violations(product, calls, **known)
        return not broken

    return until(is_kept, seconds=seconds, what=lambda: "promises kept:\n" + "\n".join(map(str, broken)))


def violations(product: Product, calls: list[Call], **known: object) -> list[Violation]:
    """Return what is broken at this moment."""
    return check(read_books(product, calls, **{"are_calls_complete": False, **known}))
