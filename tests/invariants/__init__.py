"""The invariants of docs/reliability.md as a check that any suite can run over the evidence of its own disturbance.

    caller = Caller(product.clients, gateway)    # calling.py: remembers every request and its answer (L)
    caller.send(text=...); caller.insist("key-1", text=...)
    ... break something, heal it, wait until it is quiet ...
    books = read_books(product, caller.calls)    # reading.py: providers (P), database (M), quotas (Q), queues (B)
    assert check(books) == []                    # checker.py: pure

Without a Caller: `read_books(product)`, or `read_books(directory)` for the data directory of a `smsgw dev`.

`check` evaluates I1 to I8 and I10 to I13. Every ledger of `Books` may be None, which means "not looked at": then what
needs it is not claimed. I9 waits for customer callbacks; I14 (leaks) is a measurement, not a ledger. A Violation prints
as one line with the invariant, the tracking_id and what was seen.
"""

from tests.invariants.calling import Caller
from tests.invariants.checker import check
from tests.invariants.ledgers import Accept, Attempt, Books, Call, Event, Row, Violation
from tests.invariants.reading import read_books

__all__ = ["Accept", "Attempt", "Books", "Call", "Caller", "Event", "Row", "Violation", "check", "read_books"]
