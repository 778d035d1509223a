"""Which disturbances there are, and what one of them leaves behind."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from tests.invariants import Books, Call, Event, Row, Violation, check

ACTIONS = ("kill", "raise", "sleep")
GROUNDS = ("production", "embedded")
PROVIDER_TIMEOUT_SECONDS = 3
LEASE_SECONDS = PROVIDER_TIMEOUT_SECONDS + 10
"""The shortest that a worker starts with."""
IDEMPOTENCY_LEASE_SECONDS = 2
_PAST_A_LEASE = LEASE_SECONDS + 2


class Scenario(NamedTuple):
    """One disturbance: what happens where. `variant` names what else is different."""

    point: str
    action: str
    ground: str
    variant: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, self))

    @property
    def is_at_gateway(self) -> bool:
        """Whether the gateway is the one that breaks."""
        return self.point.startswith("G")

    @property
    def seconds(self) -> float:
        """How long a process sleeps: longer than anybody waits for it."""
        if self.is_at_gateway:
            return IDEMPOTENCY_LEASE_SECONDS + 1.5
        # Nobody waits for a lease of a webhook call, but its provider for the answer.
        return 3 if self.point in ("D1", "D2") else _PAST_A_LEASE

    @property
    def failpoint(self) -> str:
        """SMSGW_FAILPOINT."""
        actions = {"kill": "kill", "raise": "raise:RuntimeError,once", "sleep": f"sleep:{self.seconds},once"}
        return f"{self.point}={actions[self.action]}"


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario left behind, when all was quiet again."""

    scenario: Scenario
    books: Books
    violations: Sequence[Violation]
    reached: Sequence[datetime]
    """When the point was reached."""
    code: int | None
    """How the process ended at the point; None when it lived on."""
    was_frozen: bool
    """Whether it did not answer while it slept."""
    first: Call | None = None
    """The call that met the point, in a gateway."""
    retries: Sequence[Call] = ()
    """What its caller sent under the same key until there was a 202, and once more."""
    message: str = ""
    """The tracking id of the message that met the point, in a worker."""
    lines: Sequence[str] = ()
    """The message of each log line of the process that broke, and of those beside it."""
    answered: int | None = None
    """What the report that met the point was answered; None for no answer."""

    def assert_survived(self) -> None:
        """Fails when the point was never reached, or when any promise is broken."""
        scenario = self.scenario
        assert len(self.reached) == 1, f"{scenario.point} was reached {len(self.reached)} times"
        assert (self.code == -9) == (scenario.action == "kill"), f"it ended with {self.code}"
        assert self.was_frozen == (scenario.action == "sleep"), f"frozen: {self.was_frozen}"
        assert not self.violations, "\n".join(map(str, self.violations))

    def row(self) -> Row:
        """Return the only row of the message."""
        (row,) = [each for each in self.books.rows or () if each.tracking_id == self.message]
        return row

    def outcomes(self) -> list[str | None]:
        """Return the outcomes of the message's attempts, in order."""
        found = [each for each in self.books.attempts if each.tracking_id == self.message]
        return [each.outcome for each in sorted(found, key=lambda each: each.number)]

    def events(self) -> list[Event]:
        """Return the message's trail, oldest first."""
        found = [each for each in self.books.events if each.tracking_id == self.message]
        return sorted(found, key=lambda each: each.number)

    def event_types(self) -> list[str]:
        """Return the types of the message's trail, oldest first."""
        return [each.event_type for each in self.events()]

    def accepts(self, tracking_id: str | None = None) -> int:
        """Return how often the provider took a message: the one that met the point, or another."""
        wanted = tracking_id or self.message
        return sum(each.reference == wanted for each in self.books.accepts or ())

    def used(self, client_key: str) -> int:
        """Return what the quota of a client, by the first word of its id, has counted on all days."""
        return sum(each.used for each in self.books.quotas or () if each.client_key.startswith(f"{client_key}-"))

    @property
    def copies(self) -> int:
        """How many copies of a message the workers dropped."""
        return list(self.lines).count("message.copy_dropped")


def violations(books: Books, scenario: Scenario) -> list[Violation]:
    """Return every promise broken; an injected bug may be answered with 500, once."""
    found = check(books)
    honest_bug = [each for each in found if each.invariant == "I12" and each.seen.startswith("answered 500")]
    if scenario.action == "raise" and len(honest_bug) == 1:
        found.remove(honest_bug[0])
    return found
